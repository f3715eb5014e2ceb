// A proxy, started as docs/operations.md says, with a certificate of its own, on loopback ports; and a plain client of
// it.
import { execFileSync, spawn, spawnSync } from 'node:child_process';
import { chmodSync, mkdtempSync, readFileSync, writeFileSync } from 'node:fs';
import http from 'node:http';
import https from 'node:https';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { freePorts, sleep } from './agent.mjs';
import { adminOnPublic, removeFolder, startProgram } from './program.mjs';
import { kinds } from './proxy_kinds.mjs';

const page = readFileSync(resolve(import.meta.dirname, '../../docs/operations.md'), 'utf8');
// Another system's proxies: a command that is put before each of theirs, such as "chroot FOLDER".
const before = (process.env.PROXY_SHELL ?? '').split(' ').filter(Boolean);
const inSystem = ([program, args]) =>
  before.length ? [before[0], [...before.slice(1), program, ...args]] : [program, args];

export function proxyVersion(name) {
  const [program, args, pattern] = kinds[name].version;
  const said = spawnSync(...inSystem([program, args]), { encoding: 'utf8' });
  return pattern.exec(`${said.stdout}${said.stderr}`)?.[1];
}

function replaceAll(text, changes) {
  for (const [from, to] of changes) {
    if (!text.includes(from)) throw new Error(`the configuration of docs/operations.md has no "${from}"`);
    text = text.replaceAll(from, to);
  }
  return text;
}

// As it is on the page.
export function configurationOf(name) {
  const { marker, language } = kinds[name];
  const found = new RegExp(`^<!-- ${marker} -->\n\`\`\`${language}\n(.*?)^\`\`\`$`, 'ms').exec(page);
  if (!found) throw new Error(`docs/operations.md has no ${marker}`);
  return found[1];
}

// Only addresses and paths are others than on the page; `without` takes lines out.
function configuration(name, place, without) {
  const kind = kinds[name], text = configurationOf(name);
  const kept = without ? text.split('\n').filter((line) => !without.test(line)).join('\n') : text;
  return kind.around(replaceAll(kept, kind.changes(place)), place);
}

function makeCertificate({ key, certificate, both }) {
  execFileSync(
    'openssl',
    [
      'req',
      '-x509',
      '-newkey',
      'ec',
      '-pkeyopt',
      'ec_paramgen_curve:prime256v1',
      '-nodes',
      '-days',
      '2',
      '-subj',
      '/CN=127.0.0.1',
      '-addext',
      'subjectAltName=IP:127.0.0.1,DNS:api.example.com',
      '-keyout',
      key,
      '-out',
      certificate,
    ],
    { stdio: 'pipe' },
  );
  writeFileSync(both, readFileSync(certificate, 'utf8') + readFileSync(key, 'utf8'));
}

const listens = (port) => new Promise((done) => {
  const socket = connect(port, '127.0.0.1', () => { socket.destroy(); done(true); });
  socket.on('error', () => done(false));
});

const urlOf = (name, ports) => (kinds[name].tls ? `https://127.0.0.1:${ports.tls}` : `http://127.0.0.1:${ports.plain}`);

// In front of the service, which is there already: Squid answers 502 to the first request if it was not.
async function startProxy(t, name, ports, without) {
  const kind = kinds[name], folder = mkdtempSync(join(tmpdir(), `stepwell-${name}-`));
  chmodSync(folder, 0o777); // some give up root, and write there as another user
  const place = {
    folder, ports, file: join(folder, kind.marker), service: `127.0.0.1:${ports.service}`,
    key: join(folder, 'key.pem'), certificate: join(folder, 'certificate.pem'), both: join(folder, 'both.pem'),
  };
  makeCertificate(place);
  writeFileSync(place.file, configuration(name, place, without));
  const [program, args] = inSystem(kind.command(place));
  const child = spawn(program, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, ...kind.environment?.(place) },
  });
  let log = '', out = '', over = false;
  child.stdout.on('data', (data) => { out += data; });
  child.stderr.on('data', (data) => { log += data; });
  const ended = new Promise((done) => {
    child.on('exit', done);
    child.on('error', done);
  }).then(() => {
    over = true;
  });
  t.after(async () => {
    child.kill('SIGTERM');
    const late = setTimeout(() => child.kill('SIGKILL'), 10_000);
    await ended;
    clearTimeout(late);
    await removeFolder(folder);
  });
  const port = kind.tls ? ports.tls : ports.plain;
  while (!over && !await listens(port)) await sleep(20);
  if (over) throw new Error(`${name} ended:\n${out}${log}`);
  return {
    name,
    url: urlOf(name, ports),
    plainUrl: `http://127.0.0.1:${ports.plain}`,
    agent: kind.closesIdle ? false : undefined,
    certificateFile: place.certificate,
    certificate: readFileSync(place.certificate),
    logsRequests: Boolean(kind.log),
    accessLog: () => (kind.log === 'stdout' ? out : readFileSync(join(folder, kind.log), 'utf8')),
  };
}

// tests/programs/streamer.c with its supervisor, behind the proxy of this name. The client's Host may also be
// api.example.com.
export async function startProxied(t, flags = [], { name = 'nginx', without } = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-proxied-'));
  const [tls, plain, own] = await freePorts(3);
  const ports = { tls, plain, service: own };
  const program = await startProgram('tests/streamer', [
    '--supervise',
    '--listen',
    `127.0.0.1:${ports.service}`,
    '--data',
    join(folder, 'data'),
    '--public-url',
    `${urlOf(name, ports)},https://api.example.com`,
    '--dev',
    ...adminOnPublic,
    ...flags,
  ]);
  t.after(async () => {
    await program.kill('SIGTERM');
    await removeFolder(folder);
  });
  const proxy = await startProxy(t, name, ports, without);
  const said = (what) => program.log().split(what).length - 1;
  const until = async (what, times) => { while (said(what) < times) await sleep(20); };
  const metrics = async () => (await fetch(`http://127.0.0.1:${ports.service}/_sw/metrics`)).text();
  return {
    proxy,
    url: `http://127.0.0.1:${ports.service}`,
    log: program.log,
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
    const { request: begin } = url.startsWith('https:') ? https : http;
    const call = begin(url, { method, headers, ca: proxy.certificate, agent: proxy.agent }, (response) => {
      const chunks = new ReadableStream({
        start(controller) {
          response.on('data', (data) => controller.enqueue(data));
          response.on('end', () => controller.close());
          response.on('error', (error) => controller.error(error));
        },
        cancel() { response.destroy(); },
      });
      done({
        status: response.statusCode,
        headers: response.headers,
        body: chunks,
        text: () => new Response(chunks).text(),
      });
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
