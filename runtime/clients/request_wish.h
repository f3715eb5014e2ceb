/* request_wish: what an HTTP request asks of a run beside its work: how its client wants the answer, what it has of it
 * already, under which key it may ask again, by which name it reached this server. Read once, when the request comes;
 * nobody further in goes back to the exchange for another header. Borrows its texts from the exchange. */
#ifndef RUNTIME_CLIENTS_REQUEST_WISH_H
#define RUNTIME_CLIENTS_REQUEST_WISH_H

#include <stdbool.h>
#include <stdint.h>

#include "http/server/router.h"
#include "http/server/server.h"
#include "runtime/run/run_token.h"
#include "storage/run_id.h"

typedef enum waiter_kind {
    WAITER_REQUEST, /* the original request: may be sent on with 303 */
    WAITER_ASYNC,   /* an original request with Prefer: respond-async: 202 as soon as the run is on disk */
    WAITER_WAIT,    /* an original request with Prefer: wait=N: 202 when that time is over */
    WAITER_OUTPUT,  /* blocks on the output URL, at most --hold */
    WAITER_STREAM,  /* reads frames */
    WAITER_CANCEL,  /* asked for the run to be cancelled, and wants to know that it was */
    WAITER_RELEASE, /* asked for a stopped run to be released, and wants to know that it was */
    WAITER_REST,    /* a former worker has sent the beginning of the response */
    WAITER_NONE     /* of a kept connection: no request of it has begun */
} waiter_kind;

/* How a client wants its answer. */
typedef struct waiter_wish {
    waiter_kind kind;
    uint32_t after;              /* WAITER_STREAM: the last frame it has */
    int64_t wait_ms;             /* WAITER_WAIT */
    int64_t since_ms;            /* clock_steady_ms, since when it waits; 0: from now on */
    bool replayed;               /* its request found a run that an earlier one with the same Idempotency-Key began */
    bool begun;                  /* WAITER_STREAM: a former worker has sent the head, and frames up to `after` */
    const http_kept_reply *rest; /* WAITER_REST: that beginning; borrowed for the call */
} waiter_wish;

struct kept_client;

/* What a connection that was moved is to be attached to. */
typedef struct destination {
    run_id run;
    waiter_wish answer;
    const struct kept_client *kept; /* of a former worker; NULL: run and answer say it */
} destination;

typedef struct request_wish {
    waiter_wish answer;        /* Accept, Prefer */
    bool is_head;              /* the method is HEAD */
    bool observes;             /* it asks for a URL of a run, and began none */
    const char *host;          /* Host, by which the client reached this server; NULL: none */
    const char *last_event_id; /* Last-Event-ID: of an EventSource that lost its connection; NULL or "": none */
    http_text key;             /* Idempotency-Key, the last one */
    unsigned key_count;        /* how many of those it has */
    int64_t hold_ms;           /* how long its client bears to be held at an output URL; of a request that begins a run:
                                  HOLD_PROXY_MS if it shows a proxy, else 0 */
    uint32_t round;            /* how often it has been sent round */
    run_token_scope scope; /* of the URLs that it may be told: what its own has, all if it asks for no URL of a run */
} request_wish;

/* Of a request for an endpoint, which begins a run or finds it by its Idempotency-Key: whatever its path and query look
 * like, it is told URLs of full scope. */
request_wish request_wish_of(const http_request *q);
/* Of a request for a URL of a run, whose token has been checked. */
request_wish request_wish_of_link(const http_request *q);
/* Which of the two it is, when it is not the router that hands it over. The router alone knows: it takes "/%5fsw/" for
 * "/_sw/", and gives what lies there and is no route of the library to an endpoint such as "POST /:tenant/orders". */
bool request_is_of_link(const http_router *routes, http_text method, http_text path);

#endif
