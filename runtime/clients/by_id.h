/* by_id: clients and operators that come with the id of a run: to wait for it, to have it cancelled, released or
 * stopped. Owns nothing: whoever waits becomes a waiter of the run or of its slot. On the thread of the run's loop. */
#ifndef RUNTIME_CLIENTS_BY_ID_H
#define RUNTIME_CLIENTS_BY_ID_H

#include "http/server/server.h"
#include "runtime/clients/request_wish.h"
#include "storage/run_id.h"

struct home;

/* Attaches a client to the run, in memory or not, ended or not. Takes the exchange. */
void by_id_attach(struct home *h, http_exchange *x, const run_id *id, const request_wish *asked);
/* Both take x. `by`: the operator who asks, whose name lives as long as the home; NULL: a client, by the run's token.
 *
 * Has the run cancelled, and tells the exchange when it is; 404 or 409 when there is nothing to cancel. */
void by_id_cancel(struct home *h, http_exchange *x, const run_id *id, const char *by);
/* Lets a stopped run go on, and tells the exchange when it does; 404 or 409 when there is nothing to release. A client,
 * who has no more than the run's token, may release a run whose step has used its retries: for another reason, at which
 * an operator has to look, it gets 403. */
void by_id_release(struct home *h, http_exchange *x, const run_id *id, const char *by);
/* Stops a run for an operator until it is released, and tells the exchange when that is on disk; 404 or 409 when there
 * is nothing to stop. `by`: the operator's name, which lives as long as the home. `text`: what the operator says, at
 * most LETTER_TEXT_MAX bytes, borrowed for the call; NULL: nothing. */
void by_id_stop(struct home *h, http_exchange *x, const run_id *id, const char *by, const char *text);

#endif
