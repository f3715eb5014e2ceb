// A collector of traces: takes OTLP over HTTP, read by OpenTelemetry's own decoder, and answers as a test wants.
import assert from 'node:assert/strict';
import { createServer } from 'node:http';
import { createRequire } from 'node:module';
import { gunzipSync } from 'node:zlib';
import { PATIENCE_MS } from './program.mjs';

const require = createRequire(new URL('../traces/package.json', import.meta.url));
let decoder; // of ExportTraceServiceRequest
try {
  const { opentelemetry } = require('@opentelemetry/otlp-transformer/build/src/generated/root.js');
  decoder = opentelemetry.proto.collector.trace.v1.ExportTraceServiceRequest;
} catch (error) {
  throw new Error(`tests/traces/node_modules is missing or out of date: run script/setup e2e (${error.message})`);
}

const hex = (bytes) => Buffer.from(bytes).toString('hex');

// What the two encodings say alike.
function plainValue(value) {
  if (value.stringValue !== undefined && value.stringValue !== null) return value.stringValue;
  if (value.intValue !== undefined && value.intValue !== null) return Number(value.intValue);
  throw new Error(`an attribute of another type: ${JSON.stringify(value)}`);
}

const attributesOf = (list) => {
  const names = list.map((a) => a.key);
  assert.equal(new Set(names).size, names.length, `an attribute is there twice: ${names}`);
  return Object.fromEntries(list.map((a) => [a.key, plainValue(a.value)]));
};

function plainSpan(span, id) {
  return {
    trace: id(span.traceId),
    id: id(span.spanId),
    parent: span.parentSpanId?.length ? id(span.parentSpanId) : '',
    state: span.traceState ?? '',
    name: span.name,
    kind: span.kind,
    flags: span.flags,
    from: BigInt(span.startTimeUnixNano.toString()),
    to: BigInt(span.endTimeUnixNano.toString()),
    attributes: attributesOf(span.attributes ?? []),
    links: (span.links ?? []).map((link) => ({ trace: id(link.traceId), span: id(link.spanId) })),
    error: span.status?.code === 2 ? (span.status.message ?? '') : null,
  };
}

const unpacked = (body, encoding) => {
  assert.ok(encoding === undefined || encoding === 'gzip', `the encoding is ${encoding}`);
  return encoding ? gunzipSync(body) : body;
};

function readBatch(body, type) {
  const json = type === 'application/json';
  assert.ok(json || type === 'application/x-protobuf', `the type is ${type}`);
  const batch = json ? JSON.parse(body) : decoder.decode(body);
  const id = json ? (text) => text : hex;
  assert.equal(batch.resourceSpans.length, 1);
  const [{ resource, scopeSpans }] = batch.resourceSpans;
  assert.equal(scopeSpans.length, 1);
  assert.equal(scopeSpans[0].scope.name, 'stepwell');
  return { resource: attributesOf(resource.attributes), spans: scopeSpans[0].spans.map((s) => plainSpan(s, id)) };
}

// Resolves to a collector: spans (all that it has taken), requests (heads), errors (of what it could not read).
// `answer(res, number)` answers in its place; if that returns false, the spans of the request do not count.
export async function startCollector(answer) {
  const collector = { spans: [], requests: [], errors: [], resource: null, answer, paths: [] };
  const server = createServer((req, res) => {
    const pieces = [];
    req.on('data', (piece) => pieces.push(piece));
    req.on('error', () => {});
    res.on('error', () => {});
    req.on('end', () => {
      collector.requests.push(req.headers);
      collector.paths.push(req.url);
      const counts = collector.answer?.(res, collector.requests.length);
      if (counts === false) return;
      try {
        const body = unpacked(Buffer.concat(pieces), req.headers['content-encoding']);
        const { resource, spans } = readBatch(body, req.headers['content-type']);
        collector.resource = resource;
        collector.spans.push(...spans.map((s) => ({ ...s, batch: collector.requests.length })));
      } catch (error) {
        collector.errors.push(error);
      }
      if (!res.writableEnded && !collector.answer) res.writeHead(200, { 'content-type': 'application/json' }).end('{}');
    });
  });
  await new Promise((done) => server.listen(0, '127.0.0.1', done));
  collector.url = `http://127.0.0.1:${server.address().port}`;
  collector.close = () => {
    server.close();
    server.closeAllConnections();
  };
  // Resolves when all of these spans are there.
  collector.until = async (what) => {
    const end = Date.now() + PATIENCE_MS;
    while (!what(collector.spans)) {
      assert.deepEqual(collector.errors, []);
      assert.ok(Date.now() < end, `not in time: ${what}; there are ${collector.spans.map((s) => s.name)}`);
      await new Promise((done) => setTimeout(done, 10));
    }
  };
  return collector;
}

// The spans are one tree: none is there twice, each hangs on another, and one alone on `root` ('': on none).
export function assertTree(spans, root) {
  const ids = spans.map((s) => s.id);
  assert.equal(new Set(ids).size, ids.length, `spans are there twice: ${ids.filter((id, i) => ids.indexOf(id) !== i)}`);
  assert.equal(new Set(spans.map((s) => s.trace)).size, 1, 'there is one trace');
  const tops = spans.filter((s) => !ids.includes(s.parent));
  const orphans = tops.filter((s) => s.parent !== root);
  assert.equal(orphans.length, 0, `orphans: ${orphans.map((s) => s.name)} of ${spans.map((s) => s.name)}`);
  assert.equal(tops.length, 1, `one top: ${tops.map((s) => s.name)}`);
  for (const s of spans) assert.ok(s.to >= s.from, `${s.name} ends before it begins`);
  return tops[0];
}
