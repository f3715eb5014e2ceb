// Times, sizes and states as people read them.
import { isDigits } from "./json.js";

export const STATES = ["running", "sleeping", "stopped", "succeeded", "failed", "cancelled", "unreadable"];
export const isOver = (state) => ["succeeded", "failed", "cancelled"].includes(state);

const two = (n) => String(n).padStart(2, "0");

export function duration(ms) {
  if (ms == null || Number.isNaN(ms)) return "";
  if (ms < 0) return `-${duration(-ms)}`;
  if (ms < 1) return "0 ms";
  if (ms < 1000) return `${Math.round(ms)} ms`;
  if (ms < 10000) return `${(ms / 1000).toFixed(2)} s`;
  if (ms < 60000) return `${(ms / 1000).toFixed(1)} s`;
  const s = Math.floor(ms / 1000), m = Math.floor(s / 60), h = Math.floor(m / 60), d = Math.floor(h / 24);
  if (m < 60) return `${m} min ${two(s % 60)} s`;
  if (h < 24) return `${h} h ${two(m % 60)} min`;
  return `${d} d ${h % 24} h`;
}

// A point in time: the hour alone if it is today's.
export function time(ms, now = Date.now()) {
  if (ms == null) return "";
  const at = new Date(ms), hour = `${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
  if (at.toDateString() === new Date(now).toDateString()) return hour;
  return `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())} ${hour}`;
}

// With milliseconds and the zone, for a title.
export const exactTime = (ms) => (ms == null ? "" : new Date(ms).toISOString());

export function bytes(n) {
  const units = ["bytes", "KiB", "MiB", "GiB", "TiB"];
  let i = 0;
  for (; n >= 1024 && i < units.length - 1; i++) n /= 1024;
  return `${i === 0 ? n : n.toFixed(n < 10 ? 1 : 0)} ${units[i]}`;
}

export const count = (n) => (n ?? 0).toLocaleString("en");
export const plural = (n, one, many = `${one}s`) => `${count(n)} ${n === 1 ? one : many}`;

// How long a run has been at work; of one that has ended, how long it was. Its beginning and its end are told by two
// clocks, which differ by a millisecond, or by more when one was set.
export const runTime = (run, now) => Math.max(0, (run.endedAt ?? now) - run.startedAt);

// "search:1": how journals and logs name a step.
export const stepLabel = (step) => (step.occurrence ? `${step.id}:${step.occurrence}` : step.id);

// A value in a line: of an object its members.
export function inWords(value) {
  if (typeof value === "string") return value;
  const isObject = value !== null && typeof value === "object" && !Array.isArray(value) && !isDigits(value);
  if (!isObject) return JSON.stringify(value);
  const text = (member) => (typeof member === "string" ? member : JSON.stringify(member));
  return Object.entries(value).map(([name, member]) => `${name} ${text(member)}`).join(", ");
}

// What there is to say about a run in one line of a list.
export function note(run, now) {
  if (run.state === "stopped") return [run.reason, run.detail].filter(Boolean).join(": ");
  if (run.error) return run.error;
  if (run.damage) return run.damage;
  if (run.status !== undefined && run.status !== null) return inWords(run.status);
  if (run.state === "sleeping" && run.due) return `sleeps for ${duration(run.due - now)} more`;
  return "";
}
