/* request_wish: what an HTTP request asks of a run beside its work: how its client wants the answer, which part of it
 * the client has, under which key the client may ask again, by which name it reached this server. Read once, when the
 * request comes; nobody further in goes back to the exchange for another header. Borrows its texts from the exchange.
 */
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
    WAITER_OUTPUT,  /* waits at the output URL, at most for --hold */
    WAITER_STREAM,  /* reads frames */
    WAITER_CANCEL,  /* has asked for the run to be cancelled, and waits until it is */
    WAITER_RELEASE, /* has asked for a stopped run to be released, and waits until it is */
    WAITER_REST,    /* gets the rest of a response that a former worker has begun to send */
    WAITER_NONE,    /* only in a client note: the kept connection has no request that has begun */
    /* Client notes have the numbers of those above. */
    WAITER_STOP, /* has asked for the run to be stopped, and waits until that is on disk */
    WAITER_KINDS
} waiter_kind;

/* Whether such a client waits for what it has asked of the run, not for the run's answer. */
static inline bool waiter_kind_steers(waiter_kind kind)
{
    return kind == WAITER_CANCEL || kind == WAITER_RELEASE || kind == WAITER_STOP;
}

/* How a client wants its answer. */
typedef struct waiter_wish {
    waiter_kind kind;
    uint32_t after;              /* WAITER_STREAM: the last frame it has */
    int64_t wait_ms;             /* WAITER_WAIT */
    int64_t since_ms;            /* since when the client waits, on clock_steady_ms; 0: from now on */
    bool replayed;               /* its request found a run that an earlier one with the same Idempotency-Key began */
    bool begun;                  /* WAITER_STREAM: a former worker has sent the head, and frames up to `after` */
    const http_kept_reply *rest; /* WAITER_REST: the beginning that was sent; borrowed for the call */
} waiter_wish;

struct kept_client;

/* The run to which a moved connection is to be attached. */
typedef struct destination {
    run_id run;
    waiter_wish answer;
    const struct kept_client *kept; /* of a former worker, and then the other members say nothing; NULL: none */
} destination;

typedef struct request_wish {
    waiter_wish answer;        /* Accept, Prefer */
    bool is_head;              /* the method is HEAD */
    bool observes;             /* it asks for a URL of a run; false: it begins a run, or joins one by its key */
    const char *host;          /* Host, by which the client reached this server; NULL: none */
    const char *last_event_id; /* Last-Event-ID: of an EventSource that lost its connection; NULL or "": none */
    http_text key;             /* Idempotency-Key, the last one */
    unsigned key_count;        /* how many Idempotency-Keys it has */
    int64_t hold_ms;           /* how long its client bears to be held at an output URL; of a request that begins a run:
                                  HOLD_PROXY_MS if it shows a proxy, else 0 */
    uint32_t round;            /* how often the client has been sent round */
    run_token_scope scope;     /* of the URLs that the client is told: as its own URL's; CONTROL if it began the run */
} request_wish;

/* Reads a request for an endpoint, which begins a run or finds it by its Idempotency-Key: whatever its path and query
 * look like, its client is told URLs of full scope. */
request_wish request_wish_of(const http_request *q);
/* Reads a request for a URL of a run, whose token has been checked. */
request_wish request_wish_of_link(const http_request *q);
/* Whether a request that the router has not handed over is for a URL of a run. It asks the router, which takes
 * "/%5fsw/" for "/_sw/", and gives a path there that is no route of the library to an endpoint such as "POST
 * /:tenant/orders". */
bool request_is_of_link(const http_router *routes, http_text method, http_text path);

#endif
