/* start_function: an operator, or a service with an operator's token, begins a run of a function (sw_function), or has
 * a schedule begin one at once. Takes the exchange; owns nothing afterwards. */
#ifndef RUNTIME_ADMIN_START_FUNCTION_H
#define RUNTIME_ADMIN_START_FUNCTION_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers POST /_sw/functions/NAME, whose body is the input as JSON, and POST /_sw/schedules/NAME, whose input is that
 * of a point of this moment, and which no point knows of. 202 with the run's id when it is on disk, also
 * when an earlier request with its Idempotency-Key has begun it. `by`: the operator's name. */
void start_function_answer(home *h, http_exchange *x, const char *by);

#endif
