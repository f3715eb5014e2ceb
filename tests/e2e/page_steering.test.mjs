// What people do with the page: two tabs, shared links, Back and reload, a plan, stopping, going on, history, export.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { apply, emptyResearch, sourcesOf, stateOf } from '../../apps/research/page/research.js';
import { goingOn, trouble } from '../../apps/research/page/words.js';
import { startAgent } from './agent.mjs';
import { answer, begin, inState, open as openIn, overflow, shot, startBrowser } from './page_browser.mjs';

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser?.close());
const open = (t, agent, options) => openIn(t, browser, agent, options);
const agentFor = async (t, ...options) => {
  const agent = await startAgent(...options);
  t.after(() => agent.stop());
  return agent;
};
const researches = async (agent) => (await (await fetch(`${agent.url}/_sw/runs`)).json()).runs.filter((r) => r.endpoint === 'POST /api/research');

const focused = (page, id) => page.waitForFunction((i) => document.activeElement.id === i, id);

test('two tabs show each its own research, also after a reload', async (t) => {
  const agent = await agentFor(t, ['--latency-ms', '100', '--token-ms', '5']);
  const a = await open(t, agent);
  await begin(a, 'Tab A', 1);
  const b = await open(t, agent, { context: a.context() });
  await begin(b, 'Tab B', 1);
  await a.reload();
  await b.reload();
  for (const [page, topic] of [[a, 'Tab A'], [b, 'Tab B']]) {
    await inState(page, 'Done');
    assert.equal(await page.textContent('#run-title'), topic);
    assert.match(await page.title(), new RegExp(`^Done: ${topic}$`));
  }
  assert.equal((await researches(agent)).length, 2);

  await a.click('#fresh'); // and this browser's history knows both
  await a.waitForSelector('#history a');
  assert.deepEqual(await a.$$eval('#history a', (all) => all.map((e) => e.textContent)), ['Tab B', 'Tab A']);
  assert.deepEqual(await a.$$eval('#history .tag', (all) => all.map((e) => e.textContent)), ['done', 'done']);
  await shot(a, '10-history');
  await a.click('#history a >> text=Tab B');
  await inState(a, 'Done');
  assert.equal(await a.textContent('#run-title'), 'Tab B');
  assert.match(await a.textContent('#fact-elapsed'), /^\d+:\d\d$/);
});

test('a shared link shows the research and cannot stop it', async (t) => {
  const agent = await agentFor(t, ['--latency-ms', '100', '--token-ms', '20']);
  const mine = await open(t, agent);
  await begin(mine, 'Shared', 1);
  await mine.waitForSelector('#stop');
  const link = mine.url();
  const theirs = await open(t, agent, { path: link.slice(agent.url.length) });
  await theirs.waitForSelector('.query');
  assert.equal(await theirs.$('#stop'), null);
  const token = new URLSearchParams(new URL(link).hash.slice(1));
  const response = await fetch(`${agent.url}/_sw/runs/${token.get('run')}?token=${token.get('token')}`, { method: 'DELETE' });
  assert.equal(response.status, 403, 'the link itself cannot, whatever the page shows');
  await inState(theirs, 'Done');
  assert.equal(await theirs.textContent('#report'), await mine.textContent('#report'));
  const broken = await open(t, agent, { path: `${link.slice(agent.url.length)}x` });
  await broken.waitForSelector('#run-error');
  assert.match(await broken.textContent('#run-error'), /link is not valid/);
});

test('Back and reload lose nothing, and a plan is edited before anything is searched', async (t) => {
  const agent = await agentFor(t);
  const page = await open(t, agent);
  await answer(page, 'Kept', 1);
  await page.fill('#questions fieldset:first-child .other', 'an answer of my own');
  await page.reload();
  assert.equal(await page.inputValue('#questions fieldset:first-child .other'), 'an answer of my own');
  assert.ok((await page.$$('#questions input:checked')).length >= 2);
  await page.goBack();
  assert.equal(await page.inputValue('#topic'), 'Kept');
  await page.goForward();
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  for (let n = (await page.$$('#queries li')).length - 1; n >= 1; n--) {
    await page.click('#queries li:last-child button');
    await page.waitForFunction((left) => document.querySelectorAll('#queries li').length === left, n);
  }
  await page.click('#add-query');
  await page.waitForSelector('#query-1');
  await page.fill('#queries li:last-child textarea', 'a query of my own');
  await page.reload();
  assert.equal(await page.inputValue('#queries li:last-child textarea'), 'a query of my own');
  const searches = async () => (await agent.calls()).filter((c) => c.label.startsWith('search')).length;
  assert.equal(await searches(), 0, 'nothing was searched for a plan');
  await page.click('#start-button');
  await inState(page, 'Done');
  assert.deepEqual(await page.$$eval('.query h3', (all) => all.map((e) => e.textContent).slice(1)), ['a query of my own']);
  assert.equal(await searches(), 2);
  assert.deepEqual(await page.$$eval('#sources .number', (all) => all.map((e) => e.textContent)), (await page.$$eval('#sources li', (all) => all.map((_, i) => String(i + 1)))));
  assert.match(await page.textContent('#fact-tokens'), /[1-9]/);
  assert.match(await page.textContent('#fact-cost'), /\$0\.\d+/);
  const titles = await page.$$eval('#log .what', (all) => all.map((e) => e.firstChild.textContent));
  assert.ok(titles.includes('Search: a query of my own') && titles.every((x) => !/\d\.\d|generate-/.test(x)), String(titles));

  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const ink = await page.evaluate(() => [getComputedStyle(document.querySelector('#report')).backgroundColor, getComputedStyle(document.querySelector('#report p')).color]);
  assert.deepEqual(ink, ['rgb(255, 255, 255)', 'rgb(0, 0, 0)'], 'paper is white');
  assert.equal(await page.isVisible('#print'), false);
  await page.emulateMedia({ media: 'screen', colorScheme: 'light' });
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.equal(download.suggestedFilename(), 'kept.md');
  assert.match(readFileSync(await download.path(), 'utf8'), /^## References$/m);
  await page.click('#again');
  assert.equal(await page.inputValue('#topic'), 'Kept', 'the form keeps the question');
  assert.equal(await page.inputValue('#depth'), '1');
  await page.goBack();
  await inState(page, 'Done');
  assert.equal((await researches(agent)).length, 1);
});

test('a failed research looks failed, says what could not be done, and its form is kept', async (t) => {
  const agent = await agentFor(t, [], [], { hold: async (asked) => (asked.path === '/search' ? { results: 'none' } : null) });
  const page = await open(t, agent);
  await begin(page, 'Fails', 1);
  await page.waitForSelector('#run-error.error');
  await inState(page, 'Failed');
  const bar = await page.getAttribute('.bar', 'aria-valuenow');
  assert.ok(Number(bar) < 90, bar);
  const colours = await page.evaluate(() => [getComputedStyle(document.querySelector('.eyebrow')).color, getComputedStyle(document.querySelector('.tag') ?? document.querySelector('.brand')).color, getComputedStyle(document.querySelector('#run-error')).color]);
  assert.equal(colours[0], colours[2], 'it has the colour of errors');
  assert.match(await page.textContent('#run-error strong'), /^Search: /);
  assert.ok((await page.$$('#log li.dead')).length >= 1);
  assert.doesNotMatch(await page.textContent('#log'), /next try|trying again/);
  await shot(page, '11-failed');
  await page.click('#retry');
  assert.equal(await page.inputValue('#topic'), 'Fails');
});

test('stopping ends the research, with a question first', async (t) => {
  const agent = await agentFor(t, ['--latency-ms', '300', '--token-ms', '20']);
  const page = await open(t, agent);
  await begin(page, 'To be stopped');
  for (const [id, next] of [['stop', 'stop-no'], ['stop-no', 'stop'], ['stop', 'stop-no'], ['stop-yes', 'run-title']]) {
    await page.focus(`#${id}`);
    await page.keyboard.press('Enter');
    await focused(page, next);
  }
  await inState(page, 'Stopped');
  await shot(page, '12-stopped');
  assert.deepEqual((await researches(agent)).map((r) => r.state), ['cancelled']);
  const calls = await agent.calls();
  await page.reload();
  await inState(page, 'Stopped');
  assert.equal((await agent.calls()).length, calls.length, 'nothing more is asked of the services');
});

test('attempts that failed: the page says why, and when the next one is', async (t) => {
  const agent = await agentFor(t, ['--overload-rate', '1']);
  const body = JSON.stringify({ topic: 'Overload', depth: 1, queries: ['one', 'two'] });
  const begun = await (await fetch(`${agent.url}/api/research`, { method: 'POST', body, headers: { Prefer: 'respond-async' } })).json();
  const link = new URLSearchParams({ run: begun.runId, token: new URL(begun.readUrl).searchParams.get('token') });
  const page = await open(t, agent, { path: `/#${link}` });
  await page.waitForFunction(() => /^The search service is overloaded: next try (in \d+ s|at once)$/.test(document.querySelector('#now')?.textContent ?? ''));
  await shot(page, '13-overload');
  assert.match(await page.textContent('#log li.waiting small'), /^attempt \d+ failed: the search service is overloaded; next try /);
  assert.ok(Number(await page.textContent('#fact-retries')) >= 2);
});

// The state that takes a quarter of an hour to come about, from its frames as docs/research.md has them.
test('a research that stopped is paused, says why, and goes on when it is released', () => {
  const r = emptyResearch(), hashedStepId = 'h', error = 'https://api.example.com/search answered 503: {}';
  apply(r, 'inngest.stream', { data: { type: 'begun', topic: 'T', startedAt: 0 } });
  apply(r, 'inngest.stream', { hashedStepId, data: { type: 'step', step: 'search-1.1', kind: 'search', title: 'tides', id: '1.1', attempt: 25 } });
  apply(r, 'inngest.stream', { hashedStepId, data: { type: 'sources', id: '1.1', sources: [{ n: 1, title: 'S', url: 'https://e.org/' }] } });
  assert.equal(sourcesOf(r).length, 1);
  apply(r, 'inngest.rollback', { hashedStepId, attempt: 25, nextAt: null, error });
  assert.equal(sourcesOf(r).length, 0, 'what an attempt has told is taken back');
  apply(r, 'stepwell.stopped', { runId: 'r', reason: 'exhausted', detail: '' });
  assert.equal(stateOf(r), 'stopped');
  assert.equal(trouble(r).step, 'Search: tides');
  assert.match(trouble(r).why, /^The search service is overloaded, after 25 attempts \(.*503.*\)\. Nothing that was done is lost\.$/);
  apply(r, 'inngest.stream', { hashedStepId, data: { type: 'step', step: 'search-1.1', kind: 'search', title: 'tides', id: '1.1', attempt: 1 } });
  assert.equal(stateOf(r), 'running');
  assert.equal(goingOn(r, 0), '1 search runs');
});

// Passes connections on until hold(): from then on they stay open, and nothing comes through. Later ones are as before.
async function startHole(t, port) {
  const open = new Set();
  const server = createServer((client) => {
    const service = connect(port, '127.0.0.1');
    for (const s of [client, service]) {
      open.add(s);
      s.on('error', () => {});
      s.on('close', () => { client.destroy(); service.destroy(); open.delete(s); });
    }
    client.pipe(service).pipe(client);
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  t.after(() => { for (const s of open) s.destroy(); server.close(); });
  return { url: `http://127.0.0.1:${server.address().port}`, hold() { for (const s of open) s.unpipe().pause(); } };
}

test('a connection that has gone silent is noticed and healed', async (t) => {
  const agent = await agentFor(t, ['--latency-ms', '1000', '--token-ms', '5']);
  const hole = await startHole(t, new URL(agent.url).port);
  const context = await browser.newContext();
  t.after(() => context.close());
  await context.clock.install();
  const page = await open(t, hole, { context });
  await begin(page, 'Silence', 1);
  hole.hold();
  await page.clock.fastForward(26000);
  await page.waitForFunction(() => /silent/.test(document.querySelector('#connection').textContent));
  // The browser may try its other connections into the hole first: each is given up as the first was.
  const healed = () => page.waitForSelector('#connection', { state: 'hidden', timeout: 1500 }).then(() => true, () => false);
  while (!(await healed())) await page.clock.fastForward(26000);
  await inState(page, 'Done');
  assert.equal((await researches(agent)).length, 1);
});

test('characters are counted, long words wrap, the keyboard is enough', async (t) => {
  const agent = await agentFor(t);
  const page = await open(t, agent, { viewport: { width: 390, height: 844 } });
  await page.fill('#topic', '潮'.repeat(2001));
  await page.click('#ask-button');
  await page.waitForSelector('#ask-error:not([hidden])');
  assert.match(await page.textContent('#ask-error'), /2001 characters: 2000 are possible/);
  await page.fill('#topic', '潮'.repeat(1000));
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('#questions fieldset');
  assert.equal(await overflow(page), 0);
  await focused(page, 'clarify-title'); // the new view has the focus
  await page.goBack();
  await page.fill('#topic', 'w'.repeat(400));
  await page.keyboard.press('Control+Enter');
  await page.waitForSelector('#questions fieldset');
  assert.equal(await overflow(page), 0);
  await page.focus('#plan-button');
  await page.keyboard.press('Enter');
  await page.waitForSelector('#queries textarea');
  assert.equal(await overflow(page), 0);
  await page.focus('#queries li:last-child button');
  await page.keyboard.press('Enter');
  await focused(page, 'plan-title'); // never nothing
  await page.focus('#start-button');
  await page.keyboard.press('Enter');
  await inState(page, 'Done');
  assert.equal(await overflow(page), 0);
});
