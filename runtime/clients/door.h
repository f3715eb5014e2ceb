/* door: where an HTTP request becomes a run: gives the run what the request brings, and attaches the client when the
 * run has begun, since a run does not know whether anybody waits for it. Owns nothing. */
#ifndef RUNTIME_CLIENTS_DOOR_H
#define RUNTIME_CLIENTS_DOOR_H

#include "http/server/router.h"
#include "runtime/clients/request_wish.h"
#include "runtime/run/run_input.h"

struct endpoint;
struct home;
struct run;

/* Whether new requests may use the endpoint. False: an operator has stopped it, or may have, which cannot be read yet;
 * the exchange has its answer. */
bool door_admits(struct home *h, http_exchange *x, const struct endpoint *e);

/* Begins a run of the endpoint that was found, and returns it. Takes the exchange. NULL: no run could begin, and the
 * exchange has been answered. When this returns the handler has started, and may have ended. `key`: see run_origin. */
struct run *door_begin(struct home *h, http_exchange *x, const http_match *m, const request_wish *w, run_key *key);

/* What is to be begun. */
typedef struct door_work {
    const struct endpoint *endpoint;
    const run_input *input; /* borrowed for the call */
    run_key *key;           /* see run_origin */
    const char *by;         /* see run_origin */
} door_work;

/* Begins a run of that work, and answers the exchange as the wish says: for requests that describe another one. Takes
 * the exchange. Returns and refuses as door_begin does. */
struct run *door_begin_work(struct home *h, http_exchange *x, const door_work *work, const request_wish *w);

/* Begins a plain request: calls the handler of its route, which has no journal and answers by itself. Takes the
 * exchange. */
void door_begin_plain(struct home *h, http_exchange *x, const http_match *m);

#endif
