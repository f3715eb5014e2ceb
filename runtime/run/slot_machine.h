/* slot_machine: where a run's slot stands, and what moves it: the half of a run's life that it spends outside memory,
 * as run_machine.h is the half in memory. A table and nothing else. Which queue a slot is in, whether it has a place of
 * --runs-max and whether its timer is armed follow from its state (slot_post in slot.c): nothing else says so.
 *
 *     NEW --> RUNNING --parked--> PARKED --wake--> DUE --taken--> LOADING_PLACED --place given--> LOADING --> RUNNING
 *      |         \---stopped---> STOPPED --look--> ASKED --taken--> LOADING                          \--> PARKED,
 *      +--> UNKNOWN --look-------------------------^                                          STOPPED, GONE, and later
 *
 *     LOADING_PLACED --left--> DUE        LOADING --left--> ASKED
 *
 *     DUE, ASKED, LOADING --gate closed--> GATED --put off--> PARKED, and woken
 *     LOADING --suspected--> SUSPECT --taken--> LOADING_PLACED
 *     DUE, LOADING --behind--> BEHIND --admitted--> DUE
 *
 *     NEW, LOADING --reopening--> REOPENING --parked--> PARKED, and woken
 *                                    \--not reopened--> UNKNOWN
 */
#ifndef RUNTIME_RUN_SLOT_MACHINE_H
#define RUNTIME_RUN_SLOT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

typedef enum slot_state {
    SLOT_NONE, /* of an empty cell */
    SLOT_NEW,
    SLOT_RUNNING, /* the run is in memory */
    SLOT_UNKNOWN, /* somebody asked for it, and it is not known whether there is such a run */
    SLOT_PARKED,  /* the run waits; its timer is armed if a time is known */
    SLOT_STOPPED, /* the run stands still; its timer is armed if the run is to be looked at again */

    /* In the queue of that name. */
    SLOT_DUE,     /* waits for a place of --runs-max, to go on */
    SLOT_ASKED,   /* waits to be loaded without a place: most such runs have ended, or are to end */
    SLOT_GATED,   /* waits until the journal takes writes */
    SLOT_SUSPECT, /* waits for its solo: until no other run is in memory that may end the process */
    SLOT_BEHIND,  /* waits until runs before it have got on (runtime/run/comeback.h) */

    SLOT_LOADING,        /* its journal is being read */
    SLOT_LOADING_PLACED, /* its journal is being read, and it has one of the places of --runs-max */
    SLOT_REOPENING, /* the run had ended, or is a fork that begins: the entry by which it goes on is on its way to the
                       disk (runtime/run/reopen.h) */
    SLOT_GONE,      /* final: it is freed */
    SLOT_STATES
} slot_state;

typedef enum slot_event {
    SLOT_ON_BEGUN,     /* its run has just begun */
    SLOT_ON_ASKED_FOR, /* by its id, or there is a letter for it */
    SLOT_ON_PARKED,    /* a time is known for it */
    SLOT_ON_STOPPED,   /* a reason is known why it stands still */
    SLOT_ON_PUT_OFF,   /* the run is left to another process, or to a later load here */
    SLOT_ON_WAKE,      /* the run may go on, and needs a place of --runs-max */
    SLOT_ON_LOOK,      /* the run is to be loaded without a place: to end it, or to see how it stands */
    SLOT_ON_TAKEN,     /* the run's journal is read now */
    SLOT_ON_TAKEN_PLACED,
    SLOT_ON_LEFT,        /* its journal was left, for its bytes: the run is the next of its queue again */
    SLOT_ON_PLACE_GIVEN, /* its journal is here: what that says decides now who gets its place */
    SLOT_ON_NO_PLACE,    /* the run could go on, and no place is free */
    SLOT_ON_GATE_CLOSED, /* the journal takes no writes */
    SLOT_ON_SUSPECTED,
    SLOT_ON_BEHIND,   /* others come first */
    SLOT_ON_ADMITTED, /* others have got on: the run may be loaded when there is a place */
    SLOT_ON_RESUMED,
    SLOT_ON_REOPENING,    /* an operator has the run go on, which has ended */
    SLOT_ON_NOT_REOPENED, /* and that is not on disk */
    SLOT_ON_GONE,         /* the run has ended, or is deleted, or there is none */
    SLOT_EVENTS
} slot_event;

/* The state after an event. A pair that cannot be ends the process with a message that names both. */
slot_state slot_next(slot_state state, slot_event event);

const char *slot_state_name(slot_state state);
const char *slot_event_name(slot_event event);
/* Why a pair has no row; NULL: it has one; "": neither, which is a mistake in the table. */
const char *slot_impossible(slot_state state, slot_event event);
/* How often a row was taken since the process began, by all threads. Only in a build with -Dtable_coverage=true;
 * else 0. */
uint64_t slot_taken(slot_state state, slot_event event);

#endif
