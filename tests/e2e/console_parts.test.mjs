// What the console decides without drawing: pages of the list and what changes in them, a run's steps as rows
// and bars, the command for a shell, figures. Against plain models, in every order.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { ask, followWhileSeen, readEvents } from '../../console/api.js';
import { callsOf } from '../../console/calls.js';
import { curlOf, quote } from '../../console/curl.js';
import { isDigits, readJson, writeJson } from '../../console/json.js';
import { History, buckets, figure, parseMetrics, quantile } from '../../console/metrics.js';
import { readPlace, urlOf } from '../../console/place.js';
import { barsOf, findNode, rangeOf, rowsOf, ticksOf, treeOf } from '../../console/run_model.js';
import { RunsList } from '../../console/runs_list.js';
import { bytes, duration, inWords, runTime } from '../../console/words.js';

// Numbers that are the same in each run of the test.
function dice(seed) {
  let state = seed >>> 0;
  return (n) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return Math.floor((state / 2 ** 32) * n);
  };
}

// ---- The list ----

const runId = (n) => String(n).padStart(8, '0');

// A server with runs that come, end and go. `pause` is waited for before it looks, and before it answers.
function makeServer(roll, pause = async () => {}) {
  const runs = [];
  let last = 0;
  return {
    runs,
    asked: 0,
    underWay: 0,
    add(n) {
      for (; n > 0; n--) runs.unshift({ runId: runId((last += 1 + roll(3))), state: 'running' });
    },
    act() {
      const what = roll(4),
        at = roll(Math.max(1, runs.length));
      if (what < 2 || runs.length === 0) this.add(1);
      else if (what === 2) runs[at] = { ...runs[at], state: 'succeeded', endedAt: 5 };
      else runs.splice(at, 1);
    },
    async ask(query, signal) {
      assert.equal(this.underWay++, 0, 'one request at a time');
      this.asked++;
      await pause();
      const before = query.get('before'),
        limit = Number(query.get('limit'));
      const all = runs.filter((run) => !before || run.runId < before),
        page = all.slice(0, limit).map((run) => ({ ...run }));
      await pause();
      this.underWay--;
      if (signal.aborted) throw signal.reason;
      return { runs: page, ...(all.length > limit && { next: page.at(-1).runId }) };
    },
  };
}

const listOf = (server) => new RunsList('', (query, signal) => server.ask(query, signal));

function checkSorted(list, seed) {
  const ids = list.rows.map((run) => run.runId);
  assert.deepEqual(ids, [...new Set(ids)].sort().reverse(), `seed ${seed}: each run once, newest first`);
  assert.equal(list.byId.size, list.rows.length);
  for (const run of list.rows) assert.equal(list.byId.get(run.runId), run);
}

// The list has no gap. When nothing happens any more, it has all that the server has, as it is.
async function checkSettled(list, server, seed) {
  for (const { runId: id } of server.runs)
    if (id <= list.rows[0]?.runId && id >= list.rows.at(-1).runId) assert.ok(list.byId.has(id), `seed ${seed}: ${id}`);
  await list.restart();
  while (!list.isWhole) {
    await list.more();
    assert.equal(list.error, null);
  }
  for (let from = 0; from < list.rows.length; from += 400) await list.look(from, from + 399);
  assert.deepEqual(list.rows, server.runs, `seed ${seed}`);
}

test('a list is what the server has, whatever changes between its pages', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const roll = dice(seed),
      server = makeServer(roll),
      list = listOf(server);
    for (let i = 0; i < roll(1500); i++) server.act();
    for (let i = 0; i < 30; i++) {
      for (let k = roll(20); k > 0; k--) server.act();
      if (roll(3) === 0) await list.more();
      else if (roll(2) === 0) await list.look(roll(200), 200 + roll(50));
      else await list.refresh();
      checkSorted(list, seed);
    }
    await checkSettled(list, server, seed);
  }
});

test('a list is that also when all is asked for at once, left, and told of by the feed meanwhile', async () => {
  for (let seed = 1; seed <= 30; seed++) {
    const roll = dice(seed),
      wait = async () => { for (let n = roll(6); n > 0; n--) await null; },
      server = makeServer(roll, wait),
      list = listOf(server);
    list.isHeld = () => seed % 2 === 0;
    list.changed = () => roll(8) === 0 && checkSorted(list, seed);
    server.add(roll(1500));
    for (let i = 0; i < 60; i++) {
      if (roll(40) === 0) server.add(roll(9000));
      for (let k = roll(20); k > 0; k--) server.act();
      const what = roll(7), some = list.rows[roll(Math.max(1, list.rows.length))];
      if (what === 0) list.more();
      else if (what < 3) list.look(roll(300), roll(800));
      else if (what < 5) list.refresh();
      else if (what === 5 && some) list.tell({ runId: some.runId, state: 'succeeded', at: 7 });
      else if (roll(6) === 0) list.restart();
      if (roll(20) === 0) {
        list.leave();
        await list.queue;
        list.enter();
      }
      await wait();
    }
    await list.queue;
    assert.equal(list.error, null);
    await checkSettled(list, server, seed);
  }
});

test('whoever asks often waits for one more answer, not for as many as were asked for', async () => {
  const server = makeServer(dice(3)),
    list = listOf(server);
  server.add(800);
  await list.more();
  server.asked = 0;
  const all = Array.from({ length: 300 }, () => [list.refresh(), list.look(120, 140)]).flat();
  await list.more();
  await Promise.all(all);
  assert.ok(server.asked <= 6, `${server.asked} requests`);
  assert.equal(list.rows.length, 600);
});

test('rows that have come above are counted, and many of them are caught up with', async () => {
  const server = makeServer(dice(7)),
    list = listOf(server);
  server.add(50);
  await list.more();
  assert.equal(list.takeInserted(), 0);
  server.add(3);
  await list.refresh();
  assert.equal(list.takeInserted(), 3);
  assert.equal(list.takeInserted(), 0);
  server.add(2000);
  await list.refresh();
  assert.equal(list.rows.length, 2053, 'nothing is lost');
  assert.equal(list.takeInserted(), 2000);

  const held = list.rows;
  list.isHeld = () => true;
  server.add(6000);
  await list.refresh();
  assert.equal(list.isBehind, true);
  assert.equal(list.rows, held, 'rows that somebody reads stay');
  const first = server.runs.findIndex((run) => run.runId === held[0].runId);
  server.runs[first + 20] = { ...server.runs[first + 20], state: 'failed' };
  await list.look(10, 30);
  assert.equal(list.rows[20].state, 'failed', 'and go on being looked at');
  await list.restart();
  assert.equal(list.isBehind, false);
  assert.equal(list.rows[0].runId, server.runs[0].runId);
  list.isHeld = () => false;
  server.add(6000);
  await list.refresh();
  assert.equal(list.rows[0].runId, server.runs[0].runId, 'rows that nobody holds make room for the newest');
});

test('what the feed tells of a row is looked up, wherever it is', async () => {
  const server = makeServer(dice(9)),
    list = listOf(server);
  server.add(400);
  server.runs.forEach((run, i) => { server.runs[i] = { ...run, state: 'succeeded', endedAt: 5 }; });
  await list.more();
  await list.more();
  for (const at of [50, 110, 300]) {
    const ended = { runId: server.runs[at].runId, state: 'failed', endedAt: 9, error: 'it broke' };
    list.tell({ ...ended, at: 8 });
    assert.deepEqual([list.rows[at].state, list.rows[at].endedAt, list.rows[at].error], ['failed', 8, undefined]);
    server.runs[at] = ended;
    await list.refresh();
    await list.look(at - 20, at + 20);
    assert.deepEqual(list.rows[at], ended);
    list.tell({ runId: ended.runId, state: 'running', at: 10 });
    assert.deepEqual([list.rows[at].endedAt, list.rows[at].error], [undefined, undefined], 'it was reopened');
  }
  assert.equal(list.tell({ runId: runId(999999), state: 'failed' }), false);
});

test('a refusal leaves the rows, and the next answer forgets it', async () => {
  let is = true;
  const list = new RunsList('', async () => {
    if (!is) throw new Error('no');
    return { runs: [{ runId: 'A', state: 'running' }] };
  });
  await list.more();
  is = false;
  await list.refresh();
  assert.equal(list.error.message, 'no');
  assert.equal(list.rows.length, 1);
  is = true;
  await list.refresh();
  assert.equal(list.error, null);
});

// ---- Asking ----

test('a server that does not answer is not waited for for ever', async (t) => {
  t.mock.timers.enable({ apis: ['setTimeout'] });
  globalThis.sessionStorage = { getItem: () => null };
  t.mock.method(globalThis, 'fetch', (path, { signal }) => new Promise((_, refuse) => {
    signal.addEventListener('abort', () => refuse(signal.reason));
  }));
  const late = ask('GET', '_sw/runs');
  t.mock.timers.tick(3600000);
  await assert.rejects(late, { status: 0, message: /does not answer/ });
  const over = new AbortController(),
    left = ask('GET', '_sw/runs', undefined, { signal: over.signal });
  over.abort();
  await assert.rejects(left, { name: 'AbortError' });
  t.mock.method(globalThis, 'fetch', async () => { throw new TypeError('no'); });
  await assert.rejects(ask('GET', '_sw/runs'), { status: 0, message: /cannot be reached/ });
});

test('nobody follows a feed for a view that was left before', (t) => {
  const heard = [];
  globalThis.document = { hidden: false, addEventListener: (name) => heard.push(name) };
  t.after(() => delete globalThis.document);
  const over = new AbortController();
  over.abort();
  followWhileSeen('_sw/feed', over.signal, {});
  assert.deepEqual(heard, []);
});

test('an event that cannot be taken closes its connection', async () => {
  let closed = false;
  const body = new ReadableStream({
    start: (stream) => stream.enqueue(new TextEncoder().encode('event: run\ndata: {}\n\n')),
    cancel: () => { closed = true; },
  });
  await assert.rejects(async () => {
    for await (const event of readEvents(body)) throw new Error(event.name);
  }, /run/);
  await new Promise((done) => setTimeout(done));
  assert.ok(closed);
});

// ---- JSON ----

const digitsOf = (roll, n) => `${1 + roll(9)}${Array.from({ length: n - 1 }, () => roll(10)).join('')}`;

test('whole numbers keep their digits', () => {
  const roll = dice(17);
  const numbers = ['0', '-0', '9007199254740991', '9007199254740993', '-9223372036854775808', '18446744073709551615'];
  for (let i = 0; i < 500; i++) {
    const number = roll(3) === 0 ? numbers[roll(numbers.length)] : (roll(2) ? '-' : '') + digitsOf(roll, 1 + roll(25));
    const around = ['{"a":[%,"x\\"% \\\\"],"k%":{"b":%}}', '[%,1.5,%e2,0.%]', '%', '"%"'][roll(4)],
      text = around.replaceAll('%', number).replace('0.-', '0.');
    const value = readJson(text);
    if (!/e2/.test(text) && number !== '-0') assert.equal(JSON.stringify(value), text);
    const same = JSON.stringify(readJson(text, { isNative: false })).replaceAll('"', '');
    if (!/e2/.test(text) && number !== '-0') assert.equal(same, text.replaceAll('"', ''), 'at least as a text');
    const again = writeJson(readJson(text, { isNative: false }), { isNative: false });
    const exact = JSON.stringify(JSON.parse(text)); // where nothing was lost
    if (again !== undefined && !/e2/.test(text)) assert.equal(again, exact, 'the same, or nothing');
  }
  assert.ok(isDigits(readJson('9007199254740993')) && !isDigits(readJson('9007199254740992')));
  assert.equal(inWords(readJson('{"order":9007199254740993}')), 'order 9007199254740993');
  const long = '{"id":9007199254740993}', short = '{"id":42,"to":"Ann"}', old = { isNative: false };
  assert.equal(writeJson(readJson(long)), long);
  assert.equal(writeJson(readJson(long, old), old), undefined);
  assert.equal(writeJson(readJson(short, old), old), short);
  for (const wrong of ['{"a":9007199254740993', '[9007199254740993,]', '9007199254740993x'])
    for (const isNative of [true, false]) assert.throws(() => readJson(wrong, { isNative }), SyntaxError);
});

// ---- A run ----

const ROOT = 'cbf29ce484222325';
const step = (path, more = {}) => ({
  path,
  id: path,
  occurrence: 0,
  branch: ROOT,
  state: 'done',
  begunAt: 1000,
  attempts: [{ attempt: 1, at: 1000, durationMs: 10 }],
  ...more,
});

test('steps lie in their branches, and many alike under one row', () => {
  const pages = Array.from({ length: 20 }, (_, i) => step(`p${i}`, { id: 'page', occurrence: i }));
  const run = {
    startedAt: 900,
    steps: [step('plan'), step('deep', { branch: 'B2' }), step('lost', { branch: 'unknown' }), ...pages],
    branches: [
      { path: 'B1', parent: ROOT, id: 'outer' },
      { path: 'B2', parent: 'B1', id: 'inner' },
      { path: 'B3', parent: ROOT, id: 'empty' },
    ],
  };
  const tree = treeOf(run, 2000),
    rows = rowsOf(tree, new Set());
  assert.deepEqual(rows.map((r) => `${r.level} ${r.label}`).sort(), [
    '1 lost',
    '1 outer',
    '1 page × 20',
    '1 plan',
    '2 inner',
    '3 deep',
  ]);
  const folded = rowsOf(tree, new Set(['B1']));
  assert.ok(!folded.some((r) => r.label === 'deep'));
  assert.equal(findNode(tree, 'deep').label, 'deep', 'also what is folded away is found');
  const open = rowsOf(tree, new Set([rows.find((r) => r.kind === 'group').key]));
  assert.equal(open.filter((r) => r.step?.id === 'page').length, 20);
  assert.equal(findNode(tree, 'none'), null);
});

test('branches that lie in each other in a circle end nowhere but are shown to nobody', () => {
  const run = {
    startedAt: 0,
    steps: [step('a', { branch: 'X' })],
    branches: [
      { path: 'X', parent: 'Y', id: 'x' },
      { path: 'Y', parent: 'X', id: 'y' },
    ],
  };
  assert.deepEqual(rowsOf(treeOf(run, 10), new Set()), []);
});

test('bars follow each other without a gap', () => {
  const s = step('s', {
    state: 'retrying',
    attempts: [
      { attempt: 1, at: 1000, durationMs: 40, error: 'x', retryAt: 1100 },
      { attempt: 2, at: 1120, durationMs: 10, error: '', retryAt: 1500 },
    ],
  });
  const brief = step('b', {
    attempts: [
      { attempt: 1, at: 1000, durationMs: 0, error: 'x', retryAt: 1012 },
      { attempt: 2, at: 1013, durationMs: 0 },
    ],
  });
  assert.deepEqual(
    barsOf(brief, 2000).map((b) => b.kind),
    ['failed', 'backoff', 'queue', 'done'],
    'also of attempts that took no time',
  );
  assert.deepEqual(
    barsOf(s, 1200).map((b) => `${b.kind} ${b.from}-${b.to}`),
    ['failed 1000-1040', 'backoff 1040-1100', 'queue 1100-1120', 'failed 1120-1130', 'backoff 1130-1500'],
  );
  const now = { ...s, state: 'running', now: { attempt: 3, since: 1510 } };
  assert.deepEqual(
    barsOf(now, 1600)
      .slice(-2)
      .map((b) => `${b.kind} ${b.from}-${b.to}`),
    ['queue 1500-1510', 'running 1510-1600'],
  );
  assert.deepEqual(barsOf(step('n', { sleep: true, due: 9000, attempts: undefined }), 1200), [
    { kind: 'sleep', from: 1000, to: 9000, attempt: undefined },
  ]);
  assert.deepEqual(
    barsOf(step('w', { state: 'waiting', attempts: [] }), 1500).map((b) => b.kind),
    ['queue'],
  );
  const wait = step('w', { state: 'waiting', signal: 'paid', attempts: undefined, endedAt: undefined });
  assert.deepEqual(
    [wait, { ...wait, state: 'done', endedAt: 1200 }].map((s) => barsOf(s, 1500)),
    [1500, 1200].map((to) => [{ kind: 'wait', from: 1000, to, attempt: undefined }]),
  );
  const lost = { state: 'cut', endedAt: 1300, attempts: undefined };
  assert.deepEqual(
    [step('w', { ...lost, signal: 'paid' }), step('n', { ...lost, sleep: true })].map((s) => barsOf(s, 9000)[0].to),
    [1300, 1300],
    'what a group gave up ends there, and not with the run',
  );
  const given = [{ attempt: 1, at: 1000, durationMs: 40, abandoned: true }];
  assert.deepEqual(
    barsOf(step('s', { ...lost, attempts: given }), 9000).map((b) => `${b.kind} ${b.from}-${b.to}`),
    ['abandoned 1000-1040'],
  );
});

test('a long wait does not squeeze what was before it', () => {
  const run = { startedAt: 1000, steps: [step('a'), step('n', { sleep: true, state: 'sleeping', due: 1e9 })] };
  const range = rangeOf(run, treeOf(run, 2000), 2000);
  assert.deepEqual(range, { from: 1000, to: 2250 });
  assert.deepEqual(rangeOf({ ...run, endedAt: 3000 }, treeOf(run, 3000), 3000), { from: 1000, to: 3000 });
});

test('an axis has no more marks than it was given room for', () => {
  const roll = dice(3);
  for (let i = 0; i < 2000; i++) {
    const from = roll(1e6),
      to = from + 1 + roll(10 ** (1 + roll(9))),
      most = 2 + roll(12),
      ticks = ticksOf(from, to, most);
    assert.ok(ticks.length <= most + 1, `${from} ${to} ${most}`);
    assert.ok(ticks.every((t) => t >= from && t <= to));
  }
});

// ---- Words ----

test('durations and sizes as people read them', () => {
  assert.deepEqual([0, 0.4, 999, 1500, 59999, 61000, 3.7e6, 9e7, -5].map(duration), [
    '0 ms',
    '0 ms',
    '999 ms',
    '1.50 s',
    '60.0 s',
    '1 min 01 s',
    '1 h 01 min',
    '1 d 1 h',
    '-5 ms',
  ]);
  assert.deepEqual([runTime({ startedAt: 5 }, 9), runTime({ startedAt: 5, endedAt: 4 }, 9)], [4, 0], 'two clocks');
  assert.deepEqual([0, 1023, 1024, 5 * 2 ** 20].map(bytes), ['0 bytes', '1023 bytes', '1.0 KiB', '5.0 MiB']);
});

test('a place is said by its URL, and read back from it', () => {
  for (const place of [
    { view: 'runs', filters: {} },
    { view: 'errors', filters: {} },
    { view: 'run', run: 'A&b=c', step: 'x#y', filters: {} },
    { view: 'run', run: 'A&b=c', tab: 'children', filters: {} },
    { view: 'runs', filters: { state: 'failed', error: 'a b&c', label: 'customer:Ann Lee' } },
    { view: 'runs', filters: { step: '', kind: '' } }, // outside every step, without a message
  ])
    assert.deepEqual(readPlace(urlOf(place).replace('./', '')), { run: null, step: null, tab: null, ...place });
});

test('calls are found by what they have called, and counted by how they stand', () => {
  const steps = [
    { id: 'a', state: 'done' },
    { id: 'b', child: '1', function: 'f', state: 'done' },
    { id: 'c', child: '2', function: 'f', state: 'failed' },
    { id: 'd', child: '3', function: 'f', state: 'waiting' },
    { id: 'e', child: '4', function: 'f', state: 'cut' },
    { id: 'f', child: '5', function: 'f', state: 'done', detached: true },
  ];
  const { byChild, counts } = callsOf({ steps });
  assert.deepEqual(counts, { made: 5, succeeded: 1, failed: 1, awaited: 1, detached: 1, cut: 1 });
  assert.deepEqual([...byChild].map(([child, step]) => child + step.id), ['1b', '2c', '3d', '4e', '5f']);
});

// ---- The command ----

test('a shell takes every text of the command as one word, and secrets are left out', () => {
  const roll = dice(11),
    strange = [
      "'",
      '\\',
      '$(touch hacked)',
      '`id`',
      '\n',
      '"',
      '!',
      '\x1b[2J',
      '\x03',
      '\x9b31m',
      'é',
      '\r',
      '\t',
      ' ',
      '@/etc/passwd',
      '*',
      '{a,b}',
    ];
  for (let i = 0; i < 100; i++) {
    const text = Array.from({ length: 1 + roll(6) }, () => strange[roll(strange.length)]).join('');
    assert.equal(
      execFileSync('bash', ['-c', `printf %s ${quote(text)}`], { encoding: 'utf8' }),
      text,
      JSON.stringify(text),
    );
  }
  const command = curlOf({
    method: 'POST',
    target: "/a'b?x=[1]",
    body: '@/etc/passwd',
    headers: [
      { name: 'Authorization', value: 'Bearer top-secret' },
      { name: 'Cookie', value: 'top-secret' },
      { name: 'X-Api-Key', value: 'top-secret' },
      { name: 'X-Auth-Token', value: 'top-secret' },
      { name: 'Content-Type', value: 'text/plain' },
      { name: 'Host', value: 'h' },
    ],
  });
  assert.ok(!command.includes('top-secret'));
  const said = execFileSync('bash', ['-c', `curl() { printf '%s\\n' "$@"; }; ${command}`], { encoding: 'utf8' }).split(
    '\n',
  );
  assert.deepEqual(said.slice(0, -1), [
    '-g',
    '-X',
    'POST',
    "http://localhost:8080/a'b?x=[1]",
    '-H',
    'Content-Type: text/plain',
    '--data-raw',
    '@/etc/passwd',
  ]);
});

test('a command says what it lacks', () => {
  const request = { method: 'POST', target: '/a', headers: [], bodyBytes: 9, body: '{"a":"b"}' };
  assert.match(curlOf(request), /-H 'Content-Type:'/, 'it had none: curl sends that of a form');
  assert.doesNotMatch(curlOf(request), /#/);
  assert.match(curlOf({ ...request, body: undefined, bodyBytes: 2e6 }), /^# left out: the body, which is too long/);
  const unshown = curlOf({ ...request, body: undefined, bodyBytes: 2, bodyRedacted: true });
  assert.match(unshown, /^# left out: the body, which is not shown\n/);
  assert.doesNotMatch(unshown, /is not what was sent/);
  assert.match(curlOf({ ...request, bodyRedacted: true }), /^# \[redacted\] is not what was sent: the body\n/);
  const pin = curlOf({ ...request, target: '/a?pin=[redacted]' });
  assert.match(pin, /^# \[redacted\] is not what was sent: the target\n/);
  const hidden = curlOf({ ...request, headers: [{ name: 'X-Order', value: '[redacted]' }] });
  assert.match(hidden, /^# left out: X-Order\n/);
  assert.doesNotMatch(hidden, /\[redacted\]/);
});

// ---- Figures ----

const page = (n, slow) => `# HELP a b
# TYPE d histogram
stepwell_runs_started_total ${n}
stepwell_journal_commit_duration_seconds_bucket{le="0.001"} ${n - slow}
stepwell_journal_commit_duration_seconds_bucket{le="0.01"} ${n}
stepwell_journal_commit_duration_seconds_bucket{le="+Inf"} ${n}
x{a="q\\"\\\\\\n}",b="2"} 5e-3
`;

test('figures are read as Prometheus writes them, and rates are between two readings', () => {
  const all = parseMetrics(page(100, 0));
  assert.equal(figure(all, 'stepwell_runs_started_total'), 100);
  assert.deepEqual(all.at(-1), { name: 'x', labels: { a: 'q"\\\n}', b: '2' }, value: 0.005 });
  const old = buckets(all, 'stepwell_journal_commit_duration_seconds'),
    now = buckets(parseMetrics(page(200, 50)), 'stepwell_journal_commit_duration_seconds');
  assert.equal(quantile(0.5, now, old), 0.001);
  assert.ok(quantile(0.99, now, old) > 0.009);
  assert.equal(quantile(0.5, now, now), null);
  const history = new History();
  history.add(page(100, 0), 1000);
  history.add(page(200, 50), 3000);
  history.add(page(20, 0), 5000); // another process: its counters began anew
  assert.deepEqual(history.series(['stepwell_runs_started_total']), [
    [3, 5],
    [50, null],
  ]);
});
