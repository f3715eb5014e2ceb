// The figures of GET /_sw/metrics (Prometheus's text): parsed, and kept for as long as the tab is open, so that there is
// something to draw. Owns the history.
const LINE = /^([a-zA-Z_:][\w:]*)(?:\{(.*)\})? (\S+)$/;
const LABEL = /(\w+)="((?:[^"\\]|\\.)*)"/g;

// [{name, labels, value}]
export function parseMetrics(text) {
  const out = [];
  for (const line of text.split("\n")) {
    const found = line.startsWith("#") ? null : LINE.exec(line);
    if (!found) continue;
    const labels = {};
    for (const [, name, value] of (found[2] ?? "").matchAll(LABEL))
      labels[name] = value.replace(/\\(.)/g, (_, c) => (c === "n" ? "\n" : c));
    out.push({ name: found[1], labels, value: Number(found[3]) });
  }
  return out;
}

export const figure = (all, name) => all.find((m) => m.name === name)?.value ?? null;

// The buckets of a histogram, summed over all of its series: [[upper bound, count up to it]].
export function buckets(all, name) {
  const sums = new Map();
  for (const m of all) {
    if (m.name !== `${name}_bucket`) continue;
    const bound = m.labels.le === "+Inf" ? Infinity : Number(m.labels.le);
    sums.set(bound, (sums.get(bound) ?? 0) + m.value);
  }
  return [...sums].sort((a, b) => a[0] - b[0]);
}

// The value below which a part q of what came between two readings of the buckets lies; null: nothing came.
export function quantile(q, now, before = []) {
  const old = new Map(before), came = now.map(([bound, n]) => [bound, n - (old.get(bound) ?? 0)]);
  const total = came.at(-1)?.[1] ?? 0;
  if (total <= 0) return null;
  const at = came.findIndex(([, n]) => n >= q * total), [bound, n] = came[at];
  const [low, below] = at > 0 ? came[at - 1] : [0, 0];
  if (bound === Infinity) return low;
  return low + (bound - low) * ((q * total - below) / (n - below));
}

// ---- The history ----

const KEPT = 900, GAUGES = ["stepwell_runs_in_memory", "stepwell_runs_unfinished", "stepwell_runs_stopped",
  "stepwell_journal_queue_bytes", "stepwell_journal_disk_bytes", "process_resident_memory_bytes"];
const COUNTERS = ["stepwell_runs_started_total", "stepwell_runs_succeeded_total", "stepwell_runs_failed_total",
  "stepwell_runs_cancelled_total", "stepwell_steps_done_total", "stepwell_attempts_failed_total", "stepwell_journal_commits_total",
  "stepwell_journal_segments_total", "stepwell_journal_bytes_total", "stepwell_requests_refused_total"];
const HISTOGRAMS = { commit: "stepwell_journal_commit_duration_seconds", turn: "stepwell_loop_turn_seconds",
  request: "stepwell_http_request_duration_seconds" };

export class History {
  constructor() {
    this.points = []; // {at (s), gauges by name, rates by name, and of each histogram p50, p99 (ms)}
    this.last = null;
  }

  add(text, atMs) {
    const all = parseMetrics(text), read = { at: atMs / 1000, all, buckets: {} };
    for (const [key, name] of Object.entries(HISTOGRAMS)) read.buckets[key] = buckets(all, name);
    const before = this.last, point = { at: read.at };
    this.last = read;
    for (const name of GAUGES) point[name] = figure(all, name);
    if (!before || read.at <= before.at) return;
    for (const name of COUNTERS) {
      const now = figure(all, name), was = figure(before.all, name);
      point[name] = now === null || was === null || now < was ? null : (now - was) / (read.at - before.at);
    }
    for (const key of Object.keys(HISTOGRAMS))
      for (const q of [0.5, 0.99]) {
        const seconds = quantile(q, read.buckets[key], before.buckets[key]);
        point[`${key}${q * 100}`] = seconds === null ? null : seconds * 1000;
      }
    this.points.push(point);
    if (this.points.length > KEPT) this.points.shift();
  }

  // [times, values of each name], as a chart takes them.
  series(names) {
    return [this.points.map((p) => p.at), ...names.map((name) => this.points.map((p) => p[name] ?? null))];
  }
}
