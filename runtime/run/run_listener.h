/* run_listener: what a run, and the slot of one that is not in memory, tells whoever waits for it, so that neither need
 * know who that is. A home has one listener, which is told of all its runs, on the home's thread; it may attach and
 * answer clients, touch the run, nothing else. */
#ifndef RUNTIME_RUN_LISTENER_H
#define RUNTIME_RUN_LISTENER_H

#include <stdbool.h>

#include "runtime/run/letter.h"
#include "storage/entry.h"

struct home;
struct run;
struct slot;
struct stop_cause;
struct store_journal;

typedef enum run_over {
    RUN_OVER_DURABLE, /* its response is on disk */
    RUN_OVER_EARLY    /* its response is not on disk, but its endpoint is SW_RELAXED; RUN_OVER_DURABLE follows */
} run_over;

typedef enum run_left {
    RUN_LEFT_TO_SLOT, /* it goes on here, at a time that is known, or stands still */
    RUN_LEFT_LOST,    /* it goes on here when the journal takes writes again: nobody knows when */
    RUN_LEFT_TO_NEXT  /* the process ends, and the next one finds it */
} run_left;

typedef enum run_refused {
    RUN_REFUSED_UNDONE,  /* nothing of it was done, nor will be */
    RUN_REFUSED_PARTLY,  /* steps of it had begun; nothing of it is on disk, nor will be */
    RUN_REFUSED_UNKNOWN, /* nobody knows: it goes on at the next start, or is not there */
} run_refused;

typedef struct run_listener {
    /* At the end of a turn in which more of it came to the disk, or that it was touched in. */
    void (*on_durable)(struct run *r);
    /* Before on_durable of such a turn, while the run waits for longer than --redirect-after. */
    void (*on_waits_long)(struct run *r);
    /* When one of these three returns, nobody may be attached to the run any more, but for RUN_OVER_EARLY. */
    void (*on_over)(struct run *r, run_over when);
    void (*on_left)(struct run *r, run_left where);
    void (*on_refused)(struct run *r, run_refused how);

    /* Of a slot whose run is not in memory. It has come to memory: its clients are the run's. */
    void (*on_loaded)(struct slot *s);
    /* It waits for a journal that takes writes, or for other runs: nobody knows for how long. */
    void (*on_put_back)(struct slot *s);
    /* It does not go on, and why; `refuses`: whoever waits at its output URL is told so. */
    void (*on_stopped)(struct slot *s, const struct stop_cause *why, bool refuses);
    /* It has ended: the journal has the answer. When one of these two returns, nobody waits for it any more. */
    void (*on_found_ended)(struct home *h, struct slot *s, const struct store_journal *journal);
    void (*on_not_found)(struct slot *s, int status, const char *why);

    /* In memory or not. Whoever wants such a letter delivered cannot have it, or can be sure of it. */
    void (*on_denied)(struct slot *s, letter_kind kind, int status, const char *why);
    void (*on_promised)(struct slot *s, letter_kind kind);
    /* Whether anybody waits for the answer of a request of his own. */
    bool (*is_awaited)(const struct slot *s);
} run_listener;

/* To a client of a run of which nothing was done, nor will be. */
extern const char RUN_NOT_DONE[];

/* Of a run that is over: its response, whose texts lie in the run and the home's scratch. False: no memory. */
bool run_response_entry(struct run *r, entry *response);

#endif
