/* resume: an operator has a run go on that has failed, or was cancelled. Takes the exchange. */
#ifndef RUNTIME_ADMIN_RESUME_H
#define RUNTIME_ADMIN_RESUME_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* `by`: the operator's name. The run is one of this home. */
void resume_answer(home *h, http_exchange *x, const run_id *id, const char *by);

#endif
