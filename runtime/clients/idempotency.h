/* idempotency: requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). A key names one run of its
 * endpoint and caller: who comes with it again attaches to that run or gets its stored response; with another target
 * or body 422. The journal keeps key and run in one commit. This module owns what is not there yet: a *claim* is a key
 * that is being looked up, or whose run is not on disk. A key's hash says which loop owns its claims; connections move
 * there. */
#ifndef RUNTIME_CLIENTS_IDEMPOTENCY_H
#define RUNTIME_CLIENTS_IDEMPOTENCY_H

#include "http/server/server.h"
#include "storage/store.h"

struct home;
struct endpoint;
struct request_wish;

enum { CLAIM_BUCKETS = 1024 };

struct claim;

typedef struct claim_table {
    struct claim *buckets[CLAIM_BUCKETS];
    size_t looking; /* being looked up */
} claim_table;

/* A request with a key. Takes the exchange. */
void idempotency_take(struct home *h, const struct endpoint *e, http_exchange *x, const struct request_wish *w);

#endif
