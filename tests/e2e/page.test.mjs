// The page in a real browser: ask, answer, watch, reload in the middle, kill the server in the middle, read the report.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { makeGates, startAgent } from './agent.mjs';
import {
  begin, counts, inState, open as openIn, overflow, reportScript, shot, shows, startBrowser,
} from './page_browser.mjs';

let browser;
before(async () => { browser = await startBrowser({ windowless: true }); });
after(() => browser?.close());
const open = (t, agent, options) => openIn(t, browser, agent, options);

async function finished(page, topic) {
  await inState(page, 'Done');
  const report = await page.textContent('#report');
  assert.ok(report.includes('References'));
  assert.ok((await page.$$('#report h2')).length >= 2, 'headings are rendered');
  assert.ok((await page.$$('#report sup a')).length >= 1, 'citations are links');
  await shows(page, '#run-title', topic);
  assert.equal(await page.getAttribute('.bar', 'aria-valuenow'), '100');
  assert.ok(Number(await page.textContent('#fact-sources')) >= 5);
  assert.ok(Number(await page.textContent('#fact-learnings')) >= 3);
  assert.equal((await page.$$('#log li')).length, (await page.$$('#log li.done')).length, 'every step is done');
}

// What waits until the test has seen the page: an agent whose services go no further than the gates let them.
const gatedAgent = async (t, gates, ...flags) => {
  const agent = await startAgent(flags, [], gates);
  t.after(() => agent.stop());
  return agent;
};

test('a question, its clarifications, the progress and the report', async (t) => {
  const gates = makeGates('learn', 'report');
  const agent = await gatedAgent(t, gates, '--overload-rate', '0.1');
  gates.letEvents(40);
  const page = await open(t, agent);
  await begin(page, 'How tidal power compares with offshore wind');
  await page.waitForSelector('.query .found a');
  await counts(page, '.query .learned li', 0);
  gates.open('learn');
  await page.waitForSelector('.query .learned li');
  assert.ok((await page.$$('.query .reason')).length >= 3);
  await shot(page, '4-progress');
  gates.open('report');
  await page.waitForSelector('#report.writing h1');
  await shot(page, '5-writing');
  gates.letEvents(Infinity);
  await finished(page, 'How tidal power compares with offshore wind');
  await shot(page, '6-report');
});

test('a reload in the middle changes nothing', async (t) => {
  const gates = makeGates('learn');
  const agent = await gatedAgent(t, gates);
  gates.letEvents(20);
  const page = await open(t, agent);
  await begin(page, 'Reloads');
  await page.waitForSelector('.query .found a');
  const before = await page.$eval('.query h3', (e) => e.firstChild.textContent); // without what is going on with it
  await page.reload();
  await page.waitForSelector('.query .found a');
  assert.ok((await page.textContent('#levels')).includes(before));
  gates.open('learn');
  await page.waitForSelector('#report.writing');
  await page.reload();
  await page.waitForSelector('#report.writing');
  gates.letEvents(Infinity);
  await finished(page, 'Reloads');
  const runs = await (await fetch(`${agent.url}/_sw/runs`)).json();
  assert.equal(runs.runs.filter((r) => r.endpoint === 'POST /api/research').length, 1, 'it is still the one run');
});

test('a kill -9 in the middle changes nothing', async (t) => {
  const gates = makeGates('learn');
  const agent = await gatedAgent(t, gates);
  gates.letEvents(20);
  const page = await open(t, agent);
  await begin(page, 'Kills');
  await page.waitForSelector('.query .found a');
  await agent.kill('SIGKILL');
  await page.waitForSelector('#connection:not([hidden])');
  await shot(page, '7-lost');
  gates.open('learn');
  await agent.start();
  await page.waitForSelector('#connection', { state: 'hidden' });
  await page.waitForSelector('#report.writing');
  await agent.kill('SIGKILL');
  gates.letEvents(Infinity);
  await agent.start();
  await finished(page, 'Kills');
  const steps = await page.$$eval('#log .what', (all) => all.map((e) => e.firstChild.textContent));
  assert.equal(new Set(steps).size, steps.length, 'no step is shown twice');
});

// The report as the page shows it now, and the one that the run answers in the end.
const shown = (page) => page.textContent('#report');
const finalReport = (page) => page.evaluate(async () => {
  const link = new URLSearchParams(location.hash.slice(1));
  return (await fetch(`_sw/runs/${link.get('run')}/output?token=${link.get('token')}`)).json();
});

// Which of the texts no part of the report makes, from its beginning to anywhere.
async function strangers(page, report, sources, texts) {
  await page.evaluate(`${reportScript()}; window.made = made;`);
  return page.evaluate(({ report, sources, texts }) => {
    const left = new Set(texts), longest = Math.max(...texts.map((text) => text.length));
    const textOf = (markdown) =>
      Object.assign(document.createElement('div'), { innerHTML: window.made.render(markdown, sources) }).textContent;
    for (let n = 0, length = 0; n <= report.length && length < longest + 100; n++) {
      const text = textOf(report.slice(0, n));
      left.delete(text);
      length = text.length;
    }
    return { left: [...left], whole: textOf(report) };
  }, { report, sources, texts });
}

test('the report appears as the model writes it, also after a reload, a kill and an upgrade', async (t) => {
  const gates = makeGates();
  const agent = await gatedAgent(t, gates);
  const page = await open(t, agent);
  // So many events of the model's stream, which stands still there, and more text than before.
  const shownWith = async (events, than) => {
    gates.letEvents(events);
    await page.waitForFunction((n) => (document.querySelector('#report')?.textContent.length ?? 0) > n, than);
    await shows(page, '#run-state', 'Writing the report');
    return shown(page);
  };
  gates.letEvents(10);
  await begin(page, 'Growing text', 1);
  const texts = [await shownWith(10, 0)];
  texts.push(await shownWith(50, texts[0].length));
  await page.reload();
  texts.push(await shownWith(50, 0));
  texts.push(await shownWith(90, texts.at(-1).length));
  await agent.kill('SIGKILL'); // the attempt that wrote is cut off: the step begins again, and so does its text
  gates.letEvents(20);
  await agent.start();
  await page.waitForFunction((n) => document.querySelector('#report').textContent.length < n, texts.at(-1).length);
  texts.push(await shownWith(50, 0));
  const stopped = agent.kill('SIGTERM'); // the attempt that writes may end
  texts.push(await shownWith(90, texts.at(-1).length));
  gates.letEvents(Infinity);
  await stopped;
  await agent.start();
  await finished(page, 'Growing text');
  const { report, sources } = await finalReport(page);
  const { left, whole } = await strangers(page, report, sources, texts);
  assert.deepEqual(
    left,
    [],
    'what was shown in between was the beginning of the report: nothing twice, nothing missing',
  );
  assert.equal(await shown(page), whole, 'the page shows the whole report, once');
});

test('errors are told', async (t) => {
  const gates = makeGates();
  const agent = await gatedAgent(t, gates, '--refusal-rate', '1');
  const page = await open(t, agent);
  gates.fail('clarify', 401, { error: { message: 'invalid x-api-key' } });
  await page.fill('#topic', 'x');
  await page.click('#ask-button');
  await page.waitForSelector('#ask-error:not([hidden])');
  await shows(page, '#ask-error', 'The model does not accept the key.');
  gates.mend('clarify');
  await page.click('#ask-button');
  await page.waitForFunction(() => /refused/.test(document.querySelector('#ask-error').textContent));
  assert.equal(await page.inputValue('#topic'), 'x', 'the form keeps what was written');
  await agent.kill('SIGKILL');
  await page.click('#ask-button');
  await page.waitForFunction(() => /cannot be reached/.test(document.querySelector('#ask-error').textContent));
  await agent.start();
});

test('dark and narrow', async (t) => {
  const agent = await startAgent(['--latency-ms', '20']);
  t.after(() => agent.stop());
  const page = await open(t, agent, { colorScheme: 'dark', viewport: { width: 390, height: 844 } });
  await begin(page, 'Small screens', 1);
  await finished(page, 'Small screens');
  assert.equal(await overflow(page), 0, 'nothing sticks out at the side');
  await shot(page, '8-dark-narrow');
  await page.evaluate(() => document.querySelector('#sources').scrollIntoView());
  await shot(page, '9-dark-narrow-sources');
});
