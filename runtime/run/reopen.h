/* reopen: has a run that has ended go on under its own id, because an operator has mended what it failed of: an entry
 * `reopened` takes back the response, the end, and the failures of the steps that caused the end. Owns the wish from
 * its question to its answer, and the entry on its way to the disk; from there on the run is one like any other that
 * waits outside memory. Never loads a run. On the thread of the run's home.
 *
 *     asked --its slot is loaded, the run has ended--> written --on disk--> the slot is parked, and due at once
 *        \--it goes on, succeeded, is not there        \--not on disk, or deleted meanwhile
 */
#ifndef RUNTIME_RUN_REOPEN_H
#define RUNTIME_RUN_REOPEN_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/run_id.h"
#include "storage/store.h"

/* Why a run is not resumed, as whoever asks for it, or for what it would do, is told. */
extern const char reopen_not_ended[], reopen_succeeded[];

struct arena;
struct home;
struct slot;

enum { REOPEN_TAG = 3 /* of the segments that reopen_committed takes */ };

typedef struct reopen_wish {
    run_id run;          /* of this home */
    uint32_t generation; /* the one that is to begin, from 1; 0: the next, whichever that is */
    int64_t timeout_ms;  /* until its deadline; 0: it has none; -1: as its endpoint says */
    const char *by;      /* the operator's name: copied */
    /* An insert that goes with the entry: the run goes on by this wish once, or is not resumed (REOPEN_TAKEN). Borrowed
     * until the wish is answered; NULL: none. */
    const store_row *mark;
} reopen_wish;

/* Why the run goes on, or does not. */
typedef enum reopen_reason {
    REOPEN_DONE,
    REOPEN_TAKEN,      /* by an earlier wish with this mark */
    REOPEN_CHANGED,    /* it goes on already, has succeeded, or is being deleted */
    REOPEN_MISSING,    /* there is no such run */
    REOPEN_UNFIT,      /* the program lacks its endpoint, or its journal does not say what would begin anew */
    REOPEN_UNREADABLE, /* its journal is damaged */
    REOPEN_UNREAD,     /* its journal could not be read, for want of memory, say; asking again may help */
    REOPEN_LATER       /* asking again helps: the journal cannot be written, the process drains */
} reopen_reason;

/* Returns the status of the answer to whoever wants the run to go on: 202, or that of a refusal. */
int reopen_status(reopen_reason reason);

typedef struct reopen_result {
    reopen_reason reason;
    uint32_t generation;     /* with REOPEN_DONE */
    const run_id *caller;    /* with REOPEN_DONE: the run that has called it, and for which the result is; NULL: none */
    const char *detail;      /* why not; NULL: it does */
    const char *retry_after; /* seconds, when asking again may help; NULL: it does not */
} reopen_result;

/* Is told once what has come of the wish; perhaps before reopen_begin returns. */
typedef void (*reopen_done_fn)(void *arg, const reopen_result *result);

/* Has the run go on. A wish that names its generation may be repeated: when that generation has begun, the answer is
 * REOPEN_DONE as before. */
void reopen_begin(struct home *h, const reopen_wish *wish, reopen_done_fn done, void *arg);

/* Answers those who wait for their runs to be read: the home drains. */
void reopen_drain(struct home *h);

/* Returns why a run with that journal, which has ended without success, would not go on, as far as the journal and the
 * program say: a constant; NULL: it would. *is_short: there was no memory in `a` to see that. */
const char *reopen_objection(const struct home *h, struct arena *a, entry_text journal, bool *is_short);

/* ---- From the slot of a run that was loaded ---- */

/* The run has ended. True: it is to go on, and its slot is reopening. */
bool reopen_take_journal(struct home *h, struct slot *s, const store_journal *journal);
/* The run has not ended. */
void reopen_deny_live(struct home *h, const store_journal *journal);
/* There is no such run, or it cannot be read. `why` lives until the process ends. */
void reopen_deny(struct home *h, const run_id *run, reopen_reason reason, const char *why);

/* ---- Also for forks (runtime/run/fork.h) ---- */

/* The slot is reopening, and what was written for it is on disk: its run goes on, tied to no clients. */
void slot_go_on(struct home *h, struct slot *s);
/* The slot is reopening, and what was written for it is not on disk; `is_known`: nor will it be. Those who wait at the
 * slot are answered by what the journal has. */
void slot_stay_ended(struct home *h, struct slot *s, bool is_known);

/* A segment with REOPEN_TAG has come back from the store. */
void reopen_committed(store_segment *s);

#endif
