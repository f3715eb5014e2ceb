/* runs_api: what an administrator sees: the list of runs, one run with its steps, and metrics. Reads journals; changes
 * nothing. */
#ifndef RUNTIME_ADMIN_RUNS_H
#define RUNTIME_ADMIN_RUNS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

void runs_api_list(home *h, http_exchange *x);
void runs_api_one(home *h, http_exchange *x, const run_id *id);

#endif
