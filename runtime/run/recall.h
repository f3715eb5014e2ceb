/* recall: cancels the runs that a run has called and that have not returned, when that run ends, or when their call has
 * lost (sw_group_any): a letter in the inbox of each child, written with the caller's last entries, or with *abandoned*
 * of the call. Owns the letters until the children's homes have them.
 *
 *     made, with its entry --on disk, one commit--> handed to the child's home --> cancelled like any run
 *          \--not on disk: the caller is loaded again                        \--it has ended: deleted
 *
 * Children that nobody waits for go on. */
#ifndef RUNTIME_RUN_RECALL_H
#define RUNTIME_RUN_RECALL_H

#include "runtime/run/run.h"

/* A run that this execution has called. In the run's arena. */
typedef struct run_child {
    struct run_child *next;
    run_id id;
    bool has_returned; /* its call has the result */
    bool is_recalled;  /* its call has lost: the letter that cancels it is made */
} run_child;

/* A call has lost, and *abandoned* of it is appended next: makes the letter for its child, which goes with that. False:
 * no memory. */
bool recall_loser(run *r, const run_id *child);
/* A segment is about to be sent: returns the rows of such letters, and `then` behind them. */
const store_row *recall_seal_losers(run *r, const store_row *then);
/* That segment has come back: on disk, and the letters go to the children's homes; or not, and the run is lost. */
void recall_unseal_losers(run *r, bool is_on_disk);

/* The run's last entries are about to be appended: makes the letters. False: no memory. */
bool recall_prepare(run *r);
/* Those entries are about to be sent: returns the rows of the letters, and `then` behind them. */
const store_row *recall_seal(run *r, const store_row *then);
/* A segment of the run is on disk: if it was the last, the letters go to the children's homes. */
void recall_written(run *r);
/* The run leaves memory. */
void recall_drop(run *r);

/* ---- Also for letters by which children go on (runtime/run/reopen_call.h) ---- */

/* Returns the rows of the letters, and `then` behind them. */
const store_row *recall_rows(struct letter *list, const store_row *then);
/* They are on disk: they go to the children's homes, and the list is empty. */
void recall_hand_out(struct home *h, struct letter **list);

#endif
