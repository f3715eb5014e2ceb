/* run_listener: what a run, or the slot of a run that is not in memory, tells those who wait for it, so that neither
 * knows clients. A home has one listener, which is told of all its runs, on the home's thread. In these calls the
 * listener may attach and answer clients and touch the run; it does not change or free the run or the slot. */
#ifndef RUNTIME_RUN_RUN_LISTENER_H
#define RUNTIME_RUN_RUN_LISTENER_H

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
    RUN_LEFT_TO_SLOT, /* the run goes on here, at a time that is known, or stands still */
    RUN_LEFT_LOST,    /* the run goes on here once the journal takes writes again, at a time that is not known */
    RUN_LEFT_TO_NEXT  /* the process ends, and the next one finds the run */
} run_left;

typedef enum run_refused {
    RUN_REFUSED_UNDONE,  /* nothing of the run was done, nor will be */
    RUN_REFUSED_PARTLY,  /* steps had begun; nothing of the run is on disk, nor will be */
    RUN_REFUSED_UNKNOWN, /* a write failed: the run goes on at the next start, or is not on disk */
} run_refused;

typedef struct run_listener {
    /* ---- Of a run in memory ---- */

    /* The run is on disk, and was touched in the turn that ends: more of it may be on disk than before. */
    void (*on_durable)(struct run *r);
    /* Its entry `released` has come to disk: who had asked for the release by then is told, also when the run has been
     * stopped again in the same commit. */
    void (*on_released)(struct run *r);
    /* Before on_durable, once a wait longer than --redirect-after is on disk (run_begin_long_wait). */
    void (*on_waits_long)(struct run *r);
    /* The run is over, and its response can be sent. When the call returns no client may be attached to the run any
     * more, but for RUN_OVER_EARLY. */
    void (*on_over)(struct run *r, run_over when);
    /* The run leaves memory without an answer. When the call returns no client may be attached to the run any more. */
    void (*on_left)(struct run *r, run_left where);
    /* The run is given up, since its first commit failed. When the call returns no client may be attached any more. */
    void (*on_refused)(struct run *r, run_refused how);

    /* ---- Of a slot whose run is not in memory ---- */

    /* The run was loaded (s->run): the slot's clients are to be the run's. */
    void (*on_loaded)(struct slot *s);
    /* The run waits for a journal that takes writes, or for other runs, for a time that is not known. */
    void (*on_put_back)(struct slot *s);
    /* The run is stopped for the reason `why`. `refuses`: clients at its output URL are told so, with 503. */
    void (*on_stopped)(struct home *h, struct slot *s, const struct stop_cause *why, bool refuses);
    /* The run has ended, and `journal` has the answer. When the call returns no client may wait at the slot any more.
     */
    void (*on_found_ended)(struct home *h, struct slot *s, const struct store_journal *journal);
    /* There is no run of this id, or it cannot be read now: `status` and `why` are the reply. When the call returns no
     * client may wait at the slot any more. */
    void (*on_not_found)(struct slot *s, int status, const char *why);

    /* ---- Of a slot, its run in memory or not ---- */

    /* A letter of that kind (a cancel, a release) will not be obeyed: `status` and `why` are the reply to the clients
     * that asked for it. */
    void (*on_denied)(struct slot *s, letter_kind kind, int status, const char *why);
    /* A letter of that kind is on disk, so it will be obeyed: the clients that asked for it are told so. */
    void (*on_promised)(struct slot *s, letter_kind kind);
    /* Whether a client waits for the answer of the request that began the run. */
    bool (*is_awaited)(const struct slot *s);
} run_listener;

/* What a client is told when the journal takes no writes and nothing of its request was done. */
extern const char RUN_NOT_DONE[];

/* Fills *response with the response of a run that is over; its texts lie in the run and in home.scratch, until that is
 * used next. False: no memory. */
bool run_response_entry(struct run *r, entry *response);

#endif
