// The page in a real browser: ask, answer, watch, reload in the middle, kill the server in the middle, read the report.
import assert from 'node:assert/strict';
import { existsSync, mkdirSync, readFileSync } from 'node:fs';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { sleep, startAgent } from './agent.mjs';

const executablePath = '/usr/bin/chromium';
const shots = process.env.SCREENSHOTS; // a folder: keeps pictures of what the tests see
let browser;

before(async () => {
  browser = await chromium.launch({ executablePath, headless: true, args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'] });
});
after(() => browser?.close());

async function open(t, agent, options = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 900 }, ...options });
  t.after(() => context.close());
  const page = await context.newPage();
  const foreign = [], errors = [];
  page.on('request', (r) => { if (!r.url().startsWith(agent.url) && !r.url().startsWith('blob:')) foreign.push(r.url()); });
  page.on('pageerror', (e) => errors.push(String(e)));
  t.after(() => {
    assert.deepEqual(foreign, [], 'the page asks nobody but its server');
    assert.deepEqual(errors, []);
  });
  await page.goto(agent.url);
  return page;
}

async function shot(page, name) {
  if (!shots) return;
  mkdirSync(shots, { recursive: true });
  await page.screenshot({ path: `${shots}/${name}.png`, fullPage: false });
}

async function begin(page, topic, depth = 2) {
  await page.fill('#topic', topic);
  await page.fill('#depth', String(depth));
  await shot(page, '1-ask');
  await page.click('#ask-button');
  await page.waitForSelector('#questions fieldset');
  for (const set of await page.$$('#questions fieldset')) await (await set.$('label')).click();
  assert.ok((await page.$$('#questions input:checked')).length >= 3);
  await shot(page, '2-clarify');
  await page.click('#clarify-form .primary');
  await page.waitForSelector('.query');
}

async function finished(page, topic) {
  await page.waitForFunction(() => document.querySelector('#run-state').textContent === 'Done', null, { timeout: 60000 });
  const report = await page.textContent('#report');
  assert.ok(report.includes('References'));
  assert.ok((await page.$$('#report h2')).length >= 2, 'headings are rendered');
  assert.ok((await page.$$('#report sup a')).length >= 1, 'citations are links');
  assert.equal(await page.textContent('#run-title'), topic);
  assert.equal(await page.getAttribute('.bar', 'aria-valuenow'), '100');
  assert.ok(Number(await page.textContent('#fact-sources')) >= 5);
  assert.ok(Number(await page.textContent('#fact-learnings')) >= 3);
  assert.equal((await page.$$('#log li')).length, (await page.$$('#log li.done')).length, 'every step is done');
}

test('a question, its clarifications, the progress and the report', async (t) => {
  const agent = await startAgent(['--latency-ms', '150', '--jitter-ms', '150', '--token-ms', '5', '--overload-rate', '0.1']);
  t.after(() => agent.stop());
  const page = await open(t, agent);
  await begin(page, 'How tidal power compares with offshore wind');
  await page.waitForSelector('.query .found a');
  await page.waitForSelector('.query .learned li');
  assert.ok((await page.$$('.query .reason')).length >= 3);
  await shot(page, '3-progress');
  await page.waitForSelector('#report.writing');
  await finished(page, 'How tidal power compares with offshore wind');
  await shot(page, '4-report');
});

test('a reload in the middle changes nothing', async (t) => {
  const agent = await startAgent(['--latency-ms', '250', '--token-ms', '10']);
  t.after(() => agent.stop());
  const page = await open(t, agent);
  await begin(page, 'Reloads');
  await page.waitForSelector('.query .found a');
  const before = await page.textContent('.query h3');
  await page.reload();
  await page.waitForSelector('.query .found a');
  assert.ok((await page.textContent('#levels')).includes(before));
  await page.waitForSelector('#report.writing');
  await page.reload();
  await finished(page, 'Reloads');
  const runs = await (await fetch(`${agent.url}/_sw/runs`)).json();
  assert.equal(runs.runs.filter((r) => r.endpoint === 'GET /api/research').length, 1, 'it is still the one run');
});

test('a kill -9 in the middle changes nothing', async (t) => {
  const agent = await startAgent(['--latency-ms', '250', '--token-ms', '10']);
  t.after(() => agent.stop());
  const page = await open(t, agent);
  await begin(page, 'Kills');
  await page.waitForSelector('.query .found a');
  await agent.kill('SIGKILL');
  await page.waitForSelector('#connection:not([hidden])');
  await shot(page, '5-lost');
  await agent.start();
  await page.waitForSelector('#connection', { state: 'hidden' });
  await page.waitForSelector('#report.writing');
  await agent.kill('SIGKILL');
  await agent.start();
  await finished(page, 'Kills');
  const steps = await page.$$eval('#log .what', (all) => all.map((e) => e.firstChild.textContent));
  assert.equal(new Set(steps).size, steps.length, 'no step is shown twice');
});

// The report as the page shows it now, and the one that the run answers in the end.
const shown = (page) => page.textContent('#report');
const finalReport = (page) => page.evaluate(async () => {
  const url = new URL(JSON.parse(localStorage.getItem('stepwell-research')).streamUrl);
  return (await fetch(`${url.pathname.replace(/stream$/, 'output')}${url.search}`)).json();
});

// Which of the texts no part of the report makes, from its beginning to anywhere.
const markdown = 'data:text/javascript,' + encodeURIComponent(readFileSync(new URL('../../apps/research/page/markdown.js', import.meta.url)));
const strangers = (page, report, sources, texts) => page.evaluate(async ({ markdown, report, sources, texts }) => {
  const { render } = await import(markdown), node = document.createElement('div'), left = new Set(texts);
  for (let n = 0; n <= report.length; n++) {
    node.innerHTML = render(report.slice(0, n), sources);
    left.delete(node.textContent);
  }
  return { left: [...left], whole: node.textContent };
}, { markdown, report, sources, texts });

test('the report appears as the model writes it, also after a reload, a kill and an upgrade', async (t) => {
  const agent = await startAgent(['--latency-ms', '20', '--token-ms', '15']);
  t.after(() => agent.stop());
  const page = await open(t, agent);
  const state = () => page.textContent('#run-state');
  const longer = async (than) => {
    await page.waitForFunction((n) => document.querySelector('#report').textContent.length > n, than);
    const text = await shown(page);
    assert.equal(await state(), 'Writing the report', 'it is not complete yet');
    return text;
  };
  await begin(page, 'Growing text', 1);
  const texts = [await longer(0), await longer(150)];
  await page.reload();
  texts.push(await longer(0), await longer(300));
  await agent.kill('SIGKILL'); // the attempt that wrote is cut off: the step begins again, and so does its text
  await agent.start();
  await page.waitForFunction((n) => document.querySelector('#report').textContent.length < n, texts.at(-1).length);
  texts.push(await longer(100));
  const stopped = agent.kill('SIGTERM'); // the attempt that writes may end
  texts.push(await longer(texts.at(-1).length));
  await stopped;
  await agent.start();
  await finished(page, 'Growing text');
  const { report, sources } = await finalReport(page);
  const { left, whole } = await strangers(page, report, sources, texts);
  assert.deepEqual(left, [], 'what was shown in between was the beginning of the report: nothing twice, nothing missing');
  assert.equal(await shown(page), whole, 'the page shows the whole report, once');
});

test('errors are told', async (t) => {
  const agent = await startAgent(['--refusal-rate', '1']);
  t.after(() => agent.stop());
  const page = await open(t, agent);
  await page.fill('#topic', 'x');
  await page.click('#ask-button');
  await page.waitForSelector('#ask-error:not([hidden])');
  assert.match(await page.textContent('#ask-error'), /refused/);
  await agent.kill('SIGKILL');
  await page.click('#ask-button');
  await page.waitForFunction(() => /cannot be reached/.test(document.querySelector('#ask-error').textContent));
  await agent.start();
});

test('dark and narrow', async (t) => {
  const agent = await startAgent(['--latency-ms', '20']);
  t.after(() => agent.stop());
  const page = await open(t, agent, { colorScheme: 'dark', viewport: { width: 390, height: 844 } });
  await begin(page, 'Small screens', 1);
  await finished(page, 'Small screens');
  const overflow = await page.evaluate(() => document.documentElement.scrollWidth - document.documentElement.clientWidth);
  assert.equal(overflow, 0, 'nothing sticks out at the side');
  await shot(page, '6-dark-narrow');
});
