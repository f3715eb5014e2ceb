/* health: whether the process lives, and whether it can serve: for probes, for anybody. Takes no memory and asks no
 * disk. */
#ifndef RUNTIME_ADMIN_HEALTH_H
#define RUNTIME_ADMIN_HEALTH_H

#include "http/server/server.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"

/* GET /_sw/healthz. */
void health_on_alive(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n);
/* GET /_sw/readyz: 200 once what a start reads has been read, while the journal takes writes and the process does not
 * drain. */
void health_on_ready(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n);

#endif
