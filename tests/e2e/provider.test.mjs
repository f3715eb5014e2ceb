// The agent with a model behind the chat completions API, as a server of one's own has it.
import assert from 'node:assert/strict';
import { test } from 'node:test';
import { framesOf, kindOf, researchPath, startAgent } from './agent.mjs';
import { startProgram } from './program.mjs';

const local = (url) => ({
  ANTHROPIC_API_KEY: '',
  ANTHROPIC_BASE_URL: '',
  OPENAI_BASE_URL: `${url}/v1/`,
  OPENAI_API_KEY: 'k',
  OPENAI_MODEL: 'local-model',
});
const withModel = (simulatorFlags = [], flags = []) => startAgent(simulatorFlags, flags, { hold: true, env: local });
const small = { topic: 'Own models', depth: 1, breadth: 2 };

test('a research asks nobody but that model, and its report is checked and counted as ever', async (t) => {
  const agent = await withModel(['--wrong-citations', '0.3']);
  t.after(() => agent.stop());
  assert.equal((await (await fetch(`${agent.url}/api/research/about`)).json()).provider, 'openai');
  const frames = await framesOf(
    await fetch(agent.url + researchPath({ ...small, depth: 2 }), { headers: { Accept: 'text/event-stream' } }),
  );
  const body = JSON.parse(frames.at(-1)[1].response.body);
  assert.equal(body.success, true);
  assert.equal(body.model, 'local-model');
  const tokens = frames
    .filter(([event, d]) => event === 'inngest.stream' && d.data.type === 'token')
    .map(([, d]) => d.data.text);
  assert.ok(tokens.length > 50);
  assert.equal(tokens.join(''), body.report);
  assert.match(body.report, /\[1\]/);
  assert.doesNotMatch(body.report, /90\d\d/);
  const models = agent.seen.filter((a) => a.path !== '/search');
  assert.ok(
    models.length >= 4 && models.every((a) => a.path === '/v1/chat/completions'),
    'one slash between base and path',
  );
  assert.ok(models.every((a) => a.headers.authorization === 'Bearer k' && a.body.max_tokens > 0));
  assert.equal(body.usage.modelCalls, models.length);
  const total = models.reduce((n, a) => n + Number([...a.answer.matchAll(/"total_tokens":\s*(\d+)/g)].at(-1)[1]), 0);
  assert.equal(body.usage.inputTokens + body.usage.outputTokens, total);
});

test('faults of the service are tried again', async (t) => {
  const agent = await withModel([
    '--overload-rate',
    '0.2',
    '--cut-rate',
    '0.1',
    '--stream-error-rate',
    '0.5',
    '--malformed-rate',
    '0.1',
    '--seed',
    '5',
  ]);
  t.after(() => agent.stop());
  const failed = async () => // which calls fail is drawn from what they ask, and they name today's date
    (await agent.calls()).some((c) => c.endpoint === '/v1/chat/completions' && c.outcome !== 'ok');
  let response;
  for (let i = 0; i < 20 && !(response?.status === 200 && (await failed())); i++)
    response = await fetch(agent.url + researchPath({ ...small, topic: `Topic ${i}` }));
  assert.equal(response.status, 200, await response.clone().text());
  assert.ok(await failed());
});

test('refusals, filters and cut answers are final', async (t) => {
  const agent = await withModel(['--refusal-rate', '1']);
  t.after(() => agent.stop());
  const details = new Set();
  for (let i = 0; i < 10; i++) {
    const response = await fetch(agent.url + researchPath({ ...small, topic: `Topic ${i}` }));
    assert.equal(response.status, 500);
    const { detail, attempts, step } = await response.json();
    assert.deepEqual([attempts, step], [1, 'generate-queries']);
    details.add(
      /^the model refused to answer: I'm sorry|^the model's answer was withheld by its content filter$/.exec(
        detail,
      )?.[0],
    );
  }
  assert.equal(details.size, 2, [...details].join());
  assert.ok(!details.has(undefined));
  assert.equal((await agent.calls()).length, 10);
});

test('an answer that was cut at its longest length is final', async (t) => {
  // A seventh of the words that it wants to say: the simulator keeps to no limit in structured output.
  const agent = await startAgent([], [], { env: local, hold: async (asked) => {
    if (asked.body.max_tokens) asked.text = JSON.stringify({ ...asked.body, max_tokens: 7 });
  } });
  t.after(() => agent.stop());
  const response = await fetch(agent.url + researchPath(small));
  assert.equal(response.status, 500);
  const { detail, attempts } = await response.json();
  assert.equal(detail, "the model's answer was cut off at its longest length");
  assert.equal(attempts, 1);
});

test('a server without keys gets none', async (t) => {
  const agent = await startAgent([], [], { hold: true, env: (url) => ({ ...local(url), OPENAI_API_KEY: '' }) });
  t.after(() => agent.stop());
  const response = await fetch(`${agent.url}/api/research/plan?topic=Keys`);
  assert.equal(response.status, 500, 'the simulator wants one');
  assert.match((await response.json()).detail, /answered 401/);
  assert.equal(agent.seen[0].headers.authorization, undefined);
  assert.equal(agent.seen.length, 1);
});

// As routers between models have it: the status was sent before the model failed.
test('an error with status 200 is tried again, as one of its own status is', async (t) => {
  const answers = [
    { error: { code: 502, message: 'no instance of the model is there' } },
    { error: 'out of memory' },
    {
      choices: [
        {
          index: 0,
          finish_reason: 'error',
          error: { code: 429, message: 'rate-limited upstream' },
          message: { role: 'assistant', content: '' },
        },
      ],
    },
    { choices: [{ index: 0, finish_reason: 'error', message: { role: 'assistant', content: '{"queries":[' } }] },
  ];
  for (const [provider, env] of [['openai', local], ['anthropic', undefined]]) {
    const left =
      provider === 'openai'
        ? [...answers]
        : [{ type: 'error', error: { type: 'overloaded_error', message: 'Overloaded' } }];
    const agent = await startAgent([], [], {
      hold: async (asked) => (kindOf(asked) === 'queries' ? left.shift() : null),
      env,
    });
    t.after(() => agent.stop());
    const frames = await framesOf(
      await fetch(`${agent.url}/api/research/plan?topic=Routers`, { headers: { Accept: 'text/event-stream' } }),
    );
    const errors = frames.filter(([event]) => event === 'inngest.rollback').map(([, d]) => d.error);
    assert.equal(frames.at(-1)[1].response.statusCode, 200);
    assert.deepEqual(
      errors.map((e) => e.replace("the model's service answered 200 with an error: ", '')),
      provider === 'openai'
        ? ['no instance of the model is there', 'out of memory', 'rate-limited upstream', 'it does not say why']
        : ['overloaded_error: Overloaded'],
    );
  }
});

test('variables choose the provider, and what is missing is said', async () => {
  const none = {
    ANTHROPIC_API_KEY: '',
    ANTHROPIC_BASE_URL: '',
    OPENAI_API_KEY: '',
    OPENAI_BASE_URL: '',
    OPENAI_MODEL: '',
    EXA_API_KEY: 'k',
    MODEL_PROVIDER: '',
  };
  const says = async (env, flags = []) =>
    await startProgram('research', ['--data', 'data', ...flags], { ...none, ...env }).then(
      async (p) => {
        const { provider } = await (await fetch(`${p.url}/api/research/about`)).json();
        await p.stop();
        return provider;
      },
      (error) => String(error),
    );
  const both = { ANTHROPIC_API_KEY: 'a', OPENAI_API_KEY: 'o', OPENAI_MODEL: 'm' };
  assert.equal(await says(both), 'anthropic');
  assert.equal(await says({ ...both, MODEL_PROVIDER: 'openai' }), 'openai');
  assert.equal(await says({ OPENAI_BASE_URL: 'http://127.0.0.1:1/v1', OPENAI_MODEL: 'm' }), 'openai');
  assert.match(await says({}), /ANTHROPIC_API_KEY is not set/);
  assert.match(await says({ OPENAI_API_KEY: 'o' }), /OPENAI_MODEL is not set/);
  assert.match(await says({ MODEL_PROVIDER: 'openai', OPENAI_MODEL: 'm' }), /OPENAI_API_KEY is not set/);
  assert.match(await says({ ...both, MODEL_PROVIDER: 'other' }), /MODEL_PROVIDER must be/);
  assert.match(await says({ OPENAI_BASE_URL: 'localhost', OPENAI_MODEL: 'm' }), /OPENAI_BASE_URL must begin/);
  assert.match(await says({ ...both, MODEL_PRICE_INPUT: 'cheap' }), /MODEL_PRICE_INPUT must be a number/);
  assert.match(
    await says(both, ['--context-tokens', '100']),
    /--context-tokens: "100" is not a whole number from 4000/,
  );
  assert.match(await says(both, ['--retries', '-1']), /--retries: "-1" is not a whole number from 0 to 10000/);
});
