/* runs: what an operator sees of runs: the list, and one run with its steps. Owns a request until the store has
 * answered. Reads journals, changes nothing. Whether the client may ask has been asked before (auth.h). */
#ifndef RUNTIME_ADMIN_RUNS_H
#define RUNTIME_ADMIN_RUNS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/runs, and GET /_sw/runs/:id. Both take the exchange. */
void runs_answer_list(home *h, http_exchange *x);
void runs_answer_one(home *h, http_exchange *x, const run_id *id);

#endif
