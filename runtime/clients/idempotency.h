/* idempotency: requests with an Idempotency-Key (draft-ietf-httpapi-idempotency-key-header). A key names one run of its
 * endpoint and caller: a client that comes with it again attaches to that run or gets its stored response, and 422 with
 * another target or body. Key and run come to the journal in one commit. This module owns the claims: a *claim* is a
 * key that is being looked up, or whose run is not on disk. A key's hash says which loop owns its claim; connections
 * move there. */
#ifndef RUNTIME_CLIENTS_IDEMPOTENCY_H
#define RUNTIME_CLIENTS_IDEMPOTENCY_H

#include "http/server/server.h"
#include "runtime/run/letter.h"
#include "runtime/run/run_input.h"
#include "storage/store.h"

struct home;
struct endpoint;
struct request_wish;
struct run;

enum { CLAIM_BUCKETS = 1024 };

struct claim;

typedef struct claim_table {
    struct claim *buckets[CLAIM_BUCKETS];
    size_t looking; /* how many are being looked up */
} claim_table;

/* Takes a request with a key, and its exchange: the request waits, is attached to a run, begins one or is refused. */
void idempotency_take(struct home *h, const struct endpoint *e, http_exchange *x, const struct request_wish *w);

/* ---- Requests of operators, at the admin API ---- */

/* Begins the run that the request asks for, with the key. NULL: none has begun, and the exchange has its answer. */
typedef struct run *(*keyed_begin_fn)(struct home *h, http_exchange *x, const char *by, run_key *key);

/* Whose key it is, which names one run of its operator and route, and what for. */
typedef struct keyed_work {
    const char *route;  /* "POST /_sw/runs" */
    const char *by;     /* the operator's name: copied */
    http_text asked[3]; /* what the fingerprint is of, which is on disk: without what an endpoint leaves out */
    keyed_begin_fn begin;
} keyed_work;

/* Takes an operator's request with a key, and its exchange, which gets 202 when the run is on disk: it has begun
 * before, or `begin` begins it. May move the connection to another loop, as a new request. */
void idempotency_take_admin(struct home *h, http_exchange *x, const keyed_work *work);

/* How many keys the request has. */
unsigned idempotency_count(http_exchange *x);
/* Reads the key of an operator's request, and hashes it with what it is for. False: the exchange has its answer. */
bool idempotency_read(http_exchange *x, const char *route, const char *by, uint8_t hash[STORE_KEY_BYTES]);
/* Refuses a request whose key came with another one. */
void idempotency_refuse_other(http_exchange *x);

#endif
