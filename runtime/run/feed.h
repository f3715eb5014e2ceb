/* feed: what becomes of runs and steps, for operators who watch: one ring of the process, bounded, which is there while
 * somebody listens. Owns the ring. Tells what is on disk, once it is, and what never gets there (an attempt begins, a
 * run leaves memory or comes back). Never waits for a listener: whoever reads too slowly is told how much was lost.
 * Where nobody listens, each place that tells something costs one branch (feed_is_heard). From any thread. */
#ifndef RUNTIME_RUN_FEED_H
#define RUNTIME_RUN_FEED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

#include "storage/run_id.h"

struct home;
struct run;
struct step_spec;

enum {
    FEED_RING_EVENTS = 4096,
    FEED_STEP_BYTES = 80 /* of a step's id; a longer one is cut */
};

/* Something has happened to a run or, if `step` is not empty, to one of its steps. */
typedef struct feed_event {
    int64_t at_ms; /* Unix */
    run_id run;
    const char *endpoint; /* its route, as long as the program; NULL: not known here */
    const char *state;    /* static: "running", "sleeping", "stopped", "succeeded", "failed", "cancelled"; of a step:
                             "running", "done", "retrying", "failed", "sleeping" */
    const char *reason;   /* static, of "stopped"; else NULL */
    uint64_t path;        /* of the step */
    int64_t due_ms;       /* Unix: until when it waits; 0: no time is known */
    uint32_t attempt;     /* of a step; 0: it is a sleep */
    char step[FEED_STEP_BYTES + 1]; /* its id, zero-terminated */
} feed_event;

typedef struct feed {
    uint32_t listeners; /* atomic; written under lock */
    uv_mutex_t lock;
    feed_event *ring; /* under lock: FEED_RING_EVENTS of them while there are listeners, else NULL */
    uint64_t told;    /* under lock: events so far; the last FEED_RING_EVENTS of them are in the ring */
} feed;

/* Makes a feed without listeners. False: no mutex. */
bool feed_init(feed *f);
/* Ends it; nobody listens any more. */
void feed_destroy(feed *f);

/* ---- Telling: only if somebody listens ---- */

static inline bool feed_is_heard(const feed *f)
{
    return __builtin_expect(__atomic_load_n(&f->listeners, __ATOMIC_RELAXED) > 0, 0);
}

/* The entries of the segment that has come back from the store are on disk; called before the run takes note. */
void feed_tell_committed(feed *f, const struct run *r);
/* The run has left memory to wait ("sleeping"), or is back ("running"). */
void feed_tell_run(feed *f, const struct run *r, const char *state);
/* The run stands still for a reason that is no entry. */
void feed_tell_stopped(feed *f, const run_id *id, const char *reason);
/* An attempt begins. */
void feed_tell_attempt(feed *f, const struct run *r, const struct step_spec *spec, uint32_t attempt);

/* ---- Listening ---- */

/* Adds a listener, which reads from now on. False: no memory. */
bool feed_listen(feed *f, uint64_t *cursor);
/* Takes a listener away; the last one takes the ring along. */
void feed_leave(feed *f);
/* Copies up to `most` events behind *cursor, moves it, and returns how many. *lost: how many have gone from the ring
 * before they were read. */
size_t feed_read(feed *f, uint64_t *cursor, feed_event *out, size_t most, uint64_t *lost);

#endif
