/* session: the admin route that gives a token for the code that --dev logs. Owns nothing: the code and
 * the token are link_code's (runtime/clients/link_code.h). */
#ifndef RUNTIME_ADMIN_SESSION_H
#define RUNTIME_ADMIN_SESSION_H

#include "http/server/server.h"
#include "runtime/run/home.h"

/* Answers POST /_sw/session, whose body is the code. Takes the exchange. */
void session_answer(home *h, http_exchange *x);

#endif
