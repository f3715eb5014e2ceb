/* resume_plan: what a resume of a run would do again, in the run and in those that it has called, which go on with it.
 * Reads their journals, one after the other; writes nothing. Takes the exchange. */
#ifndef RUNTIME_ADMIN_RESUME_PLAN_H
#define RUNTIME_ADMIN_RESUME_PLAN_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* The run is one of this home. */
void resume_plan_answer(home *h, http_exchange *x, const run_id *id);

#endif
