/* otlp: spans as OpenTelemetry's protocol wants them (opentelemetry-proto 1.x, ExportTraceServiceRequest): in protobuf,
 * or in its JSON form. Owns nothing. */
#ifndef RUNTIME_TRACE_OTLP_H
#define RUNTIME_TRACE_OTLP_H

#include <msgpack.h>

#include "runtime/trace/span.h"
#include "runtime/trace/trace_env.h"

/* Spans, and whose they are. */
typedef struct otlp_batch {
    const trace_pairs *resource;
    const span *const *spans;
    size_t count;
} otlp_batch;

/* Append the batch to `to`. False: no memory. */
bool otlp_write_protobuf(msgpack_sbuffer *to, const otlp_batch *batch);
bool otlp_write_json(msgpack_sbuffer *to, const otlp_batch *batch);

#endif
