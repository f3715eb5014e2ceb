/* run_access: what a request may do with the run that its URL names. The right to it is the run's token: in the URL's
 * query, or as a bearer token (RFC 6750). Owns nothing. */
#ifndef RUNTIME_CLIENTS_RUN_ACCESS_H
#define RUNTIME_CLIENTS_RUN_ACCESS_H

#include <stdint.h>

#include "http/server/server.h"
#include "runtime/run/run_token.h"

struct home;

enum { RUN_QUERY_BYTES = 1024 /* of a run's URL, with a final zero */ };

/* Whether this node owns the run. False: another node of the cluster does, and the exchange has been told to ask that
 * one. */
bool run_access_is_here(const struct home *h, http_exchange *x, const run_id *id);
/* Whether the request has something that may be a run's token. */
bool run_access_has_token(const http_request *q);
/* Returns the scope that the request's token claims; RUN_TOKEN_CONTROL if it has none. */
run_token_scope run_access_scope(const http_request *q);
/* Returns `round` of the query, how often the client has been sent round from the run's output URL, which makes each of
 * these URLs another one. 0: not yet, or it is no number. */
uint32_t run_access_round(const http_request *q);
/* Returns the path of the question of this run that the request's token may answer; 0: it has no such token. */
uint64_t run_access_question(const struct home *h, const http_exchange *x, const run_id *id);
/* Checks that the request has a token of this run with at least that scope. `does` says for what that scope is needed:
 * "cancelling a run". False: it has not, and the exchange has been answered. */
bool run_access_check(struct home *h, http_exchange *x, const run_id *id, run_token_scope needed, const char *does);

#endif
