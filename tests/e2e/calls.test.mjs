// Single calls over HTTP/2: what reaches a server that breaks off or refuses, counted there.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { constants, createSecureServer } from 'node:http2';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
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
  rmSync(folder, { recursive: true, force: true });
});

// answers: by path, a function of the server's stream; every request is counted before.
async function startServer(answers) {
  const counts = {};
  const versions = {};
  const sessions = new Set();
  const server = createSecureServer({ key: readFileSync(keyFile), cert: readFileSync(certFile), allowHTTP1: true });
  server.on('session', (session) => {
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
  return { counts, versions, close, url: `https://localhost:${server.address().port}` };
}

async function call(request) {
  const response = await fetch(`${caller.url}/call`, { method: 'POST', body: JSON.stringify(request) });
  return { status: response.status, body: await response.json() };
}

const breaks = {
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
  test(`an unsafe request over HTTP/2 goes once: ${name}`, async () => {
    const server = await startServer({ '/warm': (_, res) => res.end('ok'), '/charge': breakOff });
    try {
      for (const body of [undefined, 'x'.repeat(100)]) {
        assert.equal((await call({ url: `${server.url}/warm` })).status, 200);
        const answer = await call({ method: 'POST', url: `${server.url}/charge`, body });
        assert.equal(answer.status, 500);
        assert.match(JSON.stringify(answer.body), /the connection broke before an answer; it may have been done/);
      }
      assert.equal(server.versions['/warm'], '2.0');
      assert.deepEqual(server.counts, { 'GET /warm': 2, 'POST /charge': 2 });
    } finally {
      server.close();
    }
  });
}
