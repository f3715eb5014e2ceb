// What the agent makes of a model's answers, and how often it asks, counted by the model.
import assert from 'node:assert/strict';
import { mkdtempSync, rmSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { after, before, test } from 'node:test';
import { researchPath } from './agent.mjs';
import { startProgram } from './program.mjs';

const folder = mkdtempSync(join(tmpdir(), 'stepwell-answers-'));
let answers = []; // of the model's next calls; the last stays
let calls = 0;
let agent;

const message = (text, stop_reason = 'end_turn') => ({
  json: { id: 'msg_1', type: 'message', role: 'assistant', content: [{ type: 'text', text }], stop_reason },
});
const questions = JSON.stringify({
  questions: ['a', 'b', 'c'].map((id) => ({ id, question: `What about ${id}?`, options: ['yes', 'no'] })),
});
const queries = JSON.stringify({ queries: [{ query: 'tides', reasoning: 'to know', angle: 'physics' }] });
const stream = (events) => ({ events });
const delta = (text) => ['content_block_delta', { type: 'content_block_delta', delta: { type: 'text_delta', text } }];
const stop = (stop_reason) => ['message_delta', { type: 'message_delta', delta: { stop_reason } }];
const end = ['message_stop', { type: 'message_stop' }];

function answer(res, { status = 200, json, raw, events }) {
  res.statusCode = status;
  if (!events) {
    res.setHeader('content-type', 'application/json');
    return res.end(raw ?? JSON.stringify(json));
  }
  res.setHeader('content-type', 'text/event-stream');
  for (const [name, data] of events)
    res.write(`event: ${name}\ndata: ${typeof data === 'string' ? data : JSON.stringify(data)}\n\n`);
  return res.end();
}

const service = createServer((req, res) => {
  req.resume();
  if (req.url === '/search') return answer(res, { json: { requestId: 'r', results: [] } });
  calls++;
  return answer(res, answers.length > 1 ? answers.shift() : answers[0]);
});

before(async () => {
  await new Promise((done) => service.listen(0, '127.0.0.1', done));
  const url = `http://127.0.0.1:${service.address().port}`;
  agent = await startProgram('research', ['--data', join(folder, 'data'), '--loops', '1', '--redirect-after', '60s',
    '--stopped-answer', '1ms'],
    { ANTHROPIC_BASE_URL: url, EXA_BASE_URL: url, ANTHROPIC_API_KEY: 'k', EXA_API_KEY: 'k' });
});
after(async () => {
  await agent?.stop();
  service.close();
  rmSync(folder, { recursive: true, force: true, maxRetries: 20 });
});

async function ask(path, given) {
  answers = given;
  calls = 0;
  const response = await fetch(agent.url + path);
  return { status: response.status, body: await response.text() };
}

const clarify = '/api/research/clarify?topic=Tidal%20power';
const misfit = JSON.stringify({ questions: [{ id: 'a' }] });

for (const [name, given, times, expected] of [
  ['a good answer', [message(questions)], 1, null],
  ['an answer that is not JSON, then a good one', [message('{"questions":'), message(questions)], 2, null],
  ['answers that are not JSON', [message('{"questions":')], 2, /it is not JSON/],
  ['answers that do not fit', [message(misfit)], 2, /does not fit its schema/],
  ['an answer that was cut off', [message(questions, 'max_tokens')], 1, /cut off/],
  ['a refusal', [message('', 'refusal')], 1, /refused/],
  ['a pause', [message('', 'pause_turn')], 1, /paused/],
  ['a full context', [message('', 'model_context_window_exceeded')], 1, /context window/],
  ['an unknown reason', [message(questions, 'tired')], 1, /tired/],
  ['a page instead of JSON', [{ raw: '<html>' }], 1, /without JSON/],
]) {
  test(`clarify: ${name}`, async () => {
    const { status, body } = await ask(clarify, given);
    assert.equal(calls, times, body);
    assert.equal(status, expected ? 500 : 200, body);
    if (expected) assert.match(body, expected);
  });
}

for (const [name, given, times, expected] of [
  ['a good report', [stream([delta('# Tides'), stop('end_turn'), end])], 1, null],
  [
    'an empty report, then a good one',
    [stream([stop('end_turn'), end]), stream([delta('# Tides'), stop('end_turn'), end])],
    2,
    null,
  ],
  ['empty reports', [stream([stop('end_turn'), end])], 2, /wrote nothing/],
  ['a report that was cut off', [stream([delta('# Tides'), stop('max_tokens'), end])], 1, /cut off/],
  ['a report that was refused', [stream([stop('refusal'), end])], 1, /refused/],
  ['streams that are not JSON', [stream([['content_block_delta', '{"type":']])], 2, /stream is not JSON/],
]) {
  test(`report: ${name}`, async () => {
    const path = researchPath({ topic: 'Tidal power', depth: 1, breadth: 1 });
    const { status, body } = await ask(path, [message(queries), ...given]);
    assert.equal(calls, times + 1, body);
    assert.equal(status, expected ? 500 : 200, body);
    if (expected) assert.match(body, expected);
  });
}

/* Somebody may mend what the service refuses: the research stands, and whoever waits is told why. */
test('report: a refused request', async () => {
  const path = researchPath({ topic: 'Tidal power', depth: 1, breadth: 1 });
  const { status, body } = await ask(path, [
    message(queries),
    { status: 400, json: { error: { message: 'the reason' } } },
  ]);
  assert.ok(calls > 2, body);
  assert.equal(status, 503, body);
  assert.match(body, /the reason/);
});
