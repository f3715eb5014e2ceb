/* error_groups: why runs failed, for an operator: the newest failed runs, by endpoint, step and what their messages
 * begin with. Whether the client may ask has been asked before (auth.h). Changes nothing. */
#ifndef RUNTIME_ADMIN_ERROR_GROUPS_H
#define RUNTIME_ADMIN_ERROR_GROUPS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/errors. Takes the exchange. */
void errors_answer(home *h, http_exchange *x);

#endif
