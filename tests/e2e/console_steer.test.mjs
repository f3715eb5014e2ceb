// What an operator does to runs in the console, with what it says before and after: stopping, releasing, starting.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { test } from 'node:test';
import { consoleBrowser, counts, shot, shows, startOperated, until } from './console_service.mjs';

const open = consoleBrowser({}, { windowless: true });

const runIs = (page, state) =>
  page.waitForFunction((text) => document.querySelector('.title .state')?.textContent === text, state);
const gone = (page) => page.waitForSelector('dialog', { state: 'detached' });

test('a run is stopped with a reason, and released', async (t) => {
  const service = await startOperated(t);
  const id = await service.begin('/sleep');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('#do-stop');
  await shows(page, 'dialog', /stands still until somebody releases it/);
  await page.fill('#steer-why', 'the <b>shop</b> is closed');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'stopped');
  await shows(page, '#why', /the <b>shop<\/b> is closed/);
  assert.equal((await service.run(id)).reason, 'operator');
  await shot(page, 'console-operator');
  await page.click('#do-release');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'sleeping');
  await page.click('#tab-journal');
  const kinds = await page.$$eval('.journal tbody th', (all) => all.map((e) => e.textContent.trim()));
  assert.ok(kinds.includes('stopped') && kinds.includes('released'));
});

test('a run that has ended meanwhile is not stopped, and the dialog says so', async (t) => {
  const service = await startOperated(t);
  const id = await service.begin('/orders/1', { method: 'POST', body: {} });
  await until('the gate is asked', () => service.gate.asked.includes('charge'));
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('#do-stop');
  service.gate.open('charge');
  await service.inState(id, 'succeeded');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog #what-happened');
  await shows(page, 'dialog .trouble', /It was not done/);
  await shows(page, '#what-happened', /It is succeeded/);
  await page.keyboard.press('Escape');
  await runIs(page, 'succeeded');
});

test('a run that has failed is resumed, and what it had done is not done again', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('charge', 503);
  const id = await service.begin('/orders/1', { method: 'POST', body: { item: 'lamp' } });
  await service.inState(id, 'failed');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('#why.failed');
  service.gate.open('charge');
  await page.click('#do-resume');
  await shows(page, 'dialog', /Begun anew, with all attempts: charge\./);
  await shows(page, 'dialog', /1 step that is done stays done/);
  await shot(page, 'console-resume');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'succeeded');
  assert.equal(service.gate.asked.filter((name) => name === 'charge').length, 2);
  const done = (await service.run(id)).entries.filter((e) => e.kind === 'step done').map((e) => e.id);
  assert.deepEqual(done, ['reserve', 'charge', 'ship'], 'the first step was not done again');
  await shows(page, '.facts', /reopened\s*1 time/);

  assert.equal(await page.$('#do-resume'), null, 'a run that has succeeded is not resumed');
});

test('before a resume the dialog names what is done again, and nothing else', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('notify', 503);
  service.gate.fail('parcel', 429);
  const cut = await service.begin('/mixed');
  await until('parcel has failed', async () => (await service.run(cut)).failedAttempts === 2);
  assert.equal((await service.ask(`/_sw/runs/${cut}`, { method: 'DELETE' })).status, 200);
  service.gate.open('parcel');
  service.gate.fail('charge', 503);
  const failed = await service.begin('/mixed');
  await service.inState(failed, 'failed');
  const page = await open(t, service, { path: `/?run=${cut}` });
  await page.click('#do-resume');
  const says = await page.textContent('dialog');
  assert.match(says, /Tried once more, with the attempts that are left: parcel\./, 'the cancel has cut it');
  assert.doesNotMatch(says, /Begun anew|notify/, 'that failure was dealt with');
  await page.goto(`${service.admin}/?run=${failed}`);
  await page.click('#do-resume');
  await shows(page, 'dialog', /Begun anew, with all attempts: charge\./);
  assert.doesNotMatch(await page.textContent('dialog'), /Tried once more|notify/);
  await shot(page, 'console-resume-mixed');
  service.gate.open('charge', 'notify');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'succeeded');
  assert.equal(service.gate.asked.filter((name) => name === 'notify').length, 2, 'once by each run');
  assert.equal(service.gate.asked.filter((name) => name === 'charge').length, 2, 'twice by the second');
});

test('a body that is hidden in parts is not sent as it is shown', async (t) => {
  const service = await startOperated(t, { flags: ['--dev', '--redact', 'json:card'] });
  service.gate.open('charge');
  const id = await service.begin('/orders/1', { method: 'POST', body: { item: 'lamp', card: '4711' } });
  await service.inState(id, 'succeeded');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('#do-fork');
  await page.check('#fork-change');
  assert.equal(await page.inputValue('#fork-body'), '');
  await shows(page, '#fork-unknown', /parts of the present body are not shown/);
  await shot(page, 'console-fork-redacted');
});

test('an endpoint is stopped and serves again, and a run of it is started from a form', async (t) => {
  const service = await startOperated(t);
  const begun = () => fetch(`${service.program.url}/quick`).then((r) => r.status);
  assert.equal(await begun(), 200);
  await service.inState(await service.begin('/orders/0', { method: 'POST', body: {} }), 'running');
  service.gate.open('charge');
  const page = await open(t, service, { path: '/?view=endpoints' });
  const row = 'tr:has-text("GET /quick")';
  await page.click(`${row} >> text=Stop …`);
  await page.fill('#retry-after', '7');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector(`${row} .state.stopped`);
  await shows(page, row, /by dev/);
  const refused = await fetch(`${service.program.url}/quick`);
  assert.equal(refused.status, 503);
  assert.equal(refused.headers.get('retry-after'), '7');
  await shot(page, 'console-endpoints');
  await page.click(`${row} >> text=Take requests …`);
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector(`${row} .state.stopped`, { state: 'detached' });
  assert.equal(await begun(), 200);

  await page.click('tr:has-text("POST /orders/:id") >> text=Start …');
  await page.fill('#start-target', 'orders/9');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog .trouble');
  await shows(page, 'dialog .trouble', /"target" is a path/);
  await page.fill('#start-target', '/orders/9?fast=1');
  await page.fill('#start-body', '{"item":"lamp"}');
  await shot(page, 'console-start');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector('.run-page');
  await runIs(page, 'succeeded');
  await shows(page, 'h1', /\/orders\/9\?fast=1/);
  await page.click('.span-row >> text=reserve');
  await page.waitForSelector('#step-input >> text=lamp');
});

test('a schedule is paused, resumed and triggered', async (t) => {
  const service = await startOperated(t);
  const page = await open(t, service, { path: '/?view=schedules' });
  const row = 'tr:has-text("orders/pack")';
  const isPaused = async () => (await service.ask('/_sw/schedules')).body.schedules[0].paused;
  await page.waitForSelector(row);
  await shows(page, row, /0 0 29 2 \*.*Europe\/Berlin.*skip.*-02-2[89] /s);
  await page.click(`${row} >> text=Pause …`);
  await shows(page, 'dialog', /over restarts too/);
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector(`${row} .state.stopped >> text=paused`);
  await shows(page, row, /by dev/);
  assert.equal(await isPaused(), true);
  await shot(page, 'console-schedules');
  await page.click(`${row} >> text=Resume …`);
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector(`${row} .state.stopped`, { state: 'detached' });
  assert.equal(await isPaused(), false);
  await page.click(`${row} >> text=Begin …`);
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.run-page');
  await page.waitForSelector('h1 >> text=orders/pack');
});

test('a function is started with its input, and forked with another', async (t) => {
  const service = await startOperated(t);
  const page = await open(t, service, { path: '/?view=endpoints' });
  await page.click('tr:has-text("orders/pack") >> text=Start …');
  await page.fill('#start-input', '{"item":');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog .trouble');
  await shows(page, 'dialog .trouble', /is not JSON: line 1/);
  await page.fill('#start-input', '{"item":"lamp","n":12345678901234567890}');
  await shot(page, 'console-start-function');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector('.run-page');
  await runIs(page, 'succeeded');
  await shows(page, 'h1', /orders\/pack/);
  await page.click('#tab-exchange');
  await shows(page, '#input', /lamp.*12345678901234567890/s);
  await shows(page, '.exchange', /200/);

  await page.click('#do-fork');
  await page.check('#fork-change');
  assert.equal(await page.inputValue('#fork-body'), '{"item":"lamp","n":12345678901234567890}');
  await page.fill('#fork-body', 'no JSON');
  await page.waitForSelector('dialog .trouble >> text=not JSON'); // the dry run reads it
  assert.ok(await page.isDisabled('dialog button[type=submit]'));
  await page.fill('#fork-body', '{"item":"chair"}');
  await page.waitForSelector('dialog button[type=submit]:not([disabled])');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'succeeded');
  await page.click('#tab-exchange');
  await page.waitForSelector('#input >> text=chair');
});

test('what a run asks is answered in the console, once, and signals that a run has sent are listed', async (t) => {
  const service = await startOperated(t);
  const id = await service.start('orders/approve', { item: 'a <b>lamp</b>' });
  const [may] = (await service.asks(id, 2)).questions;
  const page = await open(t, service, { path: `/?run=${id}` });
  await counts(page, '#questions form', 2);
  await shows(page, '#questions', /May a <b>lamp<\/b> be shipped\?/);
  const first = '#questions li:has-text("shipped")', submit = `${first} button[type=submit]`;
  assert.ok(await page.isDisabled(submit), 'nothing is chosen');
  await page.check(`${first} label:has-text("no, not <b>this</b> week") input`);
  const path = `/_sw/runs/${id}/signals/shipping?question=${may.path}`;
  const early = await service.ask(path, { method: 'POST', body: '"yes"' });
  assert.equal(early.status, 202);
  await page.click(submit, { timeout: 2000 }).catch(() => {}); // the form may be gone already
  await page.waitForSelector(`${first} form`, { state: 'detached' });
  await shows(page, first, /yes/);
  await page.waitForSelector(`${first} .state.answered`);
  assert.equal((await service.run(id)).questions[0].decision, 'yes', 'the first answer counts');

  const why = '#questions li:has-text("reason/of it")';
  await page.check(`${why} input[type=checkbox]`);
  await page.fill(`${why} textarea`, '{"n":');
  await page.click(`${why} button[type=submit]`);
  await shows(page, `${why} .trouble`, /not JSON: line 1/);
  await page.fill(`${why} textarea`, '{"n":12345678901234567890}');
  await page.click(`${why} button[type=submit]`);
  await runIs(page, 'succeeded');
  await shows(page, why, /n 12345678901234567890/);
  await page.waitForSelector(`${why} .state.answered`);
  await counts(page, '#questions form', 0);

  const other = await service.start('orders/approve', { item: 'chair' });
  await service.asks(other, 2);
  const teller = await service.start('orders/tell', { run: other, why: 'just so' });
  await service.inState(teller, 'succeeded');
  await page.goto(`${service.admin}/?run=${teller}`);
  await shows(page, '#sent', /reason\/of it to\s+/);
  await page.click('.span-row >> text=tell');
  await shows(page, '#panel', /The signal reason\/of it to the run/);
  await shows(page, '#step-output', /just so/);
  await page.click('#sent a');
  await page.waitForFunction((run) => location.search.includes(run), other);
  assert.equal((await service.ask(`/_sw/runs/${other}`, { method: 'DELETE' })).status, 200);
  await page.waitForSelector('#questions .state.ended');
  const late = await service.start('orders/tell', { run: other, why: 'too late' });
  await service.inState(late, 'succeeded');
  await page.goto(`${service.admin}/?run=${late}`);
  await shows(page, '#sent', /no such run, or it had ended/);
});

test('who may only look is told so, and the question stays open', async (t) => {
  const folder = mkdtempSync(join(tmpdir(), 'stepwell-token-')),
    tokens = { ann: 'ann-may-look-alone', ops: 'ops-may-do-all-there-is' };
  t.after(() => rmSync(folder, { recursive: true }));
  for (const [name, token] of Object.entries(tokens)) writeFileSync(join(folder, name), token, { mode: 0o600 });
  const flags = ['--token', `ann:view:${join(folder, 'ann')}`, '--token', `ops:admin:${join(folder, 'ops')}`];
  const service = await startOperated(t, { flags, token: tokens.ops });
  const id = await service.start('orders/approve', { item: 'lamp' });
  await service.asks(id, 2);
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.fill('#token', tokens.ann);
  await page.keyboard.press('Enter');
  await page.fill('#questions textarea', 'because');
  await page.click('#questions li:has(textarea) button[type=submit]');
  await shows(page, '#questions .trouble', /scope "?act/);
  assert.equal(await page.inputValue('#questions textarea'), 'because', 'what was written is there still');
  await counts(page, '#questions form', 2);
});

test('what begins a run begins one, also when the first answer was lost', async (t) => {
  const service = await startOperated(t), asked = '**/_sw/**';
  service.gate.open('charge');
  const page = await open(t, service, { path: '/?view=endpoints' });
  const submit = () => page.click('dialog button[type=submit]:not([disabled])');
  const beginTwice = async () => {
    let isLost = false;
    await page.route(asked, async (route) => {
      const request = route.request(), isDry = request.postData()?.includes('"dryRun":true');
      if (isLost || isDry || request.method() !== 'POST') return route.continue();
      isLost = true;
      await route.fetch();
      return route.abort();
    });
    await submit();
    await shows(page, 'dialog .trouble', /cannot be reached/);
    await submit();
    await gone(page);
    await page.unroute(asked);
  };
  const count = async (endpoint) => {
    const { body } = await service.ask(`/_sw/runs?endpoint=${encodeURIComponent(endpoint)}`);
    return body.runs.length;
  };

  await page.click('tr:has-text("orders/pack") >> text=Start …');
  await page.fill('#start-input', '{"item":"lamp"}');
  await beginTwice();
  await runIs(page, 'succeeded');
  assert.equal(await count('orders/pack'), 1);
  await page.click('#do-fork');
  await beginTwice();
  assert.equal(await count('orders/pack'), 2, 'a fork');

  await page.goto(`${service.admin}/?view=endpoints`);
  await page.click('tr:has-text("POST /orders/:id") >> text=Start …');
  await page.fill('#start-target', '/orders/9');
  await beginTwice();
  assert.equal(await count('POST /orders/:id'), 1);

  const asleep = await service.begin('/sleep');
  await service.inState(asleep, 'sleeping');
  await page.goto(`${service.admin}/?state=sleeping`);
  await page.waitForSelector(`#row-${asleep}`);
  await page.click('#bulk-all');
  await page.selectOption('#bulk-action', 'cancel');
  await submit();
  await page.waitForSelector('#bulk-found');
  await beginTwice();
  await service.inState(asleep, 'cancelled');
  assert.equal(await count('POST /_sw/bulk'), 1);
});

test('errors are grouped, and lead to their runs', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('charge', 503);
  const ids = [];
  for (let i = 0; i < 3; i++) {
    ids.push(await service.begin(`/orders/${i}`, { method: 'POST', body: {} }));
    await service.inState(ids[i], 'failed');
  }
  await fetch(`${service.program.url}/hostile`);
  const page = await open(t, service, { path: '/?view=errors' });
  const row = 'tr:has-text("to charge")';
  await page.waitForSelector(row);
  await counts(page, '.errors tbody tr', 2);
  await shows(page, `${row} td.number`, '3');
  await shot(page, 'console-errors');
  service.gate.open('charge');
  await page.click(`${row} >> text=Resume all …`);
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('#bulk-found >> text=3 runs');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector('.run-page >> text=POST /_sw/bulk');
  await runIs(page, 'succeeded'); // it has resumed them, and does not wait for their ends
  for (const id of ids) await service.inState(id, 'succeeded');
  assert.equal(service.gate.asked.filter((name) => name === 'charge').length, 6);
  await page.click('nav >> text=Errors');
  await page.waitForSelector('.errors tbody tr');
  await page.waitForSelector(row, { state: 'detached' });
  await page.click('.errors td.number a');
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 1);
  assert.match(decodeURIComponent(page.url()), /state=failed.*step=.*kind=/);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
});

test('what is done to a group of errors is done to its runs alone', async (t) => {
  const service = await startOperated(t);
  const names = ['mail', 'pay', 'pay', 'mail', 'mail'],
    ids = [];
  service.gate.fail('mail', 503);
  service.gate.fail('pay', 404);
  for (const name of names) ids.push(await service.begin(`/alike/${name}`));
  for (const id of ids) await service.inState(id, 'failed');
  const page = await open(t, service, { path: '/?view=errors' });
  const row = 'tr:has(td:text-is("pay"))';
  await page.waitForSelector(row);
  await shows(page, `${row} .message`, '#', 'a message of digits alone');
  await shows(page, `${row} td.number`, '2');
  service.gate.open('pay', 'mail');
  await page.click(`${row} >> text=Resume all …`);
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('#bulk-found >> text=2 runs');
  await shot(page, 'console-resume-all');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector('.run-page >> text=POST /_sw/bulk');
  await runIs(page, 'succeeded');
  for (const [i, id] of ids.entries()) await service.inState(id, names[i] === 'pay' ? 'succeeded' : 'failed');

  await page.click('nav >> text=Errors');
  await page.click('tr:has(td:text-is("mail")) td.number a');
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 3);
  await shows(page, '#filter-step', /failed in mail/);
  await shot(page, 'console-alike');
  await page.click('#filter-step');
  await page.waitForSelector('#filter-step', { state: 'detached' });
  assert.doesNotMatch(page.url(), /step=/);
});

test('forks by keys alone, one with another body: a dry run says what is done, and just that is done', async (t) => {
  const service = await startOperated(t);
  service.gate.open('charge');
  const id = await service.begin('/orders/1', { method: 'POST', body: { item: 'lamp' } });
  await service.inState(id, 'succeeded');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('#do-fork');
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.type);
  const tabTo = async (wanted) => {
    for (let i = 0; i < 60 && (await focus()) !== wanted; i++) await page.keyboard.press('Tab');
    assert.equal(await focus(), wanted);
  };
  await tabTo('do-fork');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await page.waitForSelector('#fork-again >> text=reserve'); // from the beginning: everything
  await tabTo('fork-from');
  await page.keyboard.type('charge');
  const list = (name) => page.$$eval(`#fork-${name} li`, (all) => all.map((e) => e.textContent));
  await page.waitForSelector('#fork-copied >> text=reserve');
  assert.deepEqual(await list('copied'), ['reserve']);
  assert.deepEqual(await list('again'), ['charge', 'ship']);
  await shot(page, 'console-fork');
  assert.equal(service.gate.asked.length, 1, 'the dry run did nothing');
  await tabTo('submit');
  await page.keyboard.press('Enter');
  await gone(page);
  await page.waitForFunction((old) => !location.search.includes(old), id);
  await runIs(page, 'succeeded');
  const fork = new URL(page.url()).searchParams.get('run');
  assert.equal(service.gate.asked.length, 2);
  await shows(page, '.facts', new RegExp(`forked from\\s*${id}`));
  await page.click('.facts a');
  await page.waitForFunction((old) => location.search.includes(old), id);
  assert.notEqual(fork, id);
  await page.waitForSelector(`#forks a >> text=${fork}`);

  await tabTo('do-fork');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await tabTo('fork-change');
  await page.keyboard.press('Space');
  await tabTo('fork-body');
  assert.equal(await page.inputValue('#fork-body'), '{"item":"lamp"}');
  await page.keyboard.press('Control+A');
  await Promise.all([ // the plan of the body before is there
    page.waitForResponse((r) => r.url().endsWith('/fork') && r.request().postData().includes('chair</b>')),
    page.keyboard.type('{"item":"<b>chair</b>"}'),
  ]);
  await page.waitForSelector('#fork-again >> text=reserve');
  await page.waitForSelector('dialog button[type=submit]:not([disabled])');
  await tabTo('submit');
  await page.keyboard.press('Enter');
  await gone(page);
  await page.waitForFunction((old) => !location.search.includes(old), id);
  await runIs(page, 'succeeded');
  await page.click('.span-row >> text=reserve');
  await page.waitForSelector('#step-input >> text=<b>chair</b>');
});

test('a fork from a step with an edited body, by keys alone', async (t) => {
  const service = await startOperated(t);
  service.gate.open('charge');
  const id = await service.begin('/orders/1', { method: 'POST', body: { item: 'lamp', n: 1 } });
  await service.inState(id, 'succeeded');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('.span-row:not(.heads)');
  const focus = () =>
    page.evaluate(() => {
      const at = document.activeElement;
      return at.id || at.getAttribute('role') || at.type;
    });
  const press = async (wanted, key) => {
    for (let i = 0; i < 60 && (await focus()) !== wanted; i++) await page.keyboard.press(key);
    assert.equal(await focus(), wanted);
  };
  await press('treegrid', 'Tab');
  await page.keyboard.press('Home');
  await shows(page, '#panel h2', /reserve/);
  await page.keyboard.press('ArrowDown');
  await shows(page, '#panel h2', /charge/);
  await press('fork-here', 'Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  const list = (name) => page.$$eval(`#fork-${name} li`, (all) => all.map((e) => e.textContent));
  await page.waitForSelector('#fork-copied >> text=reserve');
  await press('fork-change', 'Tab');
  await page.keyboard.press('Space');
  await press('fork-body', 'Tab');
  assert.equal(await page.inputValue('#fork-body'), '{"item":"lamp","n":1}');
  await page.keyboard.press('Control+End');
  await page.keyboard.press('Backspace');
  await Promise.all([ // the plan of the body before is there
    page.waitForResponse((r) => r.url().endsWith('/fork') && r.request().postData().includes('Ann\\"}')),
    page.keyboard.type(',"for":"Ann"}'),
  ]);
  await page.waitForSelector('dialog button[type=submit]:not([disabled])');
  assert.deepEqual([await list('copied'), await list('again')], [['reserve'], ['charge', 'ship']]);
  await press('submit', 'Tab');
  await page.keyboard.press('Enter');
  await gone(page);
  await page.waitForFunction((old) => !location.search.includes(old), id);
  await runIs(page, 'succeeded');
  assert.equal(service.gate.asked.length, 2, 'charged once more, and nothing else');
  const fork = await service.run(new URL(page.url()).searchParams.get('run'));
  assert.deepEqual(JSON.parse(fork.request.body), { item: 'lamp', n: 1, for: 'Ann' });
  assert.deepEqual(fork.steps[0].input, { item: 'lamp', n: 1 }, 'what was copied is of the former body');
  assert.deepEqual(JSON.parse(fork.response.body).order, { item: 'lamp', n: 1, for: 'Ann' });
});

test('all that fit the filters are cancelled by a run of the server', async (t) => {
  const service = await startOperated(t);
  const ids = [];
  for (let i = 0; i < 12; i++) ids.push(await service.begin('/sleep'));
  const third = await service.begin('/third');
  await service.inState(third, 'succeeded');
  const page = await open(t, service, { path: '/?state=sleeping' });
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 12);
  await page.click('#bulk-all');
  await page.selectOption('#bulk-action', 'cancel');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('#bulk-found');
  await shows(page, '#bulk-found', /12 runs\s+fit/);
  await shot(page, 'console-bulk');
  for (const id of ids) assert.equal((await service.run(id)).state, 'sleeping', 'a dry run does nothing');
  const asOf = Date.parse(await page.getAttribute('#bulk-found time', 'datetime'));
  await until('the clock of each loop is past what was shown', () => Date.now() > asOf + 50);
  const late = await service.begin('/sleep');
  await service.inState(late, 'sleeping');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await page.waitForSelector('.run-page >> text=POST /_sw/bulk');
  await runIs(page, 'succeeded');
  for (const id of ids) await service.inState(id, 'cancelled');
  assert.equal((await service.run(third)).state, 'succeeded');
  assert.equal((await service.run(late)).state, 'sleeping', 'nobody has been shown it');
});
