/* calling: a run that another run calls, its *child*, from the call to the moment when the child's home knows of it.
 * Owns the child's first segment and the rows that tie both. Never waits for a result: that is
 * runtime/api/call_function.c, and runtime/run/returning.h the way back.
 *
 *     asked --*called* appended--> with its parent --both on disk, in one commit--> handed to the child's home
 *                                      \--not on disk: the parent is lost, and loaded again; nothing was called
 *     handed over --a slot is made--> begun: a run like any other that is due
 *                    \--no memory: asked again --the process ends--> the next one finds the child's live row
 *
 * *called* and the child's *started* are one commit (store_segment.joined), so the child begins exactly once: there is
 * no moment at which one of them is there without the other. The last byte of its id, a part of a hash, says which home
 * it has: children spread over the loops. */
#ifndef RUNTIME_RUN_CALLING_H
#define RUNTIME_RUN_CALLING_H

#include "runtime/run/replay.h"
#include "runtime/run/run.h"

enum {
    CALLING_TAG = 8,        /* of the segments that calling_committed takes */
    BEHIND_PARENT_MS = 1000 /* by so much a child's deadline is later than that of the parent that waits for it */
};

typedef struct calling calling;

/* A call that is about to be made. Borrowed. */
typedef struct call_plan {
    const struct endpoint *function;
    entry named;         /* path, id, occurrence, branch and began of the call */
    sw_value input;      /* as the function is to get it */
    const run_id *child; /* the id that it is to have, of a run that is not there; NULL: a new one */
    uint32_t generation; /* how often the call was made before */
    int64_t begins_ms;   /* Unix; 0: at once */
    int64_t timeout_ms;  /* until the child's deadline, from when it begins; 0: as its function and its parent say */
    bool detached;       /* nobody waits for the child */
} call_plan;

typedef enum calling_outcome {
    CALLING_DONE,
    CALLING_OVER_STATE, /* --run-state-max */
    CALLING_TOO_LARGE,  /* no run could have that input in memory */
    CALLING_LOST        /* for want of memory, for which the run is lost; or it was lost before */
} calling_outcome;

/* Appends *called*, and has the child begin with the commit of that. CALLING_DONE: *child is its id, and run.seq_next
 * the number of the call. */
calling_outcome calling_begin(run *r, const call_plan *plan, run_id *child);

/* Whether that run has made the call itself, by which *child was called: not so of one that a fork has from the run
 * that it is a fork of. */
bool calling_is_own(const run_id *caller, const replay_record *call, run_id *child);

/* ---- For record.c ---- */

/* The run's segment has been sent, and is joined with what follows: sends the children's. */
void calling_send(run *r);
/* Forgets calls whose entries are not with the store yet. */
void calling_drop(run *r);

/* ---- Of the child's home ---- */

/* Has a child of this home begin, which is on disk; not before begins_ms (0: at once). False: there is no memory for
 * it, or a slot that may be one of no run, since somebody has asked for the child by its id, which nobody knew before:
 * asking again helps. */
bool calling_take_child(struct home *h, const run_id *child, int64_t begins_ms);

/* A segment with CALLING_TAG has come back from the store. */
void calling_committed(store_segment *s);

#endif
