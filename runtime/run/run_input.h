/* run_input: what a run begins with, whoever begins it. Borrowed for the call that begins the run, which copies what
 * the run keeps. */
#ifndef RUNTIME_RUN_INPUT_H
#define RUNTIME_RUN_INPUT_H

#include "http/server/router.h"
#include "http/server/server.h"
#include "storage/store.h"

/* What its handler reads as the request. */
typedef struct run_input {
    http_text method, target; /* the target as sent: path and query, percent-encoded */
    const http_header *headers;
    size_t header_count;
    const http_param *params; /* of the route */
    size_t param_count;
    http_text body;
} run_input;

/* A key that the run is found by when somebody wants to begin it again. It is in the commit of the run's first entries;
 * until that is on disk, or never will be, whoever begins the run answers for it. */
typedef struct run_key {
    store_key key;
    void (*on_settled)(struct run_key *k); /* that is so now, and the run has let go of it */
} run_key;

/* Who begins it. */
typedef struct run_origin {
    run_key *key; /* borrowed until on_settled, which does not come when no run begins; NULL: none */
} run_origin;

/* Why no run could begin. Nothing of it was done; it may be tried again. */
typedef struct run_refusal {
    const char *text;
    const char *retry_after_s;
} run_refusal;

#endif
