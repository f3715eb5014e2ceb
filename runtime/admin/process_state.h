/* process_state: the process for an operator: its loops, journal, memory. Whether the client may ask has been asked
 * before (auth.h). Changes nothing. */
#ifndef RUNTIME_ADMIN_PROCESS_STATE_H
#define RUNTIME_ADMIN_PROCESS_STATE_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/process. Takes the exchange. */
void process_answer(home *h, http_exchange *x);

#endif
