/* run_input: what a run begins with: the request that its handler reads, or the value that its function is given, and
 * the key it may be found by. Whoever begins a run owns both; run_begin copies the input. */
#ifndef RUNTIME_RUN_INPUT_H
#define RUNTIME_RUN_INPUT_H

#include "http/server/router.h"
#include "http/server/server.h"
#include "runtime/stepwell.h"
#include "storage/store.h"

/* What the run's handler reads as the request. Borrowed for the call that begins the run. */
typedef struct run_input {
    const sw_value *value; /* what a function is given: then there is no request but the headers of its trace; NULL: the
                              run is of an endpoint */
    http_text method, target; /* the target as sent: path and query, percent-encoded */
    const http_header *headers;
    size_t header_count;
    const http_param *params; /* of the route */
    size_t param_count;
    http_text body;
} run_input;

/* An Idempotency-Key, by which a later request finds the run. It is committed with the run's first entries; until the
 * store knows whether they are on disk, whoever began the run answers for the key. */
typedef struct run_key {
    store_key key;
    /* The store knows now: the run holds no pointer to the key any more. */
    void (*on_settled)(struct run_key *k);
} run_key;

/* Who begins the run. */
typedef struct run_origin {
    run_key *key;   /* borrowed until on_settled, which does not come when run_begin fails; NULL: none */
    const char *by; /* an operator's name: no client's request begins the run (runtime/run/begun.h); NULL: one does */
} run_origin;

/* Why no run could begin. Nothing was done, so the client may send its request again. */
typedef struct run_refusal {
    const char *text;          /* static */
    const char *retry_after_s; /* static; for Retry-After. NULL: it is too large at any time */
} run_refusal;

#endif
