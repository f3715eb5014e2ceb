/* waiter_core: what the files of waiter share; no other file includes it.
 *
 *   waiter.c               attaching, sending on, refusing
 *   waiter_answer.c        the response of a run that is over
 *   waiter_hold.c          how long clients are kept waiting without a word
 *   waiter_stream.c        frames as events, as far as the client takes them, and heartbeats
 *   waiter_stop.c          clients of stopped runs, and those who release them
 *   waiter_keep.c          clients that outlive the process */
#ifndef RUNTIME_CLIENTS_WAITER_CORE_H
#define RUNTIME_CLIENTS_WAITER_CORE_H

#include "runtime/clients/keeper.h"
#include "runtime/clients/run_url.h"
#include "runtime/clients/waiter.h"
#include "runtime/run/home.h"

enum {
    URL_MAX_BYTES = RUN_URL_MAX,
    BASE_MAX_BYTES = 512,
    STREAM_QUEUE_BYTES = 16384, /* unsent bytes of one stream: the frames are there for all, copies of them cost */
    OWN_HEADERS = 8             /* room for headers that only some replies have */
};

struct waiter {
    waiter *next, **link; /* in the list of its run, its slot or, when the run is over, of the loop's readers */
    bool over;            /* the run has ended, and this is a stream that is still being read */
    home *home;
    http_exchange *x;
    frames *frames;    /* counted; a stream's, from its first pump on */
    struct timer hold; /* when the client is sent on (OUTPUT, WAIT, REQUEST behind a proxy), told that it takes longer
                          (CANCEL, RELEASE), or sent a heartbeat (STREAM) */
    uint64_t wrote_ms; /* STREAM: loop time of the last write */
    run_id id;
    waiter_wish wish;
    const char *host;      /* see request_wish; the exchange's */
    run_token_scope scope; /* see request_wish */
    int64_t hold_ms;       /* see request_wish */
    uint32_t round;        /* see request_wish */
    bool is_head;          /* its request is a HEAD */
    bool asks;             /* it waits for the answer of a request of its own; false: it came to a URL of the run */
    bool keyed;            /* its request has an Idempotency-Key: other clients may wait for the same run */
    uint32_t cursor;       /* STREAM: the last frame that was sent */
    bool begun;            /* a part of the reply is sent, at least a stream's head */
    stop_reason stopped;   /* STREAM: why the run stands still; the client is told behind what was streamed */
    stop_reason told;      /* STREAM: the reason that the client has been told */
    char *stop_detail;    /* STREAM, with `stopped`: what the run's entry says; owned. NULL: nothing clients may know */
    http_kept_reply rest; /* WAITER_REST; owned */
    keep_entry keep;
};

/* waiter.c */
void waiter_unlink(waiter *w);
void waiter_link(waiter *w, waiter **list);
void waiter_send_on(waiter *w, int status); /* 303 or 202 to the output URL, or that of the stream; frees the waiter */
/* Says in what state the run is or will be, e.g. "cancelled"; frees the waiter. */
void waiter_send_state(waiter *w, int status, const char *state);
http_exchange *waiter_take_exchange(waiter *w); /* frees the waiter; its exchange is the caller's to answer */
/* Writes the URL of one of the run's resources ("output", "stream") with a token of that scope, or of RUN_TOKEN_READ if
 * the client came with no more than that. */
void waiter_run_url(const waiter *w, const char *what, run_token_scope scope, char out[URL_MAX_BYTES]);

/* waiter_hold.c */
int64_t waiter_hold_ms(const waiter *w);   /* how long from now on; 0: without limit */
void waiter_on_hold_over(struct timer *t); /* of waiter.hold; not of streams */

/* waiter_stop.c */
void waiter_answer_later(waiter *w);                         /* CANCEL, RELEASE that take longer than --hold */
const char *waiter_stopped_event(const waiter *w, arena *a); /* NULL: out of memory */

/* waiter_stream.c */
void waiter_stream_pump(waiter *w); /* sends as much as the client takes; may free the waiter */
void waiter_stream_on_writable(http_exchange *x);
void waiter_stream_give(waiter *w, frames *f);   /* its frames from now on; NULL: the run has streamed nothing */
void waiter_stream_answer(waiter *w, frames *f); /* the run is over: the waiter becomes a reader of these frames */
void waiter_stream_on_silence(struct timer *t);

#endif
