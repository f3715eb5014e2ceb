// Chromium, in a page of another origin ($PAGE_URL): its fetch, its EventSource, or @microsoft/fetch-event-source,
// whose files that origin serves.
import { chromium } from '../e2e/node_modules/playwright-core/index.mjs';
import { EVENTS, serve, streamOf } from './calls.mjs';

const [, , , what] = process.argv;
const args = ['--no-sandbox', '--disable-gpu', '--disable-background-networking'];
const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', headless: true, args });
const page = await browser.newPage();
await page.goto(process.env.PAGE_URL);
process.stdin.on('end', () => browser.close());

const asks = {
  fetch: async ({ method, url, headers, body }) => {
    const type = body === undefined ? {} : { 'Content-Type': 'application/json' };
    const response = await fetch(url, { method, headers: { ...headers, ...type }, body: JSON.stringify(body) });
    const text = Array.from(new Uint8Array(await response.arrayBuffer()), (byte) => String.fromCharCode(byte)).join('');
    return {
      status: response.status,
      headers: Object.fromEntries(response.headers),
      base64: btoa(text),
      url: response.url,
    };
  },
  eventsource: ({ url, names }) => new Promise((done, fail) => {
    const events = [];
    const source = new EventSource(url);
    source.onerror = () => {
      source.close();
      fail(new Error('the EventSource had an error'));
    };
    for (const name of names)
      source.addEventListener(name, (e) => {
        events.push({ id: e.lastEventId, event: e.type, data: e.data });
        if (name !== 'inngest.response') return;
        source.close();
        done(events);
      });
  }),
  'fetch-event-source': async ({ method, url, body }) => {
    const { fetchEventSource } = await import('/fetch-event-source/index.js');
    const events = [];
    const init =
      body === undefined ? {} : { headers: { 'Content-Type': 'application/json' }, body: JSON.stringify(body) };
    await fetchEventSource(url, {
      method,
      ...init,
      onmessage: (e) => events.push({ id: e.id, event: e.event, data: e.data }),
      onerror: (error) => {
        throw error;
      },
    });
    return events;
  },
};

serve(async (method, url, headers, body) => {
  const got = await page.evaluate(asks[what], { method, url, headers, body, names: EVENTS });
  if (Array.isArray(got)) return streamOf(got, url);
  return { ...got, bytes: Buffer.from(got.base64, 'base64') };
});
