// Traces as a collector and the services behind get them: whole trees, also across kill -9, whatever the collector
// does.
import assert from 'node:assert/strict';
import { mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, afterEach, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { kindOf, refusal, researchPath, startAgent } from './agent.mjs';
import { assertTree, startCollector } from './collector.mjs';
import { adminOnPublic, startProgram } from './program.mjs';

const TRACE = '4bf92f3577b34da6a3ce929d0e0e4736';
const PARENT = '00f067aa0ba902b7';
const folder = mkdtempSync(join(tmpdir(), 'stepwell-traces-'));
let upstream;
let number = 0;
const open = []; // what a test that fails leaves behind
afterEach(async () => {
  for (const end of open.splice(0)) await end();
});

before(async () => {
  upstream = { heard: [], hangs: false };
  const server = createServer((req, res) => {
    upstream.heard.push({ path: req.url, traceparent: req.headers.traceparent, tracestate: req.headers.tracestate });
    if (upstream.hangs && req.url === '/long') return;
    res.writeHead(Number(/^\/status\/(\d+)/.exec(req.url)?.[1] ?? 200)).end('heard');
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  upstream.url = `http://user:password@127.0.0.1:${server.address().port}`;
  upstream.close = () => {
    server.close();
    server.closeAllConnections();
  };
});
after(() => {
  upstream?.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

// `data`: of a former start; else a new folder.
async function start(collector, env = {}, args = [], data = join(folder, `data-${number++}`)) {
  const program = await startProgram('tests/traced', ['--data', data, '--loops', '2', '--park-after', '20ms',
    ...adminOnPublic, ...args], {
    UPSTREAM: upstream.url,
    OTEL_EXPORTER_OTLP_ENDPOINT: collector.url,
    OTEL_BSP_SCHEDULE_DELAY: '50',
    STEPWELL_ADMIN_TOKEN: 'operator of the test',
    ...env,
  });
  open.push(() => program.kill());
  return { ...program, data };
}

async function collect(answer) {
  const collector = await startCollector(answer);
  open.push(collector.close);
  return collector;
}

const post = (program, path, headers = {}) => fetch(program.url + path, { method: 'POST', headers });
const traceparent = (flags) => ({ traceparent: `00-${TRACE}-${PARENT}-${flags}`, tracestate: 'vendor=1' });

async function metric(program, name) {
  const page = await fetch(`${program.url}/_sw/metrics`, { headers: { authorization: 'Bearer operator of the test' } });
  return Number(new RegExp(`^stepwell_${name} (\\d+)`, 'm').exec(await page.text())?.[1]);
}

// Undefined: there is no such run.
async function stateOf(program, run) {
  const headers = { authorization: 'Bearer operator of the test' };
  const page = await fetch(`${program.url}/_sw/runs/${run}`, { headers });
  return page.status === 404 ? undefined : (await page.json()).state;
}

function checkTreeSpans(spans) {
  const top = assertTree(spans, PARENT);
  const named = (name) => spans.filter((s) => s.name === name);
  assert.equal(top.name, 'POST /tree/:id');
  assert.equal(top.kind, 2);
  assert.equal(top.state, 'vendor=1');
  assert.equal(top.attributes['http.request.method'], 'POST');
  assert.equal(top.attributes['http.route'], '/tree/:id');
  assert.equal(top.attributes['url.path'], '/tree/7');
  assert.equal(top.attributes['http.response.status_code'], 200);
  assert.equal(top.attributes['stepwell.run.outcome'], 'succeeded');
  assert.match(top.attributes['stepwell.run.id'], /^[0-9A-Z]{26}$/);
  assert.equal(top.error, null);
  assert.equal(named('first').length, 1);
  assert.equal(named('inner').length, 2);
  assert.deepEqual(named('inner').map((s) => s.attributes['stepwell.branch']).sort(), ['left', 'right']);
  assert.deepEqual(named('again').map((s) => [s.attributes['stepwell.attempt'], s.error]), [[1, 'not yet'], [2, null]]);
  for (const s of named('again')) {
    const said = ['request.model', 'usage.input_tokens', 'usage.output_tokens'].map((n) => s.attributes[`gen_ai.${n}`]);
    assert.deepEqual([...said, s.attributes['stepwell.usage.units']], ['large', 101, 20, 2]);
  }
  assert.equal(named('sleep nap').length, 1);
  assert.equal(named('retry again').length, 1);
  const nap = named('sleep nap')[0];
  assert.ok(nap.to - nap.from >= 49_000_000n, `the nap took ${nap.to - nap.from}`);
  const calls = named('GET');
  assert.ok(calls.every((s) => s.kind === 3 && s.attributes['server.address'] === '127.0.0.1'));
  const first = calls.find((s) => s.attributes['url.full'].endsWith('/first'));
  assert.equal(first.parent, named('first')[0].id);
  assert.equal(first.attributes['http.response.status_code'], 200);
  assert.equal(first.attributes['http.response.body.size'], 5);
  assert.equal(first.attributes['server.port'], Number(new URL(upstream.url).port));
  const refused = calls.find((s) => s.attributes['url.full'].endsWith('/status/404'));
  assert.equal(refused.attributes['error.type'], '404');
  assert.equal(refused.error, '');
  const all = JSON.stringify(spans, (key, v) => (typeof v === 'bigint' ? Number(v) : v));
  assert.equal(all.match(/secret|password/), null);
  for (const s of spans) {
    const off = 25_000_000n; // when a run began its journal knows to 20 ms
    assert.ok(s === top || (s.from >= top.from - off && s.to <= top.to), `${s.name} lies in its request`);
    if (s.flags !== undefined) assert.equal(s.flags, s === top ? 0x301 : 0x101); // one decoder knows no such field
  }
}

// What the services behind were told hangs on the spans that the collector got.
function checkHeard(spans, heard) {
  for (const { path, traceparent: said } of heard) {
    const [, trace, parent, flags] = /^00-(\w+)-(\w+)-(\w+)$/.exec(said);
    assert.equal(trace, spans[0].trace);
    assert.equal(flags, '01');
    const call = spans.find((s) => s.id === parent);
    assert.ok(call, `${path} hangs on a span that nobody has told of`);
    assert.equal(call.kind, 3);
  }
}

for (const [protocol, packing] of ['http/protobuf', 'http/json'].flatMap((p) => [[p, 'none'], [p, 'gzip']])) {
  test(`a tree, by ${protocol}, packed: ${packing}`, async () => {
    const collector = await collect();
    const program = await start(collector, {
      OTEL_EXPORTER_OTLP_COMPRESSION: packing,
      OTEL_EXPORTER_OTLP_PROTOCOL: protocol, OTEL_SERVICE_NAME: 'shop', OTEL_EXPORTER_OTLP_HEADERS: 'x-key=a%20b,y=2',
      OTEL_RESOURCE_ATTRIBUTES: 'deployment.environment.name=test,service.name=other',
    });
    upstream.heard = [];
    assert.equal((await post(program, '/tree/7?key=secret', traceparent('00'))).status, 200);
    await collector.until((spans) => spans.some((s) => s.kind === 2));
    const attempts = 6, calls = 4, waits = 2;
    await collector.until((spans) => spans.length >= 1 + attempts + calls + waits);
    assert.equal(collector.spans.length, 1 + attempts + calls + waits);
    checkTreeSpans(collector.spans);
    checkHeard(collector.spans, upstream.heard);
    assert.equal(upstream.heard.length, calls);
    assert.equal(collector.resource['service.name'], 'shop');
    assert.equal(collector.resource['deployment.environment.name'], 'test');
    assert.equal(collector.resource['telemetry.sdk.name'], 'stepwell');
    for (const head of collector.requests)
      assert.equal(head['content-encoding'], packing === 'gzip' ? 'gzip' : undefined);
    assert.equal(collector.requests[0]['x-key'], 'a b');
    assert.equal(collector.requests[0].y, '2');
    assert.equal(collector.paths[0], '/v1/traces');
    assert.deepEqual(collector.errors, []);
    await program.stop();
    collector.close();
  });
}

test('a trace of its own, a plain request, a failure', async () => {
  const collector = await collect();
  const program = await start(collector);
  upstream.heard = [];
  assert.equal((await post(program, '/fails')).status, 500);
  await collector.until((spans) => spans.length === 2);
  const top = assertTree(collector.spans, '');
  assert.equal(top.attributes['error.type'], '500');
  assert.equal(top.error, 'it is broken: ?');
  assert.equal(top.attributes['stepwell.run.outcome'], 'failed');
  collector.spans.length = 0;
  assert.equal((await fetch(`${program.url}/plain`)).status, 200);
  await collector.until((spans) => spans.length === 2);
  assertTree(collector.spans, '');
  checkHeard(collector.spans, upstream.heard);
  assert.equal(upstream.heard.length, 1);
  await program.stop();
  collector.close();
});

// While the run is about to be read, or its loop does not know of its end yet, the answer is 503.
async function resume(program, run) {
  const options = { method: 'POST', headers: { authorization: 'Bearer operator of the test' } };
  let status = 503;
  while (status === 503) ({ status } = await fetch(`${program.url}/_sw/runs/${run}/resume`, options));
  assert.equal(status, 202);
}

test('a run that is reopened hangs on what it was', async () => {
  const collector = await collect();
  const program = await start(collector);
  await post(program, '/fails');
  await collector.until((spans) => spans.length === 2);
  const run = collector.spans.find((s) => s.kind === 2).attributes['stepwell.run.id'];
  await resume(program, run);
  await collector.until((spans) => spans.filter((s) => s.kind === 2).length === 2);
  assertTree(collector.spans, '');
  assert.equal(collector.spans.length, 3); // the step is done, and not made again
  await program.stop();
});

// A fork has a trace of its own, which says of which request it is a fork: also when that is told by a later process.
for (const protocol of ['http/protobuf', 'http/json']) {
  test(`a fork links to the request of its run, by ${protocol}`, async () => {
    const collector = await collect();
    const env = { OTEL_EXPORTER_OTLP_PROTOCOL: protocol };
    let program = await start(collector, env);
    const headers = { authorization: 'Bearer operator of the test' };
    const tops = () => collector.spans.filter((s) => s.kind === 2);
    const fork = async (run) => (await (await fetch(`${program.url}/_sw/runs/${run}/fork`,
      { method: 'POST', headers })).json()).runId;
    const topOf = async (run) => {
      await collector.until(() => tops().some((s) => s.attributes['stepwell.run.id'] === run));
      return tops().find((s) => s.attributes['stepwell.run.id'] === run);
    };
    for (const said of [traceparent('01'), {}]) { // the run belongs to its caller's trace, or to one of its own
      const source = await topOf((await post(program, '/one', said)).headers.get('x-run-id'));
      assert.deepEqual(source.links, []);
      const first = await topOf(await fork(source.attributes['stepwell.run.id']));
      assert.notEqual(first.trace, source.trace);
      assert.deepEqual([first.parent, first.links], ['', [{ trace: source.trace, span: source.id }]]);
      const second = await topOf(await fork(first.attributes['stepwell.run.id']));
      assert.deepEqual(second.links, [{ trace: first.trace, span: first.id }]);
    }
    const failed = await topOf((await post(program, '/fails')).headers.get('x-run-id'));
    const again = await fork(failed.attributes['stepwell.run.id']);
    const before = await topOf(again);
    await program.stop();
    program = await start(collector, env, [], program.data);
    await resume(program, again);
    await collector.until(() => tops().filter((s) => s.attributes['stepwell.run.id'] === again).length === 2);
    const resumed = tops().findLast((s) => s.attributes['stepwell.run.id'] === again);
    assert.deepEqual([resumed.parent, resumed.links], [before.id, []]); // its parent has the link
    assert.deepEqual(collector.errors, []);
    await program.stop();
  });
}

// The process dies while an attempt waits for its call: what it was in the middle of is told by the next process.
test('kill -9 in an attempt leaves no gap, and no span twice', async () => {
  for (const delay of ['20', '60000']) { // spans are exported before the kill, or all of them after it
    const collector = await collect();
    const env = { OTEL_BSP_SCHEDULE_DELAY: delay };
    const args = ['--trace-trust'];
    const first = await start(collector, env, args);
    upstream.heard = [];
    upstream.hangs = true;
    const accepted = await post(first, '/long', { prefer: 'respond-async', ...traceparent('01') });
    assert.equal(accepted.status, 202);
    while (!upstream.heard.some((h) => h.path === '/long')) await sleep(5);
    await sleep(200);
    if (delay === '20') while ((await metric(first, 'trace_spans_waiting')) > 0) await sleep(20);
    await first.kill();
    upstream.hangs = false;
    const second = await start(collector, { ...env, OTEL_BSP_SCHEDULE_DELAY: '20' }, args, first.data);
    const output = accepted.headers.get('location').replace(/^http:\/\/[^/]+/, second.url);
    assert.equal(await (await fetch(output)).text(), 'long');
    await collector.until((spans) => spans.some((s) => s.kind === 2) && spans.length >= 10);
    await sleep(300); // for what comes twice
    assertTree(collector.spans, PARENT);
    checkHeard(collector.spans, upstream.heard);
    const names = collector.spans.map((s) => s.name).sort();
    assert.deepEqual(names, ['GET', 'GET', 'GET', 'GET', 'POST /long', 'after', 'before', 'long', 'long', 'sleep nap']);
    const cut = collector.spans.filter((s) => s.attributes['error.type'] === 'process_ended');
    assert.deepEqual(cut.map((s) => s.name).sort(), ['GET', 'long']);
    const long = collector.spans.filter((s) => s.name === 'long');
    assert.deepEqual(long.map((s) => s.attributes['stepwell.attempt']), [1, 1]);
    await second.stop();
    collector.close();
  }
});

// Each query's first search fails, and the process dies while learnings are drawn from the sources: the next one tells
// of the rest, and of what was cut off.
test('a research, with retries and a kill -9 in the middle, is one tree', async () => {
  const collector = await collect(), searched = new Set();
  let holds = true, holding = 0;
  const hold = async (asked) => {
    const kind = kindOf(asked);
    if (kind === 'search' && searched.size < searched.add(asked.text).size)
      return refusal(429, { error: 'not so fast' }, { 'retry-after': '0' });
    if (kind !== 'learn' || !holds) return;
    holding++;
    while (holds) await sleep(5);
  };
  const agent = await startAgent(['--latency-ms', '5'], ['--trace-trust', '--park-after', '20ms'], {
    hold,
    env: () => ({ OTEL_EXPORTER_OTLP_ENDPOINT: collector.url, OTEL_BSP_SCHEDULE_DELAY: '20' }),
  });
  open.push(() => agent.stop());
  const path = researchPath({ topic: 'Tidal power', depth: 2, breadth: 3 });
  const accepted = await fetch(agent.url + path, { headers: { prefer: 'respond-async', ...traceparent('01') } });
  assert.equal(accepted.status, 202);
  while (holding === 0) await sleep(5);
  while ((await metric(agent, 'trace_spans_waiting')) > 0) await sleep(20);
  const early = collector.spans.length;
  assert.ok(early > 0);
  await agent.kill();
  holds = false;
  await agent.start();
  const report = await (await fetch(accepted.headers.get('location'))).json();
  assert.equal(report.success, true);
  await collector.until((spans) => spans.some((s) => s.kind === 2));
  while ((await metric(agent, 'trace_spans_waiting')) > 0) await sleep(20);
  await sleep(300); // for what comes twice
  const { spans } = collector;
  const top = assertTree(spans, PARENT);
  assert.equal(top.trace, TRACE);
  assert.equal(top.attributes['stepwell.run.outcome'], 'succeeded');
  checkHeard(spans, agent.seen.map(({ path: to, headers }) => ({ path: to, ...headers })));
  const calls = spans.filter((s) => s.kind === 3);
  assert.equal(calls.length, agent.seen.length);
  assert.equal(calls.filter((s) => s.attributes['error.type'] === '429').length, searched.size);
  assert.ok(spans.some((s) => s.attributes['stepwell.attempt'] === 2));
  assert.ok(calls.some((s) => s.attributes['error.type'] === 'process_ended'));
  assert.ok(spans.slice(early).some((s) => s.attributes['gen_ai.request.model']));
  assert.deepEqual(collector.errors, []);
});

// Leaves out spans that came again since nobody knew that they had been taken: they are alike.
function withoutRepeated(spans, lastBatches) {
  const taken = new Map();
  return spans.filter((span) => {
    const { batch, ...said } = span;
    const before = taken.get(span.id);
    taken.set(span.id, span);
    if (!before || !lastBatches.has(before.batch)) return true;
    assert.deepEqual({ ...said, batch: 0 }, { ...before, batch: 0 });
    return false;
  });
}

// Kills at any moment, under load: each run is one tree in the end.
test('kill -9 at any moment, again and again', async () => {
  const collector = await collect();
  const env = { OTEL_BSP_SCHEDULE_DELAY: '30', OTEL_BSP_MAX_QUEUE_SIZE: '20000' };
  let program = await start(collector, env);
  const lastBatches = new Set(); // that the collector had taken, and whose answers may not have come before the kill
  for (let round = 0; round < 8; round++) {
    const asked = [];
    for (let i = 0; i < 40; i++) {
      const key = `"${round}-${i}"`;
      const path = i % 2 ? '/tree/1' : '/one';
      const headers = { 'idempotency-key': key, prefer: 'respond-async' };
      asked.push(post(program, path, headers).then((r) => r.text()).catch(() => {}));
    }
    await sleep(20 + round * 25);
    await program.kill();
    lastBatches.add(collector.requests.length);
    await Promise.all(asked);
    program = await start(collector, env, [], program.data);
  }
  const done = async () => (await metric(program, 'runs_unfinished')) === 0;
  while (!(await done())) await sleep(50);
  while ((await metric(program, 'trace_spans_waiting')) > 0) await sleep(50);
  const byTrace = Map.groupBy(withoutRepeated(collector.spans, lastBatches), (s) => s.trace);
  assert.ok(byTrace.size > 100, `${byTrace.size} traces`);
  for (const spans of byTrace.values()) {
    const top = assertTree(spans, '');
    assert.equal(top.attributes['stepwell.run.outcome'], await stateOf(program, top.attributes['stepwell.run.id']));
  }
  assert.equal(await metric(program, 'trace_spans_dropped_total'), 0);
  assert.deepEqual(collector.errors, []);
  await program.stop();
  collector.close();
});

async function sampled(env, args, headers, count = 200) {
  const collector = await collect();
  const program = await start(collector, env, args);
  upstream.heard = [];
  for (let i = 0; i < count; i++) assert.equal((await post(program, '/one', headers)).status, 200);
  assert.equal((await fetch(`${program.url}/plain`, { headers })).status, 200);
  await program.stop();
  collector.close();
  const ones = collector.spans.filter((s) => s.name === 'POST /one');
  const traces = new Set(ones.map((s) => s.attributes['stepwell.run.id']));
  return { taken: traces.size, told: upstream.heard[0].traceparent?.slice(-2), spans: collector.spans };
}

test('samplers', async () => {
  const ratio = (share) =>
    ({ OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: String(share) });
  const quarter = await sampled(ratio(0.25), []);
  assert.ok(quarter.taken > 20 && quarter.taken < 85, `${quarter.taken} of 200`);
  for (const spans of Map.groupBy(quarter.spans, (s) => s.trace).values()) assertTree(spans, '');
  assert.deepEqual([(await sampled(ratio(0), [], traceparent('01'), 5)).taken, 'a stranger'], [0, 'a stranger']);
  assert.equal((await sampled(ratio(0), ['--trace-trust'], traceparent('01'), 5)).taken, 5);
  const unwanted = await sampled(ratio(1), ['--trace-trust'], traceparent('00'), 5);
  assert.deepEqual([unwanted.taken, unwanted.told], [0, '00']);
  assert.equal((await sampled({ OTEL_TRACES_SAMPLER: 'always_on' }, ['--trace-trust'], traceparent('00'), 5)).taken, 5);
  assert.equal((await sampled({ OTEL_TRACES_SAMPLER: 'always_off' }, [], {}, 5)).taken, 0);
  assert.equal((await sampled({ OTEL_TRACES_SAMPLER: 'no such' }, [], {}, 5)).taken, 5);
  const off = await sampled({ OTEL_SDK_DISABLED: 'true' }, [], {}, 5);
  assert.deepEqual([off.taken, off.told], [0, undefined]);
  assert.equal((await sampled({ OTEL_TRACES_EXPORTER: 'none' }, [], {}, 5)).taken, 0);
});

test('a collector that refuses gets the spans when it wants them', async () => {
  let refusals = 0;
  const collector = await collect((res) => {
    if (refusals === 3) return void res.end();
    res.writeHead([503, 429, 502][refusals++], { 'retry-after': '1' }).end('not now');
    return false;
  });
  const program = await start(collector);
  const from = Date.now();
  assert.equal((await post(program, '/one')).status, 200);
  await collector.until((spans) => spans.length === 2);
  assert.ok(Date.now() - from >= 2900, 'Retry-After is obeyed');
  assert.equal(refusals, 3);
  assertTree(collector.spans, '');
  await program.stop();
  assert.match(program.log(), /takes no spans: 503 not now/);
  assert.match(program.log(), /takes spans again/);
  collector.close();
});

test('what a collector refuses for good is given up', async () => {
  let refuses = true;
  const collector = await collect((res) => {
    if (!refuses) return void res.end();
    res.writeHead(400);
    for (let i = 0; i < 64; i++) res.write('x'.repeat(65536)); // an error of 4 MiB
    res.end();
    return false;
  });
  const program = await start(collector);
  await post(program, '/one');
  while ((await metric(program, 'trace_spans_refused_total')) !== 2) await sleep(20);
  const refused = collector.requests.length; // the two spans come in one batch, or each in its own
  assert.ok(refused <= 2, `${refused} exports of two spans`);
  refuses = false;
  await post(program, '/one');
  await collector.until((spans) => spans.length === 2);
  assert.ok(collector.requests.length - refused <= 2, `${collector.requests.length} exports`);
  await program.stop();
  collector.close();
});

const memoryOf = (pid) => Number(/VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]);

// A collector that is slow, hangs, or is not there: no request waits for it, and nothing grows.
for (const [name, answer] of [
  ['hangs', () => false],
  ['is slow', (res) => void setTimeout(() => res.end(), 300)],
  ['breaks off', (res) => { res.destroy(); return false; }],
]) {
  test(`a collector that ${name} holds nobody up`, async () => {
    const collector = await collect(answer);
    const program = await start(collector, { OTEL_BSP_MAX_QUEUE_SIZE: '512', OTEL_EXPORTER_OTLP_TIMEOUT: '400' },
      ['--drain', '2s']);
    const ask = async (count) => { // how long each twenty took, in ms
      const one = () => post(program, '/one').then((r) => r.text()), took = [];
      for (let i = 0; i < count; i += 20) {
        const from = Date.now();
        await Promise.all(Array.from({ length: 20 }, one));
        took.push(Date.now() - from);
      }
      return took;
    };
    await ask(2000);
    const files = readdirSync(`/proc/${program.pid}/fd`).length;
    const memory = memoryOf(program.pid);
    const took = await ask(4000), late = took.filter((ms) => ms >= 300).length; // as if they had waited for it
    assert.ok(late < took.length / 3, `${late} of ${took.length} times it took as long as the collector`);
    assert.ok(readdirSync(`/proc/${program.pid}/fd`).length <= files + 4, 'files stay open');
    assert.ok(memoryOf(program.pid) <= memory + 8192, `memory grows from ${memory} to ${memoryOf(program.pid)} KiB`);
    assert.ok((await metric(program, 'trace_spans_dropped_total')) > 0);
    const stopped = Date.now();
    await program.stop();
    assert.ok(Date.now() - stopped < 8000, `it took ${Date.now() - stopped} ms to stop`); // --drain, on any machine
    collector.close();
  });
}

test('a drain exports what waits', async () => {
  const collector = await collect();
  const program = await start(collector, { OTEL_BSP_SCHEDULE_DELAY: '60000' });
  await post(program, '/one');
  await program.stop();
  assertTree(collector.spans, '');
  assert.equal(collector.spans.length, 2);
  collector.close();
});

// What no process could export is exported by the next one.
test('spans outlive their process', async () => {
  const nowhere = { url: 'http://127.0.0.1:9' };
  const first = await start(nowhere, {}, ['--drain', '300ms']);
  await post(first, '/one');
  await first.stop();
  const collector = await collect();
  const second = await start(collector, {}, [], first.data);
  await collector.until((spans) => spans.length === 2);
  assertTree(collector.spans, '');
  await second.stop();
  collector.close();
});
