/* run_access: what a request may do with the run that its URL names. The right to it is the run's token: in the URL's
 * query, or as a bearer token (RFC 6750). Owns nothing. */
#ifndef RUNTIME_CLIENTS_RUN_ACCESS_H
#define RUNTIME_CLIENTS_RUN_ACCESS_H

#include <stdint.h>

#include "http/server/server.h"
#include "runtime/run/run_token.h"

struct home;

enum { RUN_QUERY_BYTES = 1024 /* of a run's URL, with a final zero */ };

/* It has something that may be a run's token. */
bool run_access_has_token(const http_request *q);
/* Which scope its token claims; RUN_TOKEN_CONTROL if it has none. */
run_token_scope run_access_scope(const http_request *q);
/* How often its client has been sent round from the run's output URL, by `round` in the query; 0: not yet, or that is
 * no number. It is there to make each URL another one. */
uint32_t run_access_round(const http_request *q);
/* It has a token of this run with at least that scope; false: the exchange has been answered. `does` says for what that
 * scope is needed: "cancelling a run". */
bool run_access_check(struct home *h, http_exchange *x, const run_id *id, run_token_scope needed, const char *does);

#endif
