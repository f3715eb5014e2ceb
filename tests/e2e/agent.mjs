// The research agent and its simulator, as the tests use them.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer as createHttpServer } from 'node:http';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { adminOnPublic, startProgram } from './program.mjs';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

// Held together until all are known: one that was let go may be given again.
export async function freePorts(count) {
  const servers = Array.from({ length: count }, () => createServer());
  for (const server of servers) await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const ports = servers.map((server) => server.address().port);
  await Promise.all(servers.map((server) => new Promise((done) => server.close(done))));
  return ports;
}

export const freePort = async () => (await freePorts(1))[0];

const REFUSED = Symbol('status');
// What `hold` gives for an answer with another status than 200.
export const refusal = (status, body = {}, headers = {}) => ({ [REFUSED]: { status, headers }, ...body });

// A proxy between the agent and its simulator: keeps what was asked and answered, and may hold a request back:
// `hold(request)` is awaited before it is passed on, and may give the answer itself, as a value. `pass(request, n)` is
// awaited before the n-th event of a streamed answer.
export async function startTap(target, hold = async () => {}, pass = async () => {}) {
  const seen = [];
  const server = createHttpServer(async (req, res) => {
    const pieces = [];
    for await (const piece of req) pieces.push(piece);
    const asked = { path: req.url, headers: req.headers, text: Buffer.concat(pieces).toString() };
    asked.body = asked.text ? JSON.parse(asked.text) : null;
    seen.push(asked);
    const given = await hold(asked, seen);
    const { status, headers } = given?.[REFUSED] ?? { status: 200 };
    if (given)
      return res.writeHead(status, { 'content-type': 'application/json', ...headers }).end(JSON.stringify(given));
    const answer = await fetch(target + req.url, {
      method: req.method,
      headers: { ...passed(req.headers) },
      body: asked.text || undefined,
    });
    const bytes = await answer.arrayBuffer().catch(() => null);
    if (!bytes) return res.destroy(); // it was cut
    asked.answer = Buffer.from(bytes).toString();
    res.writeHead(
      answer.status,
      Object.fromEntries(
        [...answer.headers].filter(
          ([name]) => !/^(connection|transfer-encoding|content-length|date|keep-alive)$/.test(name),
        ),
      ),
    );
    if (!/^text\/event-stream/.test(answer.headers.get('content-type'))) return res.end(asked.answer);
    res.flushHeaders();
    for (const [n, event] of asked.answer.split(/(?<=\n\n)/).entries()) {
      await pass(asked, n);
      if (!res.destroyed) res.write(event);
    }
    res.end();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    seen,
    stop: () => {
      server.closeAllConnections();
      server.close();
    },
  };
}

const passed = (headers) =>
  Object.fromEntries(
    Object.entries(headers).filter(([name]) => !/^(host|connection|content-length|accept-encoding|expect)$/.test(name)),
  );

const KINDS = [
  [/^Before researching/, 'clarify'],
  [/web search queries/, 'queries'],
  [/^Read the sources/, 'learn'],
  [/^Write a research report/, 'report'],
];

// What a request of the agent is for: "clarify", "queries", "search", "learn", "report".
export function kindOf({ path, body }) {
  if (path === '/search') return 'search';
  const prompt = body?.messages?.at(-1).content ?? '';
  return KINDS.find(([begins]) => begins.test(prompt))?.[1] ?? '';
}

// Says how far the agent's services go, so that a test need not be quicker than they are: calls of a kind that is
// closed wait until it is opened; one that is told to fail does; of each report only so many events come.
export function makeGates(...kinds) {
  const closed = new Set(kinds), failing = new Map();
  let events = Infinity, waiting = [];
  const until = async (open) => { while (!open()) await new Promise((done) => waiting.push(done)); };
  const change = (what) => {
    what();
    const woken = waiting;
    waiting = [];
    for (const wake of woken) wake();
  };
  return {
    open: (...names) => change(() => names.forEach((name) => closed.delete(name))),
    close: (...names) => names.forEach((name) => closed.add(name)),
    fail: (kind, status, body, headers) => change(() => failing.set(kind, refusal(status, body, headers))),
    mend: (kind) => failing.delete(kind),
    letEvents: (n) => change(() => { events = n; }),
    async hold(asked) {
      const kind = kindOf(asked);
      await until(() => !closed.has(kind) || failing.has(kind));
      return failing.get(kind);
    },
    async pass(asked, n) { if (kindOf(asked) === 'report') await until(() => n < events); },
  };
}

// An agent that can be killed and started again at the same address and data folder. `options.hold` (and
// `options.pass`) put a tap between it and the simulator; `options.env` adds to its environment, as a function of the
// address of its services.
export async function startAgent(simulatorFlags = [], flags = [], options = {}) {
  const simulator = await startProgram('upstream', simulatorFlags);
  const tap =
    options.hold && (await startTap(simulator.url, options.hold === true ? undefined : options.hold, options.pass));
  const services = tap ? tap.url : simulator.url;
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-agent-'));
  const port = await freePort();
  const env = {
    ANTHROPIC_BASE_URL: services,
    EXA_BASE_URL: services,
    ANTHROPIC_API_KEY: 'k',
    EXA_API_KEY: 'k',
    ...options.env?.(services),
  };
  const agent = {
    url: `http://127.0.0.1:${port}`,
    program: null,
    seen: tap?.seen,
    simulatorUrl: simulator.url,
    async start() {
      agent.program = await startProgram(
        'research',
        ['--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data'), '--dev', ...adminOnPublic, ...flags],
        env,
      );
    },
    async kill(signal) {
      return agent.program.kill(signal);
    },
    async calls() {
      return (await fetch(`${simulator.url}/_sim/calls`)).json();
    },
    async forgetCalls() {
      await fetch(`${simulator.url}/_sim/calls`, { method: 'DELETE' });
    },
    async run(id) {
      return (await fetch(`${agent.url}/_sw/runs/${id}`)).json();
    },
    async stop() {
      const end = await agent.program.stop();
      tap?.stop();
      await simulator.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
      return end;
    },
  };
  await agent.start();
  return agent;
}

// The frames of a stream as [event, data], read to its end.
export async function framesOf(response) {
  const frames = [];
  for (const block of (await response.text()).split('\n\n')) {
    const event = /^event: (.*)$/m.exec(block)?.[1], data = /^data: (.*)$/m.exec(block)?.[1];
    if (event) frames.push([event, JSON.parse(data)]);
  }
  return frames;
}

export const researchPath = (parameters) => `/api/research?${new URLSearchParams(parameters)}`;
