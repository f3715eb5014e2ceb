// The service behind haproxy with the configuration of docs/operations.md; script/proxies has the long form, and other
// proxies.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { chain, kill, leaving, prove, questions, streams } from './proxy_properties.mjs';

for (const [name, property] of [
  ['303 to absolute URLs that lead to the answer; the rest of /_sw/ is closed', chain],
  ['a stream comes frame by frame', streams],
  ['the link of a question: its page, its form, JSON', questions],
  ['kill -9 of the worker with 50 clients waiting: every answer exact', kill],
  ['a client that leaves is noticed', leaving],
])
  test(name, async () => assert.equal(await prove(property, 'haproxy'), 'ok'));
