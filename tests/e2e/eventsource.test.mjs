// A browser's own EventSource, from a page of another origin: it resumes by itself through a restart, and stops at the
// end.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before, test } from 'node:test';
import { chromium } from 'playwright-core';
import { readStream, startGate, startStreamer } from './streams.mjs';
import { PATIENCE_MS } from './program.mjs';

let browser;
before(async () => {
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
});
after(() => browser?.close());

// An empty page of an origin that is not the service's.
async function openPage(t) {
  const server = createServer((_, response) =>
    response.setHeader('Content-Type', 'text/html').end('<!doctype html><title>reader</title>'),
  );
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  t.after(async () => { await page.close(); server.closeAllConnections(); server.close(); });
  await page.goto(`http://127.0.0.1:${server.address().port}/`);
  await page.evaluate(() => {
    globalThis.listen = (url) => {
      globalThis.got = [];
      globalThis.opened = 0;
      const source = (globalThis.source = new EventSource(url));
      source.onopen = () => globalThis.opened++;
      for (const name of ['metadata', 'stream', 'commit', 'rollback', 'response'])
        source.addEventListener(`inngest.${name}`, (e) =>
          globalThis.got.push({ id: e.lastEventId, event: e.type, data: JSON.parse(e.data) }),
        );
    };
  });
  return page;
}

test('EventSource reads on by itself when the server was killed and started again, and stops at its end', async (t) => {
  const service = await startStreamer(t),
    gate = await startGate(t),
    page = await openPage(t);
  const [metadata] = await readStream(`${service.url}/steps?steps=2&gate=${gate.url}`, {
    enough: (all) => all.length > 0,
  });
  const url = metadata.data.streamUrl;
  await page.evaluate((u) => globalThis.listen(u), url);
  gate.open('s0-0', 's0-1');
  await page.waitForFunction(() => globalThis.got.some((f) => f.data.data === 's0-1'));
  await service.kill('SIGKILL');
  await page.waitForFunction(() => globalThis.source.readyState === EventSource.CONNECTING);
  await service.start();
  await gate.seen('s0-0', 2);
  gate.openAll();
  // It is told by 204 that there is no more; a reader that is not would come again for ever.
  await page.waitForFunction(() => globalThis.source.readyState === EventSource.CLOSED);
  const got = await page.evaluate(() => globalThis.got.filter((f) => f.event !== 'inngest.metadata'));
  assert.deepEqual(got, (await readStream(url)).slice(1), 'everything, in order, once');
  assert.deepEqual(
    got.map((f) => f.id),
    got.map((_, i) => String(i + 1)),
  );
  assert.equal(await page.evaluate(() => globalThis.opened), 2);
});

test('EventSource on the endpoint itself: lost, it starts nothing a second time', async (t) => {
  const service = await startStreamer(t), gate = await startGate(t), page = await openPage(t);
  await page.goto(`${service.url}/silent`); // the endpoints are for pages of their own origin
  await page.evaluate((url) => {
    globalThis.source = new EventSource(url);
    source.addEventListener('inngest.stream', () => { globalThis.got = true; });
  }, `${service.url}/steps?steps=1&gate=${gate.url}`);
  await page.waitForFunction(() => globalThis.got);
  await service.kill('SIGKILL');
  await service.start();
  gate.openAll();
  await page.waitForFunction(() => globalThis.source.readyState === EventSource.CLOSED);
  const runs = await (await fetch(`${service.url}/_sw/runs`)).json();
  assert.equal(runs.runs.filter((r) => r.endpoint === 'GET /steps').length, 1);
});
