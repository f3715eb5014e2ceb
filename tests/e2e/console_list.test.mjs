// The console's list: its filters are the URL's, what is chosen is steered together, and a hundred thousand rows are as
// light as fifty.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { consoleBrowser, counts, shot, shows, startOperated, until } from './console_service.mjs';

const open = consoleBrowser();

const rows = (page) => page.$$eval('.run:not(.head)', (all) => all.map((e) => e.id.slice('row-'.length)));
const lists = (page, ids) =>
  page.waitForFunction(
    (wanted) =>
      JSON.stringify([...document.querySelectorAll('.run:not(.head)')].map((e) => e.id.slice(4))) ===
      JSON.stringify(wanted),
    ids,
  );

test('filters are in the URL, and what no longer fits leaves the list', async (t) => {
  const service = await startOperated(t);
  const asleep = await service.begin('/sleep');
  const third = await service.begin('/third');
  await fetch(`${service.program.url}/hostile`);
  await service.inState(third, 'succeeded');
  const page = await open(t, service);
  await page.waitForSelector('.chip');
  await page.click('.chip.failed');
  await page.waitForURL(/state=failed/);
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 1);
  await shows(page, '.run:not(.head)', /GET \/hostile/);
  await page.click('.chip.sleeping');
  await page.waitForURL(/state=sleeping%2Cfailed/);
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 2);
  await page.fill('#filter-endpoint', 'GET /sleep');
  await page.waitForURL(/endpoint=GET/);
  await lists(page, [asleep]);
  await page.reload();
  await lists(page, [asleep]);
  assert.equal(await page.inputValue('#filter-endpoint'), 'GET /sleep');
  await service.ask(`/_sw/runs/${asleep}`, { method: 'DELETE' });
  await page.waitForSelector('.empty');
  await shows(page, '.empty', /No run fits/);
  await page.click('text=clear filters');
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 3);
  await page.click('summary >> text=more filters');
  await page.fill('#filter-error', 'ONERROR=');
  await page.waitForFunction(() => document.querySelectorAll('.run:not(.head)').length === 1);
  await page.fill('#filter-id', third); // first: without any of these filters their fields are folded away
  await page.fill('#filter-error', '');
  await lists(page, [third]);
  await shot(page, 'console-filters');
  await page.fill('#filter-id', 'no id!');
  await page.waitForSelector('.trouble');
  await shows(page, '.trouble', /id/, 'the server says what is wrong');
});

test('what is chosen is cancelled together, and what could not be is named', async (t) => {
  const service = await startOperated(t);
  const ids = [];
  for (let i = 0; i < 6; i++) ids.unshift(await service.begin('/sleep'));
  const third = await service.begin('/third');
  await service.inState(third, 'succeeded');
  const page = await open(t, service);
  await lists(page, [third, ...ids]);
  await page.click(`#row-${third} input`);
  await page.click(`#row-${ids[3]} input`, { modifiers: ['Shift'] });
  await shows(page, '.bulk strong', '5 runs chosen');
  await page.click('.bulk >> text=Cancel');
  await page.waitForSelector('dialog[open]');
  await shows(page, 'dialog h2', /Cancel 4 runs/);
  await shows(page, 'dialog', /1 chosen run is left out: this is not\s+for\s+succeeded runs/);
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('dialog >> text=4 of 4 runs done');
  await page.keyboard.press('Escape');
  for (const [i, id] of ids.entries()) await service.inState(id, i < 4 ? 'cancelled' : 'sleeping');
  await page.waitForFunction((id) => document.querySelector(`#row-${id} .state`).textContent === 'cancelled', ids[0]);
});

test('a range that has lost its beginning is one row', async (t) => {
  const service = await startOperated(t);
  const ids = [];
  for (let i = 0; i < 5; i++) ids.unshift(await service.begin('/sleep'));
  const page = await open(t, service, { path: '/?state=sleeping' });
  await lists(page, ids);
  await page.click(`#row-${ids[0]} input`);
  await service.ask(`/_sw/runs/${ids[0]}`, { method: 'DELETE' });
  await lists(page, ids.slice(1));
  await page.click(`#row-${ids[4]} input`, { modifiers: ['Shift'] });
  await page.waitForSelector('.run.chosen');
  await counts(page, '.run.chosen', 1);
  await shows(page, '.bulk strong', '1 run chosen');
});

// Jumps through the list, and says how long frames took.
const scrolled = (page) =>
  page.evaluate(async () => {
    const grid = document.querySelector('.grid');
    const frames = [];
    let most = 0;
    let last = performance.now();
    for (let i = 0; i < 200; i++) {
      grid.scrollTop = (grid.scrollHeight * ((i * 37) % 200)) / 200 + i * 50;
      await new Promise((done) => requestAnimationFrame(done));
      const now = performance.now();
      frames.push(now - last);
      last = now;
      most = Math.max(most, document.querySelectorAll('.run').length);
    }
    frames.sort((a, b) => a - b);
    return { most, half: frames[100], worst: frames[199], nodes: document.querySelectorAll('*').length };
  });

test('a hundred thousand rows', async (t) => {
  const MANY = 100000;
  const service = await startOperated(t, { flags: ['--dev', '--loops', '2'] });
  const made = async () =>
    Number(/^stepwell_runs_succeeded_total (\d+)/m.exec((await service.ask('/_sw/metrics')).text)[1]);
  while ((await made()) < MANY)
    execFileSync('wrk', ['-t', '1', '-c', '64', '-d', '4s', `${service.program.url}/quick`], { encoding: 'utf8' });
  const page = await open(t, service);
  await page.waitForSelector('.run:not(.head)');
  const loaded = () => page.evaluate(() => Number(document.querySelector('.summary').textContent.replace(/\D/g, '')));
  const down = () => page.evaluate(() => document.querySelector('.grid').scrollTo(0, 1e9));
  const few = await scrolled(page), begun = Date.now();
  await until('all rows', async () => {
    for (let i = 0; i < 20; i++) {
      const before = await loaded();
      if (before >= MANY) return true;
      await down();
      await page.waitForFunction(
        (n) => Number(document.querySelector('.summary').textContent.replace(/\D/g, '')) > n,
        before,
      );
    }
    return false;
  });
  t.diagnostic(`${await loaded()} rows were loaded in ${Date.now() - begun} ms`);
  const seen = await scrolled(page);
  t.diagnostic(
    `rows that exist: ${seen.most}; elements: ${seen.nodes}; a jump takes ${seen.half.toFixed(1)} ms in half ` +
      `of the cases, ${seen.worst.toFixed(1)} ms at worst; before, among the first rows, it took ` +
      `${few.half.toFixed(1)} ms and ${few.worst.toFixed(1)} ms`,
  );
  assert.ok(seen.most < 90, `${seen.most} rows exist at once`);
  await page.evaluate(() => document.querySelector('.grid').scrollTo(0, 5000 * 34));
  await page.waitForSelector('[aria-rowindex="5002"]');
  const at5000 = await page.getAttribute('[aria-rowindex="5002"]', 'id');
  const fresh = await service.begin('/sleep');
  await page.waitForSelector('[aria-rowindex="5003"]');
  await page.waitForFunction((id) => document.getElementById(id)?.getAttribute('aria-rowindex') === '5003', at5000);
  const box = await (await page.$(`#${at5000}`)).boundingBox();
  assert.ok(box.y > 0 && box.y < 800, 'a run that comes above moves no row in sight');
  await page.focus('.grid');
  await page.keyboard.press('Home');
  await page.waitForSelector(`#row-${fresh}`);
  assert.equal((await rows(page))[0], fresh);
});
