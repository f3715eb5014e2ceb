/* runs: what an operator sees of one run, with its steps. Reads its journal, changes nothing. Whether the client may
 * ask has been asked before (auth.h). */
#ifndef RUNTIME_ADMIN_RUNS_H
#define RUNTIME_ADMIN_RUNS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/runs/:id. Takes the exchange. */
void runs_answer_one(home *h, http_exchange *x, const run_id *id);

#endif
