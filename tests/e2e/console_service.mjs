// The console in a real browser on a real program (tests/programs/operated.c), and what its tests share: a gate
// that the program's steps ask, ways to begin runs, and a page that asks nobody but its server.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { after, before } from 'node:test';
import { startBrowser } from './page_browser.mjs';
import { PATIENCE_MS, startProgram, until } from './program.mjs';

export { counts, overflow, shot, shows } from './page_browser.mjs';
export { until } from './program.mjs';

// Answers calls to URL/NAME when the test has said how: open(NAME), fail(NAME, status), or answer(NAME, [status,
// headers], ...): one after the other, and the last of them from then on.
async function startGate() {
  const answers = new Map(),
    waiting = [],
    asked = [];
  const release = () => {
    for (let i = waiting.length - 1; i >= 0; i--)
      if (answers.has(waiting[i].name)) {
        const { name, response } = waiting.splice(i, 1)[0], replies = answers.get(name);
        const [status, headers = {}] = replies.length > 1 ? replies.shift() : replies[0];
        response.writeHead(status, headers).end('go on');
      }
  };
  const server = createServer((request, response) => {
    const name = decodeURIComponent(request.url.split('/').pop());
    asked.push(name);
    waiting.push({ name, response });
    release();
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  return {
    url: `http://127.0.0.1:${server.address().port}`,
    asked,
    open(...names) {
      for (const name of names) answers.set(name, [[200]]);
      release();
    },
    fail(name, status = 500) {
      this.answer(name, [status]);
    },
    answer(name, ...replies) {
      answers.set(name, replies);
      release();
    },
    shut(name) {
      answers.delete(name);
    },
    close() {
      server.closeAllConnections();
      server.close();
    },
  };
}

// A program with its admin API at an address of its own. `flags` in the place of --dev, and the
// `token` by which the test itself asks: for tests of tokens.
export async function startOperated(t, { flags = ['--dev'], token = null } = {}) {
  const gate = await startGate();
  t.after(() => gate.close());
  const program = await startProgram('tests/operated', ['--admin-listen', '127.0.0.1:0', ...flags]);
  t.after(() => program.kill('SIGKILL'));
  const admin = await until(
    'the address of the admin API',
    () => /the admin API is at (http:\S+)/.exec(program.log())?.[1],
  );
  const ask = async (path, options) => {
    const headers = token ? { Authorization: `Bearer ${token}` } : {};
    const response = await fetch(admin + path, { headers, ...options });
    const text = await response.text();
    return {
      status: response.status,
      headers: response.headers,
      text,
      body: text.startsWith('{') ? JSON.parse(text) : null,
    };
  };
  return {
    program,
    gate,
    admin,
    ask,
    url: admin,
    run: async (id) => (await ask(`/_sw/runs/${id}`)).body,
    // Resolves to the id of a run that goes on without its client.
    async begin(path, { method = 'GET', body, headers = {} } = {}) {
      await new Promise((done) => setTimeout(done, 2)); // ids of one millisecond are in no order
      const target = program.url + path + (path.includes('?') ? '&' : '?') + `gate=${encodeURIComponent(gate.url)}`;
      const options = { method, headers: { Prefer: 'respond-async', ...headers }, body: body && JSON.stringify(body) };
      if (body) options.headers['Content-Type'] = 'application/json';
      const response = await fetch(target, options);
      assert.equal(response.status, 202, await response.clone().text());
      return response.headers.get('X-Run-Id');
    },
    // Resolves to the id of a run of the function.
    async start(name, input) {
      const options = { method: 'POST', body: JSON.stringify(input) };
      const { status, body, text } = await ask(`/_sw/functions/${name}`, options);
      assert.equal(status, 202, text);
      return body.runId;
    },
    // Resolves to the run when it has asked so many questions.
    asks: (id, count) =>
      until(`${count} questions of ${id}`, async () => {
        const { body } = await ask(`/_sw/runs/${id}`);
        return body?.questions?.length === count && body;
      }),
    inState: (id, state) =>
      until(`${state} of ${id}`, async () => (await ask(`/_sw/runs/${id}`)).body?.state === state),
  };
}

// One browser for all tests of a file. Returns what opens a page of a service's console in it,
// open(t, service, options): the options are those of a browser's context, and `path`.
export function consoleBrowser(defaults, browserOptions) {
  let browser;
  before(async () => {
    browser = await startBrowser(browserOptions);
  });
  after(() => browser?.close());
  return (t, service, options) => openConsole(t, browser, service, { ...defaults, ...options });
}

// A page of the console; at the end nothing was asked of others, and no script has failed.
async function openConsole(t, browser, service, { path = '/', ...options } = {}) {
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ...options });
  t.after(() => context.close());
  context.setDefaultTimeout(PATIENCE_MS);
  const page = await context.newPage();
  const foreign = [],
    errors = [];
  page.on('request', (r) => {
    if (!r.url().startsWith(service.admin) && !r.url().startsWith('blob:')) foreign.push(r.url());
  });
  page.on('pageerror', (e) => errors.push(String(e)));
  page.on('console', (m) => {
    if (/Content Security Policy/.test(m.text())) errors.push(m.text());
  });
  page.on('dialog', (d) => {
    errors.push(`a script has asked: ${d.message()}`);
    d.dismiss();
  });
  t.after(() => {
    assert.deepEqual(foreign, [], 'the page asks nobody but its server');
    assert.deepEqual(errors, []);
  });
  const answer = await page.goto(service.admin + path);
  assert.equal(answer.status(), 200, await answer.text()); // 404: it was built without its console
  await page.waitForSelector('main h1');
  return page;
}
