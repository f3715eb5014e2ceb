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
  if (status >= 500) return `${service(kind)} has an error (${status})`;
  if (/timed out|timeout|silent/i.test(error)) return `${service(kind)} does not answer`;
  if (/connect|resolve|reset|refused|broke|closed/i.test(error)) return `${service(kind)} cannot be reached`;
  return error.slice(0, 300);
}

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

// The title of a step, by the id that the server names it by.
const titleOf = (r, id) => {
  const step = [...r.steps.values()].find((s) => s.id === id);
  return step && stepTitle(step);
};

export function stepTitle({ kind, title }) {
  if (kind === "search") return `Search: ${title}`;
  if (kind === "learn") return `Read: ${title}`;
  return title || "A step";
}

// Why a research ended without a report, or does not go on.
export function trouble(r) {
  const state = stateOf(r), { body } = r.end ?? {};
  if (state === "stopped") {
    const dead = [...r.steps.values()].find((s) => s.state === "dead"), last = dead?.failures.at(-1);
    const why = dead ? `${sentence(reason(dead.kind, last.error))}, after ${plural(last.attempt, "one attempt", "# attempts")} (${last.error}).` : r.stopped.detail ?? "";
    return { why: `${why} Nothing that was done is lost.`, step: dead && stepTitle(dead) };
  }
  if (state === "cancelled") return { why: "The research was stopped before it was finished. What it had found is below." };
  if (state === "failed") return { why: sentence(body.error || body.detail || "the research failed"), step: body.step && (titleOf(r, body.step) ?? "A step"), attempts: body.attempts };
  return null;
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
