/* metrics: what all loops have counted, and how much they have at the moment, for Prometheus (text format 0.0.4). Owns
 * nothing: it reads the homes of all loops while they work. */
#ifndef RUNTIME_METRICS_H
#define RUNTIME_METRICS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

void metrics_answer(home *h, http_exchange *x);

#endif
