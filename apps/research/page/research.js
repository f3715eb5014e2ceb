// A research as its frames tell it: what has happened, and what follows from it. Knows nothing of the page. What an attempt
// has told counts at once and is dropped when the attempt is rolled back.

export const emptyResearch = () => ({
  begun: null, levels: [], steps: new Map(), numbered: new Map(), nothing: new Map(), retries: 0, stopped: null, endedAt: null, end: null,
});

function stepOf(r, hash) {
  if (!r.steps.has(hash)) r.steps.set(hash, { id: hash, kind: "", title: "", attempt: 1, state: "running", failures: [], told: [], text: "" });
  return r.steps.get(hash);
}

// Chunks of a step.
function tell(r, step, chunk) {
  if (chunk.type === "step") {
    // What a service had refused, and is made once more.
    for (const [hash, other] of r.steps) if (other !== step && other.id === chunk.step && other.state === "dead") r.steps.delete(hash);
    const { step: id, kind, title, id: query, attempt } = chunk;
    Object.assign(step, { id, kind, title, query, attempt: attempt ?? 1, state: "running" });
  } else if (chunk.type === "token") {
    step.text += chunk.text;
  } else {
    step.told.push(chunk);
  }
}

// Chunks of the research itself.
function tellAll(r, chunk) {
  if (chunk.type === "begun") r.begun = chunk;
  else if (chunk.type === "level") r.levels.push(chunk);
  else if (chunk.type === "ended") r.endedAt = chunk.endedAt;
  else if (chunk.type === "nothing") r.nothing.set(chunk.id, chunk.why);
  else if (chunk.type === "numbered") for (const s of chunk.sources) r.numbered.set(s.url, s);
}

function rollback(r, step, { attempt, error, nextAt }) {
  step.told = [];
  step.text = "";
  if (nextAt !== null) r.retries++;
  if (attempt === undefined) return void (step.state = "cut");
  step.failures.push({ attempt, error: String(error), nextAt });
  step.state = nextAt === null ? "dead" : "waiting";
}

function respond(r, { status, response }) {
  const body = typeof response.body === "string" ? readJson(response.body) : response.body;
  const succeeded = status === "succeeded" && response.statusCode === 200;
  r.end = { state: succeeded ? "done" : response.statusCode === 410 || body?.status === 410 ? "cancelled" : "failed", body: body ?? {} };
}

const readJson = (text) => {
  try { return JSON.parse(text); } catch { return { detail: text }; }
};

export function apply(r, event, data) {
  if (event === "stepwell.stopped") return void (r.stopped = data);
  r.stopped = null; // whatever else is told: it goes on
  if (event === "inngest.stream") {
    if (data.hashedStepId) tell(r, stepOf(r, data.hashedStepId), data.data);
    else tellAll(r, data.data);
  } else if (event === "inngest.commit" && r.steps.has(data.hashedStepId)) {
    r.steps.get(data.hashedStepId).state = "done";
  } else if (event === "inngest.rollback" && r.steps.has(data.hashedStepId)) {
    rollback(r, r.steps.get(data.hashedStepId), data);
  } else if (event === "inngest.response") {
    respond(r, data);
  }
}

// "connecting", "running", "writing", "stopped", "done", "failed", "cancelled"
export function stateOf(r) {
  if (r.end) return r.end.state;
  if (r.stopped) return "stopped";
  if (!r.begun) return "connecting";
  return [...r.steps.values()].some((s) => s.kind === "report" && s.text) ? "writing" : "running";
}

const chunks = (r, type) => [...r.steps.values()].flatMap((s) => s.told.filter((t) => t.type === type));

// All sources once each, numbered ones first: [{ n?, title, url }].
export function sourcesOf(r) {
  const all = new Map(r.numbered);
  for (const s of [...chunks(r, "writing").flatMap((w) => w.sources), ...(r.end?.body.sources ?? [])]) all.set(s.url, s);
  for (const found of chunks(r, "sources"))
    for (const { title, url } of found.sources) if (!all.has(url)) all.set(url, { title, url });
  return [...all.values()].sort((a, b) => (a.n ?? Infinity) - (b.n ?? Infinity) || 0);
}

// The levels, newest first, each query with what it found and learned; learnings' sources as { n?, title, url }.
export function levelsOf(r) {
  const numbered = new Map(sourcesOf(r).map((s) => [s.url, s]));
  const found = new Map(chunks(r, "sources").map((f) => [f.id, f.sources]));
  const learned = new Map(chunks(r, "learnings").map((l) => [l.id, l]));
  const look = (id, n) => numbered.get(found.get(id)?.find((s) => s.n === n)?.url);
  return r.levels.map(({ depth, of, queries }) => ({
    depth, of,
    queries: queries.map((q) => ({
      ...q, found: found.get(q.id) ?? [], nothing: r.nothing.get(q.id) ?? null,
      learned: (learned.get(q.id)?.learnings ?? []).map((l) => ({ ...l, sources: l.sources.map((n) => look(q.id, n)).filter(Boolean) })),
      doubts: learned.get(q.id)?.doubts ?? [],
    })),
  })).reverse();
}

export const reportOf = (r) => r.end?.body.report ?? [...r.steps.values()].find((s) => s.kind === "report")?.text ?? "";

// What it has used so far; `partly`: a part of it has no price.
export function usageOf(r) {
  const all = chunks(r, "usage");
  const sum = (name) => all.reduce((n, u) => n + (u[name] ?? 0), 0);
  const priced = all.filter((u) => u.costDollars !== null && u.costDollars !== undefined);
  const unpriced = all.filter((u) => !priced.includes(u));
  return {
    tokens: sum("inputTokens") + sum("outputTokens"), dollars: priced.length ? sum("costDollars") : null,
    partly: unpriced.length > 0, onlySearches: unpriced.every((u) => !u.searches) && priced.every((u) => !u.modelCalls),
  };
}

export const learningCount = (r) => chunks(r, "learnings").reduce((n, l) => n + l.learnings.length, 0);

// 0 to 100; 100 only when the report is there.
export function percentOf(r) {
  if (r.end?.state === "done") return 100;
  const level = r.levels.at(-1);
  if (!level) return r.begun ? 2 : 0;
  const done = [...r.steps.values()].filter((s) => s.state === "done" && s.query?.startsWith(`${level.depth}.`)).length;
  const within = Math.min(1, (done + level.queries.filter((q) => r.nothing.has(q.id)).length) / (2 * level.queries.length));
  const report = [...r.steps.values()].find((s) => s.kind === "report");
  return report ? (report.text ? 95 : 90) : Math.round(2 + (86 * (level.depth - 1 + within)) / level.of);
}
