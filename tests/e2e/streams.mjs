// What the tests of streams share: the program tests/programs/streamer.c at one address through restarts, a gate that
// its steps ask for leave, and a plain reader of server-sent events.
import { createServer } from 'node:http';
import { mkdtempSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { freePort } from './agent.mjs';
import { adminOnPublic, removeFolder, startProgram } from './program.mjs';

export async function startStreamer(t, flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-streamer-'));
  const listen = `127.0.0.1:${await freePort()}`;
  const service = {
    url: `http://${listen}`,
    folder,
    program: null,
    async start() {
      service.program = await startProgram('tests/streamer', [
        '--listen',
        listen,
        '--data',
        join(folder, 'data'),
        '--dev',
        ...adminOnPublic,
        ...flags,
      ]);
    },
    kill: (signal) => service.program.kill(signal),
    async run(id) {
      return (await fetch(`${service.url}/_sw/runs/${id}`)).json();
    },
  };
  await service.start();
  t.after(async () => {
    await service.program.kill('SIGKILL');
    await removeFolder(folder);
  });
  return service;
}

// Calls to gate.url/NAME are answered when the test has opened NAME; gate.seen(NAME) resolves when somebody asks.
export async function startGate(t) {
  const asked = [], waiting = [], open = new Set();
  let all = false;
  const release = () => {
    for (let i = waiting.length - 1; i >= 0; i--)
      if (all || open.has(waiting[i].name)) waiting.splice(i, 1)[0].answer();
  };
  const watchers = new Set();
  const server = createServer((request, response) => {
    const name = request.url.split('/').pop();
    asked.push(name);
    waiting.push({ name, answer: () => response.end('go on') });
    release();
    for (const look of watchers) look();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => { server.closeAllConnections(); server.close(); });
  const gate = {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    seen: (name, times = 1) => new Promise((done) => {
      const look = () => {
        if (asked.filter((n) => n === name).length < times) return;
        watchers.delete(look);
        done();
      };
      watchers.add(look);
      look();
    }),
    open(...names) { for (const name of names) open.add(name); release(); },
    shut(...names) { for (const name of names) open.delete(name); },
    openAll() { all = true; release(); },
  };
  return gate;
}

// The frames of a response's body, as they come: {id, event, data}.
export async function* frames(body) {
  let rest = '';
  for await (const text of body.pipeThrough(new TextDecoderStream())) {
    rest += text;
    for (let end; (end = rest.indexOf('\n\n')) >= 0; rest = rest.slice(end + 2)) {
      const frame = { id: null, event: 'message', data: '' };
      for (const line of rest.slice(0, end).split('\n')) {
        const [, field, value] = /^([^:]*):? ?(.*)$/s.exec(line);
        if (field in frame) frame[field] = value;
      }
      yield { ...frame, data: frame.data ? JSON.parse(frame.data) : null };
    }
  }
}

export async function openStream(url, { last, signal } = {}) {
  const headers = { Accept: 'text/event-stream' };
  if (last !== undefined) headers['Last-Event-ID'] = String(last);
  return fetch(url, { headers, signal });
}

// All frames up to the end of the stream, or until `enough(frames)` says so.
export async function readStream(url, { last, enough } = {}) {
  const stop = new AbortController();
  const response = await openStream(url, { last, signal: stop.signal });
  const all = [];
  if (response.status !== 200) throw new Error(`status ${response.status}: ${await response.text()}`);
  try {
    for await (const frame of frames(response.body)) {
      all.push(frame);
      if (enough?.(all)) break;
    }
  } finally {
    stop.abort();
  }
  return all;
}

// Follows a run's stream through whatever happens to the connection, as EventSource does: again from the last id on.
export async function followStream(url, { onFrame } = {}) {
  const all = [];
  let last;
  for (;;) {
    try {
      const response = await openStream(url, { last });
      if (response.status === 200)
        for await (const frame of frames(response.body)) {
          if (frame.event === 'inngest.metadata') { url = frame.data.streamUrl; continue; }
          if (frame.event === 'inngest.redirect_info') continue;
          all.push(frame);
          last = frame.id;
          onFrame?.(frame);
          if (frame.event === 'inngest.response') return all;
        }
      else await response.body?.cancel();
    } catch { /* the server is away */ }
    await new Promise((done) => setTimeout(done, 50));
  }
}
