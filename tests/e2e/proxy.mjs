// nginx, started as docs/operations.md says, with a certificate of its own, on a loopback port; and a plain HTTPS client.
import { execFileSync, spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import https from 'node:https';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts, sleep } from './agent.mjs';
import { startProgram } from './program.mjs';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');

function replaceAll(text, changes) {
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`the configuration of docs/operations.md has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  return text;
}

// Only addresses and paths are others than on the page.
function configuration(folder, ports, service) {
  const site = /^<!-- stepwell\.conf -->\n```nginx\n(.*?)^```$/ms.exec(page)[1];
  const own = replaceAll(site, [
    ['127.0.0.1:8080', service],
    ['listen 80;', `listen 127.0.0.1:${ports.plain};`],
    ['listen 443 ssl', `listen 127.0.0.1:${ports.tls} ssl`],
    ['/etc/ssl/certs/api.example.com.pem', join(folder, 'certificate.pem')],
    ['/etc/ssl/private/api.example.com.key', join(folder, 'key.pem')],
    ['/var/log/nginx/stepwell.log', join(folder, 'access.log')],
  ]);
  const temporary = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'].map((name) => `${name}_temp_path ${join(folder, name)};`);
  return `daemon off;
pid ${join(folder, 'nginx.pid')};
error_log stderr notice;
worker_processes 1;
${process.getuid() === 0 ? 'user root;' : ''}
events { worker_connections 1024; }
http {
access_log off;
${temporary.join('\n')}
${own}}
`;
}

// In front of the service at this address, which may be started later.
async function startProxy(t, service, ports) {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-nginx-'));
  execFileSync('openssl', ['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes', '-days', '2',
    '-subj', '/CN=127.0.0.1', '-addext', 'subjectAltName=IP:127.0.0.1', '-keyout', join(folder, 'key.pem'),
    '-out', join(folder, 'certificate.pem')], { stdio: 'pipe' });
  const file = join(folder, 'nginx.conf');
  writeFileSync(file, configuration(folder, ports, service));
  const nginx = spawn('/usr/sbin/nginx', ['-p', folder, '-e', 'stderr', '-c', file], { stdio: ['ignore', 'ignore', 'pipe'] });
  let log = '';
  const ended = new Promise((done) => nginx.on('exit', done));
  t.after(async () => {
    nginx.kill('SIGTERM');
    await ended;
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  });
  await new Promise((done, fail) => {
    nginx.stderr.on('data', (data) => { log += data; if (log.includes('start worker process ')) done(); });
    ended.then(() => fail(new Error(`nginx ended:\n${log}`)));
  });
  return {
    url: `https://127.0.0.1:${ports.tls}`,
    plainUrl: `http://127.0.0.1:${ports.plain}`,
    certificateFile: join(folder, 'certificate.pem'),
    certificate: readFileSync(join(folder, 'certificate.pem')),
    accessLog: () => readFileSync(join(folder, 'access.log'), 'utf8'),
  };
}

// tests/programs/streamer.c with its supervisor, behind nginx.
export async function startProxied(t, flags = []) {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-proxied-'));
  const [tls, plain, own] = await freePorts(3);
  const ports = { tls, plain, service: own };
  const proxy = await startProxy(t, `127.0.0.1:${ports.service}`, ports);
  const program = await startProgram('tests/streamer', ['--supervise', '--listen', `127.0.0.1:${ports.service}`, '--data', join(folder, 'data'),
    '--public-url', proxy.url, '--dev', ...flags]);
  t.after(async () => {
    await program.kill('SIGTERM');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
  });
  const said = (what) => program.log().split(what).length - 1;
  const until = async (what, times) => { while (said(what) < times) await sleep(20); };
  const metrics = async () => (await fetch(`http://127.0.0.1:${ports.service}/_sw/metrics`)).text();
  return {
    proxy,
    // Replaces the worker; `whileDraining` is called when the old one has been told to go.
    async upgrade(whileDraining) {
      const drained = said('draining: '), ready = said(' is ready');
      process.kill(program.pid, 'SIGHUP');
      await until('draining: ', drained + 1);
      await whileDraining?.();
      await until(' is ready', ready + 1);
    },
    // Resolves when the supervisor holds that many connections: so many clients wait.
    async kept(count) {
      while (Number(/^stepwell_connections_kept_total (\d+)$/m.exec(await metrics())[1]) < count) await sleep(20);
    },
    // Kills the worker, and waits for the next.
    async kill() {
      const ready = said(' is ready');
      process.kill(Number(program.log().match(/worker \d+ is ready/g).at(-1).split(' ')[1]), 'SIGKILL');
      await until(' is ready', ready + 1);
    },
  };
}

// A response as fetch gives it, of a server with a certificate that only this client trusts. Redirects are left alone.
export function request(proxy, url, { method = 'GET', headers = {}, body } = {}) {
  return new Promise((done, fail) => {
    const call = https.request(url, { method, headers, ca: proxy.certificate }, (response) => {
      const chunks = new ReadableStream({
        start(controller) {
          response.on('data', (data) => controller.enqueue(data));
          response.on('end', () => controller.close());
          response.on('error', (error) => controller.error(error));
        },
        cancel() { response.destroy(); },
      });
      done({ status: response.statusCode, headers: response.headers, body: chunks, text: () => new Response(chunks).text() });
    });
    call.on('error', fail);
    call.end(body);
  });
}

// Follows as fetch does: 303 becomes GET.
export async function follow(proxy, url, options = {}) {
  const hops = [];
  for (let response = await request(proxy, url, options); ; response = await request(proxy, hops.at(-1))) {
    if (response.status !== 303) return { ...response, hops };
    await response.text();
    hops.push(response.headers.location);
  }
}
