// The research agent against its simulator: what a client gets, how often each call was made, and what kills change.
import assert from 'node:assert/strict';
import { after, before, test } from 'node:test';
import { framesOf, researchPath, sleep, startAgent } from './agent.mjs';

const byHash = (calls) => Map.groupBy(calls, (c) => c.hash);

function checkReport(body, topic) {
  assert.equal(body.success, true);
  assert.equal(body.topic, topic);
  assert.match(body.report, /^# /m);
  assert.match(body.report, /## References/);
  assert.match(body.report, /\[1\]/);
  assert.ok(body.sources.length >= 3);
  assert.equal(new Set(body.sources.map((s) => s.url)).size, body.sources.length, 'no URL twice');
  assert.ok(body.learnings.length >= 3 && body.learnings.every((l) => l.insight && l.sourceRationale && l.connection));
  assert.ok(body.queries.length >= 2 && body.queries.every((q) => q.query));
}

test('the answer takes the critical path of its calls, not their sum', async (t) => {
  const agent = await startAgent(['--latency-ms', '400']); // much more than the agent itself takes, on any machine
  t.after(() => agent.stop());
  const response = await fetch(
    agent.url + researchPath({ topic: 'Tidal power', depth: 2, breadth: 3, researchId: 'mine' }),
  );
  assert.equal(response.status, 200);
  const body = await response.json();
  checkReport(body, 'Tidal power');
  assert.equal(body.researchId, 'mine');
  const calls = await agent.calls();
  const searches = calls.filter((c) => c.endpoint === '/search');
  assert.ok(searches.length >= 6);
  const overlapping = calls.filter((a) =>
    calls.some((b) => b !== a && b.receivedMs < a.answeredMs && a.receivedMs < b.answeredMs),
  );
  assert.ok(overlapping.length >= calls.length - 3, `${overlapping.length} of ${calls.length} calls overlap others`);
  const span = Math.max(...calls.map((c) => c.answeredMs)) - calls[0].receivedMs;
  const sum = calls.reduce((n, c) => n + c.answeredMs - c.receivedMs, 0);
  assert.ok(span < sum / 2, `span ${span} ms, sum ${sum} ms`);
  assert.ok([...byHash(calls).values()].every((same) => same.length === 1), 'no call twice');
});

test('operators find a research, and see how far it is and what it has used', async (t) => {
  const agent = await startAgent(['--latency-ms', '5']);
  t.after(() => agent.stop());
  const topic = `Tidal power in the Bay of Fundy: ${'ü'.repeat(40)}\nand more`;
  const response = await fetch(agent.url + researchPath({ topic, depth: 2, breadth: 2 }));
  const { usage, queries } = await response.json();
  const { labels, status, usage: told, entries } = await agent.run(response.headers.get('x-run-id'));
  assert.equal(labels.depth, '2');
  assert.ok(topic.startsWith(labels.topic) && Buffer.byteLength(labels.topic) >= 63, labels.topic);
  assert.deepEqual(status, { phase: 'ended' });
  const { inputTokens, outputTokens } = usage;
  assert.deepEqual(told, { inputTokens, outputTokens, units: queries.length });
  assert.ok(inputTokens > 0 && outputTokens > 0);
  const models = new Set(entries.filter(({ kind }) => kind === 'usage').map(({ model }) => model));
  assert.equal(models.size, 2, 'the language model and the search service');
});

// The response of a research that has succeeded, and its topic; no calls but its own are known then. Which calls fail
// is drawn from what they ask, which names today's date; an answer that is of no use twice fails a research.
async function succeeded(agent, parameters) {
  for (let i = 0; ; i++) {
    const topic = `Heat pumps ${i}`;
    await agent.forgetCalls();
    const response = await fetch(agent.url + researchPath({ topic, ...parameters }));
    if (response.status === 200) return { response, topic };
    assert.ok(i < 20, await response.text());
  }
}

test('usage counts also what a failed attempt was told', async (t) => {
  const agent = await startAgent(['--latency-ms', '5', '--cut-rate', '0.4', '--malformed-rate', '0.3']);
  t.after(() => agent.stop());
  const { response } = await succeeded(agent, { depth: 2, breadth: 3 });
  const { usage } = await response.json();
  const { usage: told } = await agent.run(response.headers.get('x-run-id'));
  const calls = (await agent.calls()).filter((c) => c.endpoint !== '/search');
  assert.ok(told.inputTokens >= usage.inputTokens, `${told.inputTokens} of ${usage.inputTokens}`);
  assert.ok(calls.length > usage.modelCalls, 'some were made again');
  assert.ok(told.outputTokens >= usage.outputTokens);
});

test('overload and rate limits cost retries of single steps, never the answer', async (t) => {
  const agent = await startAgent([
    '--latency-ms',
    '10',
    '--overload-rate',
    '0.5',
    '--rate-limit',
    '2',
    '--malformed-rate',
    '0.1',
    '--cut-rate',
    '0.05',
  ]);
  t.after(() => agent.stop());
  const { response, topic } = await succeeded(agent, { depth: 1, breadth: 3 });
  checkReport(await response.json(), topic);
  const calls = await agent.calls();
  for (const outcome of ['overloaded', 'rate_limited'])
    assert.ok(
      calls.some((c) => c.outcome === outcome),
      `some were ${outcome}`,
    );
  for (const [hash, same] of byHash(calls)) {
    assert.equal(same.filter((c) => c.outcome === 'ok').length, 1, `one success of ${hash}`);
    assert.equal(same.at(-1).outcome, 'ok', 'nothing is called after its success');
    same.forEach((c, i) => {
      if (c.outcome !== 'rate_limited') return;
      // Its Retry-After is at least the next whole second.
      assert.ok(
        same[i + 1].receivedMs - c.answeredMs >= 999,
        `came back after ${same[i + 1].receivedMs - c.answeredMs} ms`,
      );
    });
  }
});

test('a refusal fails the run at once, with the step that was refused', async (t) => {
  const agent = await startAgent(['--refusal-rate', '1']);
  t.after(() => agent.stop());
  const response = await fetch(agent.url + researchPath({ topic: 'x' }));
  assert.equal(response.status, 500);
  assert.equal(response.headers.get('content-type'), 'application/problem+json');
  const problem = await response.json();
  assert.equal(problem.step, 'generate-queries');
  assert.equal(problem.attempts, 1);
  assert.match(problem.detail, /refused/);
  assert.equal(problem.runId.length, 26);
});

test('injected failures are retried', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const response = await fetch(
    agent.url + researchPath({ topic: 'x', depth: 1, breadth: 2, injectFailure: 'search', failureRate: 1 }),
  );
  assert.equal(response.status, 200);
  const run = await agent.run(response.headers.get('x-run-id') ?? response.url.split('/')[5]);
  assert.equal(run.failedAttempts, 6, 'three attempts of each of two searches fail on purpose');
});

test('wrong parameters are told apart, without a run that fails', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const kanji = '漢'.repeat(1000);
  const wrong = [
    [{}, /topic is missing/],
    [{ topic: '  ' }, /topic is missing/],
    [{ topic: 'x', depth: 0 }, /depth.*1 to 5/],
    [{ topic: 'x', depth: 6 }, /depth/],
    [{ topic: 'x', depth: 'two' }, /depth/],
    [{ topic: 'x', breadth: 11 }, /breadth.*1 to 10/],
    [{ topic: 'x', clarifications: '{"a":' }, /clarifications is not JSON: line 1/],
    [{ topic: 'x', clarifications: '3' }, /object/],
    [{ topic: 'x', failureRate: 2 }, /failureRate/],
    [{ topic: 'x', injectFailure: 'all' }, /injectFailure/],
    [{ topic: 'x'.repeat(2001) }, /longer than 2000 characters/],
    [{ topic: 'x', queries: '[' }, /queries is not JSON/],
    [{ topic: 'x', queries: '"one"' }, /queries must be/],
    [{ topic: 'x', queries: '[]' }, /1 to 10/],
    [{ topic: 'x', queries: '{}' }, /1 to 10/],
    [{ topic: 'x', clarifications: '["a"]' }, /object/],
    [{ topic: 'x', queries: '[""]' }, /a query is empty/],
    [{ topic: 'x', clarifications: JSON.stringify({ why: kanji.repeat(9) }) }, /clarifications is longer/],
    [{ topic: 'x', researchId: 'x'.repeat(201) }, /researchId/],
  ];
  const posted = [
    ['', /not JSON/],
    ['[]', /must be a JSON object/],
    [{ topic: 3 }, /topic must be text/],
    [{ topic: 'x', depth: '2x' }, /depth/],
    [{ topic: 'x', depth: 1.5 }, /depth/],
    [{ topic: 'x', dept: 1 }, /"dept" is no parameter/],
    [{ topic: 'x', queries: 'a' }, /queries must be/],
    [{ topic: 'x', queries: [] }, /1 to 10/],
    [{ topic: 'x', queries: Array(11).fill('q') }, /1 to 10/],
    [{ topic: 'x', queries: ['漢'.repeat(401)] }, /400 characters/],
    [{ topic: 'x', queries: [{ query: 'q', reasoning: 1 }] }, /reasoning/],
    [{ topic: 'x', clarifications: 'no' }, /clarifications must be/],
    ...[5, false, [], ['a'], ''].map((clarifications) => [
      { topic: 'x', clarifications },
      /clarifications must be a JSON object/,
    ]),
    ...[false, 0, {}, ''].map((queries) => [{ topic: 'x', queries }, /1 to 10/]),
  ];
  const refused = async (response, message) => {
    assert.equal(response.status, 400);
    assert.match((await response.json()).error, message);
  };
  const post = (path, body) =>
    fetch(agent.url + path, { method: 'POST', body: typeof body === 'string' ? body : JSON.stringify(body) });
  for (const [parameters, message] of wrong) {
    if (!JSON.stringify(parameters).includes(kanji))
      await refused(await fetch(agent.url + researchPath(parameters)), message);
    else
      await refused(
        await post('/api/research', { ...parameters, clarifications: JSON.parse(parameters.clarifications) }),
        message,
      );
  }
  for (const [body, message] of posted) await refused(await post('/api/research', body), message);
  await refused(await fetch(`${agent.url}/api/research?topic=%ff`), /not UTF-8/);
  await refused(await post('/api/research/clarify', { topic: 'x', depth: 1 }), /"depth" is no parameter: topic$/);
  await refused(await post('/api/research/plan', { topic: 'x', queries: ['q'] }), /no parameter/);
  assert.equal((await fetch(`${agent.url}/api/research/clarify`)).status, 400);
  assert.equal((await agent.calls()).length, 0);
});

test('a topic is measured in characters, and a POST asks the same as a GET', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const topic = '漢'.repeat(2000);
  const response = await fetch(`${agent.url}/api/research`, {
    method: 'POST',
    body: JSON.stringify({ topic, depth: 1, breadth: 1, researchId: 'mine' }),
  });
  assert.equal(response.status, 200, await response.clone().text());
  const body = await response.json();
  assert.equal(body.topic, topic);
  assert.equal(body.researchId, 'mine');
  const parameters = { topic: 'Same', depth: 2, breadth: 2, clarifications: { who: 'me' }, researchId: 'r' };
  const got = await (
    await fetch(agent.url + researchPath({ ...parameters, clarifications: JSON.stringify(parameters.clarifications) }))
  ).json();
  const posted = await (
    await fetch(`${agent.url}/api/research`, { method: 'POST', body: JSON.stringify(parameters) })
  ).json();
  assert.deepEqual(posted, got);
});

test('a plan is edited, and the research follows it', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const plan = await (await fetch(`${agent.url}/api/research/plan?topic=Salt&breadth=3&depth=2`)).json();
  assert.equal(plan.queries.length, 3);
  assert.ok(plan.queries.every((q) => q.query && q.reasoning && q.angle));
  assert.deepEqual(plan.most, { searches: 9, modelCalls: 10 });
  const queries = [plan.queries[2], 'salt in old kitchens', plan.queries[2].query];
  await agent.forgetCalls();
  const body = await (
    await fetch(`${agent.url}/api/research`, {
      method: 'POST',
      body: JSON.stringify({ topic: 'Salt', depth: 1, queries }),
    })
  ).json();
  assert.deepEqual(
    body.queries.map((q) => [q.id, q.query]),
    [
      ['1.1', plan.queries[2].query],
      ['1.2', 'salt in old kitchens'],
    ],
    'in their order, none twice',
  );
  assert.equal(body.queries[0].reasoning, plan.queries[2].reasoning);
  assert.deepEqual((await agent.calls()).filter((c) => c.label.startsWith('queries')), [], 'no model chose queries');
  const asJson = await (
    await fetch(agent.url + researchPath({ topic: 'Salt', depth: 1, queries: JSON.stringify(queries) }))
  ).json();
  assert.deepEqual(asJson.report, body.report);
});

test('limits and defaults are told, and are those of a request without them', async (t) => {
  const agent = await startAgent([], [], { env: () => ({ MODEL_PRICE_INPUT: '3', MODEL_PRICE_OUTPUT: '15' }) });
  t.after(() => agent.stop());
  const about = await (await fetch(`${agent.url}/api/research/about`)).json();
  assert.equal(about.provider, 'anthropic');
  assert.deepEqual(about.prices, { input: 3, output: 15 });
  const plan = await (await fetch(`${agent.url}/api/research/plan?topic=x`)).json();
  assert.equal(plan.depth, about.depth.default);
  assert.equal(plan.breadth, about.breadth.default);
});

test('an answer of the model that is no use is asked for once more, then the run fails', async (t) => {
  const agent = await startAgent(['--malformed-rate', '1']);
  t.after(() => agent.stop());
  const response = await fetch(agent.url + researchPath({ topic: 'x' }));
  assert.equal(response.status, 500);
  const problem = await response.json();
  assert.match(problem.detail, /of no use/);
  assert.equal(problem.attempts, 1);
  assert.equal((await agent.calls()).length, 2);
});

test('a stream says which attempt failed, why, and when the next begins', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const read = async (parameters) =>
    framesOf(await fetch(agent.url + researchPath(parameters), { headers: { Accept: 'text/event-stream' } }));
  const before = Date.now();
  const frames = await read({ topic: 'x', depth: 1, breadth: 1, injectFailure: 'search' });
  const failed = frames.filter(([event]) => event === 'inngest.rollback').map(([, data]) => data);
  assert.deepEqual(failed.map((f) => f.attempt), [1, 2, 3]);
  assert.ok(
    failed.every((f) => f.error === 'injected failure of search' && f.nextAt > before && f.nextAt < Date.now() + 1000),
  );
  const begun = frames[1][1].data;
  assert.deepEqual([begun.type, begun.topic, begun.depth, begun.breadth], ['begun', 'x', 1, 1]);
  assert.ok(begun.startedAt >= before - 60_000 && begun.startedAt <= Date.now() + 60_000);
  const attempts = frames
    .filter(([, d]) => d.data?.type === 'step' && d.data.step === 'search-1.1')
    .map(([, d]) => [d.hashedStepId, d.data.attempt]);
  assert.deepEqual(attempts, [1, 2, 3, 4].map((n) => [failed[0].hashedStepId, n]));
});

test('a stream says that no attempt follows', async (t) => {
  const agent = await startAgent(['--refusal-rate', '1']);
  t.after(() => agent.stop());
  const response = await fetch(agent.url + researchPath({ topic: 'x' }), { headers: { Accept: 'text/event-stream' } });
  const frames = await framesOf(response);
  const [, last] = frames.at(-2);
  assert.equal(frames.at(-2)[0], 'inngest.rollback');
  assert.deepEqual([last.attempt, last.nextAt, last.error], [1, null, 'the model refused to answer']);
  assert.equal(frames.at(-1)[1].status, 'failed');
});

test('clarifying questions', async (t) => {
  const agent = await startAgent([]);
  t.after(() => agent.stop());
  const { questions } = await (await fetch(`${agent.url}/api/research/clarify?topic=Bees`)).json();
  assert.ok(questions.length >= 3 && questions.length <= 4);
  assert.ok(questions.every((q) => q.id && q.question && q.options.length >= 2));
});

test('a client that gave up gets the exact answer later', async (t) => {
  const agent = await startAgent(['--latency-ms', '30']);
  t.after(() => agent.stop());
  const begun = await fetch(agent.url + researchPath({ topic: 'Later', depth: 1, breadth: 2 }), {
    headers: { Prefer: 'respond-async' },
  });
  assert.equal(begun.status, 202);
  const url = begun.headers.get('location');
  const first = await fetch(url);
  const again = await fetch(url);
  assert.equal(first.status, 200);
  assert.equal(first.headers.get('content-type'), 'application/json');
  const text = await first.text();
  checkReport(JSON.parse(text), 'Later');
  assert.equal(await again.text(), text);
  assert.equal((await fetch(url.slice(0, -1) + (url.endsWith('A') ? 'B' : 'A'))).status, 403);
  assert.equal((await fetch(url.replace(/\?.*/, ''))).status, 401);
  assert.equal((await fetch(`${agent.url}/_sw/runs/01ARZ3NDEKTSV4RRFFQ69G5FAV`)).status, 404);
});

// ---- Kills ----

// The call that a journaled step made, as the simulator labels it.
function labelOf(id, body) {
  if (id === 'generate-queries') return `queries: ${body.topic}`;
  if (id === 'generate-report') return `report: ${body.topic}`;
  const [kind, number] = id.split('-');
  return `${kind === 'search' ? 'search' : 'learnings'}: ${body.queries.find((q) => q.id === number).query}`;
}

async function outputOf(agent, url) {
  for (;;) {
    try {
      return await fetch(url);
    } catch {
      await sleep(20); // it is being started again
    }
  }
}

// Runs one research, ended by the signal after each of `pauses` and started again.
async function research(agent, topic, signal, pauses) {
  await agent.forgetCalls();
  const begun = await fetch(agent.url + researchPath({ topic, depth: 2, breadth: 3 }), {
    headers: { Prefer: 'respond-async' },
  });
  assert.equal(begun.status, 202);
  const url = begun.headers.get('location'), id = new URL(url).pathname.split('/')[3];
  const ends = [];
  for (const pause of pauses) {
    await sleep(pause);
    const end = await agent.kill(signal);
    assert.deepEqual(
      end,
      signal === 'SIGKILL' ? { code: null, signal } : { code: 0, signal: null },
      agent.program.log(),
    );
    ends.push({ at: Date.now(), calls: (await agent.calls()).length });
    await agent.start();
  }
  const response = await outputOf(agent, url);
  assert.equal(response.status, 200, await response.clone().text());
  const body = await response.json();
  checkReport(body, topic);
  const steps = (await agent.run(id)).entries.filter((e) => e.kind === 'step done');
  const calls = await agent.calls();
  for (const step of steps) {
    const label = labelOf(step.id, body);
    const successes = calls.filter((c) => c.label === label && c.outcome === 'ok');
    assert.ok(successes.length >= 1, `${label} was called`);
    // A step that an end found in the journal is never called after that end.
    for (const end of ends) {
      if (step.at >= end.at) continue;
      const later = calls.slice(end.calls).filter((c) => c.label === label);
      const known = calls.slice(0, end.calls).some((c) => c.label === label && c.outcome === 'ok');
      if (known)
        assert.equal(
          later.length,
          0,
          `${label} was journaled at ${step.at}, before the end at ${end.at}, and called again`,
        );
    }
  }
  assert.equal(new Set(steps.map((s) => s.id)).size, steps.length, 'no step is in the journal twice');
  return calls;
}

test('kill -9 at fifty random moments: nothing that was journaled is paid for again', async (t) => {
  const agent = await startAgent(['--latency-ms', '15', '--jitter-ms', '25', '--token-ms', '1']);
  t.after(() => agent.stop());
  for (let kills = 0, round = 0; kills < 50; kills += 5, round++) {
    const pauses = Array.from({ length: 5 }, () => Math.random() * 120);
    await research(agent, `Round ${round}`, 'SIGKILL', pauses);
  }
});

test('SIGTERM at random moments: no call at all is made twice', async (t) => {
  const agent = await startAgent(['--latency-ms', '15', '--jitter-ms', '25', '--token-ms', '1']);
  t.after(() => agent.stop());
  for (let round = 0; round < 6; round++) {
    const calls = await research(
      agent,
      `Upgrade ${round}`,
      'SIGTERM',
      Array.from({ length: 3 }, () => Math.random() * 150),
    );
    for (const [hash, same] of byHash(calls)) assert.equal(same.length, 1, `${hash} ${same[0].label}`);
  }
});
