/* idempotency: requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). A key names one run of its
 * endpoint and caller: a client that comes with it again attaches to that run or gets its stored response, and 422 with
 * another target or body. Key and run come to the journal in one commit. This module owns the claims: a *claim* is a
 * key that is being looked up, or whose run is not on disk. A key's hash says which loop owns its claim; connections
 * move there. */
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
    size_t looking; /* how many are being looked up */
} claim_table;

/* Takes a request with a key, and its exchange: the request waits, is attached to a run, begins one or is refused. */
void idempotency_take(struct home *h, const struct endpoint *e, http_exchange *x, const struct request_wish *w);

#endif
