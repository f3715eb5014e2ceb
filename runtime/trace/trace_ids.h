/* trace_ids: the ids of traces and spans that this process makes. Those of a run follow from what is journaled, so that
 * another process comes to the same. Owns nothing. */
#ifndef RUNTIME_TRACE_TRACE_IDS_H
#define RUNTIME_TRACE_TRACE_IDS_H

#include <stdint.h>

#include "runtime/trace/trace_context.h"

/* Makes the id of the trace that a run without a caller's trace begins: the first half of SHA-256 of the run's id, of
 * 16 bytes. */
void trace_id_of_run(const uint8_t run[16], uint8_t out[TRACE_ID_BYTES]);
/* What a span is of. Unused members are 0. */
typedef struct trace_place {
    uint64_t path;       /* of the step or sleep; of the request: the root's */
    uint64_t execution;  /* of the run in this process, if it is not the first: an attempt that is lost is made again */
    uint64_t epoch;      /* the opening of the store in which an attempt began */
    uint32_t generation; /* how often the run has been reopened */
    uint32_t attempt;    /* from 1 */
    uint32_t call;       /* of the attempt, from 1 */
    uint32_t kind;       /* tells a wait from an attempt of one path */
} trace_place;

/* Returns the id of the span, never 0: a hash, so that ids differ. `subject`: the run's id, of which the id of its
 * trace follows too; or what else tells requests of one trace apart. */
uint64_t trace_span_id(const uint8_t subject[16], const trace_place *place);

#endif
