// Clients that nobody here wrote follow a run that turns asynchronous: undici, curl, and a browser on another origin.
import assert from 'node:assert/strict';
import { execFile } from 'node:child_process';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join, resolve } from 'node:path';
import { after, before, test } from 'node:test';
import { promisify } from 'node:util';
import { chromium } from 'playwright-core';
import { PATIENCE_MS, startAt } from './program.mjs';

const run = promisify(execFile);
const folder = mkdtempSync(join(tmpdir(), 'stepwell-follow-'));
const NAP = '/nap?ms=1200'; // longer than --redirect-after and --hold
const OPEN_NAP = '/open-nap?ms=1200'; // the same for pages of any origin
let service, pages, browser;

before(async () => {
  service = await startAt(
    resolve(process.env.STEPWELL_BUILD, 'tests/service/runtime_contract'),
    ['--serve', '--data', join(folder, 'data'), '--hold', '300ms'],
    { NOTES: join(folder, 'notes') },
  );
  pages = createServer((_, res) => res.end('<!doctype html><title>elsewhere</title>'));
  await new Promise((done) => pages.listen(0, '127.0.0.1', done));
  browser = await chromium.launch({
    executablePath: '/usr/bin/chromium',
    headless: true,
    args: ['--no-sandbox', '--disable-gpu', '--disable-background-networking'],
  });
});
after(async () => {
  await browser?.close();
  pages?.close();
  await service?.stop();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

test('fetch of Node follows, for every method', async () => {
  for (const [method, body] of [['GET', undefined], ['PUT', 'x']]) {
    const response = await fetch(service.url + NAP, { method, body });
    assert.equal(response.status, 200);
    assert.equal(await response.text(), 'rested');
    assert.ok(response.redirected);
    assert.match(response.url, /\/output\?token=/);
  }
});

test('curl -L follows, also when it repeats the method', async () => {
  for (const flags of [[], ['-X', 'PUT', '-d', 'x'], ['-X', 'PUT', '-d', 'x', '--post303']]) {
    const { stdout } = await run('curl', ['-sSL', '--max-redirs', '20', ...flags, service.url + NAP]);
    assert.equal(stdout, 'rested');
  }
});

test('HEAD of the output URL waits, and gives the headers of the response', async () => {
  const asked = await fetch(service.url + '/nap?ms=200', { headers: { prefer: 'respond-async' } });
  assert.equal(asked.status, 202);
  const { outputUrl } = await asked.json();
  const head = await fetch(outputUrl, { method: 'HEAD' });
  assert.equal(head.status, 200);
  assert.equal(head.headers.get('content-length'), '6');
  assert.equal(await head.text(), '');
});

test('a page of another origin follows to the output', async () => {
  const page = await browser.newPage();
  page.setDefaultTimeout(PATIENCE_MS);
  await page.goto(`http://127.0.0.1:${pages.address().port}/`);
  const got = await page.evaluate(async (url) => {
    const response = await fetch(url);
    return { status: response.status, text: await response.text(), run: response.headers.get('x-run-id') };
  }, service.url + OPEN_NAP);
  assert.equal(got.status, 200);
  assert.equal(got.text, 'rested');
  assert.match(got.run, /^[0-9A-Z]{26}$/);
  // A call that the browser asks leave for first, at the endpoint and again where it is sent on to.
  const asked = await page.evaluate(async (url) => {
    const response = await fetch(url, { method: 'PUT', body: 'x', headers: { 'Idempotency-Key': 'from-a-page' } });
    return { status: response.status, text: await response.text(), redirected: response.redirected };
  }, service.url + OPEN_NAP);
  assert.deepEqual(asked, { status: 200, text: 'rested', redirected: true });
  // An endpoint that does not name this origin keeps its answers to itself.
  for (const call of [{ url: service.url + '/orders/1', method: 'POST', body: 'x' }, { url: service.url + NAP }]) {
    const refused = await page.evaluate(({ url, ...how }) => fetch(url, how).then(() => 'read', () => 'refused'), call);
    assert.equal(refused, 'refused');
  }
  await page.close();
});
