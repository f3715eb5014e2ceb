/* sw_loop: one loop thread and everything that lives on it: its event loop, coroutine stacks, HTTP server and client,
 * its door to the store, its runs and the table of those that can be asked for. Loops share nothing but the app's
 * routes and options, which do not change after the start. */
#ifndef RUNTIME_LOOP_H
#define RUNTIME_LOOP_H

#include <sys/queue.h>
#include <uv.h>

#include "coro/sched.h"
#include "http/client.h"
#include "http/server.h"
#include "runtime/app.h"
#include "runtime/clock.h"
#include "runtime/clock_watch.h"
#include "runtime/gate.h"
#include "runtime/idempotency.h"
#include "runtime/keep.h"
#include "runtime/pool.h"
#include "runtime/run.h"
#include "runtime/slot.h"
#include "runtime/timers.h"
#include "runtime/waiter.h"

enum { LOOP_BUFFERS = 256 };

typedef struct loop_counters {
    uint64_t runs_started, runs_resumed, runs_succeeded, runs_failed, runs_cancelled, runs_parked;
    uint64_t steps_done, steps_replayed, attempts_failed, inputs_differed, requests_refused;
    uint64_t connections_kept, connections_taken_back;
} loop_counters;

struct kept_client;

/* What a connection that was moved is to be attached to. */
typedef struct destination {
    run_id run;
    waiter_wish wish;
    const struct kept_client *kept; /* of a former worker; NULL: run and wish say it */
} destination;

typedef struct sw_loop {
    sw_app *app;           /* shared, unchanged after the start */
    unsigned index, count; /* which of how many */
    uv_loop_t uv;
    uv_prepare_t before_poll; /* both end a turn */
    uv_check_t after_poll;
    uv_async_t command; /* from other threads: drain, or a moved connection */
    uv_thread_t thread;
    sched sched;
    stack_pool *stacks;
    uint64_t trimmed_ms; /* when they were trimmed last */
    struct arena_cache *arenas;
    timers timers;
    loop_clock clock;
    clock_watch clock_watch;
    http_server *server;
    http_client *client;
    pool_door blocking;
    store_port *port;            /* NULL in a program without endpoints */
    TAILQ_HEAD(, run) touched;   /* to look at when the turn ends; in order, so that ids come to the store in theirs */
    uint64_t last_letter;        /* arrival number of the last letter that was written here */
    run_id last_id;              /* of the last run that began here */
    LIST_HEAD(, run) plain_runs; /* no table has them */
    TAILQ_HEAD(unlisted_runs, run) unlisted; /* begun here and not yet in `slots`; by id, oldest first */
    run *free_runs;                          /* structs for reuse */
    uint64_t runs;                           /* in memory, plain ones too; counter_add */
    store_segment *segments, **segments_end; /* of this turn, not yet with the store: it is told once */
    size_t segments_in_flight;               /* with the store */
    gate gate;
    slot_table slots;
    struct waiter *readers;                /* streams of runs that are over */
    msgpack_sbuffer buffers[LOOP_BUFFERS]; /* for entries of runs, empty; see record.c */
    size_t buffer_count;
    msgpack_sbuffer scratch;     /* for packing a value before its entry */
    struct moved *moved;         /* connections from other loops, under moved_lock */
    const destination *adopting; /* of the connection that http_server_adopt is taking just now; NULL: none */
    uint32_t turn_requests;      /* taken since the turn began */
    claim_table claims;
    keeper keeper;
    uv_mutex_t moved_lock;
    uint32_t asked, answered; /* atomic: the watchdog's questions, and the last one it got to */
    bool drain_asked;         /* atomic: set by another thread */
    bool followed, replaced;  /* set before drain_asked: see loop_drain */
    bool moved_closed;        /* under moved_lock: it is ending, no connection comes in any more */
    bool draining;            /* no new runs */
    bool hurried;             /* --drain is over: nothing is waited for any more */
    bool recovered;           /* the live table has been read */
    bool stopping;            /* its handles are being closed */
    int handles_open;         /* of the parts that close on their own */
    struct timer drain_timer;
    loop_counters counters;
} sw_loop;

/* Counts on the loop's own thread what others may read for metrics: one aligned word, a figure may be a moment old. */
static inline void counter_add(uint64_t *n, int64_t by) { __atomic_store_n(n, *n + (uint64_t)by, __ATOMIC_RELAXED); }

/* Makes everything but the thread; `fd` is its listening socket. False with a message in `error`. */
bool loop_init(sw_loop *l, sw_app *app, unsigned index, unsigned count, int fd, char *error, size_t error_size);
/* Serves until drained; then everything is closed. */
void loop_run(sw_loop *l);
/* Its two halves, for who turns l->uv himself: before the first turn, and when uv_run has said that nothing is left. */
void loop_begin(sw_loop *l);
void loop_finish(sw_loop *l);

/* From any thread. LOOP_REPLACED: another process follows at once, which takes over all connections. LOOP_FOLLOWED: it
 * seems so, since somebody has ended the worker alone: what has just come is left to it, clients that wait are sent on.
 */
typedef enum loop_end { LOOP_STOPPED, LOOP_FOLLOWED, LOOP_REPLACED } loop_end;
void loop_drain(sw_loop *l, loop_end end);
/* Whether it still turns: ask now, and see later whether it has answered. Not once it drains. */
void loop_ask(sw_loop *l);
bool loop_answered(const sw_loop *l);

/* It drains and no other process follows, or the time for that is over: no request is taken any more. */
bool loop_refuses(const sw_loop *l);

/* Hands a connection with its whole request to another loop, which serves it as any other (`to_run` NULL) or attaches
 * it to that run. Takes the exchange. */
void loop_move(sw_loop *from, sw_loop *to, http_exchange *x, const destination *to_run);

/* Hands a connection that a former worker had to the loop of its run; `data` is that of CONTROL_KEPT. Takes the
 * descriptor. From any thread. */
void loop_take_back(sw_app *app, uint64_t key, int fd, const char *data, size_t len);

#endif
