// Every view of the console in each of the ways it is looked at: axe finds nothing to object to, nothing sticks
// out at the side. And all of it by keys alone.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleBrowser, shows, startOperated, until } from './console_service.mjs';
import { look } from './looks.mjs';

// axe is put into the page by the test, past the policy that keeps scripts out.
const open = consoleBrowser({ bypassCSP: true });

async function manyRuns(service) {
  service.gate.fail('charge', 503);
  service.gate.fail('flaky', 429);
  const ids = { hostile: null, third: await service.begin('/third'), asleep: await service.begin('/sleep') };
  await fetch(`${service.program.url}/hostile`);
  ids.failed = await service.begin('/orders/1', {
    method: 'POST',
    body: { item: 'lamp', list: [1, 2, { three: null }] },
  });
  ids.stopped = await service.begin('/stopping/2', { method: 'POST', body: {} });
  ids.retrying = await service.begin('/retry');
  ids.fan = await service.begin('/fan?each=30');
  await until(
    'the gate is asked',
    () => service.gate.asked.filter((n) => ['tides', 'wind', 'sun'].includes(n)).length === 3,
  );
  service.gate.open('tides', 'wind');
  await service.inState(ids.failed, 'failed');
  await service.inState(ids.stopped, 'stopped');
  await service.inState(ids.third, 'succeeded');
  return ids;
}

test('runs, in every state', async (t) => {
  const service = await startOperated(t),
    found = [],
    ids = await manyRuns(service);
  const page = await open(t, service);
  await page.waitForSelector(`#row-${ids.third}`);
  await look(page, 'console-runs', found);
  await page.check(`#row-${ids.stopped} input`);
  await page.check(`#row-${ids.fan} input`);
  await page.waitForSelector('.bulk');
  await look(page, 'console-chosen', found);
  await page.click('.bulk >> text=Cancel');
  await page.waitForSelector('dialog[open]');
  await look(page, 'console-chosen-dialog', found);
  for (const name of ['failed', 'stopped', 'retrying', 'fan', 'asleep']) {
    await page.goto(`${service.admin}/?run=${ids[name]}`);
    await page.waitForSelector('.span-row:not(.heads)');
    await page.click('.span-row:not(.heads)');
    await look(page, `console-${name}`, found);
  }
  for (const tab of ['exchange', 'journal']) {
    await page.click(`#tab-${tab}`);
    await look(page, `console-${tab}`, found);
  }
  await page.click('#do-cancel');
  await page.waitForSelector('dialog[open]');
  await look(page, 'console-dialog', found);
  assert.deepEqual(found, []);
});

test('runs that ask, and runs that have told others', async (t) => {
  const service = await startOperated(t),
    found = [];
  const item = 'a lamp that nobody has ordered, of which the shop has a hundred';
  const id = await service.start('orders/approve', { item });
  const { questions } = await service.asks(id, 2);
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.waitForSelector('#questions form');
  await look(page, 'console-asks', found);
  const path = `/_sw/runs/${id}/signals/shipping?question=${questions[0].path}`;
  assert.equal((await service.ask(path, { method: 'POST', body: '"yes"' })).status, 202);
  await page.waitForSelector('#questions .state.answered');
  await look(page, 'console-answered', found);
  const teller = await service.start('orders/tell', { run: id, why: 'just so' });
  await service.inState(teller, 'succeeded');
  await page.goto(`${service.admin}/?run=${teller}`);
  await page.click('.span-row:not(.heads)');
  await page.waitForSelector('#sent');
  await look(page, 'console-told', found);
  assert.deepEqual(found, []);
});

test('the other views', async (t) => {
  const service = await startOperated(t),
    found = [];
  await manyRuns(service);
  const page = await open(t, service, { path: '/?view=process' });
  await page.waitForSelector('.chart canvas');
  await look(page, 'console-process', found);
  for (const view of ['endpoints', 'schedules', 'errors']) {
    await page.goto(`${service.admin}/?view=${view}`);
    await page.waitForSelector('tbody tr');
    await look(page, `console-${view}`, found);
  }
  await page.keyboard.press('?');
  await page.waitForSelector('dialog[open]');
  await look(page, 'console-keys', found);
  const stranger = await startOperated(t, { flags: [] });
  const door = await open(t, stranger);
  await door.waitForSelector('#token');
  await shows(door, '.trouble', /start with --token/, 'no token would help');
  await look(door, 'console-sign-in', found);
  assert.deepEqual(found, []);
});

test('by keys alone: to a run, along its steps, cancelling it, and back', async (t) => {
  const service = await startOperated(t),
    ids = await manyRuns(service);
  const page = await open(t, service);
  await page.waitForSelector(`#row-${ids.third}`);
  const focus = () => page.evaluate(() => document.activeElement.id || document.activeElement.getAttribute('role'));
  for (let i = 0; i < 40 && (await focus()) !== 'grid'; i++) await page.keyboard.press('Tab');
  assert.equal(await focus(), 'grid');
  const active = () => page.evaluate(() => document.querySelector('.run.active')?.id);
  for (let i = 0; i < 20 && (await active()) !== `row-${ids.fan}`; i++) await page.keyboard.press('ArrowDown');
  await page.keyboard.press('x');
  await page.waitForSelector('.run.chosen');
  await page.keyboard.press('Escape');
  await page.waitForSelector('.run.chosen', { state: 'detached' });
  await page.keyboard.press('Enter');
  await page.waitForSelector('.run-page .span-row:not(.heads)');
  for (let i = 0; i < 40 && (await focus()) !== 'treegrid'; i++) await page.keyboard.press('Tab');
  await page.keyboard.press('Home');
  await page.waitForSelector('#panel');
  const first = await page.textContent('#panel h2');
  await page.keyboard.press('ArrowDown');
  await page.waitForFunction((text) => document.querySelector('#panel h2').textContent !== text, first);
  await page.keyboard.press('+');
  await page.waitForSelector('.zoom-buttons button:last-child:not([disabled])');
  await page.keyboard.press('0');
  await page.waitForSelector('.zoom-buttons button:last-child[disabled]');
  for (let i = 0; i < 40 && (await focus()) !== 'do-cancel'; i++) await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('dialog[open]');
  for (let i = 0; i < 5 && !(await page.evaluate(() => document.activeElement.type === 'submit')); i++)
    await page.keyboard.press('Tab');
  await page.keyboard.press('Enter');
  await page.waitForFunction(() => document.querySelector('.title .state')?.textContent === 'cancelled');
  await page.waitForSelector('dialog', { state: 'detached' }); // the feed may be quicker; a dialog takes no keys
  await page.keyboard.press('g');
  await page.keyboard.press('r');
  await page.waitForSelector('.runs');
  await page.keyboard.press('g');
  await page.keyboard.press('p');
  await page.waitForSelector('.process-page');
});
