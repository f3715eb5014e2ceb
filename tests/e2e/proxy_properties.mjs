// What a service behind a proxy must be able to do, one function each. A property is given `start(flags)`, which starts
// proxy and service anew, `after(end)` and a folder; it returns what the table of docs/operations.md says, "ok" or what
// was seen instead.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { createHash, randomBytes } from 'node:crypto';
import { mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { promisify } from 'node:util';
import { sleep } from './agent.mjs';
import { removeFolder } from './program.mjs';
import { follow, request, startProxied } from './proxy.mjs';
import { holdMany, readGated, readThrough, spoken, times } from './proxy_clients.mjs';
import { frames, startGate } from './streams.mjs';

const run = promisify(execFile);
const EVENTS = { Accept: 'text/event-stream', 'Accept-Encoding': 'gzip, deflate, br' };
const SILENCE_MS = 65_000, PATIENCE_MS = 60_000, BODY_BYTES = 7_000_000;

async function within(promise, what, ms = PATIENCE_MS) {
  let timer;
  const late = new Promise((_, fail) => {
    timer = setTimeout(() => fail(new Error(`${what}: not within ${ms / 1000} s`)), ms);
  });
  try {
    return await Promise.race([promise, late]);
  } finally {
    clearTimeout(timer);
  }
}

// What the property says of the proxy, or how it failed; everything that it started has ended then.
export async function prove(property, name, without) {
  const endings = [], after = (end) => endings.unshift(end);
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-property-'));
  after(() => removeFolder(folder));
  let service;
  const start = async (flags) => { service = await startProxied({ after }, flags, { name, without }); return service; };
  try {
    return await property({ start, after, folder });
  } catch (error) {
    if (process.env.PROXIES_TRACE) console.error(error, service?.log().slice(-3000));
    return error.message.split('\n')[0];
  } finally {
    for (const end of endings) await end();
  }
}

// Each part is tried by itself; those that fail are told.
async function partly(parts) {
  const failed = [];
  await Promise.all(Object.entries(parts).map(async ([name, part]) => {
    try {
      await part();
    } catch (error) {
      failed.push(`${name}: ${error.message.split('\n')[0]}`);
    }
  }));
  return failed.length ? failed.join('; ') : 'ok';
}

// What the service takes for its own; it decodes a path.
const CLOSED = [
  '/_sw/metrics',
  '/_sw/runs',
  '/_sw/runs/01M8H2XFAZZVYG88RV5RQCW01T/signals/',
  '/_sw/runs/01M8H2XFAZZVYG88RV5RQCW01T/signals/a/b',
  '/_sw/runs/01M8H2XFAZZVYG88RV5RQCW01T/fork',
  '/_sw/healthz',
  '/%5fsw/metrics',
  '/%5Fsw/healthz',
  '/%5fs%77/runs',
  '/%5F%73%77/runs',
  'http://api.example.com/_sw/healthz',
  'https://api.example.com/_sw/healthz',
  'https://api.example.com/%5fsw/healthz',
];

// The path as it stands, which request() would write anew.
function statusOf(proxy, path) {
  const { request: begin } = proxy.url.startsWith('https:') ? https : http;
  return new Promise((done, fail) => {
    begin(proxy.url, { path, ca: proxy.certificate, agent: proxy.agent, timeout: PATIENCE_MS }, (response) => {
      response.resume();
      response.on('end', () => done(response.statusCode));
    }).on('error', fail).end();
  });
}

export async function chain({ start }) {
  const { proxy } = await start(['--hold', '300ms']);
  return partly({
    'absolute URLs that lead to the answer': async () => {
      const answer = await follow(proxy, `${proxy.url}/sleep?ms=1500`);
      assert.equal(`${answer.status} ${await answer.text()}`, '200 slept');
      assert.ok(answer.hops.length > 1, 'the output URL did not send on to itself');
      for (const url of answer.hops) assert.ok(url.startsWith(`${proxy.url}/_sw/runs/`), `sent to ${url}`);
    },
    Host: async () => {
      const answer = await request(proxy, `${proxy.url}/silent?n=1`, {
        headers: { Host: 'api.example.com', Prefer: 'respond-async' },
      });
      assert.match(
        answer.headers.location ?? String(answer.status),
        /^https:\/\/api\.example\.com\//,
        'is not passed on',
      );
    },
    'the rest of /_sw/ is closed': async () => {
      for (const path of CLOSED)
        assert.ok([400, 403, 404].includes(await statusOf(proxy, path)), path);
    },
    'the log': async () => {
      if (!proxy.logsRequests) return;
      const answer = await follow(proxy, `${proxy.url}/sleep?ms=1100`), urls = answer.hops.map((hop) => new URL(hop));
      await answer.text();
      const isLogged = async () => { while (!proxy.accessLog().includes(urls.at(-1).pathname)) await sleep(20); };
      await within(isLogged(), 'has no requests');
      assert.doesNotMatch(proxy.accessLog(), /token=(?!hidden)/, 'holds tokens');
      for (const token of urls.map((url) => url.searchParams.get('token')))
        assert.ok(token && !proxy.accessLog().includes(token), 'holds a token');
    },
    'Idempotency-Key': async () => {
      const options = { method: 'POST', body: '{"a":1}', headers: { 'Idempotency-Key': 'order-17' } };
      const first = await request(proxy, `${proxy.url}/echo`, options),
        again = await request(proxy, `${proxy.url}/echo`, options);
      assert.equal(again.headers['x-run-id'], first.headers['x-run-id'], 'does not arrive');
    },
  });
}

export async function streams({ start, after }) {
  const { proxy } = await start(), gate = await startGate({ after });
  const answer = await within(
    request(proxy, `${proxy.url}/steps?steps=1&chunks=20&gate=${gate.url}`, { headers: EVENTS }),
    'the head',
  );
  if (answer.headers['content-encoding']) return `compressed (${answer.headers['content-encoding']})`;
  const all = await within(readGated(gate, answer.body, 20), 'the frames, each before the next was made');
  assert.deepEqual(spoken(all), Array.from({ length: 20 }, (_, i) => `s0-${i}`));
  assert.equal(all.at(-1).event, 'inngest.response');
  return 'ok';
}

// The link of a question, as it stands in a mail: its page, its form, and its answer as JSON.
export async function questions({ start }) {
  const { proxy } = await start();
  const asking = async () => {
    const stream = await within(request(proxy, `${proxy.url}/ask`, { headers: EVENTS }), 'the head');
    const all = frames(stream.body), next = async () => (await within(all.next(), 'a frame')).value;
    let frame = await next();
    while (frame.event !== 'inngest.stream') frame = await next();
    const link = frame.data.data;
    assert.ok(link.startsWith(`${proxy.url}/_sw/runs/`), link);
    const result = async () => {
      for (let last = await next(); ; last = await next())
        if (last.event === 'inngest.response') return JSON.stringify(last.data);
    };
    return { link, result };
  };
  const post = (link, type, body) =>
    request(proxy, link, { method: 'POST', headers: { 'Content-Type': type, Accept: 'application/json' }, body });
  return partly({
    'its page and form': async () => {
      const { link, result } = await asking(), page = await request(proxy, link), text = await page.text();
      assert.equal(page.status, 200);
      assert.match(text, /May we\?/);
      const [, form] = /name="form" value="([^"]+)"/.exec(text);
      const body = new URLSearchParams({ form, answer: 'yes' });
      const sent = await post(link, 'application/x-www-form-urlencoded', body.toString());
      assert.ok([200, 202].includes(sent.status), `${sent.status} ${await sent.text()}`);
      assert.match(await result(), /yes/);
    },
    'JSON, and the log': async () => {
      const { link, result } = await asking();
      const sent = await post(link, 'application/json', '"no"');
      assert.equal(sent.status, 202, await sent.text());
      assert.match(await result(), /no/);
      if (!proxy.logsRequests) return;
      const isLogged = async () => { while (!proxy.accessLog().includes('/signals/')) await sleep(20); };
      await within(isLogged(), 'the log has no requests');
      assert.ok(!proxy.accessLog().includes(new URL(link).searchParams.get('token')), 'the log holds a token');
    },
  });
}

const exactly = async (answer, wanted) => {
  assert.ok(answer.status === 200, String(answer.status));
  assert.deepEqual(JSON.parse(await answer.text()), wanted);
};

// The step says nothing for so long.
export async function silence({ start, after }) {
  const { proxy } = await start(), gates = [];
  const url = async () => {
    const gate = await startGate({ after });
    gates.push(gate);
    return `${proxy.url}/steps?steps=1&chunks=1&gate=${gate.url}`;
  };
  const open = sleep(SILENCE_MS).then(() => { for (const gate of gates) gate.openAll(); });
  const result = partly({
    'a stream': async () =>
      assert.deepEqual(await readThrough(proxy, await url()), ['begin', 's0-0', { said: ['s0'] }]),
    'an output URL': async () => {
      const begun = await request(proxy, await url(), { headers: { Prefer: 'respond-async' } });
      await begun.text();
      await exactly(await follow(proxy, begun.headers.location), ['s0']);
    },
    'a first request, whose step takes that long': async () => exactly(await follow(proxy, await url()), ['s0']),
  });
  await open;
  return within(result, 'the answers');
}

// A request whose body is sent as it says; its response's body, whole.
function send(proxy, path, bytes, headers) {
  const { request: begin } = proxy.url.startsWith('https:') ? https : http;
  return new Promise((done, fail) => {
    const call = begin(proxy.url + path, { method: 'POST', headers, ca: proxy.certificate }, (response) => {
      const pieces = [];
      if (response.statusCode !== 200) {
        done({ status: response.statusCode });
        call.destroy();
        return;
      } // the rest need not be sent
      response.on('data', (piece) => pieces.push(piece));
      response.on('end', () => done({ status: response.statusCode, body: Buffer.concat(pieces) }));
      response.on('error', fail);
    });
    call.on('error', fail);
    call.end(bytes);
  });
}

const sha1 = (bytes) => createHash('sha1').update(bytes).digest('hex');

export async function bodies({ start, folder }) {
  const { proxy } = await start();
  const bytes = randomBytes(BODY_BYTES), file = join(folder, 'sent'), back = join(folder, 'back');
  writeFileSync(file, bytes);
  const same = (status, body) => {
    assert.ok(Number(status) === 200, String(status));
    assert.equal(sha1(body), sha1(bytes), 'other bytes came back');
  };
  const there = async (headers) => {
    const { status, body } = await within(send(proxy, '/bytes', bytes, headers), 'the answer');
    same(status, body);
  };
  const said = await partly({
    'Content-Length': () => there({ 'Content-Length': bytes.length }),
    chunked: () => there({ 'Transfer-Encoding': 'chunked' }),
    'Expect: 100-continue': async () => {
      const { stdout } = await run('curl', [
        '-sS',
        '-m',
        '60',
        '--http1.1',
        '--cacert',
        proxy.certificateFile,
        '-H',
        'Expect: 100-continue',
        '--data-binary',
        `@${file}`,
        '-o',
        back,
        '-w',
        '%{http_code}',
        `${proxy.url}/bytes`,
      ]);
      same(stdout, readFileSync(back));
    },
  });
  const refusal = within(send(proxy, '/bytes', Buffer.alloc(9 << 20), { 'Content-Length': 9 << 20 }), 'the refusal');
  const large = await refusal.then((r) => r.status, (error) => error.code ?? error.message);
  // Some close while the body still comes, and not every client reads their answer then.
  return said === 'ok' && ![413, 'ECONNRESET', 'EPIPE'].includes(large) ? `9 MiB are not refused: ${large}` : said;
}

const FIFTY = { plain: 18, late: 16, streams: 16 };

// Fifty that wait; then fifty that come and go, through three upgrades.
export async function upgrade({ start, after, folder }) {
  const notes = join(folder, 'notes');
  const service = await start(['--notes', notes, '--redirect-after', '100ms', '--park-after', '100ms']);
  const gate = await startGate({ after });
  const check = await holdMany(service, gate, FIFTY);
  await within(service.upgrade(async () => gate.openAll()), 'the upgrade', 60_000);
  await within(check(), 'the fifty answers', 60_000);
  for (const [name, n] of [['s0-0', 34], ['s0-end', 34], ['s1-0', 34], ['before-0', 16]])
    assert.equal(times(gate, name), n, `${name} ran twice`);
  return upgradeUnderLoad(service, notes);
}

async function upgradeUnderLoad({ proxy, upgrade: replace }, notes) {
  const failures = {};
  let over = false, asked = 0, answered = 0;
  const client = async (i) => {
    while (!over) {
      const tag = `t${asked++}`,
        url = `${proxy.url}/work?tag=${tag}&steps=2&pace=${5 + (i % 3) * 20}&sleep=${[0, 40, 300][i % 3]}`;
      const wanted = { tag, steps: ['w0', 'w1'] };
      try {
        if (i % 5 === 0) assert.equal((await readThrough(proxy, url)).length, 6);
        else
          await exactly(
            await follow(proxy, url, i % 2 ? { method: 'POST', body: 'x'.repeat(i % 4 === 1 ? 200_000 : 10) } : {}),
            wanted,
          );
        answered++;
      } catch (error) {
        const what = error.message.split('\n')[0];
        failures[what] = (failures[what] ?? 0) + 1;
      }
    }
  };
  const clients = Array.from({ length: 50 }, (_, i) => client(i));
  for (let i = 0; i < 3; i++) {
    const before = answered;
    while (answered < before + 150 && Object.keys(failures).length === 0) await sleep(10);
    await within(replace(), 'the upgrade', 60_000);
  }
  over = true;
  await within(Promise.all(clients), 'the last answers', 60_000);
  const ran = readFileSync(notes, 'utf8').trim().split('\n');
  assert.deepEqual(
    failures,
    {},
    `of ${asked} requests: ${Object.entries(failures)
      .map(([what, n]) => `${n} × ${what}`)
      .join(', ')}`,
  );
  assert.equal(new Set(ran).size, ran.length, 'a step ran twice');
  assert.equal(ran.length, asked * 2, `${asked} requests, but ${ran.length / 2} runs`);
  return 'ok';
}

export async function kill({ start, after }) {
  const service = await start(), gate = await startGate({ after });
  const check = await holdMany(service, gate, FIFTY);
  await within(service.kill(), 'the next worker', 60_000);
  gate.openAll();
  await within(check(), 'the fifty answers', 60_000);
  assert.equal(times(gate, 's1-0'), 34, 'a step that began after the crash ran twice');
  return 'ok';
}

async function runsOf(service, path) {
  const { runs } = await (await fetch(`${service.url}/_sw/runs?limit=500`)).json();
  return runs.filter((r) => r.target.startsWith(path));
}

// A client that goes away ends a run with SW_CANCEL: at once, one that reads a stream at the latest at the next
// heartbeat.
export async function leaving({ start, after }) {
  const service = await start(['--heartbeat', '1s']);
  const { request: begin } = service.proxy.url.startsWith('https:') ? https : http;
  const leave = async (name, headers) => {
    const gate = await startGate({ after }), call = new AbortController();
    const options = { headers, ca: service.proxy.certificate, signal: call.signal, agent: false };
    begin(`${service.proxy.url}/tied?steps=1&gate=${gate.url}/${name}`, options).on('error', () => {}).end();
    await within(gate.seen('s0-0'), 'the step');
    call.abort();
    const state = async () => (await runsOf(service, '/tied')).find((r) => r.target.endsWith(name))?.state;
    const end = Date.now() + PATIENCE_MS;
    while (await state() !== 'cancelled') { assert.ok(Date.now() < end, 'not noticed'); await sleep(50); }
  };
  return partly({ 'a request': () => leave('request', {}), 'a stream': () => leave('stream', EVENTS) });
}

// A request that nobody keeps, whose worker is killed: what its client gets, and whether the proxy sends it again.
export async function cut({ start, after }) {
  const said = [];
  for (const method of ['GET', 'POST']) {
    const service = await start(['--keep-after', '0']), gate = await startGate({ after });
    // Connections that were used before: over those some send a request again.
    for (let i = 0; i < 5; i++) await (await request(service.proxy, `${service.proxy.url}/silent?n=${i}`)).text();
    const answer = request(service.proxy, `${service.proxy.url}/steps?steps=1&chunks=1&gate=${gate.url}`, { method })
      .then(async (a) => { await a.text(); return a.status; }, (error) => error.code ?? error.message);
    await within(gate.seen('s0-0'), 'the step');
    const isOnDisk = async () => { while ((await runsOf(service, '/steps')).length === 0) await sleep(20); };
    await within(isOnDisk(), 'the run'); // a run of which nothing was on disk has never been
    await within(service.kill(), 'the next worker', 60_000);
    await within(gate.seen('s0-0', 2), 'the resumed step');
    await Promise.race([answer, sleep(3000)]);
    gate.openAll();
    const got = await within(answer, 'an answer'), runs = (await runsOf(service, '/steps')).length;
    said.push(`${method}: ${got === 'ECONNRESET' ? 'closed' : got}${runs > 1 ? `, sent ${runs} times` : ''}`);
  }
  return said.join('; ');
}
