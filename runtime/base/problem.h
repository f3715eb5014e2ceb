/* problem: refuses a request and says why, as application/problem+json (RFC 9457). Owns nothing. */
#ifndef RUNTIME_BASE_PROBLEM_H
#define RUNTIME_BASE_PROBLEM_H

#include "http/server/server.h"
#include "runtime/base/arena.h"

enum { PROBLEM_HEADERS_MAX = 4 };

/* Ends the exchange with a problem. retry_after: seconds, for Retry-After; NULL: none. */
void problem_reply(http_exchange *x, int status, const char *detail, const char *retry_after);
/* Ends the exchange with a problem that has headers of its own, at most PROBLEM_HEADERS_MAX. */
void problem_reply_with(http_exchange *x, int status, const char *detail, const http_reply_header *headers,
                        size_t count);

/* Returns the text of a problem, in the arena. `members` are further members of its JSON object, each behind a comma,
 * or
 * "". NULL: no memory. */
char *problem_text(arena *a, int status, const char *detail, const char *members);

#endif
