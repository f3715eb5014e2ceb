/* ties: what one process tells the next about runs that end with their clients (SW_CANCEL). While a process lives, a
 * run's tie is in its slot; the journal does not have it. What the next process could not know if this one were killed
 * is noted at once, in the file `end` of the data folder: which runs are no longer tied because a client of them was
 * sent on. A process that ends leaves there the runs that are still tied: whose clients were left to the next process
 * or have gone, and were not sent on. So a client that is lost on the way is missed, whoever lost it; and if the next
 * process is killed, the one behind finds once more what was left to it. Written by the loops, under a lock; what was
 * read at the start changes only by being settled, each run by its own loop. */
#ifndef RUNTIME_RUN_TIES_H
#define RUNTIME_RUN_TIES_H

#include <stdbool.h>
#include <stdint.h>

#include "storage/folder.h"
#include "storage/run_id.h"

/* What is known of a run of a former process. */
typedef enum former_tie {
    FORMER_UNKNOWN,  /* that process died under its clients */
    FORMER_PRESUMED, /* it sent its clients on, as far as they were not left to this one */
    FORMER_AWAITED,  /* it was tied to clients, who were left to this process or have gone */
    FORMER_ALONE     /* it was not */
} former_tie;

struct store;
typedef struct ties ties;

/* Reads what the last process left; `mark`: from then on the folder counts as in use. `redirect_after_ms`: as this
 * process deals with its clients. NULL: out of memory. */
ties *ties_open(const char *folder, int64_t redirect_after_ms, bool mark);
/* From now on the folder counts as in use, which ties_open did not do: it could not be written. What was noted
 * meanwhile is in the file then. */
void ties_mark(ties *t);
/* Of the runs that are listed those that have no row in the live table any more are forgotten, in the file too: else it
 * would grow with each process that is killed. Before loops begin. */
void ties_forget_ended(ties *t, struct store *journals);
/* The process ends: writes what was left, `well` if all of its loops have ended. Frees it; NULL is fine. */
void ties_close(ties *t, bool well);

/* For ties_forget_ended (ties_start.c): keeps those of the list for which is_there, asked in the order of their ids, is
 * true. False: no memory. */
bool ties_filter(ties *t, bool (*is_there)(void *arg, const run_id *run), void *arg);
bool ties_has_runs(const ties *t);

/* A wait that is longer, in a run's journal, shows that its clients were sent on: by this process, or by one before of
 * which that is not known otherwise. The shortest counts: whoever was not sent on only goes on alone. */
int64_t ties_sent_on_after_ms(const ties *t);
/* How that one ended. */
folder_end ties_former_end(const ties *t);
former_tie ties_find(const ties *t, const run_id *run);
/* What the next process would find of a run, of this process or another, if this one were killed and had noted nothing.
 */
former_tie ties_find_next(const ties *t, const run_id *run);
/* This process knows the run itself, or it has ended: what the last one knew of it is no longer handed on. */
void ties_settle(ties *t, const run_id *run);

/* What the next process is to know of a run also if this one is killed now; the last note of a run counts.
 * FORMER_ALONE: before a client of it is sent on, unless its journal shows that. FORMER_AWAITED: that client turned out
 * to have gone before. From any thread. What cannot be written is logged: the next process takes it for tied. */
void ties_append(ties *t, const run_id *run, former_tie tie);
/* For the next process: FORMER_AWAITED or FORMER_UNKNOWN. From any thread. */
void ties_leave(ties *t, const run_id *run, former_tie tie);
/* There are runs that this process has not found, and the one before was killed under their clients: what is left is no
 * whole list, and the next process treats the others as if this one were killed too. From any thread. */
void ties_leave_unfound(ties *t);

#endif
