/* error_groups: why runs failed, for an operator: the newest failed runs, by endpoint, step and what their messages
 * begin with. Whether the client may ask has been asked before (auth.h). Changes nothing. */
#ifndef RUNTIME_ADMIN_ERROR_GROUPS_H
#define RUNTIME_ADMIN_ERROR_GROUPS_H

#include "http/server/server.h"
#include "runtime/run/home.h"

enum { ERROR_KIND_BYTES = 80 };

/* Writes what the message of an error begins with, each row of digits as "#", since they are data more often than not.
 * Returns its length, at most ERROR_KIND_BYTES; it ends between two characters. */
size_t error_kind(char out[ERROR_KIND_BYTES], const char *message, size_t len);

/* Answers GET /_sw/errors. Takes the exchange. */
void errors_answer(home *h, http_exchange *x);

#endif
