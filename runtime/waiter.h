/* waiter: a client attached to a run: its exchange and how it wants the answer. Owns the exchange until it has ended
 * it. Lives on the run's loop, in the list of the run, or of its slot while the run is not in memory; a stream client
 * that is still reading after the run is over is in no list. */
#ifndef RUNTIME_WAITER_H
#define RUNTIME_WAITER_H

#include "http/server.h"
#include "runtime/frames.h"
#include "runtime/run.h"

typedef enum waiter_kind {
    WAITER_REQUEST, /* the original request: may be sent on with 303 */
    WAITER_ASYNC,   /* the same with Prefer: respond-async: 202 as soon as the run is on disk */
    WAITER_WAIT,    /* the same with Prefer: wait=N: 202 when that is over */
    WAITER_OUTPUT,  /* blocks on the output URL, at most --hold */
    WAITER_STREAM,  /* reads frames */
    WAITER_CANCEL   /* asked for the run to be cancelled, and wants to know that it was */
} waiter_kind;

/* How a client wants its answer. */
typedef struct waiter_wish {
    waiter_kind kind;
    uint32_t after;  /* WAITER_STREAM: the last frame it has */
    int64_t wait_ms; /* WAITER_WAIT */
    bool replayed;   /* its request found a run that an earlier one with the same Idempotency-Key began */
} waiter_wish;

typedef struct waiter waiter;

/* What an endpoint's request asks for. */
waiter_wish waiter_wish_of(const http_request *q);

/* Attaches a client. Takes the exchange; answers 503 itself when memory is out. */
void waiter_attach(struct sw_loop *l, waiter **list, const waiter_wish *wish, http_exchange *x, const run_id *id);

/* All clients of one list go to another, empty one. */
void waiter_move(waiter **from, waiter **to);

/* Something became durable: streams get what is new, async clients their 202. `f` may be NULL. */
void waiter_pump(waiter **list, frames *f);

/* The run is over: everybody gets the response, the list is empty. `f` NULL: no stream is among them or nothing was
 * streamed; else it is closed. `cors_origin`: of the endpoint, NULL for none. */
void waiter_answer(struct sw_loop *l, waiter **list, const run_id *id, const char *cors_origin, const entry *response,
                   entry_ended ended, frames *f);

/* The same out of the journal of an ended run. *error says why it could not be. */
void waiter_answer_journal(struct sw_loop *l, waiter **list, const run_id *id, const char *data, size_t len,
                           const char **error);

/* The run has no client, or none but such as want it cancelled. */
bool waiter_none(const waiter *list);

/* WAITER_REQUEST clients get 303 to the output URL. */
void waiter_redirect(waiter **list);
/* The process stops: everybody is sent on; streams end after redirect_info. */
void waiter_dismiss(waiter **list);
/* Nothing can be known of the run: everybody gets this problem. */
void waiter_refuse(waiter **list, int status, const char *detail);

/* A problem+json reply; ends the exchange. */
void waiter_problem(http_exchange *x, int status, const char *detail, const char *retry_after);

#endif
