/* metrics: answers requests for the page of metrics (runtime/observe/metrics_page.h). The page is written on a thread
 * of uv's pool, so that no loop stands still for it, however long the page is. */
#ifndef RUNTIME_OBSERVE_METRICS_H
#define RUNTIME_OBSERVE_METRICS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/metrics. Takes the exchange. */
void metrics_answer(home *h, http_exchange *x);

#endif
