// A constant load of 200 clients while the worker is replaced ten times: nobody notices, nothing is done twice. All
// clients are other people's, unmodified: fetch of Node, npm inngest's fetchWithStream, npm eventsource.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { EventSource } from 'eventsource';
import { fetchWithStream } from 'inngest/experimental/durable-endpoints/client';
import { PATIENCE_MS } from './program.mjs';
import { startStreamer } from './streams.mjs';

const PLAIN = 80, STREAMS = 80, SOURCES = 40, REPLACEMENTS = 10, STEPS = 4;

const sha1 = (text) => createHash('sha1').update(text).digest('hex');
const names = Array.from({ length: STEPS }, (_, i) => `w${i}`);
const pause = (ms) => new Promise((done) => setTimeout(done, ms));

// Each step takes 3 * pace ms. The sleep is above --redirect-after in a third of the requests: their clients are sent
// on.
let requests = 0;
function nextRequest() {
  const n = requests++;
  return {
    tag: `t${n}`,
    path: `/work?tag=t${n}&steps=${STEPS}&pace=${30 + (n % 3) * 20}&sleep=${[0, 40, 400][n % 3]}`,
  };
}

const checkBody = (text, tag) => assert.deepEqual(JSON.parse(text), { tag, steps: names });

const frameOf = (event, name, i) =>
  event === 'stream' ? { data: `${name}-${i}`, hashedStepId: sha1(name) } : { hashedStepId: sha1(name) };
const expectedFrames = names.flatMap((name) => [
  ...[0, 1, 2].map((i) => ['stream', frameOf('stream', name, i)]),
  ['commit', frameOf('commit', name)],
]);

// With a body or without, with an Idempotency-Key or without: one answer comes.
async function plainRequest(url, n) {
  const { tag, path } = nextRequest();
  const method = n % 2 ? 'POST' : 'GET';
  const body = method === 'POST' ? 'x'.repeat(n % 4 === 1 ? 200_000 : 10) : undefined; // also one that no message holds
  const headers = n % 8 === 3 ? { 'Idempotency-Key': tag } : {};
  const response = await fetch(url + path, { method, body, headers });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  checkBody(text, tag);
  assert.equal(response.headers.get('x-tag'), tag);
  return response.headers.get('x-run-id');
}

async function streamRequest(url, n) {
  const { tag, path } = nextRequest();
  const got = [], ids = [];
  const response = await fetchWithStream(url + path, {
    fetchOpts: n % 2 ? { method: 'POST', body: 'x' } : undefined,
    onMetadata: ({ runId }) => ids.push(runId),
    onData: ({ data, hashedStepId }) => got.push(['stream', { data, hashedStepId }]),
    onCommit: ({ hashedStepId }) => got.push(['commit', { hashedStepId }]),
    onRollback: ({ hashedStepId }) => got.push(['rollback', { hashedStepId }]),
  });
  const text = await response.text();
  assert.equal(response.status, 200, text);
  checkBody(text, tag);
  assert.equal(response.headers.get('x-tag'), tag);
  assert.deepEqual(got, expectedFrames);
  assert.equal(new Set(ids).size, 1);
  return ids[0];
}

async function sourceRequest(url) {
  const { tag, path } = nextRequest();
  const begun = await fetch(url + path, { headers: { Prefer: 'respond-async' } });
  assert.equal(begun.status, 202);
  const { runId, outputUrl } = await begun.json();
  const got = [];
  await new Promise((done, fail) => {
    const source = new EventSource(outputUrl.replace('/output?', '/stream?'));
    source.onerror = (e) => {
      if (source.readyState === source.CLOSED) fail(new Error(`EventSource gave up: ${e.code} ${e.message}`));
    };
    for (const name of ['stream', 'commit', 'rollback'])
      source.addEventListener(`inngest.${name}`, (e) => got.push([name, JSON.parse(e.data)]));
    source.addEventListener('inngest.response', (e) => {
      source.close();
      const { status, response } = JSON.parse(e.data);
      try {
        assert.deepEqual([status, response.statusCode], ['succeeded', 200]);
        checkBody(response.body, tag);
        done();
      } catch (error) {
        fail(error);
      }
    });
  });
  assert.deepEqual(got, expectedFrames);
  return runId;
}

test('200 clients under ten replacements of the worker: no error, no step twice, every response exact', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-upgrade-'));
  t.after(() => rmSync(folder, { recursive: true, force: true, maxRetries: 20 }));
  const service = await startStreamer(t, [
    '--supervise',
    '--loops',
    '2',
    '--notes',
    join(folder, 'notes'),
    '--redirect-after',
    '100ms',
    '--park-after',
    '100ms',
  ]);
  const log = () => service.program.log();
  const url = service.url,
    ids = [],
    failures = [];
  // Those that are under way: none is to see two replacements, as the published client follows one redirect_info a
  // stream.
  const open = new Set();
  let going = true,
    done = 0;
  const client = async (request, n) => {
    while (going) {
      const me = {};
      open.add(me);
      try {
        ids.push(await request(url, n));
        done++;
      } catch (error) {
        failures.push(error);
        going = false;
      } finally {
        open.delete(me);
      }
    }
  };
  const clients = [];
  for (let n = 0; n < PLAIN; n++) clients.push(client(plainRequest, n));
  for (let n = 0; n < STREAMS; n++) clients.push(client(streamRequest, n));
  for (let n = 0; n < SOURCES; n++) clients.push(client(sourceRequest, n));

  const until = async (what, condition) => {
    const end = Date.now() + PATIENCE_MS;
    while (going && !condition()) {
      if (Date.now() > end) throw new Error(`${what} took too long:\n${log().slice(-3000)}`);
      await pause(20);
    }
  };
  const ready = () => [...log().matchAll(/worker (\d+) is ready/g)].map((m) => Number(m[1]));
  const took = [];
  for (let i = 0; i < REPLACEMENTS && going; i++) {
    await until('the worker', () => ready().length === i + 1);
    await until('a round of all clients', () => done >= (i + 1) * 200);
    if (!going) break;
    const since = Date.now(),
      worker = ready().at(-1);
    process.kill(i % 2 ? worker : service.program.pid, i % 2 ? 'SIGTERM' : 'SIGHUP');
    await until('the replacement', () => ready().length === i + 2);
    took.push(Date.now() - since);
    const through = new Set(open);
    await until('the requests that were open', () => [...through].every((request) => !open.has(request)));
  }
  going = false;
  await Promise.all(clients);
  t.diagnostic(`${done} requests, replacements took ${took.join(', ')} ms`);
  assert.deepEqual(
    failures.slice(0, 3).map((e) => `${e.stack} ${e.cause?.stack ?? ''}`),
    [],
    log().slice(-3000),
  );

  const ends = [...log().matchAll(/supervisor: worker \d+ (ended with code 0|ended with code \d+|was ended.*)/g)].map(
    (m) => m[1],
  );
  assert.deepEqual(ends, Array(REPLACEMENTS).fill('ended with code 0'));
  assert.doesNotMatch(log(), /at the end of --drain/);
  const notes = readFileSync(join(folder, 'notes'), 'utf8').trim().split('\n');
  assert.equal(new Set(notes).size, notes.length, 'no step ran twice');
  assert.equal(new Set(ids).size, requests, 'each request was a run of its own');
  assert.equal(notes.length, requests * STEPS, 'and no run was begun that nobody asked for');
});
