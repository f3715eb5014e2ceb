// What the tests of the official clients against the simulator share: a client of each kind, and what they ask.
import assert from 'node:assert/strict';

import Anthropic from '@anthropic-ai/sdk';
import { Exa } from 'exa-js';
import OpenAI from 'openai';

import { startProgram } from './program.mjs';

export const MODEL = 'claude-sonnet-5-5';

export const anthropicAt = (url, options = {}) =>
  new Anthropic({ apiKey: 'test-key', baseURL: url, maxRetries: 0, ...options });
export const openaiAt = (url, options = {}) =>
  new OpenAI({ apiKey: 'test-key', baseURL: `${url}/v1`, maxRetries: 0, ...options });
export const exaAt = (url, key = 'test-key') => new Exa(key, url);

export const callsOf = async (url) => (await fetch(`${url}/_sim/calls`)).json();
export const forgetCalls = async (url) =>
  assert.equal((await fetch(`${url}/_sim/calls`, { method: 'DELETE' })).status, 204);

export const ask = (content, more = {}) => ({
  model: MODEL,
  max_tokens: 4096,
  messages: [{ role: 'user', content }],
  ...more,
});

export const QUERIES_SCHEMA = {
  type: 'object',
  properties: {
    queries: {
      type: 'array',
      minItems: 4,
      maxItems: 4,
      items: {
        type: 'object',
        properties: { query: { type: 'string' }, reasoning: { type: 'string' }, angle: { type: 'string' } },
        required: ['query', 'reasoning', 'angle'],
        additionalProperties: false,
      },
    },
  },
  required: ['queries'],
  additionalProperties: false,
};

export const structured = (content, schema, more = {}) =>
  ask(content, { output_config: { format: { type: 'json_schema', schema } }, ...more });

export const textOf = (message) => message.content.filter((b) => b.type === 'text').map((b) => b.text).join('');

// Runs `body` against a program of its own, started with `args`.
export async function withUpstream(args, body) {
  const upstream = await startProgram('upstream', args);
  try {
    await body(upstream.url);
  } finally {
    assert.deepEqual(await upstream.stop(), { code: 0, signal: null }, upstream.log());
  }
}
