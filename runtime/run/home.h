/* home: where runs live: what one loop has for them, from its clock to its door to the store. Part of its loop, which
 * makes it, turns it and closes it; used on that loop's thread alone, unless a member says otherwise. Runs and those
 * who wait for them know their home, never the loop around it. Homes share nothing but the app and its store. */
#ifndef RUNTIME_RUN_HOME_H
#define RUNTIME_RUN_HOME_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/queue.h>
#include <uv.h>

#include "coro/sched.h"
#include "runtime/base/clock.h"
#include "runtime/base/counters.h"
#include "runtime/base/options.h"
#include "runtime/base/pool.h"
#include "runtime/base/timers.h"
#include "runtime/run/durations.h"
#include "runtime/run/gate.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/slot.h"
#include "storage/run_id.h"
#include "storage/store.h"

struct claim_table;
struct comeback;
struct destination;
struct http_client;
struct http_exchange;
struct keeper;
struct lookout;
struct plain;
struct reopening;
struct run;
struct run_listener;
struct suspects;
struct sw_app;
struct waiter;

enum {
    HOMES_MAX = 256, /* the last byte of a run's id names its home */
    HOME_BUFFERS = 256
};

typedef struct home home;

/* The runs in memory, by what is to be done with them. */
typedef struct home_runs {
    TAILQ_HEAD(, run) touched; /* to look at when the turn ends; in order, so that ids come to the store in theirs */
    TAILQ_HEAD(slotless_runs, run) slotless; /* begun here and not yet in `slots`; by id, oldest first */
    LIST_HEAD(, plain) plain;                /* plain requests: no table has them */
    struct run *free;                        /* structs for reuse */
    struct plain *plain_free;                /* structs for reuse */
    uint64_t count;                          /* in memory, plain ones too; counter_add */
    run_id last_id;                          /* of the last that began here */
} home_runs;

/* Segments of this turn, which the store gets together at its end. */
typedef struct home_outbox {
    store_segment *first, **last;
    size_t in_flight; /* segments that the store has, or will get, and has not given back */
} home_outbox;

/* Hands a connection with its whole request to another loop, which serves it as any other (`to_run` NULL) or attaches
 * the connection to that run. Takes the exchange, also when the other loop has ended. */
typedef void (*home_move_fn)(home *from, unsigned to_loop, struct http_exchange *x, const struct destination *to_run);

struct home {
    struct sw_app *app;        /* shared, unchanged after the start */
    const sw_options *opt;     /* the app's */
    unsigned index, count;     /* which of how many loops */
    uv_loop_t *uv;             /* the loop's */
    sched sched;               /* its switches are read by the watcher (runtime/process/blocked.h) */
    struct stack_pool *stacks; /* of coroutines */
    struct blocks *blocks;     /* large memory: of arenas, entries and connections */
    struct arena_cache *arenas;
    timers timers;
    loop_clock clock;
    struct http_client *client; /* the calls of steps */
    pool_door blocking;         /* to the threads of sw_blocking */
    pool_door aside;            /* to the threads of runtime/api/aside.h */
    store *store;               /* shared by all loops; NULL in a program without endpoints */
    const cluster *cluster;     /* the store's: which node owns which runs */
    store_port *port;           /* this loop's door to the store; NULL without one */
    home_outbox outbox;
    home_runs runs;
    gate gate;
    slot_table slots;                    /* runs that can be asked for */
    mailbox_table mailboxes;             /* of runs to which signals were sent */
    struct claim_table *claims;          /* Idempotency-Keys of runs that are not on disk; the loop's */
    struct keeper *keeper;               /* connections that outlive the process; the loop's */
    struct waiter *readers;              /* streams of runs that are over */
    struct suspects *suspects;           /* shared by all loops; NULL: no run is suspected of anything */
    struct comeback *comeback;           /* shared by all loops; NULL: runs are loaded as they are due */
    struct lookout *lookout;             /* see runtime/run/lookout.h; NULL: this node is alone */
    const struct run_listener *listener; /* of its runs; the loop's */
    home_move_fn move;
    void (*wake)(home *h); /* from any thread: suspects_look and comeback_look are called on the home's */
    msgpack_sbuffer buffers[HOME_BUFFERS]; /* for entries of runs, empty; see record.c */
    size_t buffer_count;
    msgpack_sbuffer scratch;                  /* for packing a value before its entry */
    LIST_HEAD(, reopening) reopenings;        /* ended runs that are to go on (runtime/run/reopen.h) */
    struct questions_seen *questions_seen;    /* see runtime/run/question_seen.h; NULL: nobody has looked */
    TAILQ_HEAD(, question_request) questions; /* who looks, or answers (runtime/clients/question_request.h) */
    TAILQ_HEAD(, run_inquiry) pages;          /* of runs, long ones, that wait for a thread (runtime/admin/runs.c) */
    size_t pages_made;                        /* by threads, at this moment, or being read for that */
    struct letter *undeleted;  /* whose rows are to be deleted, and could not be: until the journal takes writes */
    struct timer late_parcels; /* runs while some could not be taken for want of memory (board_hand) */
    uint64_t last_letter;      /* arrival number of the last letter that was written here */
    uint64_t last_ctx;         /* number of the last context here; `count` apart, so that no two homes give the same */
    bool draining;             /* no new runs, unless it is followed */
    bool followed, replaced;   /* by another process, see loop_drain */
    bool hurried;              /* --drain is over: nothing is waited for any more */
    counters counters;
    size_t connections;  /* atomic: of clients, as the last turn ended */
    durations durations; /* freed by its loop when all loops have ended: they are read from everywhere */
};

/* Makes a home, without uv, client, port and what is the loop's own. False: no memory. */
bool home_init(home *h, struct sw_app *app, unsigned index, unsigned count);
/* Frees a home in which no run is any more. */
void home_free(home *h);

/* Whether this node owns the run: else another node of the cluster has it, and appends to it. */
bool home_owns(const home *h, const run_id *id);

/* Whether no request is taken any more: the home drains and no process follows this one, or --drain is over. */
bool home_refuses(const home *h);

/* Returns the next id of the home for a run that begins now: ids of a home ascend as long as the wall clock does. */
run_id home_next_run_id(home *h, int64_t now_ms);

/* Gives the store a segment at the end of the turn; home_segment_back is due when it comes back. Borrows it until then.
 */
void home_send(home *h, store_segment *s);
void home_segment_back(home *h);
/* Gives the store what home_send has gathered; at the end of a turn. */
void home_flush(home *h);

#endif
