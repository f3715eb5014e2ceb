// Single calls, seen by the server: what reaches one that breaks off over HTTP/2, streams that nobody reads, encodings.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { constants, createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { brotliCompressSync, createGzip, deflateSync, gzipSync, zstdCompressSync } from 'node:zlib';
import { startProgram } from './program.mjs';

const folder = mkdtempSync(join(tmpdir(), 'stepwell-calls-'));
const keyFile = join(folder, 'key.pem');
const certFile = join(folder, 'cert.pem');
let caller;

before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  caller = await startProgram('tests/caller', ['--data', join(folder, 'data'), '--loops', '1', '--ca-file', certFile]);
});
after(async () => {
  await caller?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

// answers: by path, a function of the server's stream; every request is counted before.
async function startServer(answers, settings = {}) {
  const counts = {};
  const versions = {};
  const sessions = new Set();
  const opened = { sessions: 0 };
  const server = createSecureServer({
    key: readFileSync(keyFile), cert: readFileSync(certFile), allowHTTP1: true, settings,
  });
  server.on('session', (session) => {
    opened.sessions++;
    sessions.add(session);
    session.on('close', () => sessions.delete(session));
    session.on('error', () => {});
  });
  server.on('request', (req, res) => {
    counts[`${req.method} ${req.url}`] = (counts[`${req.method} ${req.url}`] ?? 0) + 1;
    versions[req.url] = req.httpVersion;
    req.on('error', () => {});
    res.on('error', () => {});
    answers[req.url](req, res);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const close = () => {
    for (const session of sessions) session.destroy();
    server.close();
    server.closeAllConnections?.();
  };
  return { counts, versions, opened, close, url: `https://localhost:${server.address().port}` };
}

async function call(request, path = '/call') {
  const response = await fetch(`${caller.url}${path}`, { method: 'POST', body: JSON.stringify(request) });
  return { status: response.status, body: await response.json() };
}

// Before libcurl 8 unsafe requests go over HTTP/1.1, and can only break with their connection.
const unsafeVersion = /libcurl\/[1-7]\./.test(execFileSync('curl', ['--version'], { encoding: 'utf8' }))
  ? '1.1'
  : '2.0';

const breaks = unsafeVersion === '1.1' ? { 'its connection ends': (req) => req.socket.destroy() } : {
  'its connection ends': (req) => req.stream.session.destroy(),
  'its stream is reset': (req) => req.stream.close(constants.NGHTTP2_INTERNAL_ERROR),
  'its stream is refused': (req) => req.stream.close(constants.NGHTTP2_REFUSED_STREAM),
  'HTTP/1.1 is required': (req) => req.stream.close(constants.NGHTTP2_HTTP_1_1_REQUIRED),
  'the server goes away': (req) => {
    req.stream.session.goaway(constants.NGHTTP2_NO_ERROR, 0);
    req.stream.close(constants.NGHTTP2_REFUSED_STREAM);
  },
};

for (const [name, breakOff] of Object.entries(breaks)) {
  test(`an unsafe request over TLS goes once: ${name}`, async () => {
    const server = await startServer({ '/warm': (_, res) => res.end('ok'), '/charge': breakOff });
    try {
      for (const body of [undefined, 'x'.repeat(100)]) {
        const warm = await call({ url: `${server.url}/warm` });
        assert.equal(warm.status, 200, JSON.stringify(warm.body));
        const answer = await call({ method: 'POST', url: `${server.url}/charge`, body });
        assert.equal(answer.status, 500);
        assert.match(JSON.stringify(answer.body), /the connection broke before an answer; it may have been done/);
      }
      assert.equal(server.versions['/warm'], '2.0');
      assert.equal(server.versions['/charge'], unsafeVersion);
      assert.deepEqual(server.counts, { 'GET /warm': 2, 'POST /charge': 2 });
    } finally {
      server.close();
    }
  });
}

// A server of nghttp2 drops a connection on which streams are reset again and again, whoever else waits there.
test('unsafe requests do not end with a connection that their own client has spoilt', async () => {
  const TOGETHER = 50;
  const ROUNDS = 60;
  const server = await startServer({ '/charge': (req, res) => req.resume().on('end', () => res.end('charged')) });
  try {
    for (let round = 0; round < ROUNDS; round++) {
      const request = { method: 'POST', url: `${server.url}/charge`, body: 'x' };
      for (const answer of await Promise.all(Array.from({ length: TOGETHER }, () => call(request))))
        assert.equal(answer.status, 200, `round ${round}: ${JSON.stringify(answer.body)}`);
    }
    assert.equal(server.counts['POST /charge'], TOGETHER * ROUNDS);
    assert.equal(server.versions['/charge'], unsafeVersion);
  } finally {
    server.close();
  }
});

// Which sessions a server's limit needs, and no more, although it is known only once requests are under way.
test('calls share the sessions that a limit of 50 streams allows', async () => {
  const TOGETHER = 300;
  const held = [];
  const hold = (_, res) => {
    held.push(res);
    if (held.length === TOGETHER) for (const each of held.splice(0)) each.end('ok');
  };
  const server = await startServer({ '/held': hold }, { maxConcurrentStreams: 50 });
  try {
    for (let round = 1; round <= 3; round++) {
      const request = { url: `${server.url}/held` };
      const answers = await Promise.all(Array.from({ length: TOGETHER }, () => call(request)));
      for (const answer of answers) assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.deepEqual(server.counts, { 'GET /held': TOGETHER * round }, 'nothing was refused');
      assert.equal(server.opened.sessions, TOGETHER / 50, `round ${round}`);
    }
  } finally {
    server.close();
  }
});

// ---- Streams that nobody reads ----

const residentBytes = () =>
  1024 * Number(/VmRSS:\s*(\d+) kB/.exec(readFileSync(`/proc/${caller.pid}/status`, 'utf8'))[1]);

test('a stream over TLS that is not read is held back, and gives back what it held', async () => {
  const STREAMS = 8;
  const piece = Buffer.alloc(1 << 20, 'x');
  let written = 0;
  const server = await startServer({
    '/warm': (_, res) => res.end('ok'),
    '/flood': (_, res) => {
      const more = () => {
        do written += piece.length;
        while (!res.destroyed && res.write(piece));
      };
      res.on('drain', more);
      more();
    },
  });
  try {
    await call({ url: `${server.url}/warm` });
    const before = residentBytes();
    for (let round = 0; round < 3; round++) {
      const request = { url: `${server.url}/flood`, stream: true, hold_ms: 3000, leave: true };
      const calls = Array.from({ length: STREAMS }, () => call(request));
      let most = 0;
      let over = false;
      const all = Promise.all(calls).finally(() => (over = true));
      while (!over) { // what is read for these calls may not bring along what is sent for the others
        const warm = await call({ url: `${server.url}/warm` });
        assert.equal(warm.status, 200, JSON.stringify(warm.body));
        most = Math.max(most, residentBytes());
        await sleep(20);
      }
      for (const answer of await all) assert.equal(answer.status, 200, JSON.stringify(answer.body));
      assert.ok(written > STREAMS << 20, `only ${written} bytes were written`);
      const grown = (most - before) / (1 << 20);
      assert.ok(grown < 16, `${grown} MiB for ${STREAMS} paused streams in round ${round}`);
    }
    assert.equal(server.versions['/warm'], '2.0');
  } finally {
    server.close();
  }
});

test('a connection over TLS that the server has closed is not used again', async () => {
  let posts = 0;
  let closed = 0;
  const server = createServer(
    { key: readFileSync(keyFile), cert: readFileSync(certFile), keepAliveTimeout: 1 },
    (req, res) => {
      if (req.method === 'POST') posts++;
      res.end('ok');
    },
  );
  server.keepAliveTimeoutBuffer = 0;
  server.on('secureConnection', (socket) => socket.on('close', () => closed++));
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  try {
    for (let i = 0; i < 8; i++) {
      const answer = await call({
        method: 'POST',
        body: 'x',
        url: `https://localhost:${server.address().port}/`,
        stream: i % 2 === 1,
      });
      assert.equal(answer.status, 200, JSON.stringify(answer.body));
      while (closed <= i) await sleep(5);
    }
    assert.equal(posts, 8);
  } finally {
    server.close();
  }
});

// ---- Encodings ----

const text = 'A word, and another word. '.repeat(4000);
const packers = { gzip: gzipSync, deflate: deflateSync, br: brotliCompressSync, zstd: zstdCompressSync };

test('packed responses arrive unpacked, in every encoding that is offered', async () => {
  const offers = new Set();
  const server = await startServer({
    '/': (req, res) => {
      const offered = req.headers['accept-encoding'].split(', ');
      for (const name of offered) offers.add(name);
      const name = offered.find((n) => !done.has(n)) ?? 'gzip';
      done.add(name);
      res.setHeader('content-encoding', name);
      res.end(packers[name](text));
    },
  });
  const done = new Set();
  try {
    for (const stream of [false, true]) {
      done.clear();
      for (let i = 0; i < 5; i++) {
        const { status, body } = await call({ url: `${server.url}/`, stream });
        assert.equal(status, 200, JSON.stringify(body));
        assert.equal(body.length, text.length);
        if (!stream) assert.equal(body.body, text.slice(0, 1000));
      }
    }
    assert.ok(offers.has('gzip') && offers.has('deflate'), [...offers].join());
    // who names encodings takes the bytes as they are
    const { body } = await call({ url: `${server.url}/`, accept_encoding: 'gzip' });
    assert.equal(body.length, gzipSync(text).length);
  } finally {
    server.close();
  }
});

test('limits count what is unpacked; what cannot be unpacked is refused', async () => {
  const server = await startServer({
    '/bomb': (_, res) => {
      res.setHeader('content-encoding', 'gzip');
      res.end(gzipSync(Buffer.alloc(200 << 20)));
    },
    '/garbage': (_, res) => {
      res.setHeader('content-encoding', 'gzip');
      res.end('this is not gzip at all, whatever the head says');
    },
  });
  try {
    const before = residentBytes();
    const bomb = await call({ url: `${server.url}/bomb` });
    assert.equal(bomb.status, 500);
    assert.match(bomb.body.detail, /\/bomb: the response is larger than 16777216 bytes \(response_max\)/);
    assert.equal((await call({ url: `${server.url}/garbage` })).status, 500);
    assert.equal((await call({ url: `${server.url}/garbage`, stream: true })).status, 500);
    const whole = await call({ url: `${server.url}/bomb`, stream: true });
    assert.equal(whole.body.length, 200 << 20);
    assert.ok(residentBytes() - before < 100 << 20, `${(residentBytes() - before) >> 20} MiB more`);
  } finally {
    server.close();
  }
});

test('a packed event is read when it is sent, not when the stream ends', async () => {
  let open;
  const server = await startServer({
    '/events': (_, res) => {
      res.setHeader('content-type', 'text/event-stream');
      res.setHeader('content-encoding', 'gzip');
      const gzip = createGzip();
      gzip.pipe(res);
      gzip.write('data: the first\n\n');
      gzip.flush();
      open = res;
    },
  });
  try {
    const { body } = await call({ url: `${server.url}/events` }, '/event');
    assert.equal(body, 'the first');
    assert.ok(!open.writableEnded);
  } finally {
    server.close();
  }
});

// ---- Certificates ----

test('SSL_CERT_FILE and SSL_CERT_DIR name the authorities', async () => {
  const server = await startServer({ '/': (_, res) => res.end('ok') });
  const hash = execFileSync('openssl', ['x509', '-hash', '-noout', '-in', certFile], { encoding: 'utf8' }).trim();
  const authorities = mkdtempSync(join(folder, 'authorities-'));
  writeFileSync(join(authorities, `${hash}.0`), readFileSync(certFile));
  try {
    for (const [name, value] of [['SSL_CERT_FILE', certFile], ['SSL_CERT_DIR', authorities], ['NOTHING', 'x']]) {
      const data = mkdtempSync(join(folder, 'data-'));
      const program = await startProgram('tests/caller', ['--data', join(data, 'data'), '--loops', '1'], {
        [name]: value,
      });
      const response = await fetch(`${program.url}/call`, {
        method: 'POST',
        body: JSON.stringify({ url: `${server.url}/` }),
      });
      assert.equal(response.status, name === 'NOTHING' ? 500 : 200, name);
      await program.stop();
    }
  } finally {
    server.close();
  }
});
