/* problem: a refusal that says why, as application/problem+json (RFC 9457). */
#ifndef RUNTIME_PROBLEM_H
#define RUNTIME_PROBLEM_H

#include "http/server.h"

/* Ends the exchange. `retry_after`: seconds, or NULL. */
void problem_reply(http_exchange *x, int status, const char *detail, const char *retry_after);

#endif
