/* fork_request: an operator begins a fork of a run, or asks what that would do. Takes the exchange. */
#ifndef RUNTIME_ADMIN_FORK_REQUEST_H
#define RUNTIME_ADMIN_FORK_REQUEST_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* `by`: the operator's name. The run is one of this home. */
void fork_request_answer(home *h, http_exchange *x, const run_id *id, const char *by);

#endif
