// The children of a run, on its page: how each stands, by keys alone, and ten thousand as light as ten.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { consoleBrowser, counts, shot, shows, startOperated, until } from './console_service.mjs';
import { look } from './looks.mjs';

const open = consoleBrowser();

// Resolves to the id of a run that has had so many things packed, and waits for its last child.
async function startBatch(service, count) {
  const id = await service.start('orders/batch', { count });
  const last = await until('the last call', async () => {
    const { steps } = await service.run(id);
    return steps.find((step) => step.id === 'night')?.child;
  });
  await service.inState(last, 'sleeping');
  return { id, last };
}

const rows = (page) => page.$$eval('.child:not(.head)', (all) => all.map((e) => e.id.slice('child-'.length)));
const childrenOf = async (service, id, query = '') => (await service.ask(`/_sw/runs/${id}/children${query}`)).body;

test('each child is listed as it stands, and what its caller has of it', async (t) => {
  const service = await startOperated(t),
    { id, last } = await startBatch(service, 3);
  const page = await open(t, service, { path: `/?run=${id}` });
  await shows(page, '#tab-children', 'Children (7)');
  await page.click('#tab-children');
  await page.waitForURL(/tab=children/);
  await counts(page, '.child:not(.head)', 7);
  const { children } = await childrenOf(service, id);
  assert.deepEqual(await rows(page), children.map((child) => child.runId), 'the newest first');
  await shows(page, '#calls-made', '7 calls: 3 succeeded, 1 failed, 1 waited for, 1 detached, 1 waited for no more.');
  const says = (state, what) => page.waitForSelector(`.child:has(.state.${state}) >> text=${what}`);
  await says('succeeded', 'orders/pack');
  await says('failed', 'there is nothing to pack');
  await says('cancelled', 'its caller waits for it no more');
  await says('sleeping', 'nobody waits for it');
  await shot(page, 'console-children');
  await service.ask(`/_sw/runs/${last}`, { method: 'DELETE' });
  await page.waitForSelector(`#child-${last} .state.cancelled`);
  await page.reload();
  await counts(page, '.child:not(.head)', 7);
  await page.click(`#child-${last} .note`);
  await shows(page, '.run-id', last);
  await counts(page, '#tab-children', 0, 'it has called nothing');
  await shows(page, '.facts', /cancelled by/);
  await page.goBack();
  await page.waitForSelector(`#child-${last}.active`);
});

test('by keys alone: to the last child, to its page, and back', async (t) => {
  const service = await startOperated(t),
    { id } = await startBatch(service, 150);
  const page = await open(t, service, { path: `/?run=${id}` });
  await page.focus('#tab-steps');
  await page.keyboard.press('ArrowRight');
  await page.waitForSelector('.child:not(.head)');
  const focus = () => page.evaluate(() => document.activeElement.id);
  assert.equal(await focus(), 'tab-children');
  for (let i = 0; i < 5 && (await focus()) !== 'children'; i++) await page.keyboard.press('Tab');
  assert.equal(await focus(), 'children');
  const all = (await childrenOf(service, id, '?limit=500')).children.map((child) => child.runId);
  const isActive = (n) => page.waitForSelector(`#child-${all[n]}.active`);
  await page.keyboard.press('ArrowDown');
  await isActive(0);
  await page.keyboard.press('j');
  await isActive(1);
  await page.keyboard.press('k');
  await isActive(0);
  await until('the last of them', async () => {
    await page.keyboard.press('End'); // of those that are loaded
    return page.$(`#child-${all.at(-1)}.active`);
  });
  const described = await page.getAttribute('#children', 'aria-activedescendant');
  assert.equal(described, `child-${all.at(-1)}`);
  await page.keyboard.press('Enter');
  await shows(page, '.run-id', all.at(-1));
  await page.goBack();
  await isActive(all.length - 1);
});

test('children in every way they are looked at', async (t) => {
  const service = await startOperated(t),
    found = [],
    { id } = await startBatch(service, 20);
  // axe is put into the page by the test, past the policy that keeps scripts out.
  const page = await open(t, service, { path: `/?run=${id}&tab=children`, bypassCSP: true });
  await page.waitForSelector('.child:not(.head)');
  await page.focus('#children');
  await page.keyboard.press('ArrowDown');
  await look(page, 'console-children', found);
  assert.deepEqual(found, []);
});

test('ten thousand children', async (t) => {
  const MANY = 10000;
  const service = await startOperated(t, { flags: ['--dev', '--loops', '2'] });
  const { id } = await startBatch(service, MANY);
  const page = await open(t, service, { path: `/?run=${id}&tab=children` });
  await page.waitForSelector('.child:not(.head)');
  await shows(page, '#tab-children', 'Children (10,004)');
  const begun = Date.now(),
    asked = [];
  page.on('request', (r) => { if (r.url().includes('/children')) asked.push(r.url()); });
  await shot(page, 'console-ten-thousand-children');
  const last = (await childrenOf(service, id, '?limit=500')).next;
  assert.ok(last, 'there are more pages');
  const loaded = () => page.evaluate(() => {
    const grid = document.querySelector('#children');
    grid.scrollTo(0, 1e9);
    return { rows: Number(grid.getAttribute('aria-rowcount')), here: document.querySelectorAll('.child').length };
  });
  await until('all of them', async () => (await loaded()).rows === MANY + 5);
  t.diagnostic(`all were loaded in ${Date.now() - begun} ms, with ${asked.length} requests`);
  assert.ok((await loaded()).here < 90, 'rows that are not in sight do not exist');
  await page.waitForSelector(`[aria-rowindex="${MANY + 5}"]`);
  await shot(page, 'console-ten-thousand-children-end');
});
