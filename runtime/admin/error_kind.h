/* error_kind: which failures are alike: what their messages begin with, without numbers. Groups of errors and the
 * filter `kind` go by it, so that an action on a group means its runs and no others. Pure. */
#ifndef RUNTIME_ADMIN_ERROR_KIND_H
#define RUNTIME_ADMIN_ERROR_KIND_H

#include <stdbool.h>
#include <stddef.h>

#include "runtime/base/redact.h"

enum { ERROR_KIND_BYTES = 80 };

/* Writes what the message of an error, as operators are shown it, begins with, each row of digits as "#", since they
 * are data more often than not. Returns its length, at most ERROR_KIND_BYTES. It is UTF-8 without zero bytes, whatever
 * the message, and ends between two characters: JSON and the query of a URL can name it. */
size_t error_kind(char out[ERROR_KIND_BYTES], const struct redact *hides, http_text message);

/* Whether the message is of the kind, which is zero-terminated. */
bool error_is_of_kind(const struct redact *hides, http_text message, const char *kind);

#endif
