// The console on real work: the research agent watched to its end, many failed researches resumed at once, and runs
// larger than any page.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { kindOf, makeGates, researchPath, startAgent } from './agent.mjs';
import { consoleBrowser, counts, shot, shows, startOperated, until } from './console_service.mjs';

const open = consoleBrowser({}, { windowless: true });

const runIs = (page, state) =>
  page.waitForFunction((text) => document.querySelector('.title .state')?.textContent === text, state);

// The agent, its simulator behind gates, and its console at an address of its own.
async function watchedAgent(t, gates) {
  const agent = await startAgent([], ['--admin-listen', '127.0.0.1:0'], { hold: gates.hold, pass: gates.pass });
  t.after(() => agent.stop());
  agent.admin = await until('the console', () => /the admin API is at (http:\S+)/.exec(agent.program.log())?.[1]);
  agent.begin = async (parameters) => {
    const response = await fetch(agent.url + researchPath(parameters), { headers: { Prefer: 'respond-async' } });
    assert.equal(response.status, 202, await response.clone().text());
    return response.headers.get('X-Run-Id');
  };
  agent.count = (kind) => agent.seen.filter((asked) => kindOf(asked) === kind).length;
  return agent;
}

test('a research is watched live to its end, by two, and asks nothing for that', async (t) => {
  const gates = makeGates('learn', 'report');
  const agent = await watchedAgent(t, gates);
  const id = await agent.begin({ topic: 'Tidal power', depth: 2, breadth: 2 });
  const pages = [await open(t, agent, { path: `/?run=${id}` }), await open(t, agent)];
  await pages[1].click('.run:not(.head) .what a'); // the other one finds it in the list
  const loads = pages.map((page) => {
    const told = { n: 0 };
    page.on('load', () => told.n++);
    return told;
  });
  for (const page of pages) await page.waitForSelector('#why >> text=/attempt 1 of learn/');
  await shot(pages[0], 'console-research-live');
  gates.open('learn');
  for (const page of pages) await page.waitForSelector('#why >> text=/report/');
  gates.open('report');
  for (const page of pages) {
    await runIs(page, 'succeeded');
    await page.waitForSelector('.span-row >> text=report');
  }
  await shot(pages[0], 'console-research-done');
  assert.deepEqual(loads.map(({ n }) => n), [0, 0], 'no page was loaded again');
});

test('two people act on one run: the second is told what the first has done', async (t) => {
  const service = await startOperated(t);
  service.gate.fail('charge');
  const id = await service.begin('/stopping/1', { method: 'POST', body: {} });
  await service.inState(id, 'stopped');
  const first = await open(t, service, { path: `/?run=${id}` });
  const second = await open(t, service, { path: `/?run=${id}` });
  service.gate.open('charge');
  for (const page of [first, second]) {
    await page.click('#do-release');
    await page.waitForSelector('dialog[open]');
  }
  await first.click('dialog button[type=submit]');
  await runIs(first, 'succeeded');
  await second.click('dialog button[type=submit]');
  await second.waitForSelector('dialog .trouble >> text=It was not done');
  await second.waitForSelector('#what-happened >> text=It is succeeded');
  assert.equal(service.gate.asked.length, 2, 'the charge has been tried once more');
});

test('two hundred failed researches are resumed by one action, and each pays for what is missing alone', async (t) => {
  const MANY = 200, AT_ONCE = 20;
  const gates = makeGates();
  const agent = await watchedAgent(t, gates);
  const state = async (of) =>
    Number(new RegExp(`^stepwell_runs_${of}_total (\\d+)`, 'm').exec(
      await (await fetch(`${agent.admin}/_sw/metrics`)).text())[1]);
  gates.fail('search', 200, { results: 'none' }); // paid for, and of no use
  for (let i = 0; i < MANY; i += AT_ONCE) {
    await Promise.all(Array.from({ length: AT_ONCE }, (_, k) =>
      agent.begin({ topic: `Topic ${i + k}`, depth: 1, breadth: 1 })));
    await until('they have failed', async () => (await state('failed')) === i + AT_ONCE);
  }
  const counts = () => ['queries', 'search', 'learn', 'report'].map((kind) => agent.count(kind));
  assert.deepEqual(counts(), [MANY, MANY, 0, 0]);
  await agent.forgetCalls();
  gates.mend('search');
  const page = await open(t, agent, { path: '/?view=errors' });
  await page.waitForSelector('.errors tbody tr');
  await shows(page, '.errors td.number', String(MANY));
  await page.click('.errors tbody tr >> text=Resume all …');
  await page.fill('#bulk-perSecond', '1000');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector(`#bulk-found >> text=${MANY} runs`);
  assert.deepEqual(counts(), [MANY, MANY, 0, 0], 'a dry run pays for nothing');
  await page.click('dialog button[type=submit]');
  await page.waitForSelector('.run-page >> text=POST /_sw/bulk');
  await runIs(page, 'succeeded');
  await until('all have ended well', async () => (await state('succeeded')) === MANY + 1);
  assert.deepEqual(counts(), [MANY, 2 * MANY, MANY, MANY]);
  const calls = await agent.calls(); // the simulator's own log
  assert.equal(calls.length, 3 * MANY);
  assert.ok(calls.every(({ outcome }) => outcome === 'ok'));
  await shot(page, 'console-resumed');
});

test('a run of ten thousand steps and one of 60 MB are usable', async (t) => {
  const service = await startOperated(t, { flags: ['--dev', '--steps-max', '20000'] });
  service.gate.open('tides', 'wind', 'sun');
  const many = await service.begin('/fan?each=10000'), large = await service.begin('/large?count=15');
  for (const id of [many, large]) await service.inState(id, 'succeeded');
  const page = await open(t, service, { path: `/?run=${many}` });
  await page.waitForSelector('.span-row >> text=page');
  assert.ok((await page.$$('.span-row')).length < 200, 'rows that are not in sight do not exist');
  await page.click('#tab-journal');
  await page.waitForSelector('.journal >> text=query-tides');
  const branch = page.locator('.journal tr', { hasText: 'query-tides' }).first().locator('td');
  assert.deepEqual((await branch.allTextContents()).slice(1, 3), ['', ''], 'a branch has no time');
  await shot(page, 'console-ten-thousand');
  await page.goto(`${service.admin}/?run=${large}`);
  await page.waitForSelector('.span-row >> text=piece');
  await page.click('.span-row .label-text >> text=piece'); // fifteen alike are one row
  await page.keyboard.press('ArrowRight');
  await page.click('.span-row >> text=piece:14');
  await page.waitForSelector('#step-output >> text=oooooooo');
  assert.ok((await page.textContent('#step-output')).length < 100000, 'of a large value the beginning is shown');
  await shot(page, 'console-60-mb');
  await page.click('nav >> text=Runs');
  await page.waitForSelector('.run .state.succeeded');
});
