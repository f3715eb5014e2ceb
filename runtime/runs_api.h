/* runs_api: what an administrator sees: the list of runs, one run with its steps, and metrics. Reads journals; changes
 * nothing. */
#ifndef RUNTIME_RUNS_API_H
#define RUNTIME_RUNS_API_H

#include "runtime/loop.h"

void runs_api_list(sw_loop *l, http_exchange *x);
void runs_api_one(sw_loop *l, http_exchange *x, const run_id *id);
void runs_api_metrics(sw_loop *l, http_exchange *x);

#endif
