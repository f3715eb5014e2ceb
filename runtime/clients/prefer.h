/* prefer: what a request's Prefer headers ask of the server (RFC 7240). Owns nothing. Ignores preferences that it does
 * not know or cannot read, as the RFC wants. */
#ifndef RUNTIME_CLIENTS_PREFER_H
#define RUNTIME_CLIENTS_PREFER_H

#include <stdbool.h>
#include <stdint.h>

enum { PREFER_WAIT_MAX_S = 1000000 };

typedef struct prefer {
    bool respond_async;
    int64_t wait_ms; /* wait=N; -1: not asked for. At most PREFER_WAIT_MAX_S seconds */
} prefer;

static const prefer PREFER_NOTHING = {.wait_ms = -1};

/* Reads one of the headers, which are given in their order: of a preference that comes twice the first counts. */
void prefer_read(prefer *p, const char *value);

#endif
