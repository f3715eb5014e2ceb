/* survey: what a run, or the slot of a run that is not in memory, is doing at this moment, as plain data for people.
 * Owns nothing: its lists lie in the asker's arena, its texts are the run's, so a survey is good until the loop's next
 * turn, or until it is kept. Changes nothing. On the thread of the run's home. */
#ifndef RUNTIME_RUN_SURVEY_H
#define RUNTIME_RUN_SURVEY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/run/run_machine.h"
#include "runtime/run/slot_machine.h"
#include "runtime/run/stop.h"
#include "storage/entry.h"
#include "storage/run_id.h"

struct arena;
struct home;

/* What a strand waits for. */
typedef enum survey_wait {
    SURVEY_TURN,    /* its turn on the loop: its code goes on then */
    SURVEY_CALL,    /* calls of its attempt */
    SURVEY_WORK,    /* what else an attempt waits for: another thread, a client that reads slowly, its own sleep */
    SURVEY_RETRY,   /* the time of its step's next attempt */
    SURVEY_SLEEP,   /* the end of a sleep that is in the journal */
    SURVEY_SIGNAL,  /* a signal, by a wait that is in the journal */
    SURVEY_RETURN,  /* runs that it has called, by calls that are in the journal */
    SURVEY_COMMIT,  /* entries that are on their way to the disk */
    SURVEY_CLOSED,  /* a journal that takes writes */
    SURVEY_FULL,    /* room in the journal's queue */
    SURVEY_MEMBERS, /* members of a group, of which each is in the list of strands, too */
    SURVEY_STACK    /* room for the stack of a group's member */
} survey_wait;

typedef struct survey_call {
    struct survey_call *next;
    entry_text method, host;
    int64_t since_ms; /* Unix */
    bool answered;    /* the response's head has come */
} survey_call;

typedef struct survey_strand {
    struct survey_strand *next;
    survey_wait wait;
    const char *id;          /* of its step, sleep or wait; NULL: it is in none of them */
    const char *signal;      /* of its wait: the signal's name; NULL: it is in none */
    uint64_t path;           /* of that */
    uint64_t branch;         /* of the branch around the step */
    uint32_t occurrence;     /* of the step, from 0 */
    uint32_t attempt;        /* of the step: the one under way, or the next one */
    int64_t since_ms;        /* Unix: when the attempt under way began; 0: none is */
    int64_t due_ms;          /* Unix: SURVEY_RETRY, SURVEY_SLEEP, SURVEY_SIGNAL with a timeout: until when; else 0 */
    survey_call *calls;      /* under way */
    entry_text input;        /* of the step: msgpack bytes, "" if there is none or it is left out */
    uint64_t input_left_out; /* bytes of an input that is long, one too many, or cannot be packed; 0: not left out */
    uint64_t input_hash;     /* of the step, as entry.input_hash has it */
} survey_strand;

typedef struct survey {
    int64_t now_ms;   /* Unix */
    int64_t ahead_ms; /* the wall clock's lead on the steady one at that moment */
    /* Of a loop that is too busy to be asked: the rest says nothing then. */
    int64_t held_ms;         /* for how long its turn has gone on; 0: it was asked */
    bool is_held_by_it;      /* this run's code keeps it busy */
    const char *holder;      /* who does, by route and run; "": nobody knows */
    const char *holder_step; /* "": outside steps */
    /* The home */
    bool is_recovered; /* its recovery has read the live table */
    bool drains;
    size_t runs, runs_max; /* in memory, or about to be; --runs-max */
    bool loads_wait;       /* runs that are due wait for the journals of others (runtime/run/load_quota.h) */
    /* The run */
    slot_state slot;     /* SLOT_NONE: it has no slot */
    run_state state;     /* RUN_NONE: it is not in memory */
    stop_reason stop;    /* STOP_NONE: it is not stopped, as far as this home knows */
    entry_cancel cancel; /* it is to end; ENTRY_CANCEL_NONE: it is not */
    bool is_released;    /* it is loaded to be released */
    bool has_crashed;    /* the process has died of it, and it has got no further since */
    unsigned tries;      /* loads in a row that came to nothing */
    int64_t due_ms;      /* Unix: when the slot's timer fires; 0: it does not run */
    uint32_t awaits;     /* SLOT_PARKED: what it waits for first, as slot.awaits has it */
    size_t signals;      /* on disk, that no wait has taken */
    size_t before;       /* SLOT_DUE: how many come before it, at most 10,000 */
    int64_t deadline_ms; /* Unix, of a run in memory; 0: none */
    survey_strand *strands;
    size_t input_bytes; /* of their inputs */
    bool is_short;      /* there was no memory for all of it */
} survey;

/* Fills *out with what the home knows of the run. */
void survey_take(struct home *h, const run_id *id, struct arena *a, survey *out);

/* Copies the survey's texts to `a`, so that it is good for as long as that is; texts for which there is no memory are
 * missing, and is_short says so. */
void survey_keep(survey *s, struct arena *a);

/* Whether the home has the run, in memory or as a slot. */
static inline bool survey_knows(const survey *s) { return s->slot != SLOT_NONE || s->state != RUN_NONE; }

#endif
