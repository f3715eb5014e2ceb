// What an operator does to runs in the console, with what it says before and after: stopping, releasing, starting.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { openConsole, shot, startBrowser, startOperated, until } from './console_service.mjs';

let browser;
before(async () => {
  browser = await startBrowser();
});
after(() => browser?.close());
const open = (t, service, options) => openConsole(t, browser, service, options);

const runIs = (page, state) =>
  page.waitForFunction((text) => document.querySelector('.title .state')?.textContent === text, state);
const gone = (page) => page.waitForSelector('dialog', { state: 'detached' });

test('a run is stopped with a reason, and released', async (t) => {
  const service = await startOperated(t);
  const id = await service.begin('/sleep');
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.click('#do-stop');
  assert.match(await page.textContent('dialog'), /stands still until somebody releases it/);
  await page.fill('#steer-why', 'the <b>shop</b> is closed');
  await page.click('dialog button[type=submit]');
  await gone(page);
  await runIs(page, 'stopped');
  assert.match(await page.textContent('#why'), /the <b>shop<\/b> is closed/);
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
  assert.match(await page.textContent('dialog .trouble'), /It was not done/);
  assert.match(await page.textContent('#what-happened'), /It is succeeded/);
  await page.keyboard.press('Escape');
  await runIs(page, 'succeeded');
});
