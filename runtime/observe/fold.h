/* fold: a run's journal by steps: for each step, sleep and wait which attempts it has made, how far it is and since
 * when, and which branches there are. Reads the journal's bytes, which have to outlive it; its lists lie in the asker's
 * arena. Knows no run in memory: what is under way, and not yet in the journal, is runtime/run/survey.h's. */
#ifndef RUNTIME_OBSERVE_FOLD_H
#define RUNTIME_OBSERVE_FOLD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "storage/entry.h"

typedef enum fold_state {
    FOLD_OPEN,     /* an attempt began, and the journal has no end of it */
    FOLD_RETRYING, /* an attempt failed; the next one is due at due_ms */
    FOLD_SLEEPING, /* until due_ms, which may be past */
    FOLD_WAITING,  /* for a signal, until due_ms if that is not 0; a call: for the run that was called */
    FOLD_DONE,
    FOLD_FAILED,    /* for good */
    FOLD_TIMED_OUT, /* a wait that has got no signal */
    FOLD_CUT        /* given up, since another member of its group has won */
} fold_state;

/* One attempt that has ended. */
typedef struct fold_attempt {
    struct fold_attempt *next;
    size_t at; /* of its entry in the journal: fold_entry reads it */
} fold_attempt;

typedef struct fold_step {
    struct fold_step *next;        /* in the order in which the journal comes to them */
    struct fold_step *next_within; /* in its branch */
    uint64_t path;
    uint64_t branch;     /* path of the branch around it; 0: unknown */
    entry_text id;       /* its label (branch/id:1), as long as the journal has its chunks alone */
    uint32_t occurrence; /* from 0 */
    bool is_sleep;
    bool is_given_up;    /* FOLD_CUT: a wait or sleep of a group, for a failure beside it or the end of its branch */
    entry_text signal;   /* of a wait: the signal's name; len 0: it is none */
    entry_text function; /* of a call: the name of the function; len 0: it is none */
    entry_text child;    /* of a call: id of the run that was called */
    size_t called_at, returned_at; /* of a call: of its entries; 0: it has none */
    size_t signal_at;              /* of the entry of the signal that the wait has taken; 0: it has none */
    size_t sent_at;                /* of the entry of a signal to another run; 0: it is none */
    fold_state state;
    int64_t begun_ms; /* Unix: of its first attempt; 0: unknown */
    int64_t ended_ms; /* Unix: FOLD_DONE, _FAILED, _TIMED_OUT, _CUT; a sleep: until when; else 0 */
    int64_t due_ms;   /* Unix: FOLD_RETRYING, FOLD_SLEEPING; a wait: its timeout, 0 if it has none; else 0 */
    uint32_t tried;   /* attempts that failed, since the run was last released */
    uint32_t chunks;  /* that count: those of failed attempts have been taken back */
    uint32_t crashes; /* of the process, in this step */
    uint32_t differs; /* other inputs that its result was used for */
    uint32_t caused;  /* number of the last end or stop that names it as a cause; 0: none */
    fold_attempt *first, *last;
} fold_step;

/* A signal that no wait has taken so far. */
typedef struct fold_signal {
    struct fold_signal *next;
    entry_text letter;
    size_t at; /* of its entry */
} fold_signal;

typedef struct fold_branch {
    struct fold_branch *next, *next_within; /* of all; in its parent */
    struct fold_branch *next_lost;          /* while what is in those that have lost is given up */
    bool has_lost;
    uint64_t path, parent;
    entry_text id;
    uint32_t occurrence;
} fold_branch;

/* What a path stands for; a branch has members also if the journal has no entry of its beginning. */
typedef struct fold_place {
    uint64_t path;
    fold_step *step;
    fold_branch *branch;
    fold_step *steps;      /* within it, the last first */
    fold_branch *branches; /* likewise */
} fold_place;

typedef struct fold {
    const char *data; /* the journal, borrowed */
    size_t len;
    arena *arena;
    fold_step *steps, **steps_end;
    fold_branch *branches, **branches_end;
    fold_signal *unread, **unread_end; /* in order, as they are mostly taken */
    fold_place *places;                /* hash table by path, open addressing; without anything: the place is free */
    size_t place_room, place_count, step_count;
    size_t looks;       /* at what decisions may have given up: a few for each step and branch, whatever the journal */
    uint32_t chunks;    /* streamed outside steps */
    size_t response_at; /* of the response's entry; 0: there is none */
    entry stopped;      /* of the last stop, to the release behind it; kind 0: none */
    entry ended;        /* of the end, if the run was not reopened behind it; kind 0: none */
    uint32_t ends;      /* ends and stops so far */
    uint32_t stopped_number, ended_number; /* of these two among them; 0: none */
    bool is_short;                         /* there was no memory for all of it */
} fold;

/* Folds the entries up to the first that cannot be read. */
void fold_read(fold *f, arena *a, const char *data, size_t len);
/* The entry at `at`, which fold_read has read. */
entry fold_entry(const fold *f, size_t at);
/* What a release of the run, or a resume if it has ended, does with a step. */
typedef enum fold_again {
    FOLD_STAYS, /* as it is: done, asleep, or a failure that the handler has dealt with */
    FOLD_NEXT,  /* its next attempt is made; attempts go on counting */
    FOLD_ANEW   /* it begins anew, with all its attempts */
} fold_again;

fold_again fold_step_again(const fold *f, const fold_step *s);
static inline bool step_is_given_up(const fold_step *s) { return s->is_given_up && s->state == FOLD_CUT; }
/* NULL: the journal has nothing of a step with this path. */
fold_step *fold_find(const fold *f, uint64_t path);
/* The next step, sleep or wait with something to wait for, whose time may be over: from `s` on, or behind it. NULL:
 * there are no more.
 */
const fold_step *fold_waiting_from(const fold_step *s);

/* The first wait for a signal that is not decided; NULL: there is none. */
const fold_step *fold_open_wait(const fold *f);

/* The first call whose run has not returned; NULL: there is none. *count: how many there are. */
const fold_step *fold_open_calls(const fold *f, size_t *count);

#endif
