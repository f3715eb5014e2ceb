/* endpoints_list: the program's endpoints for an operator: how many runs of each stand how, how long they took, and
 * what its options are. Whether the client may ask has been asked before (auth.h). Changes nothing. */
#ifndef RUNTIME_ADMIN_ENDPOINTS_LIST_H
#define RUNTIME_ADMIN_ENDPOINTS_LIST_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/endpoints. Takes the exchange. */
void endpoints_answer(home *h, http_exchange *x);

#endif
