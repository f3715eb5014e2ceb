// Streams as the published client of durable endpoints reads them, unmodified; and what a client may do beyond it.
import assert from 'node:assert/strict';
import { createHash } from 'node:crypto';
import { connect } from 'node:net';
import { test } from 'node:test';
import { fetchWithStream } from 'inngest/experimental/durable-endpoints/client';
import { followStream, frames, openStream, readStream, startGate, startStreamer } from './streams.mjs';

const sha1 = (text) => createHash('sha1').update(text).digest('hex');
const words = 'naïve 日本語 🌊 "q" \\ \n\t\u0001 ';

// What a client keeps: chunks of a step count when the step commits, and are dropped when it rolls back.
async function read(url, fetchOpts, extra = {}) {
  const seen = { metadata: [], events: [], kept: [], pending: new Map() };
  const response = await fetchWithStream(url, {
    fetchOpts,
    ...extra,
    onMetadata: (m) => seen.metadata.push(m),
    onData: ({ data, hashedStepId }) => {
      seen.events.push(['data', data, hashedStepId]);
      if (!hashedStepId) seen.kept.push(data);
      else seen.pending.set(hashedStepId, [...(seen.pending.get(hashedStepId) ?? []), data]);
      extra.onData?.(data);
    },
    onCommit: ({ hashedStepId }) => {
      seen.events.push(['commit', hashedStepId]);
      seen.kept.push(...(seen.pending.get(hashedStepId) ?? []));
      seen.pending.delete(hashedStepId);
    },
    onRollback: ({ hashedStepId }) => {
      seen.events.push(['rollback', hashedStepId]);
      seen.pending.delete(hashedStepId);
    },
  });
  assert.equal(seen.metadata.length >= 1, true, 'metadata comes first');
  assert.equal(seen.pending.size, 0, 'every step committed or rolled back');
  return { ...seen, response, body: await response.text(), runId: seen.metadata[0].runId };
}

const streamUrl = async (service, path) => {
  const [metadata] = await readStream(service.url + path, { enough: (all) => all.length > 0 });
  return metadata.data.streamUrl;
};

test('an endpoint that streams nothing', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/silent?n=4`);
  assert.deepEqual([r.events, r.response.status, r.body], [[], 200, '{"n":5}']);
  assert.match(r.runId, /^[0-9A-Z]{26}$/);
});

test('a request that is refused is an ordinary response', async (t) => {
  const service = await startStreamer(t);
  const response = await fetchWithStream(`${service.url}/nowhere`);
  assert.equal(response.status, 404);
});

test('chunks in several steps and between them', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/steps?steps=3&chunks=2`);
  const expected = [['data', 'begin', null]];
  for (const s of ['s0', 's1', 's2'])
    expected.push(['data', `${s}-0`, sha1(s)], ['data', `${s}-1`, sha1(s)], ['commit', sha1(s)]);
  expected.push(['data', { said: ['s0', 's1', 's2'] }, null]);
  assert.deepEqual(r.events, expected);
  assert.equal(r.body, '["s0","s1","s2"]');
});

test('chunks in parallel steps', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  const reading = read(`${service.url}/parallel?steps=3&chunks=2&gate=${gate.url}`);
  for (const name of ['p0-0', 'p1-0', 'p2-0']) await gate.seen(name);
  gate.open('p2-0', 'p2-1', 'p2-end', 'p0-0', 'p1-0');
  await gate.seen('p0-1');
  gate.openAll();
  const r = await reading;
  for (const p of ['p0', 'p1', 'p2']) {
    const own = r.events.filter((e) => e.at(-1) === sha1(p));
    assert.deepEqual(own, [['data', `${p}-0`, sha1(p)], ['data', `${p}-1`, sha1(p)], ['commit', sha1(p)]]);
  }
  assert.ok(r.events.findIndex((e) => e[1] === 'p2-0') < r.events.findIndex((e) => e[1] === 'p0-1'), 'they interleave');
});

test('each chunk is seen while the handler still works: nothing is held back', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  const names = ['s0-0', 's0-1', 's0-2', 's0-end'];
  let at = 0;
  gate.open(names[at++]);
  // The handler goes on only when its last chunk has been seen here: were it buffered, this would never end.
  const r = await read(`${service.url}/steps?steps=1&gate=${gate.url}`, undefined, {
    onData: (data) => {
      if (/^s0/.test(data)) gate.open(names[at++]);
    },
  });
  assert.deepEqual(r.kept, ['begin', 's0-0', 's0-1', 's0-2', { said: ['s0'] }]);
  assert.deepEqual(gate.asked, names);
});

test('commit and rollback of retried steps', async (t) => {
  const service = await startStreamer(t), id = sha1('stumble');
  const data = (n) => [['data', `try${n}-0`, id], ['data', `try${n}-1`, id]];
  const twice = await read(`${service.url}/retry?failures=2`);
  assert.deepEqual(twice.events, [
    ...data(1),
    ['rollback', id],
    ...data(2),
    ['rollback', id],
    ...data(3),
    ['commit', id],
    ['data', 'after', null],
  ]);
  assert.deepEqual(JSON.parse(twice.body), { ok: true, attempt: 3, error: '' });
  const forGood = await read(`${service.url}/retry?failures=9`);
  assert.deepEqual(forGood.events, [
    ...data(1),
    ['rollback', id],
    ...data(2),
    ['rollback', id],
    ...data(3),
    ['rollback', id],
    ['data', 'after', null],
  ]);
  assert.deepEqual(forGood.kept, ['after']);
  // What the published client does not show: why an attempt failed, and when the next one begins.
  const raw = await (
    await fetch(`${service.url}/retry?failures=9`, { headers: { Accept: 'text/event-stream' } })
  ).text();
  const told = [...raw.matchAll(/^event: inngest.rollback\ndata: (.*)$/gm)].map((m) => JSON.parse(m[1]));
  assert.deepEqual(told.map((t) => [t.attempt, t.nextAt !== null]), [[1, true], [2, true], [3, false]]);
  assert.ok(told.every((t) => t.hashedStepId === id && t.error.length > 0));
  assert.ok(told[0].nextAt > Date.now() - 60_000 && told[1].nextAt >= told[0].nextAt);
});

test('a sleep in the middle, for which the run leaves memory: the same stream goes on', async (t) => {
  const service = await startStreamer(t, ['--redirect-after', '50ms', '--park-after', '100ms']);
  const requests = [];
  const counting = (url, options) => { requests.push(String(url)); return fetch(url, options); };
  const r = await read(`${service.url}/sleep?ms=1200&chunks=1`, undefined, { fetch: counting });
  assert.deepEqual(r.events, [
    ['data', 'outside-0', null],
    ['data', 'before-0', sha1('before')],
    ['commit', sha1('before')],
    ['data', 'outside-1', null],
    ['data', 'after-0', sha1('after')],
    ['commit', sha1('after')],
  ]);
  assert.equal(r.body, 'slept');
  assert.equal(requests.length, 1, 'on the same connection');
  const metrics = await (await fetch(`${service.url}/_sw/metrics`)).text();
  assert.match(metrics, /parked[^\n]* 1\n/, 'the run did leave memory');
});

test('a retry that waits longer than --redirect-after leaves a stream alone', async (t) => {
  const service = await startStreamer(t, ['--redirect-after', '50ms', '--park-after', '100ms']);
  const r = await read(`${service.url}/retry?failures=1&wait=600`);
  assert.deepEqual(r.kept, ['try2-0', 'try2-1', 'after']);
});

test('a failed run', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/fail`);
  assert.deepEqual(
    [r.kept, r.response.status, r.response.headers.get('content-type')],
    [['before it fails'], 500, 'application/problem+json'],
  );
  assert.equal(JSON.parse(r.body).detail, 'broken on purpose');
  const all = await readStream(await streamUrl(service, '/fail'));
  assert.equal(all.at(-1).data.status, 'failed');
});

test('custom status and headers', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/custom`);
  assert.equal(r.response.status, 418);
  assert.equal(r.body, 'short and stout ☕');
  assert.equal(r.response.headers.get('content-type'), 'text/plain; charset=utf-8');
  assert.equal(r.response.headers.get('x-twice'), 'one, two', 'a header that is there twice is not lost');
  assert.match(r.response.headers.get('x-custom'), /quoted/);
});

test('a response without a body', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/nothing`);
  assert.deepEqual(
    [r.kept, r.response.status, r.body],
    [['then nothing'], 200, ''],
    'the client cannot make a 204 of a text',
  );
  assert.equal((await fetch(`${service.url}/nothing`)).status, 204);
});

test('a POST with a body', async (t) => {
  const service = await startStreamer(t);
  const body = JSON.stringify({ a: [1, 'é'] });
  const r = await read(`${service.url}/echo`, {
    method: 'POST',
    headers: { 'Content-Type': 'application/json' },
    body,
  });
  assert.deepEqual([r.kept, r.response.status, r.body], [[{ a: [1, 'é'] }], 201, body]);
});

test('every kind of value', async (t) => {
  const service = await startStreamer(t);
  const r = await read(`${service.url}/values`);
  assert.deepEqual(r.kept, [null, true, -7, 0.5, '', [1, { a: null }], Buffer.from([0, 255, 195]).toString('base64')]);
});

test('UTF-8 cut anywhere by the network', async (t) => {
  const service = await startStreamer(t);
  // Every size of piece from one byte on cuts the characters at other places.
  for (const size of [1, 2, 3, 5, 7]) {
    const cutting = async (url, options) => {
      const response = await fetch(url, options), bytes = new Uint8Array(await response.arrayBuffer());
      let at = 0;
      const body = new ReadableStream({
        pull(c) {
          if (at < bytes.length) c.enqueue(bytes.subarray(at, (at += size)));
          else c.close();
        },
      });
      return new Response(body, { status: response.status, headers: response.headers });
    };
    const r = await read(`${service.url}/text?n=20`, undefined, { fetch: cutting });
    assert.deepEqual(r.kept, Array.from({ length: 20 }, (_, i) => `${i} ${words}`));
    assert.equal(r.body, words);
  }
});

test('half a character is refused, with a word on what to do', async (t) => {
  const service = await startStreamer(t);
  for (const path of ['/half', '/half?deep=1']) {
    const response = await fetch(service.url + path);
    assert.equal(response.status, 500);
    const problem = await response.json();
    assert.equal(problem.step, 'half');
    assert.match(problem.detail, /not valid UTF-8/);
    assert.equal(problem.attempts, 1, 'trying again would not help');
  }
});

test('a client that disconnects in the middle: the run goes on and its result is at the output URL', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  gate.open('s0-0');
  const seen = await readStream(`${service.url}/steps?steps=2&chunks=2&gate=${gate.url}`, {
    enough: (all) => all.some((f) => f.data.data === 's0-0'),
  });
  gate.openAll(); // the client has gone by now
  const response = await fetch(seen[0].data.outputUrl);
  assert.equal(await response.text(), '["s0","s1"]');
  assert.equal(gate.asked.length, new Set(gate.asked).size, 'no step ran twice');
});

test('Last-Event-ID and ?after= resume, a late joiner gets all from the start', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  gate.open('s0-0', 's0-1', 's0-2', 's0-end');
  const first = await readStream(`${service.url}/steps?steps=2&gate=${gate.url}`, {
    enough: (all) => all.at(-1).event === 'inngest.commit',
  });
  const url = first[0].data.streamUrl;
  assert.deepEqual(first.map((f) => f.id), ['0', '1', '2', '3', '4', '5'], 'every frame has an id');
  const late = readStream(url), resumed = readStream(url, { last: 3 }), after = readStream(`${url}&after=3`);
  gate.openAll();
  const [all, rest, same] = await Promise.all([late, resumed, after]);
  assert.deepEqual(all.slice(0, 6).map((f) => f.data), [all[0].data, ...first.slice(1).map((f) => f.data)]);
  assert.equal(all.at(-1).event, 'inngest.response');
  assert.deepEqual(all.slice(1).map((f) => f.id), all.slice(1).map((_, i) => String(i + 1)));
  assert.deepEqual(rest.slice(1), all.slice(4));
  assert.deepEqual(same.slice(1), all.slice(4));
  assert.deepEqual([rest[0].event, rest[0].id], ['inngest.metadata', '3'], 'the metadata does not set the reader back');
  assert.deepEqual((await readStream(url)).slice(1), all.slice(1), 'and after the run is over');
  assert.deepEqual((await readStream(url, { last: 5 })).slice(1), all.slice(6));
});

test('a reader that has the response already is told to stop', async (t) => {
  const service = await startStreamer(t);
  const url = await streamUrl(service, '/custom');
  const all = await readStream(url), last = all.at(-1).id;
  for (const id of [last, Number(last) + 1, 4294967294]) {
    const response = await openStream(url, { last: id });
    assert.equal(response.status, 204, `after ${id}`);
  }
});

test('a last id that is none', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  const [metadata] = await readStream(`${service.url}/steps?steps=1&gate=${gate.url}`, {
    enough: (all) => all.length > 0,
  });
  const url = metadata.data.streamUrl;
  for (const last of ['x', '-1', '1.5', '0x10', '99999999999999999999', '4294967295', '1 2', 'é', '1'.repeat(5000)]) {
    const response = await openStream(url, { last: Buffer.from(last).toString('latin1') });
    assert.equal(response.status, 400, last.slice(0, 30));
    assert.match((await response.json()).detail, /Last-Event-ID/);
    if (last.length < 500) assert.equal((await openStream(`${url}&after=${encodeURIComponent(last)}`)).status, 400);
  }
  // In the future: the reader gets what comes from now on.
  let joined;
  const isJoined = new Promise((done) => { joined = done; });
  const future = readStream(url, { last: 1000, enough: () => joined() });
  await Promise.race([isJoined, future]); // who comes when the run is over is told to stop
  await gate.seen('s0-0');
  gate.openAll();
  const all = await readStream(url), tail = (await future).slice(1);
  assert.ok(tail.length > 0 && tail.length < all.length);
  assert.deepEqual(tail, all.slice(-tail.length));
});

test('an EventSource at the endpoint itself does not start a second run', async (t) => {
  const service = await startStreamer(t);
  const response = await openStream(`${service.url}/custom`, { last: 3 });
  assert.equal(response.status, 409);
  assert.match((await response.json()).detail, /streamUrl/);
  const runs = await (await fetch(`${service.url}/_sw/runs`)).json();
  assert.equal(runs.runs.length, 0);
});

test('HEAD of a stream is answered at once', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  const enough = (all) => all.length > 0;
  const [metadata] = await readStream(`${service.url}/steps?steps=1&gate=${gate.url}`, { enough });
  const response = await fetch(metadata.data.streamUrl, { method: 'HEAD' });
  assert.deepEqual([response.status, response.headers.get('content-type')], [200, 'text/event-stream']);
  gate.openAll();
});

test('a client of HTTP/1.0 reads until the end', async (t) => {
  const service = await startStreamer(t), { hostname, port } = new URL(service.url);
  const socket = connect(Number(port), hostname);
  socket.write('GET /custom HTTP/1.0\r\nAccept: text/event-stream\r\n\r\n');
  let text = '';
  for await (const piece of socket) text += piece;
  assert.match(text, /inngest.response\ndata: .*418.*\n\n$/s);
});

test('kill -9 and a restart in the middle: no chunk twice, none missing', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  gate.open('s0-0', 's0-1', 's0-2', 's0-end', 's1-0', 's1-1');
  let killed;
  const url = `${service.url}/steps?steps=3&gate=${gate.url}`;
  const first = await readStream(url, { enough: (all) => all.some((f) => f.data.data === 's1-1') });
  const live = followStream(first[0].data.streamUrl, {
    onFrame: (f) => {
      if (f.data.data === 's1-1' && !killed) killed = service.kill('SIGKILL').then(() => service.start());
    },
  });
  await gate.seen('s1-0', 2); // the restarted program tries step s1 again
  await killed;
  gate.openAll();
  const got = await live;
  const [s0, s1, s2] = ['s0', 's1', 's2'].map(sha1);
  const of = (name, hash) => [0, 1, 2].map((i) => ({ data: `${name}-${i}`, hashedStepId: hash }));
  assert.deepEqual(got.map((f) => f.data).slice(0, -1), [
    { data: 'begin' },
    ...of('s0', s0),
    { hashedStepId: s0 },
    ...of('s1', s1).slice(0, 2),
    { hashedStepId: s1 },
    ...of('s1', s1),
    { hashedStepId: s1 },
    ...of('s2', s2),
    { hashedStepId: s2 },
    { data: { said: ['s0', 's1', 's2'] } },
  ]);
  assert.equal(got[7].event, 'inngest.rollback', 'the chunks of the attempt that the kill cut off are taken back');
  assert.deepEqual(got.map((f) => f.id), got.map((_, i) => String(i + 1)));
  assert.deepEqual((await readStream(first[0].data.streamUrl)).slice(1), got);
  assert.deepEqual(gate.asked.filter((n) => n.startsWith('s0')), ['s0-0', 's0-1', 's0-2', 's0-end']);
});

test('kill -9 during a sleep: the stream that is read again goes on where it was', async (t) => {
  const service = await startStreamer(t, ['--park-after', '100ms']);
  const first = await readStream(`${service.url}/sleep?ms=1500&chunks=1`, { enough: (all) => all.length === 4 });
  await service.kill('SIGKILL');
  await service.start();
  const rest = await readStream(first[0].data.streamUrl, { last: first.at(-1).id });
  assert.deepEqual(rest.slice(1, -1).map((f) => f.data.data), ['outside-1', 'after-0', undefined]);
});

test('the published client through a SIGTERM: redirect_info, and the second stream has exactly the rest', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t);
  gate.open('s0-0', 's0-1', 's0-2', 's0-end', 's1-0');
  const reading = read(`${service.url}/steps?steps=3&gate=${gate.url}`, undefined, { fetch: patient });
  await gate.seen('s1-1');
  const stopped = service.kill('SIGTERM');
  await drains(service.url); // before that the next step may begin
  gate.open('s1-1', 's1-2', 's1-end'); // the running step may end; the next one is the next process's
  await stopped;
  await service.start();
  gate.openAll();
  const r = await reading;
  assert.deepEqual(r.kept, [
    'begin',
    ...['s0', 's1', 's2'].flatMap((s) => [0, 1, 2].map((i) => `${s}-${i}`)),
    { said: ['s0', 's1', 's2'] },
  ]);
  assert.equal(gate.asked.length, new Set(gate.asked).size, 'no step ran twice');
});

// Until every loop of the process drains: none of them listens any more.
async function drains(url) {
  const { hostname, port } = new URL(url);
  const refused = () => new Promise((done) => {
    const socket = connect(port, hostname);
    socket
      .on('connect', () => (socket.destroy(), done(false)))
      .on('error', (error) => done(error.code === 'ECONNREFUSED'));
  });
  while (!await refused()) await new Promise((done) => setTimeout(done, 5));
}

// Without a supervisor nobody listens for a moment: a connection that is refused is tried again.
async function patient(url, options) {
  for (;;) {
    try {
      return await fetch(url, options);
    } catch (error) {
      if (error.cause?.code !== 'ECONNREFUSED') throw error;
      await new Promise((done) => setTimeout(done, 20));
    }
  }
}
