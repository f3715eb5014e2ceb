/* runs_list: the list of runs for an operator, filtered and in pages. Whether the client may ask has been asked before
 * (auth.h). Reads journals, changes nothing. */
#ifndef RUNTIME_ADMIN_RUNS_LIST_H
#define RUNTIME_ADMIN_RUNS_LIST_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/runs. Takes the exchange. */
void runs_answer_list(home *h, http_exchange *x);

#endif
