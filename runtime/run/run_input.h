/* run_input: what a run begins with, whoever begins it. Borrowed for the call that begins the run, which copies what
 * the run keeps. */
#ifndef RUNTIME_RUN_INPUT_H
#define RUNTIME_RUN_INPUT_H

#include "http/router.h"
#include "http/server.h"

struct claim;

/* What its handler reads as the request. */
typedef struct run_input {
    http_text method, target; /* the target as sent: path and query, percent-encoded */
    const http_header *headers;
    size_t header_count;
    const http_param *params; /* of the route */
    size_t param_count;
    http_text body;
} run_input;

/* Who begins it. */
typedef struct run_origin {
    struct claim *claim; /* of a request's Idempotency-Key, which the run's first commit keeps; NULL: none */
} run_origin;

/* Why no run could begin. Nothing of it was done; it may be tried again. */
typedef struct run_refusal {
    const char *text;
    const char *retry_after_s;
} run_refusal;

#endif
