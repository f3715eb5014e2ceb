// A real browser on the agent's page, as the tests of the page use it.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { existsSync, mkdirSync, readdirSync } from 'node:fs';
import { chromium } from 'playwright-core';
import { PATIENCE_MS } from './program.mjs';

const shots = process.env.SCREENSHOTS; // a folder: keeps pictures of what the tests see
const folder = new URL('../../apps/research/page/', import.meta.url);

// Chromium without the window of a browser costs a page a third of the processor time. Where it is not installed, and
// for tests that need more of a browser, the whole of it is taken.
const shell = '/usr/bin/chromium-headless-shell';

export const startBrowser = ({ windowless = false } = {}) =>
  chromium.launch({
    executablePath: windowless && existsSync(shell) ? shell : '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });

// A page of a browser profile of its own, or of `context`; at the end nothing was asked of others, and no script has
// failed.
export async function open(t, browser, agent, { path = '', context = null, ...options } = {}) {
  const own = context ?? (await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options }));
  if (!context) t.after(() => own.close());
  own.setDefaultTimeout(PATIENCE_MS);
  const page = await own.newPage();
  const foreign = [], errors = [];
  page.on('request', (r) => {
    if (!r.url().startsWith(agent.url) && !r.url().startsWith('blob:')) foreign.push(r.url());
  });
  page.on('pageerror', (e) => errors.push(String(e)));
  page.on('console', (m) => { if (/Content Security Policy/.test(m.text())) errors.push(m.text()); });
  t.after(() => {
    assert.deepEqual(foreign, [], 'the page asks nobody but its server');
    assert.deepEqual(errors, []);
  });
  await page.goto(agent.url + path);
  await page.waitForSelector('main h1');
  return page;
}

export async function shot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: false });
}

// From the question to the questions that are asked back, all answered.
export async function answer(page, topic, depth) {
  await page.fill('#topic', topic);
  await page.fill('#depth', String(depth));
  await shot(page, '1-ask');
  await page.click('#ask-button');
  await page.waitForSelector('#questions fieldset');
  for (const set of await page.$$('#questions fieldset')) await (await set.$('label')).click();
  assert.ok((await page.$$('#questions input:checked')).length >= 3);
  await shot(page, '2-questions');
}

export async function begin(page, topic, depth = 2) {
  await answer(page, topic, depth);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  await shot(page, '3-plan');
  await page.click('#start-button');
  await page.waitForSelector('.query');
}

export const inState = (page, state) =>
  page.waitForFunction((s) => document.querySelector('#run-state')?.textContent === s, state);

// A page shows what it is told, and that later than the server has it: a text or a number is there when it has come,
// not when something near it has.
async function eventually(check) {
  for (const end = Date.now() + PATIENCE_MS; ; ) {
    try {
      return await check();
    } catch (error) {
      if (!(error instanceof assert.AssertionError) || Date.now() > end) throw error;
    }
    await new Promise((done) => setTimeout(done, 20));
  }
}

// The text of what is there comes to fit an expression, or to be that text.
export const shows = (page, selector, expected, message) =>
  eventually(async () => {
    const text = await page.textContent(selector);
    if (expected instanceof RegExp) assert.match(text, expected, message);
    else assert.equal(text, expected, message);
  });

// There come to be so many of them.
export const counts = (page, selector, expected, message) =>
  eventually(async () => assert.equal((await page.$$(selector)).length, expected, message));

export const overflow = (page) =>
  page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);

// report.js and its packages as a script that defines `made`.
export function reportScript() {
  const [program] = readdirSync(new URL('node_modules/@esbuild/', folder)).map(
    (name) => new URL(`node_modules/@esbuild/${name}/bin/esbuild`, folder).pathname,
  );
  return execFileSync(program, ['report.js', '--bundle', '--format=iife', '--global-name=made', '--log-level=error'], {
    cwd: folder.pathname,
    encoding: 'utf8',
  });
}
