/* run_machine: the one place that decides what a run does next. Two tables, of a run's life and of its commits: state
 * and event give the next state and an action. Owns nothing, knows no memory, loop or clock, and does nothing itself:
 * run_post (run.c) looks a row up and does its action. A pair of state and event without a row ends the process, with a
 * message that says why the pair cannot be.
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
 * A cancel leads from every state to ENDING, but for LOSING and LEAVING_LOST: there, as in ENDING, it is saved in the
 * run's slot, and the next load of the run obeys it. A loss leads from every state to LEAVING_LOST. Whatever a run is
 * unwinding for (but a loss), a handler that returns meanwhile leads to ENDING. */
#ifndef RUNTIME_RUN_RUN_MACHINE_H
#define RUNTIME_RUN_RUN_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum run_state {
    RUN_NONE, /* an empty cell of the table; never a run's state */

    RUN_NEW, /* made; nothing of it has begun */

    /* The handler runs, or unwinds. */
    RUN_RUNNING,
    RUN_PARKING,    /* all that it waits for is in the journal: the handler unwinds */
    RUN_DRAINING,   /* the process ends: waits are cut, attempts go on to their end, none begins */
    RUN_STOPPING,   /* the run is to stand still: waits are cut, attempts go on to their end, none begins */
    RUN_CANCELLING, /* the run is to end: waits and attempts are cut */
    RUN_LOSING,     /* an entry is lost: waits and attempts are cut, and nothing is journaled any more */

    /* The handler has ended, or been unwound. Other strands may still be at work, and entries on their way to disk. */
    RUN_ENDING,          /* the response and the end are among those entries */
    RUN_LEAVING,         /* then the run is parked, or left to the next process */
    RUN_LEAVING_STOPPED, /* then the run stands still */
    RUN_LEAVING_LOST,    /* then the run is loaded again from what is on disk */

    /* Final: the run is no longer in memory. */
    RUN_ENDED,
    RUN_PARKED,
    RUN_STOPPED,
    RUN_LEFT,    /* the next process finds it on disk */
    RUN_REFUSED, /* nothing of it is on disk, nor will be */
    RUN_CUT,     /* whether its first commit is on disk is not known: a write failed */
    RUN_STATES
} run_state;

typedef enum run_event {
    RUN_ON_BEGIN,     /* the handler has a coroutine */
    RUN_ON_WAITS,     /* all strands wait for times that are in the journal, for --park-after or longer */
    RUN_ON_DRAIN,     /* the process is to end */
    RUN_ON_HURRY,     /* --drain is over: the process ends without waiting for attempts */
    RUN_ON_CANCEL,    /* a client or an operator cancels the run, or its deadline is over */
    RUN_ON_STOP,      /* the run is to stand still until it is released */
    RUN_ON_LOSS,      /* the journal refused an entry, or there is no memory for it */
    RUN_ON_RETURNED,  /* the handler has returned, or failed */
    RUN_ON_EXHAUSTED, /* a step has used its retries, the handler failed for that, and its endpoint has SW_STOP */
    RUN_ON_UNWOUND,   /* the handler has been unwound */
    /* The run has settled: no code of it runs, and no segment of it is with the store. */
    RUN_ON_SETTLED,      /* all that was not lost is on disk */
    RUN_ON_SETTLED_LAST, /* all that was not lost is on disk, and the process is to end */
    RUN_ON_NOTHING,      /* nothing is on disk, nor will be */
    RUN_ON_UNKNOWN,      /* the first commit is on disk or not: the process ends before the store knows */
    RUN_EVENTS
} run_event;

typedef enum run_action {
    RUN_DO_NOTHING,
    RUN_DO_CUT_WAITS,     /* unwind strands that wait for a point in time or for the journal */
    RUN_DO_UNWIND,        /* unwind all strands */
    RUN_DO_CANCEL,        /* journal the cancellation, unwind all strands */
    RUN_DO_SAVE_CANCEL,   /* tell the slot: the next load of the run ends it */
    RUN_DO_CANCEL_NOW,    /* journal the cancellation and a response that tells of it, unwind all strands */
    RUN_DO_END_CANCELLED, /* journal a response that tells of the cancellation */
    RUN_DO_STOP,          /* journal the stop, cut waits */
    RUN_DO_STOP_FAILED,   /* journal the stop, whose reason is the handler's failure */
    RUN_DO_END,           /* journal the handler's response */
    /* The rest free the run. */
    RUN_DO_ANSWER, /* answer clients */
    RUN_DO_PARK,   /* hand clients and letters to the slot, which waits for a time */
    RUN_DO_STAND,  /* hand clients and letters to the slot, which is stopped */
    RUN_DO_RELOAD, /* hand clients and letters to the slot, which is due at once */
    RUN_DO_LEAVE,  /* redirect clients to the run's URL */
    RUN_DO_REFUSE, /* tell clients that nothing was journaled */
    RUN_DO_CUT,    /* cut clients' connections */
    RUN_ACTIONS
} run_action;

typedef struct run_transition {
    run_state to;
    run_action action;
} run_transition;

/* Returns what follows when `event` happens to a run in `state`. Ends the process when the pair has no row. */
run_transition run_next(run_state state, run_event event);

/* Whether a run in that state is no longer in memory. */
bool run_state_is_final(run_state state);
/* Whether the handler runs or unwinds. */
bool run_state_has_handler(run_state state);
/* Whether the handler is to go no further than its next step or wait. */
bool run_state_unwinds(run_state state);

/* ---- The life of a run's commits. At most one segment of a run is with the store ----
 *
 *     NONE --sent--> FIRST --done--> DURABLE <--done-- MORE      FIRST --refused--> REFUSED, --unknown--> UNKNOWN
 *                                       +-----sent----> MORE     MORE  --refused, unknown--> BROKEN                */

typedef enum run_commit {
    COMMIT_EMPTY,   /* an empty cell of the table; never a run's */
    COMMIT_NONE,    /* nothing of the run is on disk or with the store */
    COMMIT_FIRST,   /* the first segment is with the store */
    COMMIT_DURABLE, /* the run is on disk, and nothing is with the store */
    COMMIT_MORE,    /* the run is on disk, and a later segment is with the store */
    /* Final: after an entry that is not on disk none may follow. */
    COMMIT_REFUSED, /* nothing of the run is on disk, nor will be */
    COMMIT_UNKNOWN, /* the first segment may be on disk */
    COMMIT_BROKEN,  /* the run is on disk, but its last segment may not be */
    COMMITS
} run_commit;

typedef enum run_commit_event {
    COMMIT_ON_LOADED,  /* the run was read from its journal */
    COMMIT_ON_SENT,    /* a segment went to the store */
    COMMIT_ON_DONE,    /* it came back: on disk */
    COMMIT_ON_REFUSED, /* it came back: not on disk, nor will be */
    COMMIT_ON_UNKNOWN, /* it came back: on disk or not */
    COMMIT_EVENTS
} run_commit_event;

/* Returns the state that follows. Ends the process when the pair has no row. */
run_commit run_commit_next(run_commit c, run_commit_event event);

/* Whether a segment of the run is with the store. */
static inline bool run_commit_is_under_way(run_commit c) { return c == COMMIT_FIRST || c == COMMIT_MORE; }
/* Whether the next process would find the run. */
static inline bool run_commit_is_durable(run_commit c)
{
    return c == COMMIT_DURABLE || c == COMMIT_MORE || c == COMMIT_BROKEN;
}

/* Which event to post to a run that has settled. `is_draining`: the process is to end. */
run_event run_settled_event(run_commit c, bool is_draining);

/* ---- For people, tests and what counts ---- */

const char *run_state_name(run_state state);
const char *run_event_name(run_event event);
const char *run_action_name(run_action action);
const char *run_commit_name(run_commit c);
const char *run_commit_event_name(run_commit_event event);

/* Why a pair of state and event has no row, in words; NULL: it has one. "": it has neither, a mistake in the table. */
const char *run_impossible(run_state state, run_event event);
const char *run_commit_impossible(run_commit c, run_commit_event event);

/* How often a row was taken since the process began, by all threads; 0 in a build without -Dtable_coverage=true. */
uint64_t run_taken(run_state state, run_event event);
uint64_t run_commit_taken(run_commit c, run_commit_event event);

#endif
