// What a run's page draws, made of what the server says of the run: its steps as a tree of branches and groups, each
// with bars in time. Pure: draws nothing, asks nobody.
import { stepLabel } from "./words.js";

const ROOT = "cbf29ce484222325"; // the path of the handler itself (docs/internals/journal.md, Paths)
const GROUP_MIN = 12;            // so many steps with ids that differ in their digits alone are folded into one row
const ROWS_OPEN = 400;           // a tree with more rows begins folded

// ---- Bars ----

// What a step did when: [{kind, from, to, attempt}], by time. Kinds: queue, done, failed, abandoned, backoff, sleep,
// wait, running.
export function barsOf(step, now) {
  const bars = [];
  const add = (kind, from, to, attempt) => { if (to > from || attempt) bars.push({ kind, from, to, attempt }); };
  if (step.sleep) {
    add("sleep", step.begunAt, step.due ?? step.endedAt ?? now);
    return bars;
  }
  if (step.signal || step.function) {
    add("wait", step.begunAt, step.endedAt ?? now);
    return bars;
  }
  let since = step.begunAt;
  for (const [i, attempt] of (step.attempts ?? []).entries()) {
    if (since != null) add("queue", since, attempt.at);
    const end = attempt.at + attempt.durationMs;
    add(attempt.abandoned ? "abandoned" : attempt.error === undefined ? "done" : "failed", attempt.at, end, attempt);
    since = end;
    if (attempt.retryAt) {
      const next = step.attempts[i + 1]?.at ?? step.now?.since ?? Infinity;
      since = Math.max(end, Math.min(attempt.retryAt, next));
      add("backoff", end, since);
    }
  }
  if (step.now) {
    if (since != null) add("queue", since, step.now.since);
    add("running", step.now.since, now, { attempt: step.now.attempt, at: step.now.since });
  } else if (step.state === "waiting" && since != null) {
    add("queue", since, now);
  }
  return bars;
}

// ---- The tree ----

const WORST = ["done", "timed out", "cut", "sleeping", "waiting", "retrying", "running", "failed"];
const worst = (nodes) => nodes.reduce(
  (state, node) => (WORST.indexOf(node.state) > WORST.indexOf(state) ? node.state : state), "done");
const mask = (id) => id.replace(/\d+/g, "#");

const push = (map, key, value) => {
  if (map.has(key)) map.get(key).push(value);
  else map.set(key, [value]);
};

function leaf(step, now) {
  const bars = barsOf(step, now), from = step.begunAt ?? bars[0]?.from ?? now;
  const to = Math.max(from, ...bars.map((bar) => Math.min(bar.to, Math.max(now, bar.from))));
  return {
    key: step.path, kind: "step", name: step.id, label: stepLabel(step), step, bars, from, to, state: step.state,
    children: [],
  };
}

function span(node) {
  const from = Math.min(...node.children.map((c) => c.from)), to = Math.max(...node.children.map((c) => c.to));
  return { ...node, from, to, state: worst(node.children), bars: [{ kind: "span", from, to }] };
}

// Puts members whose ids differ in digits alone under one row, where there are many of them.
function groupAlike(nodes, key) {
  const alike = new Map(), out = [];
  for (const node of nodes) push(alike, mask(node.name), node);
  for (const [label, members] of alike) {
    if (members.length < GROUP_MIN) out.push(...members);
    else out.push(span({
      key: `${key}/${label}`, kind: "group", label: `${label} × ${members.length}`, children: members,
    }));
  }
  return out.sort((a, b) => a.from - b.from);
}

export function treeOf(run, now) {
  const inside = new Map(), branches = new Map((run.branches ?? []).map((b) => [b.path, b]));
  for (const step of run.steps) push(inside, branches.has(step.branch) ? step.branch : ROOT, leaf(step, now));
  const held = new Map();
  for (const branch of branches.values()) push(held, branches.has(branch.parent) ? branch.parent : ROOT, branch);
  const build = (path, depth) => {
    const nodes = [...(inside.get(path) ?? [])];
    if (depth > 100) return nodes;
    for (const branch of held.get(path) ?? []) {
      const children = build(branch.path, depth + 1);
      if (children.length === 0) continue; // nothing of it is journaled yet
      const label = stepLabel(branch);
      nodes.push(span({ key: branch.path, kind: "branch", name: branch.id, label, branch, children }));
    }
    return groupAlike(nodes.sort((a, b) => a.from - b.from), path);
  };
  return build(ROOT, 0);
}

const size = (nodes) => nodes.reduce((n, node) => n + 1 + size(node.children), 0);

// The rows that are seen: of what is folded only its own. `toggled` has the keys whose folding somebody has changed.
export function rowsOf(tree, toggled) {
  const rows = [], isLarge = size(tree) > ROWS_OPEN;
  const walk = (nodes, level) => nodes.forEach((node, i) => {
    const byItself = node.kind === "group" || (isLarge && node.kind === "branch");
    const isFolded = node.children.length > 0 && byItself !== toggled.has(node.key);
    rows.push({ ...node, level, isFolded, place: i + 1, of: nodes.length });
    if (!isFolded) walk(node.children, level + 1);
  });
  walk(tree, 1);
  return rows;
}

// From the run's beginning to its end, or to now and a quarter more if something is due later.
export function rangeOf(run, tree, now) {
  const from = Math.min(run.startedAt, ...tree.map((node) => node.from));
  const dueOf = (step) => (step.state === "done" ? 0 : (step.due ?? step.attempts?.at(-1)?.retryAt ?? 0));
  const due = Math.max(0, ...run.steps.map(dueOf));
  const to = run.endedAt ?? Math.max(now, Math.min(due, now + (now - from) / 4));
  return { from, to: Math.max(to, ...tree.map((node) => node.to), from + 1) };
}

// The node of the key, folded away or not; null: there is none.
export function findNode(tree, key) {
  for (const node of tree) {
    const found = node.key === key ? node : findNode(node.children, key);
    if (found) return found;
  }
  return null;
}

// Round distances of an axis of so many marks at most.
export function ticksOf(from, to, most) {
  const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1e3, 2e3, 5e3, 1e4, 15e3, 3e4, 6e4, 12e4, 3e5, 6e5, 9e5, 18e5,
    36e5, 72e5, 144e5, 216e5, 432e5, 864e5, 1728e5, 6048e5, 2592e6, 7776e6, 31536e6];
  const step = steps.find((s) => (to - from) / s <= most) ?? (to - from) / most, ticks = [];
  for (let at = Math.ceil(from / step) * step; at <= to; at += step) ticks.push(at);
  return ticks;
}

// Whether the run is a bulk action of the server's own, of which the server makes no forks.
export const isBulk = (run) => run.endpoint === "POST /_sw/bulk";

// Whether the run is of a function, which has an input and no request.
export const isOfFunction = (run) => "input" in run || "inputLeftOut" in run;
