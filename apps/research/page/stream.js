// A run's stream, whatever happens to the connection: reads server-sent events with fetch, and takes the stream up again
// at the frame after the last one it has, for as long as it takes.

const RETRY_FIRST_MS = 300, RETRY_MOST_MS = 4000;
const SILENCE_MS = 25000; // the server says something every 15 s: whoever is silent for longer is gone

// Ends early when the signal aborts, and when the browser has a network again.
const wait = (ms, signal) => new Promise((done) => {
  const end = () => {
    clearTimeout(timer);
    removeEventListener("online", end);
    signal.removeEventListener("abort", end);
    done();
  };
  const timer = setTimeout(end, ms);
  addEventListener("online", end);
  signal.addEventListener("abort", end);
});

// Calls silent() when nobody has called the returned heard() for SILENCE_MS; heard(false) ends the watch.
function watchdog(silent) {
  let timer = setTimeout(silent, SILENCE_MS);
  return (on = true) => {
    clearTimeout(timer);
    if (on) timer = setTimeout(silent, SILENCE_MS);
  };
}

async function* events(body, heard) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", event = { event: "message", data: [], id: null };
  for (;;) {
    const { done, value } = await reader.read();
    if (done) return;
    heard();
    rest += value;
    for (let end; (end = rest.indexOf("\n")) >= 0;) {
      const line = rest.slice(0, end).replace(/\r$/, "");
      rest = rest.slice(end + 1);
      if (line === "") {
        if (event.data.length) yield { ...event, data: event.data.join("\n") };
        event = { event: "message", data: [], id: null };
        continue;
      }
      const [, field, content] = /^([^:]*):? ?(.*)$/.exec(line);
      if (field === "data") event.data.push(content);
      else if (field === "event") event.event = content;
      else if (field === "id") event.id = content;
    }
  }
}

// One connection. Returns "response" when the run's response has come, "moved" when the server says to read on at once, "later"
// when it cannot answer now, "lost" otherwise.
async function read(place, on, signal, heard) {
  const headers = { Accept: "text/event-stream" };
  if (place.last !== null) headers["Last-Event-ID"] = place.last;
  const init = place.stream ? {} : place.init;
  const response = await fetch(place.stream ?? place.url, { ...init, headers: { ...headers, ...init?.headers }, signal, cache: "no-store" });
  heard();
  if ([502, 503, 504].includes(response.status)) return "later";
  if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream"))
    throw Object.assign(new Error(await problem(response)), { final: true, status: response.status });
  on.connection(null);
  on.date?.(Date.parse(response.headers.get("date")));
  let moved = false;
  for await (const e of events(response.body, heard)) {
    place.delay = RETRY_FIRST_MS;
    if (e.id !== null) place.last = e.id;
    const data = JSON.parse(e.data);
    if (e.event === "inngest.metadata") {
      if (!place.stream) place.stream = on.known(data) ?? data.streamUrl;
    } else if (e.event === "inngest.redirect_info") {
      moved = true;
    } else {
      on.frame(e.event, data);
    }
    if (e.event === "inngest.response") return "response";
  }
  return moved ? "moved" : "lost";
}

// Follows a run to its response. `request` is { stream } (the path of a stream), or { url, init } of a request that begins a
// run. Calls on.frame(event, data) for each frame once, on.connection(text or null), on.known(metadata), which may return the
// path to read on at, and on.date(ms) with the server's clock. Throws what cannot be mended: the request was refused (with
// .status), or the server cannot be reached before the run is known. A server that is there but cannot answer now (it starts,
// stops, or has too much to do) is asked again also then: the request should have an Idempotency-Key.
export async function follow(request, on, signal) {
  const place = { url: request.url, init: request.init, stream: request.stream ?? null, last: null, delay: RETRY_FIRST_MS };
  while (!signal.aborted) {
    const attempt = new AbortController(), giveUp = () => attempt.abort();
    let silent = false, outcome = "lost";
    const heard = watchdog(() => { silent = true; giveUp(); });
    signal.addEventListener("abort", giveUp);
    try {
      outcome = await read(place, on, attempt.signal, heard);
    } catch (error) {
      if (error.final) throw error;
      if (signal.aborted) return;
      if (!place.stream) throw Object.assign(new Error("The server cannot be reached. Is it running?"), { final: true });
    } finally {
      heard(false);
      signal.removeEventListener("abort", giveUp);
    }
    if (outcome === "response") return;
    if (outcome === "moved") continue;
    on.connection(silent ? "The server is silent: connecting again …" : outcome === "later" ? "The server is not ready: trying again …" : "Connection lost: trying again …");
    await wait(place.delay, signal);
    place.delay = Math.min(place.delay * 2, RETRY_MOST_MS);
  }
}

export async function problem(response) {
  const text = await response.text();
  try {
    const json = JSON.parse(text);
    return json.error ?? json.detail ?? text;
  } catch {
    return text || `The server answered with status ${response.status}.`;
  }
}
