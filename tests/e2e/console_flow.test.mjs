// Runs that call others, race for what comes first, and wait for what somebody sends by hand: told of each other in the
// console, steered there, and looked at in each way.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleBrowser, counts, shows, startOperated, until } from './console_service.mjs';
import { look } from './looks.mjs';

const open = consoleBrowser({ bypassCSP: true }), strict = consoleBrowser({}, { windowless: true });

const runIs = (page, state) =>
  page.waitForFunction((text) => document.querySelector('.title .state')?.textContent === text, state);
const gone = (page) => page.waitForSelector('dialog', { state: 'detached' });
const stepOf = (run, id) => run.steps.find((step) => step.id === id);

// Waits until the run's step is in the state, and resolves to the run.
const stepIs = (service, id, step, state) =>
  until(`${step} is ${state}`, async () => {
    const run = await service.run(id);
    return stepOf(run, step)?.state === state && run;
  });

test('a run that calls, and one that was called, lead to each other', async (t) => {
  const service = await startOperated(t), found = [];
  const parent = await service.start('orders/fulfil', { item: 'lamp', gate: service.gate.url });
  const run = await until('why', async () => ((r) => r.why?.kind === 'call' && r)(await service.run(parent)));
  const child = stepOf(run, 'deliver').child;
  await service.inState(child, 'sleeping');
  const page = await open(t, service, { path: `/?run=${parent}` });
  await shows(page, '#why', /orders\/deliver/);
  await page.click('.span-row >> text=deliver');
  await shows(page, '#panel', new RegExp(`A call of the function orders/deliver: run\\s+${child}`));
  await shows(page, '#step-input', /lamp/);
  await look(page, 'console-calls', found);
  await page.click('#panel a');
  await page.waitForFunction((id) => location.search.includes(id), child);
  await shows(page, '.facts', new RegExp(`called by\\s*${parent}`));
  await shows(page, '#why', /signal delivered/);
  await look(page, 'console-called', found);
  await page.click('.facts a');
  await page.waitForFunction((id) => location.search.includes(id), parent);
  assert.deepEqual(found, []);
});

test('what comes first wins, and the step that has lost says what it was given', async (t) => {
  const service = await startOperated(t), found = [];
  const parent = await service.start('orders/fulfil', { item: 'lamp', gate: service.gate.url });
  const { child } = stepOf(await stepIs(service, parent, 'deliver', 'waiting'), 'deliver');
  const sent = await service.ask(`/_sw/runs/${child}/signals/delivered`, { method: 'POST', body: '"at noon"' });
  assert.equal(sent.status, 202);
  await until('the courier is asked', () => service.gate.asked.includes('courier'));
  const page = await open(t, service, { path: `/?run=${parent}` });
  await page.click('.span-row >> text=courier');
  await shows(page, '#panel h2', /courier\s+running/);
  await shows(page, '#step-input', /name\s*:?\s*"?courier/); // of an attempt that is under way
  await page.click('#do-signal');
  assert.equal(await page.inputValue('#signal-name'), 'collected');
  await page.fill('#signal-value', '{"by":"Ann <b>"}');
  await look(page, 'console-signal', found);
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'succeeded');
  await shows(page, '#panel h2', /courier\s+cut/);
  await shows(page, '#panel', /attempt 1.*abandoned, since another member of its group had won; it may have been/s);
  await shows(page, '#step-input', /courier/);
  await look(page, 'console-abandoned', found);
  await page.click('.span-row >> text=file');
  await shows(page, '#panel', /orders\/pack, for which nobody waits: run/);
  await page.click('.span-row >> text=collection');
  await shows(page, '#panel', /A wait for the signal collected, which .* has sent/);
  await shows(page, '#step-output', /Ann <b>/);
  await page.click('#tab-journal');
  await shows(page, '.journal', new RegExp(`called\\s*deliver\\s*orders/deliver: run ${child}`));
  await shows(page, '.journal', /signal\s*collected\s*dev/);
  await shows(page, '.journal', /won\s*handed over\s*member 1, 2 others given up.*abandoned/s);
  await look(page, 'console-won', found);
  await page.click('#tab-exchange');
  await shows(page, '.exchange', /at noon/);
  assert.deepEqual(found, []);
});

test('a signal is sent by hand, by keys alone, and what is no JSON is refused', async (t) => {
  const service = await startOperated(t);
  const id = await service.start('orders/deliver', { item: 'lamp' });
  await service.inState(id, 'sleeping');
  const page = await strict(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('#do-signal');
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.type);
  const go = async (to, key) => {
    for (let i = 0; i < 40 && (await focus()) !== to; i++) await page.keyboard.press(key);
    assert.equal(await focus(), to);
  };
  await go('do-signal', 'Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  await shows(page, 'dialog', /It waits for delivered\./);
  await go('signal-value', 'Tab');
  assert.equal(await page.inputValue('#signal-name'), 'delivered');
  await page.keyboard.type('at noon');
  await go('submit', 'Tab');
  await page.keyboard.press('Enter');
  await shows(page, 'dialog .trouble', /not JSON: line 1/);
  assert.equal(await page.inputValue('#signal-value'), 'at noon', 'what was written is there still');
  assert.equal((await service.run(id)).state, 'sleeping');
  await go('signal-value', 'Shift+Tab');
  await page.keyboard.press('Control+a');
  await page.keyboard.type('{"n":12345678901234567890}');
  await go('submit', 'Tab');
  await page.keyboard.press('Enter');
  await gone(page);
  await runIs(page, 'succeeded');
  await page.click('#tab-exchange');
  await shows(page, '.exchange', /12345678901234567890/);
  await counts(page, '#do-signal', 0); // a run that has ended takes none
});

test('a signal whose answer got lost is sent again under the same key, another one under another', async (t) => {
  const service = await startOperated(t);
  const id = await service.start('orders/deliver', { item: 'lamp' });
  await service.ask(`/_sw/runs/${id}/stop`, { method: 'POST', body: '{}' });
  await service.inState(id, 'stopped');
  const page = await strict(t, service, { path: `/?run=${id}` }), keys = [];
  await page.route('**/signals/**', async (route) => {
    keys.push(route.request().headers()['idempotency-key']);
    if (keys.length > 1) return route.continue();
    await route.fetch();
    await route.abort();
  });
  const send = () => page.click('dialog button[type=submit]');
  await page.click('#do-signal');
  await page.fill('#signal-name', 'delivered');
  await send();
  await shows(page, 'dialog .trouble', /cannot be reached/);
  await send();
  await gone(page);
  assert.ok(keys[0].length > 8 && keys[1] === keys[0], String(keys));
  await page.click('#do-signal');
  await shows(page, 'dialog', /It waits for no signal now|It waits for delivered/); // a stopped run waits on
  await page.fill('#signal-name', 'delivered');
  await send();
  await gone(page);
  assert.ok(keys.length === 3 && keys[2] !== keys[0], String(keys));
});

test('a signal to a run that has ended meanwhile is refused, and the dialog says so', async (t) => {
  const service = await startOperated(t);
  const id = await service.start('orders/deliver', { item: 'lamp' });
  const page = await strict(t, service, { path: `/?run=${id}` });
  await page.click('#do-signal');
  assert.equal((await service.ask(`/_sw/runs/${id}`, { method: 'DELETE' })).status, 200);
  await page.fill('#signal-name', 'delivered');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog #what-happened');
  await shows(page, '#what-happened', /It is cancelled/);
});
