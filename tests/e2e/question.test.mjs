// The page by which a person answers a question of a run, in a real browser: what decides and what does not, once; what
// it shows of texts that others have written; how it looks, and that keys are enough.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { look } from './looks.mjs';
import { open, overflow, shot, startBrowser } from './page_browser.mjs';
import { adminOnPublic, PATIENCE_MS, startProgram, until } from './program.mjs';

let browser, program;
const startAsking = (...flags) => startProgram('tests/asking', ['--dev', '--data', 'data', ...adminOnPublic, ...flags]);
before(async () => {
  browser = await startBrowser({ windowless: true });
  program = await startAsking();
});
after(async () => {
  await browser?.close();
  await program?.kill();
});

const json = async (url, options) => (await fetch(url, options)).json();
const asJson = (body) => ({
  method: 'POST',
  headers: { 'Content-Type': 'application/json' },
  body: JSON.stringify(body),
});
const choices = ['approve', 'refuse', 'ask me later'];

// A run that asks, with the path of its link. Its `result` is what it answers in the end.
async function ask(question, of = program) {
  const options = asJson(question);
  options.headers.Prefer = 'respond-async';
  const { runId, outputUrl } = await json(`${of.url}/ask`, options);
  const detail = () => json(`${of.url}/_sw/runs/${runId}`);
  const mailed = new RegExp(`^mailed ${runId} (\\S+)$`, 'm');
  const [, link] = await until(`the link of ${runId}`, async () => mailed.exec(of.log()));
  assert.ok(link.startsWith(of.url), link);
  const state = async () => (await detail()).questions[0].state;
  const answer = (body) => json(link, asJson(body));
  return { runId, link, path: link.slice(of.url.length), state, answer, result: () => json(outputUrl) };
}

const openPage = (t, asked, options) => open(t, browser, program, { path: asked.path, ...options });
const note = (page) => page.textContent('.note');

test('looking decides nothing, nor do scanners that post', async (t) => {
  const asked = await ask({ text: 'May we pay 90?', choices });
  const form = 'application/x-www-form-urlencoded';
  const posts = [
    { method: 'POST' },
    { method: 'POST', body: 'answer=approve' },
    { method: 'POST', body: new URLSearchParams({ answer: 'approve' }) },
    { method: 'POST', body: new URLSearchParams({ answer: 'approve', form: '' }) },
    { method: 'POST', body: new URLSearchParams({ answer: 'approve', form: '1900000000.AAAA' }) },
    { method: 'POST', headers: { 'Content-Type': form }, body: '"approve"' },
    { method: 'POST', headers: { 'Content-Type': 'text/html' }, body: '<button value="approve">' },
  ];
  for (let times = 0; times < 3; times++) {
    for (const method of ['GET', 'HEAD', 'OPTIONS']) assert.ok((await fetch(asked.link, { method })).ok, method);
    for (const post of posts) {
      const response = await fetch(asked.link, post);
      assert.equal(response.status, 400, JSON.stringify(post));
      assert.match(await response.text(), /<form method="post">/, 'the question is asked once more');
    }
  }
  const page = await openPage(t, asked);
  await page.hover('text=approve');
  await page.reload();
  assert.equal(await asked.state(), 'open');
  await page.click('text=approve');
  assert.match(await note(page), /has been taken: approve/);
  assert.equal(await asked.result(), 'approve');
});

test('the first click counts, and every later one is told so', async (t) => {
  const asked = await ask({ text: 'May we pay 90?', choices });
  const [one, other] = [await openPage(t, asked), await openPage(t, asked)];
  await one.dblclick('text=approve');
  await one.waitForSelector('.note');
  assert.match(await note(one), /has been (taken|answered): approve/);
  await other.click('text=refuse');
  await other.waitForSelector('.note');
  assert.match(await note(other), /has been answered: approve/);
  assert.equal(await asked.result(), 'approve');
  await other.reload(); // posts the form once more
  assert.match(await note(other), /has been answered: approve/);
  await one.goBack();
  await one.waitForSelector('.note'); // nothing of the form was kept
  assert.equal(await one.locator('form').count(), 0);
  assert.deepEqual(await asked.answer('refuse'), { runId: asked.runId, status: 'decided', decision: 'approve' });
});

test('two people in one moment get one decision', async (t) => {
  const asked = await ask({ choices });
  const pages = await Promise.all(choices.map(() => openPage(t, asked)));
  await Promise.all(pages.map((page, i) => page.click(`text=${choices[i]}`)));
  const told = await Promise.all(pages.map((page) => page.textContent('.note strong')));
  assert.deepEqual(told, Array(3).fill(await asked.result()));
});

test('a text is an answer where there are no choices', async (t) => {
  const asked = await ask({ text: 'What is to be changed?' });
  const page = await openPage(t, asked);
  await page.click('button');
  assert.equal(await asked.state(), 'open', 'an empty field is not sent');
  await page.getByLabel('Your answer').fill('two\nlines, <b>ä</b> & "more"');
  await page.click('button');
  assert.equal(await page.textContent('.note strong'), 'two\nlines, <b>ä</b> & "more"');
  assert.equal(await asked.result(), 'two\nlines, <b>ä</b> & "more"');
});

test('what was typed is not lost when it is refused, and is no markup', async (t) => {
  const full = await startAsking('--signals-max', '1', '--signal-max', '100');
  t.after(() => full.kill());
  const asked = await ask({ text: 'What is to be changed?' }, full), found = [];
  const page = await open(t, browser, full, { path: asked.path, bypassCSP: true });
  const typed = '\n  two\nlines </textarea><script>window.hacked = 1</script> &amp;';
  const field = page.getByLabel('Your answer');
  const isRefused = async (text, why) => {
    await field.fill(text);
    await Promise.all([page.waitForNavigation(), page.click('button')]);
    assert.match(await note(page), why);
    assert.equal(await field.inputValue(), text);
    assert.equal(await page.evaluate(() => window.hacked), undefined);
  };
  await isRefused('x'.repeat(101), /too long|longer|at most/);
  await look(page, 'question-refused', found);
  const other = await fetch(`${full.url}/_sw/runs/${asked.runId}/signals/other`, asJson(1));
  assert.equal(other.status, 202);
  await isRefused(typed, /send it again later/);
  assert.equal(await asked.state(), 'open');
  assert.deepEqual(found, []);
});

test('what comes too late is told so', async (t) => {
  const asked = await ask({ text: 'Now or never?', choices, timeout: 1 });
  const over = await until('the end of the time', async () => {
    const response = await fetch(asked.link);
    return response.status === 410 && response.text();
  });
  assert.match(over, /the time for an answer is over/);
  const page = await openPage(t, asked);
  assert.match(await note(page), /the time for an answer is over/);
  assert.equal(await page.locator('form').count(), 0);
  assert.equal((await asked.answer('approve')).status, 409);
  assert.equal((await fetch(`${program.url}/_sw/runs/${asked.runId}/signals/end`, asJson(1))).status, 202);
  assert.equal(await asked.result(), null);
  await page.reload();
  assert.match(await note(page), /the run has ended/);
  const wrong = await openPage(t, { path: asked.path.slice(0, -3) });
  assert.match(await note(wrong), /not valid/);
});

const hostile = `<img src=x onerror="window.hacked=1"></p><script>window.hacked=1</script>'"& <b>\u202e`;

test('what models and strangers have written is text, and no script runs', async (t) => {
  const asked = await ask({ text: hostile, choices: [hostile, 'approve', `"><script>window.hacked=1</script>`] });
  const page = await openPage(t, asked);
  assert.equal(await page.textContent('.text'), hostile);
  assert.equal(await page.locator('button').first().textContent(), hostile);
  assert.equal(await page.locator('script, img, b, [onerror]').count(), 0);
  await page.locator('button').first().click();
  assert.equal(await page.textContent('.note strong'), hostile);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.equal(await asked.result(), hostile);
});

test('the policy of the page lets nothing in', async (t) => {
  const asked = await ask({ text: 'May we pay 90?', choices });
  const response = await fetch(asked.link);
  const policy = response.headers.get('Content-Security-Policy');
  for (const part of ["default-src 'none'", "form-action 'self'", "base-uri 'none'", "frame-ancestors 'none'"])
    assert.ok(policy.includes(part), policy);
  assert.equal(response.headers.get('Referrer-Policy'), 'no-referrer');
  assert.equal(response.headers.get('Cache-Control'), 'no-store');
  const context = await browser.newContext();
  context.setDefaultTimeout(PATIENCE_MS);
  t.after(() => context.close());
  const page = await context.newPage(), refused = [];
  page.on('console', (m) => refused.push(m.text()));
  await page.goto(asked.link);
  await page.evaluate(() => {
    const script = document.createElement('script');
    script.textContent = 'window.hacked = 1';
    const style = document.createElement('style');
    style.textContent = 'main { display: none }';
    document.body.append(script, style);
  });
  await until('two refusals', () => refused.filter((text) => /Content Security Policy/.test(text)).length >= 2);
  assert.equal(await page.evaluate(() => window.hacked), undefined);
  assert.ok(await page.isVisible('main'));
  await page.goto(`${program.url}/_sw/health`); // of one origin with the page: that does not help
  await page.evaluate((src) => {
    document.body.append(Object.assign(document.createElement('iframe'), { src }));
  }, asked.link);
  await until('no frame', () => refused.some((text) => /frame-ancestors/.test(text)));
});

// What has the focus shows it.
const focused = (page) =>
  page.evaluate(() => {
    const at = document.activeElement;
    return { text: at.textContent || at.tagName, outline: Number.parseFloat(getComputedStyle(at).outlineWidth) };
  });

test('keys alone are enough', async (t) => {
  const chosen = await ask({ text: 'May we pay 90?', choices });
  const page = await openPage(t, chosen);
  for (const text of choices) {
    await page.keyboard.press('Tab');
    const at = await focused(page);
    assert.equal(at.text, text);
    assert.ok(at.outline >= 2, JSON.stringify(at));
  }
  await page.keyboard.press('Shift+Tab');
  await page.keyboard.press('Enter');
  await page.waitForSelector('.note');
  assert.equal(await chosen.result(), 'refuse');

  const free = await ask({ text: 'What is to be changed?' });
  const other = await openPage(t, free);
  await other.keyboard.press('Tab');
  assert.ok((await focused(other)).outline >= 2);
  await other.keyboard.type('the first line');
  await other.keyboard.press('Tab');
  await other.keyboard.press('Space');
  await other.waitForSelector('.note');
  assert.equal(await free.result(), 'the first line');
});

test('a page that is as long as it may be fits a phone', async (t) => {
  const many = Array.from({ length: 32 }, (_, i) => String(i).padStart(3, '0') + 'x'.repeat(253));
  const asked = await ask({ text: 'y'.repeat(16384), choices: many });
  const page = await openPage(t, asked, { viewport: { width: 375, height: 667 } });
  await shot(page, 'question-long');
  assert.equal(await overflow(page), 0);
  for (const box of await Promise.all((await page.locator('button').all()).map((b) => b.boundingBox())))
    assert.ok(box.x >= 0 && box.x + box.width <= 375 && box.height >= 44, JSON.stringify(box));
  await page.click('text=031x');
  assert.equal(await page.textContent('.note strong'), many[31]);
  assert.equal(await overflow(page), 0);
  assert.equal(await asked.result(), many[31]);
});

test('every state of the page, in each of the ways it is looked at', async (t) => {
  const text = 'ann@example.com shall get 19.99 back: The lamp came broken.\n\nThe letter:\n\nWe are sorry.';
  const found = [];
  // axe is put into the page by the test, past the policy that keeps scripts out.
  const options = { bypassCSP: true };
  const asked = await ask({ text, choices });
  const page = await openPage(t, asked, options);
  await look(page, 'question-asks', found);
  const stranger = await page.evaluate(() => {
    document.querySelector('[name=form]').value = 'x';
    document.querySelector('button').click();
    return true;
  });
  assert.ok(stranger);
  await page.waitForSelector('.note');
  await look(page, 'question-again', found);
  await page.click('text=approve');
  await page.waitForSelector('.note strong');
  await look(page, 'question-taken', found);
  await page.reload();
  await look(page, 'question-answered', found);
  const free = await openPage(t, await ask({ text: 'What is to be changed in the letter?' }), options);
  await look(free, 'question-text', found);
  await free.goto(asked.link.slice(0, -3));
  await look(free, 'question-invalid', found);
  const late = await ask({ text, choices, timeout: 1 });
  await until('the end of the time', async () => (await fetch(late.link)).status === 410);
  await free.goto(late.link);
  await look(free, 'question-over', found);
  assert.deepEqual(found, []);
});
