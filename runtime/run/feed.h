/* feed: what becomes of runs and steps, for operators who watch: one ring of the process, bounded, which is there while
 * somebody listens. Owns the ring. Tells what is on disk, once it is, and what never gets there (an attempt begins, a
 * run leaves memory or comes back). Never waits for a listener: whoever reads too slowly is told how much was lost.
 * Where nobody listens, each place that tells something costs one branch (feed_is_heard). What nobody wants is not
 * made: of a service with 200,000 events a second, a page that shows 200 pays for these. From any thread. */
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
    FEED_WATCHED_BITS = 64,
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

/* What a listener wants to hear. */
typedef struct feed_wish {
    bool has_run;
    run_id run;      /* with has_run: of this run alone */
    bool with_steps; /* also what happens to steps */
    size_t rate;     /* events a second that it wants at most; 0: all */
} feed_wish;

/* Atomic: read without the lock, written under it, but for skipped. */
typedef struct feed {
    uint32_t listeners;
    uint32_t whole;   /* of them: want all runs, without a rate */
    uint32_t rated;   /* of them: want all runs, at a rate */
    uint32_t stepped; /* of whole and rated: want steps */
    uint64_t watched; /* a bit for each run that a listener wants alone, by its id; other runs may have the same one */
    int64_t room;     /* events that whoever has a rate, and no steps, would still tell in its next look */
    int64_t room_stepped; /* the same of whoever has a rate and wants steps */
    uint64_t skipped;     /* entries, and other news, of which no event was made, because there was no room */
    uv_mutex_t lock;
    uint32_t watchers[FEED_WATCHED_BITS]; /* under lock: how many listeners a bit of `watched` has */
    feed_event *ring; /* under lock: FEED_RING_EVENTS of them while there are listeners, else NULL */
    uint64_t told;    /* under lock: events so far; the last FEED_RING_EVENTS of them are in the ring */
} feed;

/* How far a listener has read. */
typedef struct feed_cursor {
    uint64_t told, skipped;
    bool counts_skipped;
} feed_cursor;

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
bool feed_listen(feed *f, const feed_wish *wish, feed_cursor *cursor);
/* Takes the listener with that wish away; the last one takes the ring along. */
void feed_leave(feed *f, const feed_wish *wish);
/* A listener of all runs with a rate can tell so many events in its next look: until then, as many are made for it. */
void feed_make_room(feed *f, const feed_wish *wish, size_t events);
/* Copies up to `most` events behind *cursor, moves it, and returns how many. They are those that any listener wants.
 * *lost: how many have gone from the ring before they were read; for who wants all runs at a rate, also of how many
 * entries no event was made. */
size_t feed_read(feed *f, feed_cursor *cursor, feed_event *out, size_t most, uint64_t *lost);

#endif
