/* bulk: what operators ask of many runs at once: checks the request, counts the runs it means (a dry run), or begins
 * the durable run that acts on them (bulk_run.h). Owns requests that wait for the store. */
#ifndef RUNTIME_ADMIN_BULK_H
#define RUNTIME_ADMIN_BULK_H

#include "http/server/server.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"

/* Answers POST /_sw/bulk, for which the operator `by` has the right. Takes x. */
void bulk_answer(home *h, http_exchange *x, const char *by);

#endif
