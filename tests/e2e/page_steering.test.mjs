// What people do with the page: two tabs, shared links, Back and reload, a plan, stopping, going on, history, export.
import assert from 'node:assert/strict';
import { readFileSync } from 'node:fs';
import { connect, createServer } from 'node:net';
import { after, before, test } from 'node:test';
import { apply, emptyResearch, stateOf } from '../../apps/research/page/research.js';
import { trouble } from '../../apps/research/page/words.js';
import { kindOf, makeGates, sleep, startAgent } from './agent.mjs';
import { answer, begin, inState, open as openIn, overflow, shot, shows, startBrowser } from './page_browser.mjs';

let browser;
before(async () => { browser = await startBrowser({ windowless: true }); });
after(() => browser?.close());
const open = (t, agent, options) => openIn(t, browser, agent, options);
const count = (agent, kind) => agent.seen.filter((asked) => kindOf(asked) === kind).length;
const agentFor = async (t, ...options) => {
  const agent = await startAgent(...options);
  t.after(() => agent.stop());
  return agent;
};
const researches = async (agent) =>
  (await (await fetch(`${agent.url}/_sw/runs`)).json()).runs.filter((r) => r.endpoint === 'POST /api/research');

const focused = (page, id) => page.waitForFunction((i) => document.activeElement.id === i, id);

test('two tabs show each its own research, also after a reload', async (t) => {
  const gates = makeGates('report');
  const agent = await agentFor(t, [], [], gates);
  const a = await open(t, agent);
  await begin(a, 'Tab A', 1);
  const b = await open(t, agent, { context: a.context() });
  await begin(b, 'Tab B', 1);
  await a.reload();
  await b.reload();
  gates.open('report');
  for (const [page, topic] of [[a, 'Tab A'], [b, 'Tab B']]) {
    await inState(page, 'Done');
    await shows(page, '#run-title', topic);
    assert.match(await page.title(), new RegExp(`^Done: ${topic}$`));
  }
  assert.equal((await researches(agent)).length, 2);

  await a.click('#fresh'); // and this browser's history knows both
  await a.waitForSelector('#history a');
  assert.deepEqual(await a.$$eval('#history a', (all) => all.map((e) => e.textContent)), ['Tab B', 'Tab A']);
  await a.waitForFunction(() => // what the other tab has kept comes from another process
    [...document.querySelectorAll('#history .tag')].map((e) => e.textContent).join() === 'done,done');
  await shot(a, '10-history');
  await a.click('#history a >> text=Tab B');
  await inState(a, 'Done');
  await shows(a, '#run-title', 'Tab B');
  await shows(a, '#fact-elapsed', /^\d+:\d\d$/);
});

test('the list of researches says what has become of those that were left', async (t) => {
  const gates = makeGates('learn');
  const agent = await agentFor(t, [], [], gates);
  const page = await open(t, agent);
  await begin(page, 'Left', 1);
  await page.click('.brand');
  await page.waitForSelector('#history .tag');
  await shows(page, '#history .tag', 'under way');
  gates.open('learn');
  while ((await researches(agent))[0].state !== 'succeeded') await sleep(50);
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#history .tag')?.textContent === 'done');
});

test('what others answer in the place of the server is not the last word of the list', async (t) => {
  const gates = makeGates('learn');
  const agent = await agentFor(t, [], [], gates);
  const page = await open(t, agent);
  await begin(page, 'Misled', 1);
  await page.click('.brand');
  for (const status of [500, 504, 410, 404]) {
    await page.route('**/_sw/runs/*/output*', (route) => route.fulfill({ status, body: '' }), { times: 1 });
    await Promise.all([page.waitForResponse((r) => r.status() === status), page.reload()]);
  }
  await page.waitForFunction(() => document.querySelector('#history .tag')?.textContent === 'no longer kept');
  gates.open('learn');
  while ((await researches(agent))[0].state !== 'succeeded') await sleep(50);
  await page.reload();
  await page.waitForFunction(() => document.querySelector('#history .tag')?.textContent === 'done');
});

test('the list asks about no more than three researches at once, and about each', async (t) => {
  const agent = await agentFor(t);
  const page = await open(t, agent);
  await page.evaluate(() => {
    for (let i = 0; i < 8; i++)
      localStorage.setItem(
        `stepwell-research/R${i}`,
        JSON.stringify({ id: `R${i}`, read: 'r', title: 'Old', at: i, state: 'running' }),
      );
  });
  let asking = 0, most = 0;
  const asked = new Set();
  await page.route('**/_sw/runs/*/output*', async (route) => {
    most = Math.max(most, ++asking);
    for (let i = 0; i < 50 && most < 3; i++) await sleep(20); // they come one by one; the page gives up after 2 s
    await sleep(20);
    asked.add(new URL(route.request().url()).pathname);
    asking--;
    await route.fulfill({ status: 404, body: '' }).catch(() => {}); // the page may have given up
  });
  await page.reload();
  while (asked.size < 8) await sleep(20);
  assert.equal(most, 3);
});

test('a shared link shows the research and cannot stop it', async (t) => {
  const gates = makeGates('report');
  const agent = await agentFor(t, [], [], gates);
  const mine = await open(t, agent);
  await begin(mine, 'Shared', 1);
  await mine.waitForSelector('#stop');
  const link = mine.url();
  const theirs = await open(t, agent, { path: link.slice(agent.url.length) });
  await theirs.waitForSelector('.query');
  assert.equal(await theirs.$('#stop'), null);
  const token = new URLSearchParams(new URL(link).hash.slice(1));
  const response = await fetch(`${agent.url}/_sw/runs/${token.get('run')}?token=${token.get('token')}`, {
    method: 'DELETE',
  });
  assert.equal(response.status, 403, 'the link itself cannot, whatever the page shows');
  gates.open('report');
  await inState(theirs, 'Done');
  await inState(mine, 'Done');
  await shows(theirs, '#report', await mine.textContent('#report'));
  await theirs.reload();
  await inState(theirs, 'Done');
  await shows(theirs, '#fact-elapsed', /^\d+:\d\d$/, 'how long it took is known to who comes later');
  const broken = await open(t, agent, { path: `${link.slice(agent.url.length)}x` });
  await broken.waitForSelector('#run-error');
  await shows(broken, '#run-error', /link is not valid/);
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
  await shows(page, '#plan-most', 'With depth 1 it makes at most 2 searches and 3 model calls.');
  const searches = async () => (await agent.calls()).filter((c) => c.label.startsWith('search')).length;
  assert.equal(await searches(), 0, 'nothing was searched for a plan');
  await page.click('#start-button');
  await inState(page, 'Done');
  assert.deepEqual(await page.$$eval('.query h3', (all) => all.map((e) => e.textContent).slice(1)), [
    'a query of my own',
  ]);
  assert.equal(await searches(), 2);
  assert.deepEqual(
    await page.$$eval('#sources .number', (all) => all.map((e) => e.textContent)),
    await page.$$eval('#sources li', (all) => all.map((_, i) => String(i + 1))),
  );
  await shows(page, '#fact-tokens', /[1-9]/);
  await shows(page, '#fact-cost', /\$0\.\d+/);
  const titles = await page.$$eval('#log .what', (all) => all.map((e) => e.firstChild.textContent));
  assert.ok(
    titles.includes('Search: a query of my own') && titles.every((x) => !/\d\.\d|generate-/.test(x)),
    String(titles),
  );

  await page.emulateMedia({ media: 'print', colorScheme: 'dark' });
  const ink = await page.evaluate(() => [
    getComputedStyle(document.querySelector('#report')).backgroundColor,
    getComputedStyle(document.querySelector('#report p')).color,
  ]);
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
  const agent = await agentFor(t, [], [], {
    hold: async (asked) => (asked.path === '/search' ? { results: 'none' } : null),
  });
  const page = await open(t, agent);
  await begin(page, 'Fails', 1);
  await page.waitForSelector('#run-error.error');
  await inState(page, 'Failed');
  const bar = await page.getAttribute('.bar', 'aria-valuenow');
  assert.ok(Number(bar) < 90, bar);
  const colours = await page.evaluate(() => [
    getComputedStyle(document.querySelector('.eyebrow')).color,
    getComputedStyle(document.querySelector('.tag') ?? document.querySelector('.brand')).color,
    getComputedStyle(document.querySelector('#run-error')).color,
  ]);
  assert.equal(colours[0], colours[2], 'it has the colour of errors');
  await shows(page, '#run-error strong', /^Search: /);
  assert.ok((await page.$$('#log li.dead')).length >= 1);
  assert.doesNotMatch(await page.textContent('#log'), /next try|trying again/);
  await shot(page, '11-failed');
  await page.click('#retry');
  assert.equal(await page.inputValue('#topic'), 'Fails');
});

test('stopping ends the research, with a question first', async (t) => {
  const agent = await agentFor(t, [], [], makeGates('learn'));
  const page = await open(t, agent);
  await begin(page, 'To be stopped');
  await page.waitForFunction(() => document.querySelectorAll('#log li.running').length === 3);
  for (const [id, next, key] of [
    ['stop', 'stop-no'],
    ['stop-no', 'stop'],
    ['stop', 'stop-no'],
    ['stop-yes', 'stop', 'Escape'],
    ['stop', 'stop-no'],
    ['stop-yes', 'run-title'],
  ]) {
    await page.focus(`#${id}`);
    await page.keyboard.press(key ?? 'Enter');
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
  const begun = await (
    await fetch(`${agent.url}/api/research`, { method: 'POST', body, headers: { Prefer: 'respond-async' } })
  ).json();
  const link = new URLSearchParams({ run: begun.runId, token: new URL(begun.readUrl).searchParams.get('token') });
  const page = await open(t, agent, { path: `/#${link}` });
  await page.waitForFunction(() =>
    /^The search service is overloaded: next try (in \d+ s|at once)$/.test(
      document.querySelector('#now')?.textContent ?? '',
    ),
  );
  await shot(page, '13-overload');
  assert.match(
    await page.textContent('#log li.waiting small'),
    /^attempt \d+ failed: the search service is overloaded; next try /,
  );
  assert.ok(Number(await page.textContent('#fact-retries')) >= 2);
  await page.waitForFunction(() =>
    [...document.querySelectorAll('.query .tag')].some((tag) => tag.textContent === 'the search waits'),
  );
});

test('a service that stays down pauses the research; the button lets it go on from the step that failed', async (t) => {
  const gates = makeGates();
  const agent = await agentFor(t, [], ['--retries', '1'], gates);
  const page = await open(t, agent);
  await answer(page, 'Goes on', 1);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  gates.fail('report', 503);
  await page.click('#start-button');
  await inState(page, 'Paused');
  await shows(page, '#run-error strong', 'Writing the report');
  assert.match(
    await page.textContent('#run-error p'),
    new RegExp('^The model is overloaded, also after 2 attempts\\. It can go on when that is over\\. '
      + 'Nothing that was done is lost\\.\\s*$'),
  );
  await shows(page, '#run-error code', /answered 503/);
  await shows(page, '#log li.dead small', /^given up after 2 attempts: the model is overloaded/);
  assert.deepEqual((await researches(agent)).map((r) => r.state), ['stopped']);
  const theirs = await open(t, agent, { path: page.url().slice(agent.url.length) });
  await inState(theirs, 'Paused');
  assert.equal(await theirs.$('#release'), null, 'who has only the link cannot');
  await page.reload();
  await inState(page, 'Paused');
  const retries = await page.textContent('#fact-retries');
  await page.click('#release'); // too early
  await page.waitForFunction((n) => Number(document.querySelector('#fact-retries').textContent) > Number(n), retries);
  await inState(page, 'Paused');
  const before = [count(agent, 'search'), count(agent, 'learn'), count(agent, 'report')];
  gates.mend('report');
  await page.focus('#release');
  await page.keyboard.press('Enter');
  await focused(page, 'run-title');
  await inState(page, 'Done');
  await inState(theirs, 'Done');
  assert.deepEqual(
    [count(agent, 'search'), count(agent, 'learn'), count(agent, 'report')],
    [before[0], before[1], before[2] + 1],
    'only what had failed is done again',
  );
  assert.equal((await page.$$('#log li')).length, (await page.$$('#log li.done')).length);
});

test('what a person has to mend, such as a key, pauses the research at once', async (t) => {
  const gates = makeGates();
  const agent = await agentFor(t, [], [], gates); // 40 retries, which a wrong key does not get
  const page = await open(t, agent);
  await answer(page, 'Keys', 1);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  gates.fail('learn', 401, { type: 'error', error: { type: 'authentication_error', message: 'invalid x-api-key' } });
  await page.click('#start-button');
  await inState(page, 'Paused');
  await shows(page, '#run-error strong', /^Read: .* – and 2 more steps$/);
  assert.match(
    await page.textContent('#run-error p'),
    /^The model does not accept the key, also after 5 attempts\. This has to be mended where the server runs;/,
  );
  assert.equal(count(agent, 'learn'), 3 * 6);
  await shot(page, '14-key');
  await agent.kill('SIGTERM');
  await page.waitForSelector('#connection:not([hidden])');
  gates.mend('learn');
  await agent.start();
  await page.waitForSelector('#connection', { state: 'hidden' });
  await inState(page, 'Paused');
  const searches = count(agent, 'search');
  await page.click('#release');
  await inState(page, 'Done');
  assert.equal(count(agent, 'search'), searches);
  assert.equal(count(agent, 'learn'), 3 * 6 + 3);
  const titles = await page.$$eval('#log .what', (all) => all.map((e) => e.firstChild.textContent));
  assert.equal(new Set(titles).size, titles.length, 'no step is shown twice');
});

test('a research that was stopped for another reason cannot be let go on by its page', () => {
  const r = emptyResearch();
  apply(r, 'inngest.stream', { data: { type: 'begun', topic: 'T', startedAt: 0 } });
  apply(r, 'stepwell.stopped', { runId: 'r', reason: 'crashes', detail: 'its process died' });
  assert.equal(stateOf(r), 'stopped');
  assert.equal(
    trouble(r).why,
    'Its process died. It can be let go on where the server runs. Nothing that was done is lost.',
  );
});

test('Back and Start again is another research; the same click again is the same one', async (t) => {
  const gates = makeGates('learn');
  const agent = await agentFor(t, [], [], gates);
  const page = await open(t, agent);
  await answer(page, 'Twice', 1);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  // The request arrives and its answer does not: the click is repeated.
  await page.route(
    '**/api/research',
    async (route) => {
      await route.fetch({ headers: { ...route.request().headers(), prefer: 'respond-async', accept: '*/*' } });
      await route.abort();
    },
    { times: 1 },
  );
  await page.click('#start-button');
  await page.waitForSelector('#ask-error:not([hidden])');
  await page.click('#start-button');
  await page.waitForSelector('.query .found a');
  assert.equal((await researches(agent)).length, 1);
  await page.click('#stop');
  await page.click('#stop-yes');
  await inState(page, 'Stopped');
  await page.goBack();
  await page.waitForSelector('#queries textarea');
  gates.open('learn');
  await page.click('#start-button');
  await inState(page, 'Done');
  assert.deepEqual((await researches(agent)).map((r) => r.state), ['succeeded', 'cancelled']);
});

test('a server that cannot answer yet is asked again, also before there is a research', async (t) => {
  const agent = await agentFor(t);
  const page = await open(t, agent);
  for (const path of ['clarify', 'plan'])
    await page.route(
      `**/api/research/${path}`,
      (route) => route.fulfill({ status: 503, headers: { 'retry-after': '1' }, body: '{"detail":"not yet"}' }),
      { times: 2 },
    );
  await page.route('**/api/research', (route) => route.fulfill({ status: 503, body: '' }), { times: 2 });
  await begin(page, 'Patience', 1);
  await inState(page, 'Done');
  assert.equal((await researches(agent)).length, 1);
});

test('who asked for it is notified when it is done, unless the page is seen', async (t) => {
  const gates = makeGates('report');
  const agent = await agentFor(t, [], [], gates);
  const context = await browser.newContext({ permissions: ['notifications'] });
  t.after(() => context.close());
  // What the browser would show cannot be seen from here: the calls are kept, and made.
  await context.addInitScript(() => {
    window.notified = [];
    window.Notification = class extends Notification {
      constructor(title, options) {
        super(title, options);
        window.notified.push([title, options.body]);
      }
    };
    Object.defineProperty(document, 'hidden', { get: () => window.away ?? false });
  });
  const page = await open(t, agent, { context });
  await begin(page, 'News', 1);
  await page.click('#notify');
  await page.waitForSelector('#notify[aria-pressed=true]');
  await page.evaluate(() => { window.away = true; });
  gates.open('report');
  await inState(page, 'Done');
  assert.deepEqual(await page.evaluate(() => window.notified), [['Done', 'News']]);
});

test('the page may not be shown in a frame, nor load anything from elsewhere', async (t) => {
  const agent = await agentFor(t);
  for (const path of ['/', '/app.js', '/style.css', '/icon.svg']) {
    const response = await fetch(agent.url + path), policy = response.headers.get('content-security-policy');
    assert.match(policy, /^default-src 'none'; script-src 'self'; style-src 'self'; .*; frame-ancestors 'none'$/, path);
    assert.doesNotMatch(policy, /unsafe|\*|data:/);
    const again = await fetch(agent.url + path, { headers: { 'if-none-match': response.headers.get('etag') } });
    assert.equal(again.status, 304);
    assert.equal(again.headers.get('content-security-policy'), policy);
  }
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
  const gates = makeGates('learn');
  const agent = await agentFor(t, [], [], gates);
  const hole = await startHole(t, new URL(agent.url).port);
  const context = await browser.newContext();
  t.after(() => context.close());
  await context.clock.install();
  const page = await open(t, hole, { context });
  await begin(page, 'Silence', 1);
  hole.hold();
  await page.clock.fastForward(26000);
  await page.waitForFunction(() => /silent/.test(document.querySelector('#connection').textContent));
  gates.open('learn');
  // The browser may try its other connections into the hole first: each is given up as the first was.
  const healed = () =>
    page.waitForSelector('#connection', { state: 'hidden', timeout: 1500 }).then(
      () => true,
      () => false,
    );
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
  await shows(page, '#ask-error', /2001 characters: 2000 are possible/);
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
