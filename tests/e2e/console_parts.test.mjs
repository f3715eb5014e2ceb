// What the console decides without drawing: pages of the list and what changes in them, a run's steps as rows
// and bars, the command for a shell, figures. Against plain models, in every order.
import assert from 'node:assert/strict';
import { execFileSync } from 'node:child_process';
import { test } from 'node:test';
import { curlOf, quote } from '../../console/curl.js';
import { History, buckets, figure, parseMetrics, quantile } from '../../console/metrics.js';
import { readPlace, urlOf } from '../../console/place.js';
import { barsOf, findNode, rangeOf, rowsOf, ticksOf, treeOf } from '../../console/run_model.js';
import { RunsList } from '../../console/runs_list.js';
import { bytes, duration } from '../../console/words.js';

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

// A server with runs that come, end and go; `names` says whether it names the next page.
function makeServer(roll, names) {
  const runs = [];
  let last = 0;
  return {
    runs,
    act() {
      const what = roll(4),
        at = roll(Math.max(1, runs.length));
      if (what < 2 || runs.length === 0) runs.unshift({ runId: runId((last += 1 + roll(3))), state: 'running' });
      else if (what === 2) runs[at] = { ...runs[at], state: 'succeeded' };
      else runs.splice(at, 1);
    },
    async ask(query) {
      const before = query.get('before'),
        limit = Number(query.get('limit'));
      const all = runs.filter((run) => !before || run.runId < before),
        page = all.slice(0, limit);
      return { runs: page.map((run) => ({ ...run })), ...(names && all.length > limit && { next: page.at(-1).runId }) };
    },
  };
}

test('a list is what the server has, whatever changes between its pages', async () => {
  for (let seed = 1; seed <= 60; seed++) {
    const roll = dice(seed),
      server = makeServer(roll, seed % 2 === 0),
      list = new RunsList('', server.ask);
    for (let i = 0; i < roll(1500); i++) server.act();
    for (let i = 0; i < 30; i++) {
      for (let k = roll(20); k > 0; k--) server.act();
      if (roll(3) === 0) await list.more();
      else if (roll(2) === 0) await list.look(100, 100 + roll(50));
      else await list.refresh();
      const ids = list.rows.map((run) => run.runId);
      assert.deepEqual(ids, [...new Set(ids)].sort().reverse(), `seed ${seed}: each run once, newest first`);
      assert.equal(list.byId.size, list.rows.length);
    }
    while (!list.isWhole) await list.more();
    await list.refresh();
    for (let from = 100; from < list.rows.length; from += 400) await list.look(from, from + 399);
    const known = new Map(server.runs.map((run) => [run.runId, run.state]));
    for (const run of list.rows.slice(0, 100)) assert.equal(run.state, known.get(run.runId), `seed ${seed}`);
    for (const id of known.keys()) assert.ok(list.byId.has(id), `seed ${seed}: ${id} is in the list`);
  }
});

test('rows that have come above are counted, and a gap begins the list anew', async () => {
  const server = makeServer(dice(7), true),
    list = new RunsList('', server.ask);
  for (let n = 1; n <= 50; n++) server.runs.unshift({ runId: runId(n), state: 'running' });
  await list.more();
  assert.equal(list.takeInserted(), 0);
  for (let n = 51; n <= 53; n++) server.runs.unshift({ runId: runId(n), state: 'running' });
  await list.refresh();
  assert.equal(list.takeInserted(), 3);
  assert.equal(list.takeInserted(), 0);
  for (let n = 54; n <= 1000; n++) server.runs.unshift({ runId: runId(n), state: 'running' });
  await list.refresh();
  assert.equal(list.rows.length, 100);
  assert.equal(list.isWhole, false);
  assert.ok(list.tell({ runId: runId(1000), state: 'failed' }));
  assert.equal(list.rows[0].state, 'failed');
  assert.equal(list.tell({ runId: runId(5), state: 'failed' }), false);
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
  assert.deepEqual([0, 1023, 1024, 5 * 2 ** 20].map(bytes), ['0 bytes', '1023 bytes', '1.0 KiB', '5.0 MiB']);
});

test('a place is said by its URL, and read back from it', () => {
  for (const place of [
    { view: 'runs', run: null, step: null, filters: {} },
    { view: 'errors', run: null, step: null, filters: {} },
    { view: 'run', run: 'A&b=c', step: 'x#y', filters: {} },
    { view: 'runs', run: null, step: null, filters: { state: 'failed', error: 'a b&c', label: 'customer:Ann Lee' } },
    { view: 'runs', run: null, step: null, filters: { step: '', kind: '' } }, // outside every step, without a message
  ])
    assert.deepEqual(readPlace(urlOf(place).replace('./', '')), place);
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
