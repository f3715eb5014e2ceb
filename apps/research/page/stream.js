// A run's stream, whatever happens to the connection: reads server-sent events with fetch, and takes the stream up again
// at the frame after the last one it has, for as long as it takes.

const RETRY_FIRST_MS = 300, RETRY_MOST_MS = 4000;
const SILENCE_MS = 45000; // the server says something every 15 s: after three times that the connection is dead
const wait = (ms, signal) => new Promise((done) => {
  const timer = setTimeout(done, ms);
  signal.addEventListener("abort", () => { clearTimeout(timer); done(); }, { once: true });
});

// Reads, but no longer than that: who hears nothing is done, and the connection given up.
async function readWithin(reader, ms) {
  let timer;
  const silence = new Promise((done) => { timer = setTimeout(() => done({ done: true, silent: true }), ms); });
  const result = await Promise.race([reader.read(), silence]);
  clearTimeout(timer);
  if (result.silent) reader.cancel().catch(() => {});
  return result;
}

async function* events(body, silenceMs) {
  const reader = body.pipeThrough(new TextDecoderStream()).getReader();
  let rest = "", event = { event: "message", data: [], id: null };
  for (;;) {
    const { done, value } = await readWithin(reader, silenceMs);
    if (done) return;
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

// Calls on.frame(name, data) for each frame once, on.connection(text or null), on.known(streamUrl) when the run can be
// attached to; returns when the response has come. Throws what cannot be mended: the request was refused, or the run is gone.
export async function follow(request, on, signal) {
  let url = request.streamUrl ?? null, last = 0, delay = RETRY_FIRST_MS;
  while (!signal.aborted) {
    try {
      const headers = { Accept: "text/event-stream" };
      if (url && last) headers["Last-Event-ID"] = String(last);
      const response = await fetch(url ?? request.url, { headers, signal, cache: "no-store" });
      if (response.status === 503 || response.status === 502 || response.status === 504) throw new TypeError("not now");
      if (!response.ok || !response.headers.get("content-type")?.startsWith("text/event-stream"))
        throw Object.assign(new Error(await problem(response)), { final: true });
      on.connection(null);
      for await (const e of events(response.body, request.silenceMs ?? SILENCE_MS)) {
        delay = RETRY_FIRST_MS;
        const data = JSON.parse(e.data);
        if (e.id !== null) last = Number(e.id);
        if (e.event === "inngest.metadata") {
          if (!url) on.known(data.streamUrl, data.runId);
          url ??= data.streamUrl;
        } else if (e.event !== "inngest.redirect_info") {
          on.frame(e.event, data);
        }
        if (e.event === "inngest.response") return;
      }
    } catch (error) {
      if (error.final) throw error;
      if (signal.aborted) return;
      if (!url) throw Object.assign(new Error("The server cannot be reached."), { final: true });
    }
    on.connection("Connection lost, trying again …");
    await wait(delay, signal);
    delay = Math.min(delay * 2, RETRY_MOST_MS);
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
