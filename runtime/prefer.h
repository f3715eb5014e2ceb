/* prefer: what a request's Prefer headers ask of the server (RFC 7240). Owns nothing; what it does not know, or cannot
 * read, it ignores, as the RFC wants. */
#ifndef RUNTIME_PREFER_H
#define RUNTIME_PREFER_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server.h"

enum { PREFER_WAIT_MAX_S = 1000000 };

typedef struct prefer {
    bool respond_async;
    int64_t wait_ms; /* wait=N; -1: not asked for. At most PREFER_WAIT_MAX_S seconds */
} prefer;

prefer prefer_read(const http_request *q);

#endif
