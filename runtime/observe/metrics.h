/* metrics: what all loops have counted, and how much they have at the moment, for Prometheus (text format 0.0.4). Owns
 * nothing: reads the homes of all loops while these work, so that values of one page need not fit each other. */
#ifndef RUNTIME_OBSERVE_METRICS_H
#define RUNTIME_OBSERVE_METRICS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/metrics. Takes the exchange. */
void metrics_answer(home *h, http_exchange *x);

#endif
