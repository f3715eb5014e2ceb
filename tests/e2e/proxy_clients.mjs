// Clients of the service behind a proxy: what they send, wait for and must get.
import assert from 'node:assert/strict';
import { follow, request } from './proxy.mjs';
import { frames } from './streams.mjs';

const EVENTS = { Accept: 'text/event-stream' };

// The handler goes on only when this client has seen the chunk before: a proxy that kept one back would stop both.
export async function readGated(gate, body, chunks) {
  const all = [];
  gate.open('s0-0');
  for await (const frame of frames(body)) {
    all.push(frame);
    const found = /^s0-(\d+)$/.exec(frame.event === 'inngest.stream' ? frame.data.data : '');
    if (found) gate.open(Number(found[1]) + 1 < chunks ? `s0-${Number(found[1]) + 1}` : 's0-end');
  }
  return all;
}

// The chunks of step s0.
export const spoken = (all) =>
  all.filter((f) => f.event === 'inngest.stream' && /^s0-/.test(f.data.data)).map((f) => f.data.data);

// All chunks of a stream, read on where redirect_info says.
export async function readThrough(proxy, url) {
  const chunks = [];
  while (url) {
    const answer = await request(proxy, url, { headers: EVENTS });
    if (answer.status === 303) { url = answer.headers.location; await answer.text(); continue; }
    assert.equal(answer.status, 200);
    url = null;
    for await (const frame of frames(answer.body)) {
      if (frame.event === 'inngest.stream') chunks.push(frame.data.data);
      if (frame.event === 'inngest.redirect_info') url = frame.data.url;
    }
  }
  return chunks;
}

// `counts` requests, readers of an output URL and readers of a stream, whose steps wait for the gate. All of them are
// waiting when this returns; what it returns checks, when the gate has opened, what they get.
export async function holdMany({ proxy, kept }, gate, { plain, late, streams }) {
  const at = (path, name) => `${proxy.url}${path}&gate=${gate.url}/${name}`;
  const idle = Array.from({ length: 20 }, (_, i) => request(proxy, `${proxy.url}/silent?n=${i}`).then((a) => a.text()));
  await Promise.all(idle); // their connections are there to be used
  const waiting = { plain: [], late: [], streams: [] };
  for (let i = 0; i < plain; i++)
    waiting.plain.push(follow(proxy, at('/steps?steps=2&chunks=1', `plain${i}`), { method: i % 2 ? 'POST' : 'GET' }));
  for (let i = 0; i < late; i++)
    waiting.late.push(request(proxy, at('/sleep?ms=400', `late${i}`), { headers: { Prefer: 'respond-async' } })
      .then(async (a) => { await a.text(); return follow(proxy, a.headers.location); }));
  for (let i = 0; i < streams; i++)
    waiting.streams.push(readThrough(proxy, at('/steps?steps=2&chunks=2', `stream${i}`)));
  const all = Promise.all(Object.values(waiting).map((answers) => Promise.all(answers)));
  all.catch(() => {}); // whoever fails early is told of by the check
  await Promise.race([
    all,
    Promise.all([gate.seen('s0-0', plain + streams), gate.seen('before-0', late), kept(plain + late + streams)]),
  ]);
  return async () => {
    const [answers, lateAnswers, read] = await all;
    for (const answer of answers) {
      assert.equal(answer.status, 200);
      assert.deepEqual(JSON.parse(await answer.text()), ['s0', 's1']);
    }
    for (const answer of lateAnswers) assert.equal(await answer.text(), 'slept');
    for (const chunks of read)
      assert.deepEqual(chunks, ['begin', 's0-0', 's0-1', 's1-0', 's1-1', { said: ['s0', 's1'] }]);
  };
}

export const times = (gate, name) => gate.asked.filter((n) => n === name).length;
