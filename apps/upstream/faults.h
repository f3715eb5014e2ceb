/* faults: what goes wrong with a call. The n-th call with a body has the same fault in every run with the same seed;
 * only the rate limit depends on the clock. */
#ifndef UPSTREAM_FAULTS_H
#define UPSTREAM_FAULTS_H

#include "apps/upstream/call_log.h"
#include "apps/upstream/settings.h"

typedef enum fault_kind {
    FAULT_NONE,
    FAULT_ERROR,        /* 500 */
    FAULT_OVERLOAD,     /* 529, Exa 503 */
    FAULT_CUT,          /* the connection ends in the middle of the body */
    FAULT_STREAM_ERROR, /* an error event in the middle of a stream */
    FAULT_MALFORMED,    /* structured output that does not fit */
    FAULT_REFUSAL       /* stop_reason "refusal" */
} fault_kind;

/* What a call can suffer beyond errors, overload and cuts. */
typedef struct fault_scope {
    bool streamed;   /* FAULT_STREAM_ERROR */
    bool structured; /* FAULT_MALFORMED */
    bool message;    /* FAULT_REFUSAL */
} fault_scope;

fault_kind fault_of(const settings *s, uint64_t draw, fault_scope scope);
const char *fault_name(fault_kind f); /* for the log of calls */

/* The number that everything about the n-th call with this body is drawn from. */
uint64_t fault_draw(const settings *s, uint64_t body_hash, uint64_t n);

int64_t fault_latency_ms(const settings *s, uint64_t draw);

/* 0: the rate limit lets a call in; else how long it lets none in. A bucket of one second's calls for each API. */
int64_t fault_rate_limit_ms(const settings *s, call_api api);

#endif
