/* run_url: the URL of one of a run's resources, with a token. Owns nothing. */
#ifndef RUNTIME_CLIENTS_RUN_URL_H
#define RUNTIME_CLIENTS_RUN_URL_H

#include "runtime/run/run_token.h"

struct home;

enum { RUN_URL_MAX = 1024, RUN_URL_MORE = 20 /* what a caller may add: "&after=" or "&round=" and a number */ };

typedef struct run_link {
    const run_id *run;
    const char *what;      /* "output", "stream" */
    run_token_scope scope; /* READ or CONTROL */
    const char *host;      /* by which the client reached the public door; NULL: not known, and without --public-url the
                              URL begins with its path */
} run_link;

/* Writes the URL, with a token of that scope. */
void run_url(const struct home *h, const run_link *link, char out[RUN_URL_MAX]);

#endif
