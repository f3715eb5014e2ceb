// What the clients of Node.js share: each line of standard input, "METHOD URL KIND", is a call; its answer is a line
// too (matrix.py says what it holds).
import { randomUUID } from 'node:crypto';
import { createInterface } from 'node:readline';

export const MODE = process.argv[2]; // plain: as the client comes; the others: with what known.py says

const word = (text) => String(text ?? '').replace(/\s+/g, ' ');

// call(method, url, headers, JSON value or undefined) gives {status, headers, bytes, url}; headers a Headers or an
// object.
export async function serve(call) {
  for await (const line of createInterface({ input: process.stdin })) {
    const [method, url, kind] = line.split(' ');
    const headers = { plain: {}, stream: { Accept: 'text/event-stream' }, keyed: { 'Idempotency-Key': randomUUID() } }[
      kind
    ];
    let words;
    try {
      const r = await call(method, url, headers, method === 'POST' ? { n: 1 } : undefined);
      const field = (name) => (typeof r.headers.get === 'function' ? r.headers.get(name) : r.headers[name]);
      words = [r.status, field('content-type'), field('x-answer'), Buffer.from(r.bytes).toString('base64'), r.url];
    } catch (error) {
      words = ['error', [error.name, error.code, error.message, error.cause?.message].filter(Boolean).join(': ')];
    }
    process.stdout.write(`${words.map(word).join('\t')}\n`);
  }
  process.exit(0);
}

// What a call of fetch is given for a body.
export const json = (headers, body) =>
  body === undefined
    ? { headers }
    : { headers: { ...headers, 'Content-Type': 'application/json' }, body: JSON.stringify(body) };

export const answerOf = async (response) =>
  ({ status: response.status, headers: response.headers, bytes: await response.arrayBuffer(), url: response.url });

// The answer of a reader of server-sent events: what it was given, written as a stream again.
export const streamOf = (events, url) => ({
  status: 200,
  headers: { 'content-type': 'text/event-stream' },
  bytes: events.map((e) => `id: ${e.id}\nevent: ${e.event}\ndata: ${e.data}\n\n`).join(''),
  url,
});
export const EVENTS = ['metadata', 'stream', 'commit', 'rollback', 'response', 'redirect_info'].map(
  (name) => `inngest.${name}`,
);
