/* start_run: an operator begins a run of an endpoint, with the request that the operator describes, since pages of the
 * admin API may not ask at the public address. Takes the exchange; owns nothing afterwards. */
#ifndef RUNTIME_ADMIN_START_RUN_H
#define RUNTIME_ADMIN_START_RUN_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers POST /_sw/runs: {"endpoint", "target", "body"}. 202 with the run's id when it is on disk, also
 * when an earlier request with its Idempotency-Key has begun it. `by`: the operator's name. */
void start_run_answer(home *h, http_exchange *x, const char *by);

#endif
