/* returning: what a run that was called leaves to the run that has called it, when it ends: a letter of kind
 * MAIL_RETURN in the caller's inbox, which is written with the child's last entries. Owns the letter until the caller's
 * home has it.
 *
 *     made, with *ended* --on disk, one commit--> handed to the caller's home --> in its mailbox (mailbox_arrive)
 *          \--not on disk: the child is loaded again                             \--the caller has ended: deleted
 *
 * A start finds the letter in the inbox. A child that goes on after its end (runtime/run/reopen.h) returns at each end:
 * its caller takes the result if it waits for it, or waits for it again (runtime/run/reopen_call.h); else the letter is
 * deleted. */
#ifndef RUNTIME_RUN_RETURNING_H
#define RUNTIME_RUN_RETURNING_H

#include "runtime/run/letter.h"
#include "runtime/run/run.h"

/* What a letter says; its texts lie in an arena. */
typedef struct returned {
    entry_ended outcome;
    bool is_gone;     /* there is no such run any more; the outcome says nothing */
    entry_text value; /* ENTRY_SUCCEEDED: msgpack */
    entry_text error; /* else: why not */
} returned;

/* Reads the value of such a letter. False: it is damaged, or there is no memory, which *is_short says. */
bool returned_read(arena *a, entry_text packed, returned *out, bool *is_short);

/* Makes the letter of a run that is not in memory to write it. `call`: the run that has called it, and for which of its
 * calls. NULL: no memory. */
struct mail_letter *returning_new(struct home *h, const letter_call *call, const run_id *child, const returned *what);
/* A letter that was written alone is on disk: it goes to the caller's home. */
void returning_hand(struct home *h, struct mail_letter *m);

/* The run's last entries are about to be appended: makes the letter, if another run waits for it. *result: the result's
 * msgpack, of the letter; empty: nobody waits, or it did not succeed. False: no memory. */
bool returning_prepare(run *r, entry_text *result);
/* Those entries are about to be sent: returns the row of the letter, and `then` behind it. */
const store_row *returning_seal(run *r, const store_row *then);
/* A segment of the run is on disk: if it was the last, the letter goes to the caller's home. */
void returning_written(run *r);
/* The run leaves memory. */
void returning_drop(run *r);

#endif
