// The research agent and its simulator, as the tests use them.
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { startProgram } from './program.mjs';

export const sleep = (ms) => new Promise((done) => setTimeout(done, ms));

export async function freePort() {
  const server = createServer();
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const { port } = server.address();
  await new Promise((done) => server.close(done));
  return port;
}

// An agent that can be killed and started again at the same address and data folder.
export async function startAgent(simulatorFlags = [], flags = []) {
  const simulator = await startProgram('upstream', simulatorFlags);
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-agent-'));
  const port = await freePort();
  const env = { ANTHROPIC_BASE_URL: simulator.url, EXA_BASE_URL: simulator.url, ANTHROPIC_API_KEY: 'k', EXA_API_KEY: 'k' };
  const agent = {
    url: `http://127.0.0.1:${port}`,
    program: null,
    async start() {
      agent.program = await startProgram('research', ['--listen', `127.0.0.1:${port}`, '--data', join(folder, 'data'), '--dev', ...flags], env);
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
      await simulator.stop();
      rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
      return end;
    },
  };
  await agent.start();
  return agent;
}

export const researchPath = (parameters) => `/api/research?${new URLSearchParams(parameters)}`;
