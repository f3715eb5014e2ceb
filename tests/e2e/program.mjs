// Starts a built program for a test and stops it after: the folder of the build is STEPWELL_BUILD, the address is read
// from the line that every program logs.
import { spawn } from 'node:child_process';
import { existsSync, mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { basename, join, resolve } from 'node:path';

// How long a test waits for what has to come before it says that it did not: one number for all, less than meson gives
// to a file of tests, which have no time limits of their own. Nothing is judged by how long it took.
export const PATIENCE_MS = 240_000;

// What `look` gives, as soon as it gives anything.
export async function until(what, look) {
  for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
    const found = await look();
    if (found) return found;
    await new Promise((done) => setTimeout(done, 20));
  }
  throw new Error(`never came: ${what}`);
}

// An app by its name, any other program by its path in the build folder.
export function programPath(name) {
  const build = process.env.STEPWELL_BUILD;
  if (!build) throw new Error('STEPWELL_BUILD must name the build folder');
  const path = name.includes('/') ? resolve(build, name) : resolve(build, 'apps', name, name);
  if (!existsSync(path)) throw new Error(`${path} is not built`);
  return path;
}

// A worker whose supervisor was killed ends by itself, and may write a last file until then.
export async function removeFolder(folder) {
  for (let tries = 600; ; tries--) {
    try {
      return rmSync(folder, { recursive: true, force: true });
    } catch (error) {
      if (tries === 0) throw error;
      await new Promise((done) => setTimeout(done, 100));
    }
  }
}

// For tests that ask a program all at one address. With --dev the admin API would be at the port above, which may be
// another test's.
export const adminOnPublic = ['--admin-on-public', '--admin-listen', 'none'];

// Resolves to {url, log(), exited, stop(), kill(signal)} once the program listens; rejects with its output if it ends
// before.
export const startProgram = (name, args = [], env = {}) => startAt(programPath(name), args, env);

export async function startAt(path, args = [], env = {}) {
  const name = basename(path);
  const folder = mkdtempSync(join(tmpdir(), `stepwell-${name}-`));
  const first = args[0] === '--serve' ? args.splice(0, 1) : []; // a C test's own service
  const child = spawn(path, [...first, '--listen', '127.0.0.1:0', ...args], {
    cwd: folder,
    env: { ...process.env, ...env },
    stdio: ['ignore', 'pipe', 'pipe'],
  });
  let log = '';
  const exited = new Promise((done) => child.on('exit', (code, signal) => done({ code, signal })));
  const url = await new Promise((done, fail) => {
    const timer = setTimeout(() => fail(new Error(`${name} does not listen:\n${log}`)), PATIENCE_MS);
    const read = (data) => {
      log += data;
      const found = /listening on (http:\/\/[^\s]+)/.exec(log);
      if (found) {
        clearTimeout(timer);
        done(found[1]);
      }
    };
    child.stdout.on('data', read);
    child.stderr.on('data', read);
    exited.then((end) => {
      clearTimeout(timer);
      fail(new Error(`${name} ended (${JSON.stringify(end)}) before it listened:\n${log}`));
    });
  }).catch((error) => {
    child.kill('SIGKILL');
    rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
    throw error;
  });
  // Ends it at once and keeps what it wrote: for tests that start it again on the same --data.
  const kill = async (signal = 'SIGKILL') => {
    child.kill(signal);
    const end = await exited;
    await removeFolder(folder);
    return end;
  };
  const stop = async () => {
    child.kill('SIGTERM');
    const end = await exited;
    await removeFolder(folder);
    return end;
  };
  return { url, pid: child.pid, log: () => log, exited, stop, kill };
}

// Runs a program that is expected to end by itself.
export async function runProgram(name, args = []) {
  const child = spawn(programPath(name), args, { stdio: ['ignore', 'pipe', 'pipe'] });
  let output = '';
  child.stdout.on('data', (data) => (output += data));
  child.stderr.on('data', (data) => (output += data));
  const code = await new Promise((done) => child.on('close', done));
  return { code, output };
}
