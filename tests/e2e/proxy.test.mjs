// The service behind nginx with the configuration of docs/operations.md: what clients get through it, and through an
// upgrade.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import http2 from 'node:http2';
import { test } from 'node:test';
import { promisify } from 'node:util';
import { sleep } from './agent.mjs';
import { configurationOf, follow, request, startProxied } from './proxy.mjs';
import { holdMany, readGated, spoken, times } from './proxy_clients.mjs';
import { prove, questions } from './proxy_properties.mjs';
import { frames, startGate } from './streams.mjs';

const run = promisify(execFile);

test('a request, a body, and what is refused', async (t) => {
  const { proxy } = await startProxied(t);
  const answer = await request(proxy, `${proxy.url}/silent?n=41`);
  assert.equal(answer.status, 200);
  assert.deepEqual(JSON.parse(await answer.text()), { n: 42 });
  assert.match(answer.headers['x-run-id'], /^[0-9A-Z]{26}$/);
  const text = JSON.stringify({ text: 'ä'.repeat(300_000) });
  const echo = await request(proxy, `${proxy.url}/echo`, {
    method: 'POST',
    body: text,
    headers: { 'Content-Type': 'application/json' },
  });
  assert.equal(echo.status, 201);
  assert.equal(await echo.text(), text);
  assert.equal((await request(proxy, `${proxy.url}/echo`, { method: 'POST', body: 'x'.repeat(9 << 20) })).status, 413);
  for (const path of ['/_sw/metrics', '/_sw/runs', '/_sw/healthz'])
    assert.equal((await request(proxy, proxy.url + path)).status, 404, path);
  const plain = await fetch(`${proxy.plainUrl}/silent?n=1`, { redirect: 'manual' });
  assert.equal(plain.status, 308);
  assert.equal(plain.headers.get('location'), 'https://api.example.com/silent?n=1');
});

test('the link of a question: its page, its form, JSON', async () =>
  assert.equal(await prove(questions, 'nginx'), 'ok'));

// What a location sets it does not inherit: the URLs of runs need all that other requests have.
test('both ways to the service are alike', () => {
  const ways = [...configurationOf('nginx').matchAll(/^    location [^{]*\{\n(.*?)^    \}/gms)].filter(([, way]) =>
    way.includes('proxy_pass'),
  );
  assert.equal(ways.length, 2);
  const [all, runs] = ways.map(([, way]) =>
    way
      .split('\n')
      .map((line) => line.replace(/#.*/, '').trim())
      .filter(Boolean),
  );
  assert.ok(all.some((line) => line.startsWith('proxy_set_header X-Forwarded-For ')));
  assert.deepEqual(runs, all);
});

test('303 to an absolute https URL, which holds and leads to the answer', async (t) => {
  const { proxy } = await startProxied(t, ['--hold', '300ms']);
  const answer = await follow(proxy, `${proxy.url}/sleep?ms=1500`, { method: 'GET' });
  assert.equal(answer.status, 200);
  assert.equal(await answer.text(), 'slept');
  assert.ok(answer.hops.length > 1, 'the output URL held, and sent on to itself');
  for (const url of answer.hops) assert.ok(url.startsWith(`${proxy.url}/_sw/runs/`), url);
  const { stdout } = await run('curl', [
    '-sSL',
    '--max-redirs',
    '30',
    '--cacert',
    proxy.certificateFile,
    `${proxy.url}/sleep?ms=1200`,
  ]);
  assert.equal(stdout, 'slept');
  assert.doesNotMatch(proxy.accessLog(), /token/);
});

test('Idempotency-Key and Prefer reach the service', async (t) => {
  const { proxy } = await startProxied(t);
  const options = { method: 'POST', body: '{"a":1}', headers: { 'Idempotency-Key': 'order-17' } };
  const first = await request(proxy, `${proxy.url}/echo`, options),
    again = await request(proxy, `${proxy.url}/echo`, options);
  assert.equal(again.headers['x-run-id'], first.headers['x-run-id']);
  assert.equal(again.headers['idempotency-replayed'], 'true');
  const async = await request(proxy, `${proxy.url}/sleep?ms=100`, { headers: { Prefer: 'respond-async' } });
  assert.equal(async.status, 202);
  const output = await request(proxy, async.headers.location);
  assert.equal(await output.text(), 'slept');
});

const CHUNKS = 20, said = Array.from({ length: CHUNKS }, (_, i) => `s0-${i}`);

test('a stream comes frame by frame', async (t) => {
  const { proxy } = await startProxied(t), gate = await startGate(t);
  const answer = await request(proxy, `${proxy.url}/steps?steps=1&chunks=${CHUNKS}&gate=${gate.url}`, {
    headers: { Accept: 'text/event-stream' },
  });
  const all = await readGated(gate, answer.body, CHUNKS);
  assert.deepEqual(spoken(all), said);
  assert.equal(all.at(-1).event, 'inngest.response');
});

test('a stream over HTTP/2 comes frame by frame', async (t) => {
  const { proxy } = await startProxied(t), gate = await startGate(t);
  const session = http2.connect(proxy.url, { ca: proxy.certificate });
  t.after(() => session.destroy());
  const stream = session.request({
    ':path': `/steps?steps=1&chunks=${CHUNKS}&gate=${gate.url}`,
    accept: 'text/event-stream',
  });
  const body = new ReadableStream({
    start(controller) {
      stream.on('data', (data) => controller.enqueue(data));
      stream.on('end', () => controller.close());
      stream.on('error', (error) => controller.error(error));
    },
  });
  const all = await readGated(gate, body, CHUNKS);
  assert.deepEqual(spoken(all), said);
  assert.equal(all.at(-1).event, 'inngest.response');
});

test('a lost stream is resumed by Last-Event-ID', async (t) => {
  const { proxy } = await startProxied(t), gate = await startGate(t);
  const first = await request(proxy, `${proxy.url}/steps?steps=1&gate=${gate.url}`, {
    headers: { Accept: 'text/event-stream' },
  });
  gate.open('s0-0', 's0-1');
  let url, last;
  for await (const frame of frames(first.body)) {
    if (frame.event === 'inngest.metadata') url = frame.data.streamUrl;
    last = frame;
    if (frame.data.data === 's0-1') break; // the connection is cut here
  }
  assert.ok(url.startsWith(`${proxy.url}/_sw/runs/`), url);
  const again = await request(proxy, url, { headers: { Accept: 'text/event-stream', 'Last-Event-ID': last.id } });
  assert.equal(again.status, 200);
  gate.openAll();
  const rest = [];
  for await (const frame of frames(again.body)) rest.push(frame);
  assert.deepEqual(spoken(rest), ['s0-2']);
  assert.equal(rest.at(-1).event, 'inngest.response');
  const done = await request(proxy, url, { headers: { 'Last-Event-ID': rest.at(-1).id } });
  assert.equal(done.status, 204);
});

test('a client that leaves the proxy changes nothing', async (t) => {
  const { proxy } = await startProxied(t), gate = await startGate(t);
  const streamed = { headers: { Accept: 'text/event-stream' } };
  const first = await request(proxy, `${proxy.url}/steps?steps=1&gate=${gate.url}`, streamed);
  let output;
  for await (const frame of frames(first.body)) { output = frame.data.outputUrl; break; }
  gate.openAll();
  const answer = await follow(proxy, output);
  assert.deepEqual(JSON.parse(await answer.text()), ['s0']);
});

const THIRTY = { plain: 10, late: 10, streams: 10 };

test('an upgrade with requests of every kind in flight: no error, every answer exact, nothing run twice', async (t) => {
  const service = await startProxied(t), gate = await startGate(t);
  const check = await holdMany(service, gate, THIRTY);
  await service.upgrade(async () => gate.openAll());
  await check();
  for (const [name, n] of [
    ['s0-0', 20],
    ['s0-end', 20],
    ['s1-0', 20],
    ['before-0', 10],
  ])
    assert.equal(times(gate, name), n, name);
});

test('kill -9 of the worker with requests of every kind in flight: no error, every answer exact', async (t) => {
  const service = await startProxied(t), gate = await startGate(t);
  const check = await holdMany(service, gate, THIRTY);
  await service.kill();
  gate.openAll();
  await check();
  assert.equal(times(gate, 's1-0'), 20, 'a step that began after the crash runs once');
});

test('ten upgrades under a constant load through the proxy: every answer is the right one', async (t) => {
  const { proxy, upgrade } = await startProxied(t);
  const answers = {};
  let over = false;
  const clients = Array.from({ length: 30 }, async (_, i) => {
    const path = i % 2 ? '/silent?n=1' : '/work?steps=2&pace=5';
    while (!over) {
      const answer = await follow(proxy, proxy.url + path);
      const key = `${path} ${answer.status} ${await answer.text()}`;
      answers[key] = (answers[key] ?? 0) + 1;
    }
  });
  for (let i = 0; i < 10; i++) {
    const before = Object.values(answers).reduce((a, b) => a + b, 0);
    while (Object.values(answers).reduce((a, b) => a + b, 0) < before + 100) await sleep(10);
    await upgrade();
  }
  over = true;
  await Promise.all(clients);
  assert.equal(Object.keys(answers).length, 2, JSON.stringify(answers));
  for (const key of Object.keys(answers)) assert.match(key, / 200 /);
});
