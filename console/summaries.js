// What the views of endpoints and errors show: as the server sums it up, or, of a server that does not, from its figures and
// its newest failed runs. Draws nothing.
import { ask, methodsAt } from "./api.js";
import { buckets, figure, parseMetrics, quantile } from "./metrics.js";

const has = async (path) => (await methodsAt(path)).includes("GET");
const get = (path, signal) => ask("GET", path, undefined, { signal });

// ---- Endpoints ----

const RUNS = "stepwell_run_duration_seconds", REQUESTS = "stepwell_http_request_duration_seconds";

// Of each endpoint that has had a request since the process began.
export function endpointsOfMetrics(all) {
  const counts = (endpoint, outcome) => figure(
    all.filter((m) => m.labels.endpoint === endpoint && m.labels.outcome === outcome), `${RUNS}_count`) ?? 0;
  const names = new Set(all.filter((m) => m.name === `${RUNS}_count`).map((m) => m.labels.endpoint));
  const plain = all.filter((m) => m.name === `${REQUESTS}_count` && !names.has(m.labels.endpoint)).map((m) => m.labels.endpoint);
  const row = (endpoint, kind, name) => {
    const bars = buckets(all.filter((m) => m.labels.endpoint === endpoint), name);
    const ms = (q) => { const seconds = quantile(q, bars); return seconds === null ? null : seconds * 1000; };
    return { endpoint, kind, p50Ms: ms(0.5), p95Ms: ms(0.95), p99Ms: ms(0.99) };
  };
  const durable = [...names].map((endpoint) => ({
    ...row(endpoint, "durable", RUNS), succeeded: counts(endpoint, "succeeded"), cancelled: counts(endpoint, "cancelled"),
    failed: counts(endpoint, "failed") + counts(endpoint, "rejected"),
  }));
  const others = [...new Set(plain)].filter((endpoint) => !/^none$|^other$|\/_sw\//.test(endpoint))
    .map((endpoint) => row(endpoint, "plain", REQUESTS));
  const sort = (rows) => rows.sort((a, b) => (a.endpoint < b.endpoint ? -1 : 1));
  return [...sort(durable), ...sort(others)];
}

// Which endpoints operators have stopped: {route: {by, at}}.
function stoppedOf(settings) {
  const out = {};
  for (const { name, value, by, at } of settings)
    if (name.startsWith("endpoint:") && value?.stopped) out[name.slice("endpoint:".length)] = { by, at };
  return out;
}

// {endpoints, since}: `since` is set where the numbers begin with the process.
export async function loadEndpoints(signal) {
  if (await has("_sw/endpoints")) return get("_sw/endpoints", signal);
  const [text, { settings }] = await Promise.all([get("_sw/metrics", signal),
    (await has("_sw/settings")) ? get("_sw/settings", signal) : { settings: [] }]);
  const all = parseMetrics(text), stopped = stoppedOf(settings), began = figure(all, "process_start_time_seconds");
  const endpoints = endpointsOfMetrics(all);
  for (const name of Object.keys(stopped)) // one that was stopped before it had a request
    if (!endpoints.some((of) => of.endpoint === name)) endpoints.push({ endpoint: name, kind: "durable" });
  return { endpoints: endpoints.map((of) => ({ ...of, stopped: stopped[of.endpoint] })), since: began && began * 1000 };
}

// ---- Errors ----

const PAGE = 500, PAGES = 4, MESSAGE = 80;
export const maskError = (text) => text.slice(0, MESSAGE).replace(/\d/g, "#");

export function groupErrors(runs) {
  const groups = new Map();
  for (const run of runs) {
    const error = maskError(run.error ?? ""), key = `${run.endpoint}\n${error}`, at = run.endedAt ?? run.startedAt;
    const group = groups.get(key) ?? { endpoint: run.endpoint, error, first: at, last: at, runs: 0, example: run.runId };
    groups.set(key, { ...group, first: Math.min(group.first, at), last: Math.max(group.last, at), runs: group.runs + 1 });
  }
  return [...groups.values()].sort((a, b) => b.last - a.last);
}

// {errors, among}: `among` is set where only so many newest failed runs were looked at.
export async function loadErrors(signal) {
  if (await has("_sw/errors")) return get("_sw/errors", signal);
  const runs = [];
  let next = null, pages = 0;
  do {
    const page = await get(`_sw/runs?state=failed&limit=${PAGE}${next ? `&before=${next}` : ""}`, signal);
    runs.push(...page.runs);
    next = page.next ?? null;
  } while (next && ++pages < PAGES);
  return { errors: groupErrors(runs), among: next ? runs.length : null };
}
