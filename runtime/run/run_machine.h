/* run_machine: the one place that decides what a run does next. Two tables, of a run's life and of its commits, and
 * nothing else: no memory, no loop, no clock. Whoever learns of something that concerns a run posts it as an event
 * (run.c), and does the action that the table names. A pair that has no row ends the process and says why it has none.
 *
 *                                                          on disk                on disk
 *   NEW --begin--> RUNNING --returned--> ENDING ------------> ENDED     LEAVING -----------> PARKED (a slot)
 *                   |  |  |                ^                             ^  |  the process ends
 *                   |  |  |                |  unwound                    |  +--------------> LEFT (to the next process)
 *                   |  |  +--cancel--> CANCELLING                        |
 *                   |  +--waits--> PARKING, --drain--> DRAINING --unwound+
 *                   |      --stop--> STOPPING --unwound--> LEAVING_STOPPED --on disk--> STOPPED (a slot)
 *                   +--loss--> LOSING --unwound--> LEAVING_LOST --> PARKED, LEFT, or never on disk: REFUSED, CUT
 *
 * A cancel leads from every state to ENDING, but for LOSING and LEAVING_LOST: there it is noted, as in ENDING, for
 * whoever loads the run again. A loss leads from every state to LEAVING_LOST; and whatever the run is leaving for, a
 * handler that returns leads to ENDING. */
#ifndef RUNTIME_RUN_MACHINE_H
#define RUNTIME_RUN_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum run_state {
    RUN_NONE, /* of an empty cell */

    RUN_NEW, /* nothing of it has begun */

    /* Its handler runs, or unwinds. */
    RUN_RUNNING,
    RUN_PARKING,    /* all that it waits for is in the journal: unwinds */
    RUN_DRAINING,   /* the process ends: waits are cut, attempts go on to their end, none begins */
    RUN_STOPPING,   /* it is to stand still: waits are cut, attempts go on to their end, none begins */
    RUN_CANCELLING, /* it is to end: waits and attempts are cut */
    RUN_LOSING,     /* an entry of it is lost: waits and attempts are cut, and nothing is journaled any more */

    /* Its handler has ended, or been unwound. Strands of it may be at work yet, and entries on their way to the disk.
     */
    RUN_ENDING,          /* its response and its end are among those entries */
    RUN_LEAVING,         /* to be parked, or left to the next process */
    RUN_LEAVING_STOPPED, /* to stand still */
    RUN_LEAVING_LOST,    /* to go on from what is on disk */

    /* Final: it is no longer in memory. */
    RUN_ENDED,
    RUN_PARKED,
    RUN_STOPPED,
    RUN_LEFT,    /* the next process finds it */
    RUN_REFUSED, /* nothing of it was journaled, nor will be */
    RUN_CUT,     /* nobody knows whether it was journaled */
    RUN_STATES
} run_state;

typedef enum run_event {
    RUN_ON_BEGIN,     /* its handler has a coroutine */
    RUN_ON_WAITS,     /* only waits that are in the journal are left, and they are long */
    RUN_ON_DRAIN,     /* the process is to end */
    RUN_ON_HURRY,     /* the process is to end, and waits for no attempt any more: --drain is over */
    RUN_ON_CANCEL,    /* somebody wants it to end, or its deadline is over */
    RUN_ON_STOP,      /* it is to stand still until it is released */
    RUN_ON_LOSS,      /* the journal refused an entry, or there is no memory for it */
    RUN_ON_RETURNED,  /* the handler has ended by itself, also by a failure */
    RUN_ON_EXHAUSTED, /* the handler has failed since a step has used its retries, and its endpoint wants it to stop */
    RUN_ON_UNWOUND,   /* the handler has been unwound */
    /* No code of it runs, and no entry of it is under way: */
    RUN_ON_SETTLED,      /* all that was not lost is on disk */
    RUN_ON_SETTLED_LAST, /* all that was not lost is on disk, and the process is to end */
    RUN_ON_NOTHING,      /* nothing is on disk, nor will be */
    RUN_ON_UNKNOWN,      /* nobody knows whether its first entries are on disk: the process ends before that is known */
    RUN_EVENTS
} run_event;

typedef enum run_action {
    RUN_DO_NOTHING,
    RUN_DO_CUT_WAITS,     /* unwind strands that wait for a point in time or for the journal */
    RUN_DO_UNWIND,        /* unwind all strands */
    RUN_DO_CANCEL,        /* journal the cancellation, unwind all strands */
    RUN_DO_SAVE_CANCEL,   /* whoever loads it next ends it */
    RUN_DO_CANCEL_NOW,    /* journal the cancellation and a response that says so, unwind all strands */
    RUN_DO_END_CANCELLED, /* journal a response that says so */
    RUN_DO_STOP,          /* journal the stop, cut waits */
    RUN_DO_STOP_FAILED,   /* journal the stop, for the failure of the handler */
    RUN_DO_END,           /* journal the handler's response */
    RUN_DO_ANSWER,        /* the clients; free it */
    RUN_DO_PARK,          /* hand clients and letters to its slot; free it */
    RUN_DO_STAND,         /* hand clients and letters to its slot, which is stopped; free it */
    RUN_DO_RELOAD,        /* hand clients and letters to its slot, which is due at once; free it */
    RUN_DO_LEAVE,         /* send clients on; free it */
    RUN_DO_REFUSE,        /* tell clients that it was not journaled; free it */
    RUN_DO_CUT,           /* cut clients' connections; free it */
    RUN_ACTIONS
} run_action;

typedef struct run_transition {
    run_state to;
    run_action action;
} run_transition;

/* What follows when this happens to a run in that state. A pair that cannot be ends the process with a message. */
run_transition run_next(run_state state, run_event event);

bool run_state_is_final(run_state state);
/* Its handler runs or unwinds. */
bool run_state_has_handler(run_state state);
/* Its handler is to go no further than its next step or wait. */
bool run_state_unwinds(run_state state);

/* ---- Its commits. At most one segment of a run is with the store ----
 *
 *     NONE --sent--> FIRST --done--> DURABLE <--done-- MORE      FIRST --refused--> REFUSED, --unknown--> UNKNOWN
 *                                       +-----sent----> MORE     MORE  --refused, unknown--> BROKEN                */

typedef enum run_commit {
    COMMIT_EMPTY,   /* of an empty cell */
    COMMIT_NONE,    /* nothing of the run is on disk or with the store */
    COMMIT_FIRST,   /* its first segment is with the store */
    COMMIT_DURABLE, /* it is on disk, and nothing is with the store */
    COMMIT_MORE,    /* it is on disk, and a later segment is with the store */
    /* Final: after an entry that is not on disk none may follow. */
    COMMIT_REFUSED, /* nothing of it is on disk, nor will be */
    COMMIT_UNKNOWN, /* its first segment may be on disk */
    COMMIT_BROKEN,  /* it is on disk but for its last segment */
    COMMITS
} run_commit;

typedef enum run_commit_event {
    COMMIT_ON_LOADED, /* from its journal */
    COMMIT_ON_SENT,
    COMMIT_ON_DONE,
    COMMIT_ON_REFUSED,
    COMMIT_ON_UNKNOWN,
    COMMIT_EVENTS
} run_commit_event;

run_commit run_commit_next(run_commit state, run_commit_event event);

/* A segment of it is with the store. */
static inline bool run_commit_is_under_way(run_commit c) { return c == COMMIT_FIRST || c == COMMIT_MORE; }
/* The next process would find it. */
static inline bool run_commit_is_durable(run_commit c)
{
    return c == COMMIT_DURABLE || c == COMMIT_MORE || c == COMMIT_BROKEN;
}

/* What a run is told that has no code running and no segment with the store; `last`: the process is to end. */
run_event run_settled_event(run_commit c, bool last);

/* ---- For people, tests and what counts ---- */

const char *run_state_name(run_state state);
const char *run_event_name(run_event event);
const char *run_action_name(run_action action);
const char *run_commit_name(run_commit c);
const char *run_commit_event_name(run_commit_event event);

/* Why a pair has no row; NULL: it has one. A pair that has neither is a mistake in the table: "". */
const char *run_never(run_state state, run_event event);
const char *run_commit_never(run_commit c, run_commit_event event);

/* How often a row was taken since the process began, by all threads. Only in a build with -Dtable_coverage=true; else
 * 0. */
uint64_t run_taken(run_state state, run_event event);
uint64_t run_commit_taken(run_commit c, run_commit_event event);

#endif
