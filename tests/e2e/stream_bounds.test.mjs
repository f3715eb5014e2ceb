// What streams may take: many chunks, large ones, more than a run may have, and a thousand readers that do not read.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect } from 'node:net';
import { test } from 'node:test';
import { readStream, startGate, startStreamer } from './streams.mjs';

const MIB = 1024 * 1024;
const residentBytes = (pid) => Number(/VmRSS:\s+(\d+) kB/.exec(readFileSync(`/proc/${pid}/status`, 'utf8'))[1]) * 1024;
const metric = async (service, name) =>
  Number(
    new RegExp(`^${name}(?:\\{[^}]*\\})? (\\d+)`, 'm').exec(
      await (await fetch(`${service.url}/_sw/metrics`)).text(),
    )[1],
  );

test('100,000 small chunks: all arrive, and their entries are written together', async (t) => {
  const service = await startStreamer(t), n = 100_000;
  const before = await metric(service, 'stepwell_journal_segments_total');
  const all = await readStream(`${service.url}/many?n=${n}&size=8`);
  const written = (await metric(service, 'stepwell_journal_segments_total')) - before;
  assert.equal(all.length, n + 3); // and metadata, commit, response
  all.forEach((f, i) => { if (Number(f.id) !== i) assert.fail(`frame ${i} has id ${f.id}`); });
  assert.ok(all.slice(1, n + 1).every((f, i) => f.data.data === `${i}:xxxxxxxx`));
  assert.equal(all.at(-1).data.response.body, String(n));
  assert.ok(written <= n / 1000, `${written} segments, each a key, for ${n} chunks`);
});

test('chunks up to the largest one, and none above it', async (t) => {
  const service = await startStreamer(t, ['--step-result-max', '1MiB']);
  const all = await readStream(`${service.url}/large?size=${MIB - 5}`);
  assert.equal(all[1].data.data.length, MIB - 5);
  const response = await fetch(`${service.url}/large?size=${MIB}`), problem = await response.json();
  assert.equal(response.status, 500);
  assert.match(problem.detail, /chunk.*too large.*--step-result-max is 1048576 bytes/);
  assert.deepEqual([problem.step, problem.attempts], ['large', 1]);
});

test('more chunks than a run may hold: the run fails and says which limit, the server goes on', async (t) => {
  const service = await startStreamer(t, ['--run-state-max', '1MiB']);
  const all = await readStream(`${service.url}/many?n=100000&size=100`);
  const { status, response } = all.at(-1).data;
  assert.deepEqual([status, response.statusCode], ['failed', 500]);
  assert.match(JSON.parse(response.body).detail, /--run-state-max/);
  assert.equal(all.at(-2).event, 'inngest.rollback');
  assert.ok(all.length > 1000 && all.length < 100000);
  assert.equal(await (await fetch(`${service.url}/silent?n=1`)).text(), '{"n":2}');
});

// A reader with a socket of its own, so that it can leave what has come in the kernel.
function slowReader(url) {
  const { hostname, port, pathname, search } = new URL(url);
  const socket = connect(Number(port), hostname);
  const reader = { socket, headed: null, text: null };
  reader.headed = new Promise((done, fail) => {
    socket.once('error', fail);
    socket.once('data', (data) => { socket.pause(); reader.text = [data]; done(); });
  });
  reader.rest = () => new Promise((done, fail) => {
    socket.on('error', fail);
    socket.on('data', (data) => reader.text.push(data));
    socket.on('end', () => done(Buffer.concat(reader.text).toString()));
    socket.resume();
  });
  socket.write(`GET ${pathname}${search} HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n`);
  return reader;
}

test('1,000 streams at once whose readers are slow: the server keeps no copy for each', async (t) => {
  const service = await startStreamer(t, ['--run-state-max', '64MiB']),
    gate = await startGate(t);
  const runs = 10,
    each = 100,
    chunks = 2000,
    size = 2000,
    text = chunks * size; // 4 MB a run
  const urls = [];
  for (let i = 0; i < runs; i++) {
    const [metadata] = await readStream(`${service.url}/many?n=${chunks}&size=${size}&gate=${gate.url}`, {
      enough: (all) => all.length > 0,
    });
    urls.push(metadata.data.streamUrl);
  }
  await gate.seen('many', runs);
  const before = residentBytes(service.program.pid);
  const readers = Array.from({ length: runs * each }, (_, i) => slowReader(urls[i % runs]));
  t.after(() => {
    for (const r of readers) r.socket.destroy();
  });
  await Promise.all(readers.map((r) => r.headed));
  // Nothing more is asked of the server until every reader has its first bytes; then a request goes through all loops.
  for (let i = 0; i < 50; i++) await (await fetch(`${service.url}/silent?n=${i}`)).text();
  const grown = residentBytes(service.program.pid) - before;
  // A connection: 16 KiB queue, a frame above it, the request's block and the structures; half as much again for
  // malloc.
  const bound = readers.length * 1.5 * (16 * 1024 + size + 8 * 1024);
  t.diagnostic(
    `${readers.length} streams of ${text / 1e6} MB took ${(grown / MIB).toFixed(1)} MiB, ` +
      `the bound is ${(bound / MIB).toFixed(1)}`,
  );
  assert.ok(grown < bound, `${grown} bytes for ${readers.length} readers; at most ${bound}`);
  gate.openAll();
  for (const r of readers.filter((_, i) => i % 40 === 0)) {
    const whole = await r.rest();
    const found = [...whole.matchAll(/"data":"(\d+):x{2000}"/g)].map((m) => Number(m[1]));
    assert.deepEqual(
      found,
      Array.from({ length: chunks }, (_, i) => i),
      'slow readers get everything, in order, once',
    );
    assert.match(whole, /inngest.response\ndata: .*"body":"2000".*\n\n$/);
  }
});
