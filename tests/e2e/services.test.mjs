// Services as they go wrong: certificates, heads over HTTP/1.1 and HTTP/2, and a real proxy in between. The other side
// counts what reaches it: what another try cannot change is tried once.
import assert from 'node:assert/strict';
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer as createPlainServer } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer as createTlsServer } from 'node:https';
import { connect, createServer as createTcpServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { setTimeout as sleep } from 'node:timers/promises';
import { freePorts } from './agent.mjs';
import { startProgram } from './program.mjs';

const RETRIES = 2;
const folder = mkdtempSync(join(tmpdir(), 'stepwell-services-'));
const path = (name) => join(folder, name);
const openssl = (...args) => execFileSync('openssl', args, { stdio: 'pipe' });
const newKey = ['-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'];
let caller;

function makeAuthority(name) {
  openssl(
    'req',
    '-x509',
    ...newKey,
    '-days',
    '2',
    '-subj',
    `/CN=${name}`,
    '-keyout',
    path(`${name}.key`),
    '-out',
    path(`${name}.pem`),
  );
}

function makeCertificate(name, authority, altName, days) {
  openssl(
    'req',
    ...newKey,
    '-subj',
    `/CN=${name}`,
    '-addext',
    `subjectAltName=${altName}`,
    '-keyout',
    path(`${name}.key`),
    '-out',
    path(`${name}.csr`),
  );
  openssl(
    'x509',
    '-req',
    '-in',
    path(`${name}.csr`),
    '-CA',
    path(`${authority}.pem`),
    '-CAkey',
    path(`${authority}.key`),
    '-CAcreateserial',
    '-days',
    days,
    '-copy_extensions',
    'copy',
    '-out',
    path(`${name}.pem`),
  );
}

const startCaller = (name, flags = [], env = {}) =>
  startProgram('tests/caller', ['--data', path(name), '--loops', '1', ...flags], env);

before(async () => {
  makeAuthority('known');
  makeAuthority('unknown');
  makeCertificate('good', 'known', 'DNS:localhost,IP:127.0.0.1,IP:127.0.0.2', '2');
  makeCertificate('named', 'known', 'DNS:elsewhere.test', '2');
  makeCertificate('expired', 'known', 'DNS:localhost', '0'); // OpenSSL 3.4 refuses an end before the beginning
  makeCertificate('untrusted', 'unknown', 'DNS:localhost', '2');
  caller = await startCaller('data', ['--ca-file', path('known.pem')]);
});
after(async () => {
  await caller?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

async function call(request, program = caller) {
  const response = await fetch(`${program.url}/call`, {
    method: 'POST',
    body: JSON.stringify({ retries: RETRIES, ...request }),
  });
  return { status: response.status, body: await response.json() };
}

async function expectFailure(request, attempts, why, program = caller) {
  const { status, body } = await call(request, program);
  assert.equal(status, 500, JSON.stringify(body));
  assert.match(body.detail, why);
  assert.doesNotMatch(JSON.stringify(body), /s3cret/);
  assert.equal(body.attempts, attempts, body.detail);
}

// Listens at a free port and counts connections and requests.
async function listen(server, host = '127.0.0.1') {
  const seen = { connections: 0, requests: 0 };
  const open = new Set();
  server.on('connection', (socket) => {
    seen.connections++;
    open.add(socket.on('close', () => open.delete(socket)).on('error', () => {}));
  });
  server.on('request', () => seen.requests++);
  server.on('tlsClientError', () => {});
  server.on('sessionError', () => {});
  await new Promise((done) => server.listen(0, host, done));
  return {
    seen,
    port: server.address().port,
    close() {
      server.close();
      for (const socket of open) socket.destroy();
    },
  };
}

const certificate = (name) => ({ key: readFileSync(path(`${name}.key`)), cert: readFileSync(path(`${name}.pem`)) });

// ---- Certificates ----

for (const [name, why] of [
  ['named', /https:\/\/localhost:\d+\/x: SSL: no alternative certificate subject name matches/],
  ['expired', /https:\/\/localhost:\d+\/x: SSL certificate problem: certificate has expired$/],
  ['untrusted', /unable to get local issuer certificate \(trusted are --ca-file, else SSL_CERT_FILE/],
]) {
  test(`a certificate that is ${name} is refused once`, async () => {
    const server = await listen(createTlsServer(certificate(name), (_, res) => res.end('ok')));
    try {
      for (const stream of [false, true]) {
        const request = {
          method: 'POST',
          url: `https://u:s3cret@localhost:${server.port}/x?key=s3cret`,
          body: 'x',
          stream,
        };
        await expectFailure(request, 1, why);
      }
      assert.deepEqual(server.seen, { connections: 2, requests: 0 });
    } finally {
      server.close();
    }
  });
}

test('a certificate that is good is taken', async () => {
  const server = await listen(createTlsServer(certificate('good'), (_, res) => res.end('ok')));
  try {
    assert.equal((await call({ url: `https://localhost:${server.port}/x` })).status, 200);
  } finally {
    server.close();
  }
});

test('authorities that cannot be read are named once', async () => {
  const program = await startCaller('data-ca', [], { SSL_CERT_FILE: path('missing.pem') });
  const server = await listen(createTlsServer(certificate('good'), (_, res) => res.end('ok')));
  try {
    await expectFailure({ url: `https://localhost:${server.port}/x` }, 1, /missing\.pem.*SSL_CERT_FILE/s, program);
    assert.equal(server.seen.requests, 0);
  } finally {
    server.close();
    await program.stop();
  }
});

test('a handshake that breaks is tried again', async () => {
  const server = await listen(createTcpServer((socket) => socket.once('data', () => socket.destroy())));
  try {
    await expectFailure(
      { method: 'POST', url: `https://localhost:${server.port}/x`, body: 'x' },
      1 + RETRIES,
      /POST https:\/\/localhost:\d+\/x: /,
    );
    assert.equal(server.seen.connections, 1 + RETRIES);
  } finally {
    server.close();
  }
});

// ---- Heads, alike over HTTP/1.1 and HTTP/2 ----

const heads = {
  '/line': (res) => res.setHeader('x-long', 'x'.repeat(200_000)),
  '/lines': (res) => { for (let i = 0; i < 400; i++) res.setHeader(`x-many-${i}`, 'x'.repeat(1000)); },
};

for (const version of ['1.1', '2.0']) {
  for (const [place, make] of Object.entries(heads)) {
    test(`a head that is too large, HTTP/${version} ${place}`, async () => {
      const answer = (req, res) => {
        assert.equal(req.httpVersion, version);
        make(res);
        res.end('ok');
      };
      const options = { ...certificate('good'), maxSendHeaderBlockLength: 1 << 20 };
      const server = await listen(
        version === '2.0' ? createSecureServer(options, answer) : createTlsServer(options, answer),
      );
      try {
        const request = { url: `https://localhost:${server.port}${place}?key=s3cret` };
        if (version === '2.0' && place === '/line') {
          // nghttp2 ends the connection, and libcurl before 8 says no more than that
          const { status, body } = await call(request);
          assert.equal(status, 500);
          assert.ok([1, 1 + RETRIES].includes(body.attempts), JSON.stringify(body));
          return;
        }
        await expectFailure(
          request,
          1,
          new RegExp(`GET https://localhost:${server.port}${place}: .*head is larger than (100 kB|128 KiB|256 KiB)`),
        );
        assert.equal(server.seen.requests, 1);
      } finally {
        server.close();
      }
    });
  }
}

// ---- A proxy ----

async function startProxy(t, port, connectPorts) {
  const file = path(`tinyproxy-${port}.conf`);
  writeFileSync(
    file,
    `Port ${port}\nListen 127.0.0.1\nTimeout 60\nMaxClients 50\nBasicAuth user s3cret\nLogLevel Connect\n` +
      connectPorts.map((p) => `ConnectPort ${p}\n`).join(''),
  );
  const proxy = spawn('tinyproxy', ['-d', '-c', file], { stdio: ['ignore', 'pipe', 'pipe'] });
  let log = '';
  for (const stream of [proxy.stdout, proxy.stderr]) stream.on('data', (data) => (log += data));
  const ended = new Promise((done) => proxy.on('exit', done).on('error', done));
  t.after(async () => {
    proxy.kill('SIGTERM');
    await ended;
  });
  const answers = () => new Promise((done) => {
    const socket = connect(port, '127.0.0.1', () => done(true)).on('error', () => done(false));
    socket.unref().end();
  });
  while (!(await answers())) {
    assert.ok(proxy.exitCode === null && proxy.pid, `tinyproxy ended:\n${log}`);
    await sleep(20);
  }
  return { asked: (what) => log.split(what).length - 1 };
}

// Calls to 127.0.0.2 go through it; those to 127.0.0.1 and localhost never do.
test('calls go through a proxy, and its refusals are told', async (t) => {
  const tls = await listen(createTlsServer(certificate('good'), (_, res) => res.end('tls')), '127.0.0.2');
  const plain = await listen(createPlainServer((_, res) => res.end('plain')), '127.0.0.2');
  const near = await listen(createPlainServer((_, res) => res.end('near')));
  const [closed, port] = await freePorts(2);
  t.after(() => { for (const server of [tls, plain, near]) server.close(); });
  const proxy = await startProxy(t, port, [tls.port, closed]);
  const start = async (name, user, more = {}) => {
    const url = `http://user:${user}@127.0.0.1:${port}`;
    const program = await startCaller(name, ['--ca-file', path('known.pem')], {
      http_proxy: url,
      HTTPS_PROXY: url,
      ...more,
    });
    t.after(() => program.stop());
    return program;
  };

  const good = await start('data-good', 's3cret');
  const charge = { method: 'POST', body: 'x' };
  assert.equal((await call({ ...charge, url: `https://127.0.0.2:${tls.port}/x` }, good)).body.body, 'tls');
  assert.equal((await call({ ...charge, url: `http://127.0.0.2:${plain.port}/x` }, good)).body.body, 'plain');
  assert.equal((await call({ ...charge, url: `http://127.0.0.1:${near.port}/x` }, good)).body.body, 'near');
  assert.deepEqual([tls.seen.requests, plain.seen.requests, near.seen.requests], [1, 1, 1]);
  assert.equal(proxy.asked('CONNECT 127.0.0.2'), 1);
  assert.equal(proxy.asked('POST http://127.0.0.2'), 1);

  // a port that it does not let through; one where nobody listens
  await expectFailure(
    { ...charge, url: `https://127.0.0.2:${plain.port}/x?key=s3cret` },
    1,
    /POST https:\/\/127\.0\.0\.2:\d+\/x: the proxy answered 403 to CONNECT$/,
    good,
  );
  await expectFailure(
    { ...charge, url: `https://127.0.0.2:${closed}/x` },
    1 + RETRIES,
    /: the proxy answered 50\d to CONNECT$/,
    good,
  );
  await expectFailure(
    { url: `https://127.0.0.2:${tls.port}/x`, public: true },
    1,
    /only public addresses are allowed.*--proxy-guards/,
    good,
  );

  const wrong = await start('data-wrong', 'other');
  await expectFailure(
    { ...charge, url: `https://127.0.0.2:${tls.port}/x` },
    1,
    /: the proxy answered 40[17] to CONNECT; it takes the user and password/,
    wrong,
  );

  const direct = await start('data-direct', 'other', { no_proxy: '127.0.0.0/8' });
  assert.equal((await call({ ...charge, url: `https://127.0.0.2:${tls.port}/x` }, direct)).body.body, 'tls');
  assert.deepEqual([tls.seen.requests, plain.seen.requests], [2, 1]);

  const dead = await startCaller('data-dead', [], { https_proxy: `http://user:s3cret@127.0.0.1:${closed}` });
  t.after(() => dead.stop());
  await expectFailure(
    { ...charge, url: `https://127.0.0.2:${tls.port}/x` },
    1 + RETRIES,
    /\/x: Failed to connect to .*127\.0\.0\.1/,
    dead,
  );
  assert.equal(tls.seen.requests, 2);
});
