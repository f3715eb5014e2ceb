// apps/upstream speaks as OpenAI's service if the official client cannot tell: it is used unmodified, only its base URL
// is ours.
import assert from 'node:assert/strict';
import { after, before, describe, test } from 'node:test';

import OpenAI from 'openai';

import { startProgram } from './program.mjs';
import { QUERIES_SCHEMA, openaiAt, structured, withUpstream } from './sdks.mjs';

describe('the OpenAI client', () => {
  let upstream, client;
  const say = (content, more = {}) => ({
    model: 'local-model',
    messages: [
      { role: 'system', content: 'Be short.' },
      { role: 'user', content },
    ],
    ...more,
  });
  const shaped = (content, schema, more = {}) =>
    say(content, {
      response_format: { type: 'json_schema', json_schema: { name: 'answer', strict: true, schema } },
      ...more,
    });
  const strict = structuredClone(QUERIES_SCHEMA);
  before(async () => {
    upstream = await startProgram('upstream');
    client = openaiAt(upstream.url);
  });
  after(async () => {
    if (upstream) assert.deepEqual(await upstream.stop(), { code: 0, signal: null }, upstream.log());
  });

  test('gets a completion', async () => {
    const { data, request_id } = await client.chat.completions.create(say('Topic: lighthouses')).withResponse();
    assert.match(request_id, /^req_/);
    assert.equal(data.object, 'chat.completion');
    assert.equal(data.model, 'local-model');
    assert.match(data.choices[0].message.content, /lighthouses/);
    assert.equal(data.choices[0].finish_reason, 'stop');
    assert.equal(data.choices[0].message.refusal, null);
    assert.equal(data.usage.total_tokens, data.usage.prompt_tokens + data.usage.completion_tokens);
    assert.ok(data.usage.completion_tokens > 3 && data.usage.prompt_tokens > 3);
  });

  test('accumulates a stream, with its usage when that is asked for', async () => {
    const asked = say('Write a report.\nTopic: windmills');
    const whole = await client.chat.completions.create(asked);
    const stream = await client.chat.completions.create({
      ...asked,
      stream: true,
      stream_options: { include_usage: true },
    });
    const chunks = [];
    for await (const chunk of stream) chunks.push(chunk);
    assert.equal(chunks[0].choices[0].delta.role, 'assistant');
    const text = chunks.map((chunk) => chunk.choices[0]?.delta.content ?? '').join('');
    assert.ok(text.length > 500);
    assert.equal(chunks.at(-2).choices[0].finish_reason, 'stop');
    assert.deepEqual(chunks.at(-1).choices, []);
    assert.equal(chunks.at(-1).usage.completion_tokens, chunks.length - 3);
    assert.ok(chunks.slice(0, -1).every((chunk) => chunk.usage === null));
    const plain = [];
    for await (const chunk of await client.chat.completions.create({ ...asked, stream: true })) plain.push(chunk);
    assert.ok(plain.every((chunk) => !('usage' in chunk)));
    assert.equal(plain.at(-1).choices[0].finish_reason, 'stop');
    assert.ok(whole.choices[0].message.content.length > 500);
    const summed = await client.chat.completions.stream(asked).finalMessage();
    assert.ok(summed.content.length > 500);
  });

  test('gives structured output that fits a strict schema', async () => {
    const answer = await client.chat.completions.create(shaped('Topic: peat bogs', strict));
    const { queries } = JSON.parse(answer.choices[0].message.content);
    assert.equal(queries.length, 4);
    assert.ok(queries.every((q) => /peat bogs/.test(q.query)));
  });

  test('stops at the limit, under both of its names', async () => {
    for (const name of ['max_tokens', 'max_completion_tokens']) {
      const answer = await client.chat.completions.create(say('Topic: dunes', { [name]: 5 }));
      assert.equal(answer.choices[0].finish_reason, 'length');
      assert.equal(answer.usage.completion_tokens, 5);
    }
  });

  test('lists the models', async () => {
    const ids = [];
    for await (const model of client.models.list()) ids.push(model.id);
    assert.ok(ids.includes('local-model'));
  });

  const lax = structuredClone(strict);
  delete lax.properties.queries.items.additionalProperties;
  const optional = structuredClone(strict);
  optional.properties.queries.items.required.pop();
  const refusals = [
    [
      'an unknown model',
      () => say('x', { model: 'nonesuch' }),
      OpenAI.NotFoundError,
      404,
      'model_not_found',
      /nonesuch/,
    ],
    [
      'no messages',
      () => ({ model: 'local-model' }),
      OpenAI.BadRequestError,
      400,
      'missing_required_parameter',
      /messages/,
    ],
    [
      'a wrong role',
      () => say('x', { messages: [{ role: 'robot', content: 'x' }] }),
      OpenAI.BadRequestError,
      400,
      'invalid_value',
      /messages\[0\]\.role/,
    ],
    [
      'a wrong content',
      () => say('x', { messages: [{ role: 'user', content: 7 }] }),
      OpenAI.BadRequestError,
      400,
      'invalid_type',
      /messages\[0\]\.content/,
    ],
    [
      'an unknown parameter',
      () => say('x', { loudness: 3 }),
      OpenAI.BadRequestError,
      400,
      'unknown_parameter',
      /loudness/,
    ],
    [
      'a limit of 0',
      () => say('x', { max_tokens: 0 }),
      OpenAI.BadRequestError,
      400,
      'integer_below_min_value',
      /max_tokens/,
    ],
    [
      'options of a stream without one',
      () => say('x', { stream_options: { include_usage: true } }),
      OpenAI.BadRequestError,
      400,
      null,
      /stream_options/,
    ],
    [
      'a schema without a name',
      () => say('x', { response_format: { type: 'json_schema', json_schema: { schema: strict } } }),
      OpenAI.BadRequestError,
      400,
      'missing_required_parameter',
      /name/,
    ],
    [
      'a strict schema that allows more',
      () => shaped('x', lax),
      OpenAI.BadRequestError,
      400,
      null,
      /additionalProperties/,
    ],
    [
      'a strict schema with an optional member',
      () => shaped('x', optional),
      OpenAI.BadRequestError,
      400,
      null,
      /required/,
    ],
  ];
  for (const [what, request, kind, status, code, message] of refusals)
    test(`is refused ${what}`, () => assert.rejects(client.chat.completions.create(request()), (error) => {
      assert.ok(error instanceof kind, String(error));
      assert.deepEqual([error.status, error.code], [status, code]);
      assert.match(error.message, message);
      return true;
    }));

  test('is refused with a wrong key', () =>
    assert.rejects(
      openaiAt(upstream.url, { apiKey: 'invalid' }).chat.completions.create(say('x')),
      OpenAI.AuthenticationError,
    ));

  test('sees faults as errors', async () => {
    const fails =
      (kind, status, of = {}) =>
      (url) =>
        assert.rejects(
          openaiAt(url).chat.completions.create(say('x', of)),
          (error) => error instanceof kind && error.status === status,
        );
    await withUpstream(['--error-rate', '1'], fails(OpenAI.InternalServerError, 500));
    await withUpstream(['--overload-rate', '1'], fails(OpenAI.InternalServerError, 503));
    await withUpstream(['--cut-rate', '1'], (url) => assert.rejects(openaiAt(url).chat.completions.create(say('x'))));
    await withUpstream(['--stream-error-rate', '1'], async (url) => {
      const pieces = [];
      await assert.rejects(async () => {
        for await (const chunk of await openaiAt(url).chat.completions.create(say('x', { stream: true })))
          pieces.push(chunk);
      }, OpenAI.APIError);
      assert.ok(pieces.length > 1);
    });
    await withUpstream(['--rate-limit', '0.1'], async (url) => {
      await openaiAt(url).chat.completions.create(say('first'));
      await assert.rejects(openaiAt(url).chat.completions.create(say('second')), (error) => {
        assert.ok(error instanceof OpenAI.RateLimitError);
        assert.equal(error.code, 'rate_limit_exceeded');
        return Number(error.headers.get('retry-after')) >= 1;
      });
    });
  });

  test('is refused an answer by the model, or by the filter', () =>
    withUpstream(['--refusal-rate', '1'], async (url) => {
      const ways = new Set();
      for (let i = 0; i < 12; i++) {
        const { message, finish_reason } = (await openaiAt(url).chat.completions.create(say(`Topic: ${i}`))).choices[0];
        ways.add(`${finish_reason}, ${message.refusal ? 'refused' : 'silent'}`);
      }
      assert.deepEqual([...ways].sort(), ['content_filter, silent', 'stop, refused']);
    }));
});
