/* What the parts of the store share: the journal thread (journal.c), the readers (reader.c), retention (sweeper.c). */
#ifndef STORAGE_STORE_CORE_H
#define STORAGE_STORE_CORE_H

#include <pthread.h>
#include <time.h>

#include "storage/backend.h"
#include "storage/store.h"

enum { STORE_TEXTS_MAX = 8 };

typedef struct segment_list {
    store_segment *head, *tail;
} segment_list;

/* The segments that a batch has from one port. */
typedef struct share {
    struct share *next; /* of the batch */
    store_port *port;
    segment_list list;
} share;

struct job;

struct store_port {
    store *store;
    store_port *next;      /* in the store's list, under its lock */
    uv_async_t wake;       /* on the port's loop: something is in `done` */
    segment_list queued;   /* under the store's lock: not yet taken */
    uint64_t queued_bytes; /* of these; under the lock */
    share taken;           /* the journal thread's: the port's part of the batch under way */
    share unknown;         /* the journal thread's: the port's part of the batch of unknown outcome */
    segment_list done;     /* under the store's lock: on their way back */
    bool all_at_once;      /* under the store's lock: `done` has segments of a failed write */
    segment_list given;    /* the loop's: taken from `done`, for the turns to come */
    bool changed;          /* under the store's lock: on_change is due */
    bool wants_room;       /* under the store's lock */
    bool gives_up;         /* under the store's lock: see store_port_give_up */
    size_t reads;          /* jobs on the pool; the loop's */
    struct job *answers;   /* by hand: jobs that are done and not yet answered */
    void (*on_committed)(void *arg, store_segment *list);
    void (*on_change)(void *arg);
    void (*on_closed)(void *arg);
    void *arg, *closed_arg;
};

struct run_index;

struct store {
    backend *backend;
    struct run_index *index; /* NULL: none is kept */
    store_options options;   /* defaults filled in; its `path` and `backend` are not used any more */
    pthread_mutex_t lock;
    pthread_cond_t work;       /* the journal thread waits for queued segments, or for the end */
    pthread_cond_t sweep;      /* the sweeper waits for its time, or for the end */
    pthread_cond_t index_wake; /* so does the indexer */
    store_port *ports;
    share *taken;             /* the journal thread's: the batch under way */
    share *unknown;           /* the journal thread's: the batch of unknown outcome, see journal.c */
    const char *unknown_text; /* why its write failed */
    bool rewritten;           /* the batch of unknown outcome was written a second time */
    bool idle;                /* the journal thread waits for `work`, which has to be signalled */
    bool doubted;             /* under the lock: see store_doubt */
    bool given_up;            /* see store_give_up */
    bool closing;
    bool clock_is_back;                               /* see store_clock_is_back */
    pthread_t journal_thread, sweep_thread;           /* not by hand */
    pthread_t index_thread;                           /* if an index is kept */
    uint64_t queue_bytes;                             /* atomic */
    bool room_wanted;                                 /* atomic: some port wants_room */
    bool read_only;                                   /* atomic; the database takes no writes, see store_begin_outage */
    bool gated;                                       /* atomic; see store_gate */
    int64_t pause_ms, healed_ms;                      /* the journal thread's: see store_begin_outage */
    int64_t retry_ms, retry_at_ms;                    /* the journal thread's, while it is read_only; steady */
    struct job *jobs;                                 /* by hand: reads that wait, the oldest first */
    uint64_t disk_bytes;                              /* atomic */
    uint64_t runs_deleted;                            /* atomic */
    char texts[STORE_TEXTS_MAX][BACKEND_ERROR_MAX];   /* why commits failed: written once, then only read */
    uint64_t commits, segments, bytes, commit_errors; /* atomic; written by the journal thread */
};

/* ---- queue.c ---- */

/* Moves all of `from` behind `to`. */
void segments_append(segment_list *to, segment_list *from);
/* What the segment and all that hangs on it keep in memory until it comes back. */
uint64_t segment_bytes(const store_segment *g);
/* Under the lock: moves the first of what the port has queued to its empty share: so much as a batch has of one loop,
 * and the rest of a group. */
void queue_take(store_port *p);
/* Under the lock: has the port's on_change called on its loop. */
void port_tell_change(store_port *p);
/* Tells the ports that want room, if there is some. */
void ports_tell_room(store *s);

/* ---- journal.c and others ---- */

void *store_journal_main(void *arg);
/* The database takes no writes: sets read_only, and when to try again. From the journal thread, or before it runs. */
void store_begin_outage(store *s);
/* A write of the sweeper or of store_delete has failed: the journal thread is to look whether any write succeeds. */
void store_doubt(store *s);
void *store_sweep_main(void *arg);
void *store_index_main(void *arg);
/* Writes what is left for the index, and frees it; all other threads have ended. */
void store_index_finish(store *s);
/* By hand: calls the callbacks of the port's jobs that are done. */
void store_answer_jobs(store_port *p);

/* The wall clock that commits and retention go by, Unix ms. */
int64_t store_now_ms(const store *s);
/* The point in time `ms` from now, for the store's conditions. They go by CLOCK_MONOTONIC: setting the wall clock must
 * not make a thread wait longer. */
struct timespec store_after_ms(int64_t ms);

/* Opens a store on a database that is open: store_open without the choice of the database, which no file of the store
 * knows. Owns the backend from now on, also if this fails. */
store *store_open_on(backend *b, const store_options *options, char *error, size_t error_size);

#endif
