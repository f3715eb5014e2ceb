/* sampler: which traces are exported (OTEL_TRACES_SAMPLER). Decides by the trace's id alone, so that every process that
 * has the run, and every service with the same share, comes to the same. Owns nothing. */
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

/* Whether the trace is exported. `parent`: what the caller says of it; NULL: there is none, or it is not trusted. */
bool sampler_takes(const sampler *s, const uint8_t trace[TRACE_ID_BYTES], const trace_parent *parent);

#endif
