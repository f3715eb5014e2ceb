/* otlp: spans as OpenTelemetry's protocol wants them (opentelemetry-proto 1.x, ExportTraceServiceRequest): in protobuf,
 * or in its JSON form; and what a collector answers. Owns nothing. */
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

/* What a collector says of spans that it has not taken, though it has taken the batch ("partial success"). */
typedef struct otlp_refusal {
    uint64_t spans;    /* 0: none; with a message: a warning */
    char message[400]; /* cut; "": it gives none */
} otlp_refusal;

/* Reads that from a collector's answer to a batch, whose end may be missing. What cannot be read says nothing. */
void otlp_read_answer(otlp_refusal *out, const char *data, size_t len, bool is_json);

#endif
