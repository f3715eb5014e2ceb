/* schedules_routes: the schedules as operators see and change them. Takes the exchange; owns nothing afterwards. */
#ifndef RUNTIME_ADMIN_SCHEDULES_ROUTES_H
#define RUNTIME_ADMIN_SCHEDULES_ROUTES_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers GET /_sw/schedules: all of them, those included that the program no longer has. */
void schedules_answer_list(home *h, http_exchange *x);
/* Answers PUT /_sw/schedules/NAME, {"paused": bool}, once that is on disk. On any loop: the exchange moves to the first
 * one. `by`: the operator's name. */
void schedules_answer_put(home *h, http_exchange *x, const char *name, const char *by);
/* Answers DELETE /_sw/schedules/NAME: what is on disk of it is forgotten. As schedules_answer_put. */
void schedules_answer_delete(home *h, http_exchange *x, const char *name, const char *by);

#endif
