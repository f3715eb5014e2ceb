/* sampler: which traces are exported (OTEL_TRACES_SAMPLER). Decides by the trace's id, so that every process that has
 * the run, and every service of the trace that takes the same share, comes to the same. Owns nothing. */
#ifndef RUNTIME_TRACE_SAMPLER_H
#define RUNTIME_TRACE_SAMPLER_H

#include <stdbool.h>

#include "runtime/trace/trace_context.h"

typedef struct sampler {
    bool follows_parent; /* what a caller that is trusted has decided is obeyed */
    double share;        /* of the other traces: 0 to 1 */
} sampler;

/* Reads a sampler by its name in the specification, and its argument; NULL: not given. False: there is no such sampler,
 * or the argument is no share: *out is then the default, which exports all. */
bool sampler_read(const char *name, const char *argument, sampler *out);

/* Whether some of the traces are exported, and others are not: else none has to be drawn. */
bool sampler_draws(const sampler *s);

/* Returns what a trace is drawn by: its last 8 bytes, as other implementations take them. */
uint64_t sampler_draw(const uint8_t trace[TRACE_ID_BYTES]);

/* Whether the trace is exported. `draw`: sampler_draw; if sampler_draws, else any. `parent`: what the caller says of
 * it; NULL: there is none, or it is not trusted. */
bool sampler_takes(const sampler *s, uint64_t draw, const trace_parent *parent);

#endif
