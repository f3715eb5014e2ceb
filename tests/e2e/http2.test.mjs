// Calls over TLS: HTTP/2 where the other side offers it, many calls on few connections; certificates are checked.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync } from 'node:fs';
import { request } from 'node:http';
import { createSecureServer } from 'node:http2';
import { createServer } from 'node:https';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { researchPath } from './agent.mjs';
import { startProgram } from './program.mjs';

const folder = mkdtempSync(join(tmpdir(), 'stepwell-tls-'));
const keyFile = join(folder, 'key.pem');
const certFile = join(folder, 'cert.pem');
let simulator;

before(async () => {
  execFileSync('openssl', ['req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-days', '2', '-subj', '/CN=localhost',
    '-addext', 'subjectAltName=DNS:localhost', '-keyout', keyFile, '-out', certFile], { stdio: 'ignore' });
  simulator = await startProgram('upstream', ['--latency-ms', '30']);
});
after(async () => {
  await simulator?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

const hopByHop = new Set(['connection', 'keep-alive', 'transfer-encoding', 'host', 'upgrade']);
const plainHeaders = (headers) =>
  Object.fromEntries(Object.entries(headers).filter(([name]) => !name.startsWith(':') && !hopByHop.has(name)));

function forward(req, res) {
  const out = request(simulator.url + req.url, { method: req.method, headers: plainHeaders(req.headers) }, (answer) => {
    res.writeHead(answer.statusCode, plainHeaders(answer.headers));
    answer.pipe(res);
  });
  out.on('error', () => res.destroy?.());
  req.pipe(out);
}

// A TLS server in front of the simulator that counts what reaches it.
async function startProxy(make) {
  const seen = { connections: 0, requests: 0, versions: {} };
  const options = { key: readFileSync(keyFile), cert: readFileSync(certFile), allowHTTP1: true };
  const server = make(options, (req, res) => {
    seen.requests++;
    seen.versions[req.httpVersion] = (seen.versions[req.httpVersion] ?? 0) + 1;
    forward(req, res);
  });
  server.on('secureConnection', () => seen.connections++);
  server.on('tlsClientError', () => {});
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return { seen, server, url: `https://localhost:${server.address().port}` };
}

async function research(proxy, flags) {
  const data = mkdtempSync(join(tmpdir(), 'stepwell-h2-'));
  const agent = await startProgram('research', ['--data', join(data, 'data'), '--loops', '1', ...flags],
    { ANTHROPIC_BASE_URL: proxy.url, EXA_BASE_URL: proxy.url, ANTHROPIC_API_KEY: 'k', EXA_API_KEY: 'k' });
  try {
    const prefer = { headers: { prefer: 'wait=20' } };
    const response = await fetch(agent.url + researchPath({ topic: 'Tidal power', depth: 2, breadth: 3 }), prefer);
    return { status: response.status, body: await response.text(), log: agent.log() };
  } finally {
    await agent.kill();
    proxy.server.close();
    rmSync(data, { recursive: true, force: true, maxRetries: 20 });
  }
}

// Before libcurl 8 unsafe requests, as all of this program are, go over HTTP/1.1.
const shares = !/libcurl\/[1-7]\./.test(execFileSync('curl', ['--version'], { encoding: 'utf8' }));

test('many calls share few HTTP/2 connections', async () => {
  const proxy = await startProxy(createSecureServer);
  const { status, body } = await research(proxy, ['--ca-file', certFile]);
  assert.equal(status, 200, body);
  assert.match(JSON.parse(body).report, /## References/);
  if (!shares) {
    assert.deepEqual(Object.keys(proxy.seen.versions), ['1.1']);
    return;
  }
  assert.deepEqual(Object.keys(proxy.seen.versions).sort(), ['1.1', '2.0']);
  assert.equal(proxy.seen.versions['1.1'], 1, 'only the report, which is read as it comes');
  assert.ok(proxy.seen.requests >= 12, `${proxy.seen.requests} calls`);
  assert.ok(
    proxy.seen.connections < proxy.seen.requests / 3,
    `${proxy.seen.connections} connections for ${proxy.seen.requests} calls`,
  );
});

test('a server that only speaks HTTP/1.1 is called with that', async () => {
  const proxy = await startProxy(createServer);
  const { status, body } = await research(proxy, ['--ca-file', certFile]);
  assert.equal(status, 200, body);
  assert.deepEqual(Object.keys(proxy.seen.versions), ['1.1']);
});

test('a certificate that nobody trusts is refused before anything is sent', async () => {
  const proxy = await startProxy(createSecureServer);
  const { status, log } = await research(proxy, []);
  assert.notEqual(status, 200);
  assert.match(log, /certificate/i);
  assert.equal(proxy.seen.requests, 0);
});
