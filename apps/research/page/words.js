// What the page says: a research's state in words for people.
import { stateOf } from "./research.js";

const plural = (n, one, many) => (n === 1 ? one : many.replace("#", n));
const sentence = (text) => text[0].toUpperCase() + text.slice(1);
const service = (kind) => (kind === "search" ? "the search service" : "the model");

// Why an attempt failed: "the model is overloaded".
export function reason(kind, error) {
  const status = Number(/answered (\d{3})/.exec(error)?.[1]);
  if (status === 429) return `${service(kind)} gets too many requests`;
  if (status === 529 || status === 503) return `${service(kind)} is overloaded`;
  if (status === 401 || status === 403) return `${service(kind)} does not accept the key`;
  if (status === 402) return `${service(kind)} wants to be paid`;
  if (status === 404) return `${service(kind)} does not know what it is asked for`;
  if (status >= 400 && status < 500) return `${service(kind)} refuses the request (${status})`;
  if (status >= 500) return `${service(kind)} has an error (${status})`;
  if (/timed out|timeout|silent/i.test(error)) return `${service(kind)} does not answer`;
  if (/connect|resolve|reset|refused|broke|closed/i.test(error) && !/the model refused/.test(error)) return `${service(kind)} cannot be reached`;
  return error.slice(0, 300);
}

// Whether only a person can mend it, at the server.
const isRefusal = (error) => /answered 4(?!08|09|25|29)\d\d/.test(error);

export function duration(ms) {
  const s = Math.max(0, Math.round(ms / 1000)), two = (n) => String(n).padStart(2, "0");
  return s < 3600 ? `${Math.floor(s / 60)}:${two(s % 60)}` : `${Math.floor(s / 3600)}:${two(Math.floor(s / 60) % 60)}:${two(s % 60)}`;
}

export const shortly = (ms) => (ms <= 1000 ? "at once" : ms < 90000 ? `in ${Math.ceil(ms / 1000)} s` : `in ${Math.round(ms / 60000)} min`);
export const dollars = (n) => `$${n < 1 ? n.toFixed(3) : n.toFixed(2)}`;
export const count = (n) => n.toLocaleString("en");

const doing = {
  clarify: () => "questions are being thought up",
  queries: () => "queries are being chosen",
  search: (n) => plural(n, "1 search runs", "# searches run"),
  learn: (n) => plural(n, "the sources of 1 query are being read", "the sources of # queries are being read"),
  report: () => "the report is being written",
  "": () => "a step runs",
};

// What is going on: "3 searches run; the model is overloaded: next try in 12 s". `now` is the server's time.
export function goingOn(r, now) {
  const running = new Map(), waits = new Map();
  for (const s of r.steps.values()) {
    if (s.state === "running" || s.state === "cut") running.set(s.kind, (running.get(s.kind) ?? 0) + 1);
    if (s.state !== "waiting") continue;
    const { error, nextAt } = s.failures.at(-1), why = reason(s.kind, error);
    waits.set(why, Math.min(nextAt, waits.get(why) ?? Infinity));
  }
  const parts = [...running].map(([kind, n]) => (doing[kind] ?? doing[""])(n));
  for (const [why, next] of waits) parts.push(`${why}: next try ${shortly(next - now)}`);
  return parts.length ? sentence(parts.join("; ")) : r.begun ? "The next step is being prepared" : "Connecting";
}

const labels = { connecting: "Connecting", running: "Researching", writing: "Writing the report", stopped: "Paused", done: "Done", failed: "Failed", cancelled: "Stopped" };
export const label = (r) => labels[stateOf(r)];

// A step by the id that the server names it by.
const stepBy = (r, id) => [...r.steps.values()].find((s) => s.id === id);

export function stepTitle({ kind, title }) {
  if (kind === "search") return `Search: ${title}`;
  if (kind === "learn") return `Read: ${title}`;
  return title || "A step";
}

// Why it stopped, and what may be done about it.
function pause(r) {
  const dead = [...r.steps.values()].filter((s) => s.state === "dead"), [first] = dead;
  if (r.stopped.reason && r.stopped.reason !== "exhausted") return { why: `${sentence(r.stopped.detail || "it does not go on by itself")}. It can be let go on where the server runs. Nothing that was done is lost.` };
  if (!first) return { why: `${sentence(r.stopped.detail || "it does not go on by itself")}. Nothing that was done is lost.` };
  const { attempt, error } = first.failures.at(-1);
  const tried = attempt > 1 ? `, also after ${attempt} attempts` : "";
  const then = isRefusal(error) ? "This has to be mended where the server runs; it may be started again for that." : "It can go on when that is over.";
  return {
    step: stepTitle(first) + (dead.length > 1 ? ` – and ${plural(dead.length - 1, "one more step", "# more steps")}` : ""),
    why: `${sentence(reason(first.kind, error))}${tried}. ${then} Nothing that was done is lost.`, said: error,
  };
}

// Why a research ended without a report, or does not go on: { step?, why, said?, attempts? }; `said`: in the words of the service.
export function trouble(r) {
  const state = stateOf(r), { body } = r.end ?? {};
  if (state === "stopped") return pause(r);
  if (state === "cancelled") return { why: "The research was stopped before it was finished. What it had found is below." };
  if (state !== "failed") return null;
  const step = body.step && stepBy(r, body.step), detail = body.error || body.detail || "the server could not do it";
  const why = step ? reason(step.kind, detail) : detail;
  return { why: `${sentence(why).replace(/[.!?]$/, "")}.`, said: why === detail ? null : detail, step: body.step && (step ? stepTitle(step) : "A step"), attempts: body.attempts };
}

const doingQuery = { search: { running: "searching", waiting: "the search waits", cut: "searching", dead: "not searched" }, learn: { running: "reading", waiting: "the reading waits", cut: "reading", dead: "not read" } };

// What is going on with a query, or "".
export function queryNote(r, id) {
  const step = [...r.steps.values()].filter((s) => s.query === id && s.state !== "done").at(-1);
  return step && !(r.end && step.state !== "dead") ? doingQuery[step.kind]?.[step.state] ?? "" : "";
}

// The line under a step in the list of steps, or "".
export function stepNote(s, r, now) {
  const last = s.failures.at(-1);
  if (s.state === "dead") return `given up after ${plural(last.attempt, "one attempt", "# attempts")}: ${reason(s.kind, last.error)}`;
  if (r.end && s.state !== "done") return "ended with the research";
  if (s.state === "waiting") return `attempt ${last.attempt} failed: ${reason(s.kind, last.error)}; next try ${shortly(last.nextAt - now)}`;
  if (s.state === "cut") return "was cut off, begins again";
  return s.attempt > 1 ? `attempt ${s.attempt}` : "";
}
