// The console in a real browser: the list of runs, one run, what can be done to it, and that nothing in a run is
// markup.
import assert from 'node:assert/strict';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { consoleBrowser, counts, shot, shows, startOperated, until } from './console_service.mjs';

const open = consoleBrowser();

const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' data:; " +
  "base-uri 'none'; frame-ancestors 'none'";

const row = (id) => `#row-${id}`;
const stateIn = (page, id, state) =>
  page.waitForFunction(
    ([selector, text]) => document.querySelector(`${selector} .state`)?.textContent === text,
    [row(id), state],
  );
const runIs = (page, state) =>
  page.waitForFunction((text) => document.querySelector('.title .state')?.textContent === text, state);

test('the page is at the admin door, with its policy, and nowhere else', async (t) => {
  const service = await startOperated(t);
  for (const [path, type] of [
    ['/', 'text/html'],
    ['/app.js', 'text/javascript'],
    ['/style.css', 'text/css'],
    ['/icon.svg', 'image/svg+xml'],
    ['/licences.txt', 'text/plain'],
  ]) {
    const { status, headers, text } = await service.ask(path);
    assert.equal(status, 200, path);
    assert.match(headers.get('content-type'), new RegExp(`^${type.replace('+', '\\+')}`));
    assert.equal(headers.get('content-security-policy'), POLICY);
    assert.equal(headers.get('x-content-type-options'), 'nosniff');
    assert.equal(headers.get('referrer-policy'), 'no-referrer');
    assert.equal(headers.get('cache-control'), 'no-cache');
    assert.ok(text.length > 100, path);
    const again = await service.ask(path, { headers: { 'If-None-Match': headers.get('etag') } });
    assert.equal(again.status, 304);
    assert.equal(again.text, '');
    assert.equal((await fetch(service.admin + path, { method: 'HEAD' })).status, 200);
  }
  assert.match((await service.ask('/licences.txt')).text, /htm 3.*preact.*uplot/s);
  assert.equal((await fetch(`${service.program.url}/`)).status, 404, 'the public address has no console');
  assert.equal(
    (await service.ask('/', { headers: { 'Sec-Fetch-Site': 'cross-site', 'Sec-Fetch-Dest': 'iframe' } })).status,
    403,
  );
  assert.equal((await service.ask('/', { method: 'POST' })).status, 405);
});

test('the list shows runs as they come, and what becomes of them', async (t) => {
  const service = await startOperated(t);
  const page = await open(t, service);
  await page.waitForSelector('.empty');
  const order = await service.begin('/orders/7', { method: 'POST', body: { item: 'lamp' } });
  await stateIn(page, order, 'running');
  await shows(page, row(order), /POST \/orders\/:id.*\/orders\/7/s);
  const asleep = await service.begin('/sleep');
  await stateIn(page, asleep, 'sleeping');
  assert.deepEqual(
    await page.$$eval('.run:not(.head)', (all) => all.map((e) => e.id)),
    [row(asleep), row(order)].map((s) => s.slice(1)),
  );
  service.gate.open('charge');
  await stateIn(page, order, 'succeeded');
  await shot(page, 'console-runs');
  await page.click(`${row(order)} a`);
  await page.waitForSelector('.run-page');
  assert.match(page.url(), new RegExp(`\\?run=${order}`));
  await page.goBack();
  await page.waitForSelector(row(order));
});

test('a run says why it is not finished, what its steps did, and how its request was', async (t) => {
  const service = await startOperated(t);
  const order = await service.begin('/orders/7?x=1', {
    method: 'POST',
    body: { item: 'lamp', nested: { deep: [1, 2, 3] } },
    headers: { Authorization: 'Bearer top-secret' },
  });
  await until('the gate is asked', () => service.gate.asked.includes('charge'));
  const page = await open(t, service, { path: `/?run=${order}` });
  await page.waitForSelector('#why');
  assert.ok((await page.textContent('#why')).trim().length > 10);
  await page.waitForFunction(() => document.querySelectorAll('.spans .span-row:not(.heads)').length >= 1);
  service.gate.open('charge');
  await runIs(page, 'succeeded');
  assert.equal(await page.$('#why'), null);
  const labels = await page.$$eval('.span-row .label-text', (all) => all.map((e) => e.textContent));
  assert.deepEqual(labels, ['reserve', 'charge', 'ship']);
  await page.click('.span-row >> text=charge');
  await page.waitForSelector('#panel >> text=attempt 1');
  await shows(page, '#panel .calls', /GET.*127\.0\.0\.1.*200/s);
  await shows(page, '#step-output', /go on/);
  await page.click('.span-row >> text=reserve');
  await page.waitForSelector('#step-output >> text=lamp');
  await page.click('#step-output >> text=as text');
  assert.deepEqual(JSON.parse(await page.textContent('#step-output pre')), {
    item: 'lamp',
    nested: { deep: [1, 2, 3] },
  });
  const { path } = (await service.run(order)).steps.find((step) => step.id === 'reserve');
  await page.waitForFunction((step) => new URLSearchParams(location.search).get('step') === step, path);
  await page.reload();
  await page.waitForSelector('#step-output >> text=lamp');
  await shot(page, 'console-run');

  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.equal(download.suggestedFilename(), `${order}.json`);
  assert.equal(JSON.parse(readFileSync(await download.path(), 'utf8')).runId, order);
  await page.click('#tab-journal');
  const kinds = await page.$$eval('.journal tbody th', (all) => all.map((e) => e.textContent.trim()));
  assert.equal(kinds[0], 'started');
  assert.equal(kinds.at(-1), 'ended');
});

test('attempts that have failed, and the wait for the next', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('flaky', 429);
  const flaky = await service.begin('/retry'),
    third = await service.begin('/third');
  await service.inState(third, 'succeeded');
  const page = await open(t, service, { path: `/?run=${flaky}` });
  await page.waitForSelector('#why >> text=/attempt 2 of flaky/'); // the first may still be under way
  await page.click('.span-row >> text=flaky');
  await page.waitForSelector('#panel >> text=the gate answered 429');
  await shot(page, 'console-retry');
  await page.goto(`${service.admin}/?run=${third}`);
  await page.click('.span-row >> text=third');
  await page.waitForSelector('#panel .attempts > li.ok');
  await counts(page, '#panel .attempts > li.bad', 2);
  await counts(page, '.span-row .bar.failed', 2);
  await counts(page, '.span-row .bar.done', 1);
  assert.ok((await page.$$('.span-row .bar.backoff')).length >= 1);
});

test('a failing step: its attempts, what it was given, and how long the service asks for', async (t) => {
  const service = await startOperated(t), asked = 5400; // and up to a tenth more
  service.gate.answer('search', [503], [429, { 'Retry-After': String(asked) }]);
  const id = await service.begin('/busy'), page = await open(t, service, { path: `/?run=${id}` });
  const host = service.gate.url.slice('http://'.length);
  await page.waitForSelector('#why >> text=/for attempt 3 of search/');
  const said = new RegExp(`waits .* for attempt 3 of search \\(429 from ${host}, Retry-After 90 min\\)`);
  await shows(page, '#why', said);
  await shows(page, '#why', /until \S.* \(1 h \d\d min more\)/);
  const step = (await service.run(id)).steps[0], [first, second] = step.attempts, due = second.retryAt;
  assert.ok(due >= second.at + second.durationMs + asked * 1000, 'not before the service wants it');
  const timeOf = (selector) => page.$$eval(`${selector} time`, (all) => all.map((e) => Date.parse(e.dateTime)));
  assert.ok(Math.abs((await timeOf('#why'))[0] - due) <= 2000, 'the time of the next attempt, by the steady clock');

  await page.click('.span-row >> text=search');
  await shows(page, '#panel h2', /search\s+retrying/);
  await counts(page, '#panel .attempts > li.bad', 2);
  const attempt = (n) => `#panel .attempts > li:nth-child(${n})`;
  assert.deepEqual(await timeOf(attempt(1)), [first.at, first.retryAt]);
  assert.deepEqual(await timeOf(attempt(2)), [second.at, due]);
  await shows(page, attempt(1), /answered 503/);
  await shows(page, attempt(2), /answered 429/);
  await shows(page, `${attempt(2)} .calls`, /429\s+asks for 1 h 30 min/);
  assert.doesNotMatch(await page.textContent(`${attempt(1)} .calls`), /asks for/);
  await shows(page, '#step-input', /name.*search/s);
  await counts(page, '#step-output', 0);
  await counts(page, '.span-row .bar.failed', 2);
  assert.equal(service.gate.asked.length, 2);
  await shot(page, 'console-retry-after');
});

test('the feed tells a tab that is seen, and one that is not holds no connection', async (t) => {
  const service = await startOperated(t);
  const page = await open(t, service);
  const id = await service.begin('/sleep');
  await stateIn(page, id, 'sleeping');
  const isFeed = (r) => r.url().includes('/_sw/feed?');
  const show = (hidden) =>
    page.evaluate((is) => {
      Object.defineProperty(document, 'hidden', { value: is, configurable: true });
      document.dispatchEvent(new Event('visibilitychange'));
    }, hidden);
  await Promise.all([page.waitForEvent('requestfailed', isFeed), show(true)]);
  await Promise.all([page.waitForResponse(isFeed), show(false)]);
  await service.ask(`/_sw/runs/${id}`, { method: 'DELETE' });
  await stateIn(page, id, 'cancelled');
});

test('a call that was refused is shown, once', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('json', 503);
  const id = await service.begin('/json');
  await service.inState(id, 'failed');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('.span-row >> text=json');
  await page.waitForSelector('#panel .calls');
  await counts(page, '#panel .calls tbody tr', 1);
  await shows(page, '#panel .calls', /GET.*127\.0\.0\.1.*503/s);
  assert.doesNotMatch(await page.textContent('#panel'), /more call/);
  await page.click('#tab-exchange');
  await shows(page, '.exchange', /GET.*\/json/s);
  await page.click('#curl');
  await page.waitForSelector('#said.shown');
});

test('cancelling asks first, and says what happened when somebody was quicker', async (t) => {
  const service = await startOperated(t);
  const first = await service.begin('/sleep'),
    second = await service.begin('/sleep');
  await service.inState(first, 'sleeping');
  const page = await open(t, service, { path: `/?run=${first}` });
  await page.click('#do-cancel');
  await page.waitForSelector('dialog[open]');
  await shows(page, 'dialog', /No step of the run begins any more/);
  await page.keyboard.press('Escape');
  await page.waitForSelector('dialog', { state: 'detached' });
  assert.equal((await service.run(first)).state, 'sleeping', 'closing the dialog does nothing');
  await page.click('#do-cancel');
  await page.click('dialog button[type=submit]');
  await runIs(page, 'cancelled');
  assert.equal(await page.$('#do-cancel'), null);

  await page.goto(`${service.admin}/?run=${second}`);
  await page.click('#do-cancel');
  assert.equal((await service.ask(`/_sw/runs/${second}`, { method: 'DELETE' })).status, 200);
  await page.click('dialog button[type=submit]');
  await runIs(page, 'cancelled');
});

test('a stopped run is released, once', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('charge');
  const id = await service.begin('/stopping/1', { method: 'POST', body: {} });
  await service.inState(id, 'stopped');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('#why.stopped');
  await shows(page, '#why', /charge/);
  await shot(page, 'console-stopped');
  service.gate.open('charge');
  await page.click('#do-release');
  assert.equal(
    (await service.ask(`/_sw/runs/${id}/release`, { method: 'POST' })).status,
    200,
    'a colleague is quicker',
  );
  await service.inState(id, 'succeeded');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('#what-happened');
  await shows(page, 'dialog .trouble', /It was not done/);
  await shows(page, '#what-happened', /It is succeeded/);
});

test('what a run holds is text', async (t) => {
  const service = await startOperated(t);
  await fetch(`${service.program.url}/hostile`);
  const page = await open(t, service);
  await page.waitForSelector('.run .state.failed');
  await page.waitForSelector('.run:not(.head) .note >> text=<img src=x onerror'); // the feed tells the state alone
  await page.click('.run:not(.head) .what a');
  await page.waitForSelector('#why.failed');
  for (const label of await page.$$('.span-row .label-text')) await label.click();
  await page.click('.span-row >> nth=1');
  await page.waitForSelector('#step-output');
  await shows(page, '#step-output', /<\/script><script>window\.hacked=1<\/script>/);
  await shows(page, '#step-output', /__proto__/);
  for (const tab of ['exchange', 'journal']) {
    await page.click(`#tab-${tab}`);
    for (const button of await page.$$('.journal button.link')) await button.click();
  }
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await page.$('img[src="x"]'), null);
  await counts(page, '#page script', 0);
});

test('the token is asked for, kept in the tab, and sent in no URL', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ann'), 'ann-may-look-and-act-here', { mode: 0o600 });
  const service = await startOperated(t, { flags: ['--token', `ann:view,act:${join(folder, 'ann')}`] });
  const page = await open(t, service, { path: '/?run=none' });
  await page.waitForSelector('#token');
  assert.equal(await page.$('.trouble'), null, 'nothing is wrong yet');
  await page.fill('#token', 'ann-may-look\u200b-and-act-here');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.trouble >> text=U+200B');
  await page.fill('#token', 'not-the-token-of-anybody');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.trouble >> text=no token of this server');
  await page.fill('#token', 'ann-may-look-and-act-here');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.run-page');
  assert.equal(await page.evaluate(() => document.cookie + location.href.includes('ann-may')), 'false');
  await page.goto(service.admin);
  await page.waitForSelector('.runs');
  const id = await service.begin('/sleep');
  await page.goto(`${service.admin}/?run=${id}`);
  await page.click('#do-cancel');
  await page.click('dialog button[type=submit]');
  await runIs(page, 'cancelled');
  await page.click('#sign-out');
  await page.waitForSelector('#token');
});

test('a code that is not taken is said, and is in no URL', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-token-'));
  t.after(() => rmSync(folder, { recursive: true }));
  writeFileSync(join(folder, 'ann'), 'ann-may-look-and-act-here', { mode: 0o600 });
  const service = await startOperated(t, { flags: ['--token', `ann:view,act:${join(folder, 'ann')}`] });
  const refused = await service.ask('/_sw/session', { method: 'POST', body: 'used-before' });
  assert.ok(refused.status >= 400 && refused.body.detail.length > 10);
  const page = await open(t, service, { path: '/#code=used-before' });
  await page.waitForSelector('#token');
  await shows(page, '.trouble', `${refused.body.detail} `);
  assert.doesNotMatch(page.url(), /code/);
  await page.fill('#token', 'ann-may-look-and-act-here');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.runs');
  await page.reload(); // what was said of the first code is gone
  await page.waitForSelector('.empty');
  await page.evaluate(() => { location.hash = 'code=another'; }); // the link is opened in the tab that has the page
  const { detail } = refused.body;
  await page.waitForFunction((text) => document.querySelector('#said.shown')?.textContent === text, detail);
  assert.doesNotMatch(page.url(), /code/);
  assert.ok(await page.$('.runs'), 'the tab has a token: it goes on');
});

test('a run that changes faster than its page can be read is shown', async (t) => {
  const service = await startOperated(t);
  const id = await service.begin('/sleep');
  await service.inState(id, 'sleeping');
  const page = await open(t, service);
  await page.waitForSelector(row(id));
  const given = [];
  let held = null;
  page.on('requestfailed', (r) => { if (r.url().endsWith(id)) given.push(r.failure().errorText); });
  await page.route(`**/_sw/runs/${id}`, async (route) => {
    if (held) return route.continue();
    held = route;
    for (let i = 0; i < 8; i++) {
      const name = i % 2 ? 'release' : 'stop';
      assert.ok((await service.ask(`/_sw/runs/${id}/${name}`, { method: 'POST' })).status < 300);
      await service.inState(id, i % 2 ? 'sleeping' : 'stopped');
      await new Promise((done) => setTimeout(done, 200)); // the page wants to ask again
    }
    return route.continue();
  });
  await page.click(`${row(id)} a`);
  await page.waitForSelector('.run-page .facts');
  assert.deepEqual(given, [], 'no request is given up');
  await page.unrouteAll({ behavior: 'wait' });
});

test('numbers of 64 bits are shown, copied and saved as they are', async (t) => {
  const service = await startOperated(t);
  const item = '9007199254740993';
  const started = await fetch(`${service.program.url}/orders/1?gate=${encodeURIComponent(service.gate.url)}`, {
    method: 'POST',
    headers: { Prefer: 'respond-async', 'Content-Type': 'application/json' },
    body: `{"item":${item}}`,
  });
  const id = started.headers.get('X-Run-Id');
  await until('the gate is asked', () => service.gate.asked.includes('charge'));
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('.span-row >> text=reserve');
  await page.waitForSelector(`#step-output .json-number >> text=${item}`);
  await page.click('#step-output >> text=as text');
  await shows(page, '#step-output pre', new RegExp(`"item": ${item}\\b`));
  const [download] = await Promise.all([page.waitForEvent('download'), page.click('#download')]);
  assert.match(readFileSync(await download.path(), 'utf8'), new RegExp(`"item":\\s*${item}\\b`));
  await page.click('#tab-exchange');
  await page.waitForSelector(`.exchange .json-number >> text=${item}`);
});
