// Every state of the page, in each of the ways it is looked at: axe finds nothing to object to, nothing sticks out at
// the side. The services wait for the test, so that each state stays for as long as it is looked at.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeGates, startAgent } from './agent.mjs';
import { look } from './looks.mjs';
import { answer, inState, open, startBrowser } from './page_browser.mjs';

let browser;
before(async () => { browser = await startBrowser(); });
after(() => browser?.close());

const agentFor = async (t, gates, flags = []) => {
  const agent = await startAgent(['--overload-rate', '0'], flags, gates);
  t.after(() => agent.stop());
  return agent;
};

test('from the question to the report', async (t) => {
  const gates = makeGates('search', 'learn', 'report'), found = [];
  const agent = await agentFor(t, gates, ['--retries', '1']);
  // axe is put into the page by the test, past the policy that keeps scripts out.
  const page = await open(t, browser, agent, { bypassCSP: true });
  await look(page, 'start', found);
  await page.click('#ask-button');
  await page.waitForSelector('#ask-error:not([hidden])');
  await look(page, 'start-error', found);
  await answer(page, 'How does tidal power compare with offshore wind?', 2);
  await look(page, 'questions', found);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  await look(page, 'plan', found);
  await page.click('#start-button');
  await page.waitForFunction(() => document.querySelectorAll('#log li.running').length === 3);
  await look(page, 'running', found);
  gates.open('search');
  await page.waitForSelector('.query .found a');
  gates.fail('learn', 529, {}, { 'retry-after': '600' });
  await page.waitForFunction(() => document.querySelectorAll('#log li.waiting').length === 3);
  await look(page, 'overloaded', found);
  await page.click('#stop');
  await page.waitForSelector('#stop-yes');
  await look(page, 'stop-asked', found);
  await page.click('#stop-yes');
  await inState(page, 'Stopped');
  await look(page, 'stopped', found);
  await page.click('#fresh');
  await page.waitForSelector('#history a');
  await look(page, 'history', found);
  assert.deepEqual(found, []);
});

test('from the report to its end, and a connection that is lost', async (t) => {
  const gates = makeGates('report'), found = [];
  const agent = await agentFor(t, gates);
  gates.letEvents(12);
  const page = await open(t, browser, agent, { bypassCSP: true });
  await answer(page, 'Why do tides turn?', 1);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  await page.click('#start-button');
  await page.waitForSelector('.query .learned li');
  gates.open('report');
  await page.waitForSelector('#report.writing h1');
  await look(page, 'writing', found);
  await agent.kill('SIGKILL');
  await page.waitForSelector('#connection:not([hidden])');
  await look(page, 'lost', found);
  gates.letEvents(Infinity);
  await agent.start();
  await inState(page, 'Done');
  await look(page, 'done', found);
  const shared = await open(t, browser, agent, { bypassCSP: true, path: page.url().slice(agent.url.length) });
  await inState(shared, 'Done');
  await look(shared, 'shared', found);
  const broken = await open(t, browser, agent, { bypassCSP: true, path: `${page.url().slice(agent.url.length)}x` });
  await broken.waitForSelector('#run-error');
  await look(broken, 'refused', found);
  assert.deepEqual(found, []);
});

test('a service that stays down, a key that is wrong, an answer that is none', async (t) => {
  const gates = makeGates(), found = [];
  const agent = await agentFor(t, gates, ['--retries', '1']);
  const page = await open(t, browser, agent, { bypassCSP: true });
  await answer(page, 'Peat bogs', 1);
  await page.click('#plan-button');
  await page.waitForSelector('#queries textarea');
  gates.fail('search', 503);
  await page.click('#start-button');
  await inState(page, 'Paused');
  await look(page, 'paused', found);
  gates.fail('search', 200, { results: 'none' });
  await page.click('#release');
  await inState(page, 'Failed');
  await look(page, 'failed', found);
  assert.deepEqual(found, []);
});
