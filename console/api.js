// The admin API as the page asks it: with this tab's token, and with the server's own words when it refuses. The token
// is in sessionStorage alone, never in a cookie or a URL.
import { readJson } from "./json.js";

const KEY = "stepwell-token", ANSWER_MS = 60000;

export const session = {
  get token() { return sessionStorage.getItem(KEY); },
  keep(token) { sessionStorage.setItem(KEY, token); },
  forget() { sessionStorage.removeItem(KEY); },
};

// What the server has refused, or could not be asked: status 0.
export class Refusal extends Error {
  constructor(status, detail, extra = {}) {
    super(detail);
    Object.assign(this, { status, ...extra });
  }
  get needsSignIn() { return this.status === 401 || (this.status === 403 && this.isStranger); }
}

// How far the server's clock is ahead of this machine's; what is below two seconds may be the header's own rounding.
let ahead = 0;
export const serverNow = () => Date.now() + ahead;
function readClock(response) {
  const theirs = Date.parse(response.headers.get("Date") ?? "");
  const off = theirs + 500 - Date.now();
  if (theirs) ahead = Math.abs(off) > 2000 ? off : 0;
}

// A name for a request that the server does once, however often it is sent (Idempotency-Key).
export const newKey = () => Array.from(crypto.getRandomValues(new Uint32Array(4)), (n) => n.toString(36)).join("-");

function headersOf(body, key) {
  const headers = key ? { "Idempotency-Key": key } : {};
  if (session.token) headers.Authorization = `Bearer ${session.token}`;
  if (body !== undefined) headers["Content-Type"] = typeof body === "string" ? "text/plain" : "application/json";
  return headers;
}

async function send(method, path, { body, key, signal }) {
  const payload = body === undefined || typeof body === "string" ? body : JSON.stringify(body);
  const headers = headersOf(body, key);
  return fetch(path, { method, headers, body: payload, signal, cache: "no-store", redirect: "error" });
}

// Does the work with a signal that also ends it when the server has been silent for too long: who waits for an answer
// asks nothing else meanwhile.
async function inTime(signal, work) {
  const limit = new AbortController(), stop = () => limit.abort(signal.reason);
  let isLate = false;
  if (signal?.aborted) stop();
  signal?.addEventListener("abort", stop);
  const timer = setTimeout(() => { isLate = true; limit.abort(); }, ANSWER_MS);
  try {
    return await work(limit.signal);
  } catch (error) {
    if (error instanceof Refusal || (limit.signal.aborted && !isLate)) throw error;
    throw new Refusal(0, isLate ? "The server does not answer. What was asked of it may have been done."
      : "The server cannot be reached.");
  } finally {
    clearTimeout(timer);
    signal?.removeEventListener("abort", stop);
  }
}

async function refusal(response) {
  const text = await response.text();
  let problem = {};
  try {
    problem = JSON.parse(text);
  } catch { /* a proxy's page, say: its status has to do */ }
  const detail = problem.detail ?? problem.title ?? `The server answered ${response.status}.`;
  const challenge = response.headers.get("WWW-Authenticate") ?? "";
  return new Refusal(response.status, detail, { problem, isStranger: !challenge.includes("insufficient_scope") });
}

// Asks, and resolves to the answer: JSON, or text of other types. Rejects with a Refusal. `asText`: JSON as it came.
// `key`: the request's name, by newKey.
export async function ask(method, path, body, { signal, key, asText = false } = {}) {
  const { isJson, text } = await inTime(signal, async (limit) => {
    const response = await send(method, path, { body, key, signal: limit });
    readClock(response);
    if (!response.ok) throw await refusal(response);
    return { isJson: /\bjson\b/.test(response.headers.get("Content-Type") ?? ""), text: await response.text() };
  });
  return isJson && !asText ? readJson(text) : text;
}

// ---- Events ----

// The events of a text/event-stream, of which only `event:` and `data:` count.
export async function* readEvents(body) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", name = "message", data = [];
  try {
    for (;;) {
      const { value, done } = await reader.read();
      if (done) return;
      const lines = (rest + value).split("\n");
      rest = lines.pop();
      for (const line of lines.map((l) => l.replace(/\r$/, ""))) {
        if (line === "") {
          if (data.length > 0) yield { name, data: data.join("\n") };
          name = "message";
          data = [];
        } else if (line.startsWith("event:")) {
          name = line.slice(6).trim();
        } else if (line.startsWith("data:")) {
          data.push(line.slice(5).replace(/^ /, ""));
        }
      }
    }
  } finally {
    reader.cancel().catch(() => {}); // also when an event could not be taken: else the connection stays
  }
}

// Tells each event of a feed until the signal ends it; comes back after each end. `on.event(name, data)`;
// `on.connected(is)` says whether the feed tells what happens.
export async function follow(path, signal, on) {
  for (let pause = 500; !signal.aborted; pause = Math.min(pause * 2, 15000)) {
    try {
      const response = await send("GET", path, { signal });
      if (!response.ok) throw await refusal(response);
      on.connected(true);
      pause = 500;
      for await (const { name, data } of readEvents(response.body)) on.event(name, JSON.parse(data));
    } catch (error) {
      if (signal.aborted || error.name === "AbortError") return;
      if (error instanceof Refusal && error.status >= 400 && error.status < 500) return on.connected(false);
    }
    on.connected(false);
    await new Promise((done) => setTimeout(done, pause));
  }
}

// Follows a feed while the tab is seen. A browser has six connections to a server, for all of its tabs.
export function followWhileSeen(path, signal, on) {
  if (signal.aborted) return;
  let seen = null;
  const look = () => {
    if (!document.hidden && !seen) {
      seen = new AbortController();
      follow(path, seen.signal, on);
    } else if (document.hidden && seen) {
      seen.abort();
      seen = null;
      on.connected(false);
    }
  };
  document.addEventListener("visibilitychange", look);
  signal.addEventListener("abort", () => {
    document.removeEventListener("visibilitychange", look);
    seen?.abort();
  });
  look();
}
