/* builtin: the routes that every program has under /_sw/ (docs/http.md): a run's output and stream for clients with its
 * token; the list of runs, one run, health and metrics for administrators. */
#ifndef RUNTIME_BUILTIN_H
#define RUNTIME_BUILTIN_H

#include "http/router.h"
#include "http/server.h"
#include "runtime/app.h"
#include "runtime/run/home.h"

void builtin_register(sw_app *app);

/* The answer to a request that no route takes: 400, 404 or 405. */
void builtin_no_route(home *h, http_exchange *x, const http_match *m);

/* Files of sw_static; the endpoint holds the folder. */
void builtin_files(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t param_count);

#endif
