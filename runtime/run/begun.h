/* begun: what *started* says (entry.more) of a run that no request of a client's began: which operator began it, for
 * which point in time of its function's schedule it has begun, of which run it is a fork, and which run has called it.
 * Such a run is tied to no clients, whatever its endpoint says. Owns nothing. */
#ifndef RUNTIME_RUN_BEGUN_H
#define RUNTIME_RUN_BEGUN_H

#include <msgpack.h>
#include <stdbool.h>

#include "runtime/run/letter.h"
#include "runtime/trace/trace_context.h"
#include "storage/entry.h"
#include "storage/run_id.h"

typedef struct begun {
    char by[LETTER_BY_MAX + 1];        /* the operator's name; "": not said */
    char forked_from[RUN_ID_TEXT + 1]; /* "": it is no fork */
    int64_t scheduled_ms;              /* Unix; 0: no schedule has begun it */
    char called_by[RUN_ID_TEXT + 1];   /* "": no run has called it (runtime/run/called_by.h) */
    bool is_detached;                  /* called, and nobody waits for its result */
    /* The span of the request of the run that it is a fork of, as a traceparent; "": spans were not exported then. */
    char forked_span[TRACE_PARENT_TEXT + 1];
} begun;

/* Reads how the run began. A part that is missing or unreadable becomes "". */
void begun_read(const entry *started, begun *out);
/* Whether a client's request began the run. */
static inline bool begun_is_of_client(const begun *b)
{
    return !*b->by && !*b->forked_from && !*b->called_by && b->scheduled_ms == 0;
}

/* What a fork is of. */
typedef struct begun_fork {
    const run_id *from;
    uint64_t at;              /* the path where it goes its own way; 0: from the beginning */
    const trace_parent *span; /* of that run's request; NULL: spans are not exported */
} begun_fork;

/* How many pairs begun_pack appends. */
static inline uint32_t begun_pairs(const char *by, const begun_fork *fork)
{
    return (by != NULL) + (fork ? 2U + (fork->span != NULL) : 0U);
}
/* Appends the pairs to a map of *started*. `by`, `fork`: NULL if not to be said. False: no memory. */
bool begun_pack(msgpack_packer *pk, const char *by, const begun_fork *fork);

/* Appends the one pair of a run that a schedule begins, for that point. False: no memory. */
bool begun_pack_scheduled(msgpack_packer *pk, int64_t point_ms);

#endif
