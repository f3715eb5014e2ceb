/* ties: what one process tells the next about runs that end with their clients (SW_CANCEL). While a process lives, a
 * run's tie is in its slot; the journal does not have it. A process that ends leaves behind, in the file `end` of the
 * data folder, the runs that are still tied: whose clients were left to the next process or have gone, and were not
 * sent on. So a client that is lost on the way is missed, whoever lost it. If the next process is killed, the one
 * behind finds once more what was left to it. Written by the loops when they end, under a lock; what was read at the
 * start changes only by being settled, each run by its own loop. */
#ifndef RUNTIME_TIES_H
#define RUNTIME_TIES_H

#include <stdbool.h>

#include "storage/folder.h"
#include "storage/run_id.h"

/* What is known of a run of a former process. */
typedef enum former_tie {
    FORMER_UNKNOWN,  /* that process died under its clients */
    FORMER_PRESUMED, /* it sent its clients on, as far as they were not left to this one */
    FORMER_AWAITED,  /* it was tied to clients, who were left to this process or have gone */
    FORMER_ALONE     /* it was not */
} former_tie;

typedef struct ties ties;

/* Reads what the last process left; from then on the folder counts as in use. NULL: out of memory. */
ties *ties_open(const char *folder);
/* The process ends: writes what was left, `well` if all of its loops have ended. Frees it; NULL is fine. */
void ties_close(ties *t, bool well);

/* How that one ended. */
folder_end ties_former_end(const ties *t);
former_tie ties_find(const ties *t, const run_id *run);
/* This process knows the run itself, or it has ended: what the last one knew of it is no longer handed on. */
void ties_settle(ties *t, const run_id *run);

/* Clients are about to be sent on: if the process dies from now on, some have been. */
void ties_leaving(ties *t);
/* For the next process: FORMER_AWAITED or FORMER_UNKNOWN. From any thread. */
void ties_leave(ties *t, const run_id *run, former_tie tie);

#endif
