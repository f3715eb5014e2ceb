/* ties: what one process tells the next about runs that end with their clients (SW_CANCEL). While a process lives, a
 * run's tie is in its slot; the journal does not have it. What the next process could not know if this one were killed
 * is written at once, to the file `end` of the data folder: which runs are no longer tied because a client of them was
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
    FORMER_UNKNOWN,  /* that process died under the run's clients */
    FORMER_PRESUMED, /* that process sent the run's clients on, as far as they were not left to this one */
    FORMER_AWAITED,  /* the run was tied to clients, who were left to this process or have gone */
    FORMER_ALONE     /* the run was not tied */
} former_tie;

struct store;
typedef struct ties ties;

/* Reads what the last process left; `mark`: from then on the folder counts as in use. `redirect_after_ms`: this
 * process's --redirect-after. ties_close frees what is returned. NULL: out of memory. */
ties *ties_open(const char *folder, int64_t redirect_after_ms, bool mark);
/* Marks the folder as in use, unless ties_open has: it could not be written. What was appended meanwhile gets into the
 * file too. */
void ties_mark(ties *t);
/* Forgets runs of the list that have no row in the live table any more, in the file too: else the file would grow with
 * each process that is killed. Before loops begin. */
void ties_forget_ended(ties *t, struct store *journals);
/* Writes what is left for the next process, `well` if all loops have ended, and frees t; NULL is allowed. */
void ties_close(ties *t, bool well);

/* For ties_forget_ended (ties_start.c): drops runs of the list for which is_there(arg, run), asked in the order of
 * their ids, is false. False: no memory. */
bool ties_filter(ties *t, bool (*is_there)(void *arg, const run_id *run), void *arg);
bool ties_has_runs(const ties *t);

/* A longer wait in a run's journal shows that its clients were sent on: by this process, or by a former one of which
 * that is not known otherwise. The shortest --redirect-after of them counts: a run that is wrongly taken for sent on
 * only goes on alone. */
int64_t ties_sent_on_after_ms(const ties *t);
/* How the last process ended. */
folder_end ties_former_end(const ties *t);
former_tie ties_find(const ties *t, const run_id *run);
/* What the next process would find of a run, of this process or another, if this one were killed and had appended
 * nothing. */
former_tie ties_find_next(const ties *t, const run_id *run);
/* No longer hands on what the last process knew of a run: this one knows the run itself, or the run has ended. */
void ties_settle(ties *t, const run_id *run);

/* Writes what the next process is to know of a run also if this one is killed now; the last line of a run counts.
 * FORMER_ALONE: before a client of the run is sent on, unless its journal shows that. FORMER_AWAITED: that client
 * turned out to have gone before. From any thread. A failure is logged: the next process takes the run for tied. */
void ties_append(ties *t, const run_id *run, former_tie tie);
/* Leaves a run to the next process as FORMER_AWAITED or FORMER_UNKNOWN, when this one ends. From any thread. */
void ties_leave(ties *t, const run_id *run, former_tie tie);
/* Says that what is left is no whole list: there are runs that this process has not found, and the one before was
 * killed under their clients. The next process treats those as if this one were killed too. From any thread. */
void ties_leave_unfound(ties *t);

#endif
