/* rocks_claims: which ended runs the sweeper is deleting, and which the journal thread reopens at the same moment: no
 * run is in both lists. Owns the two lists of ids, each empty but for the time of one batch. Knows no database. A run
 * that was claimed is kept until the claims are dropped, one that was doomed is not reopened until the sweeper's batch
 * is written: nobody waits for the other. */
#ifndef STORAGE_ROCKS_ROCKS_CLAIMS_H
#define STORAGE_ROCKS_ROCKS_CLAIMS_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "storage/run_id.h"

typedef struct claimed_ids {
    run_id *ids; /* malloc'd */
    size_t count, room;
} claimed_ids;

typedef struct rocks_claims {
    pthread_mutex_t lock;
    claimed_ids claimed; /* the journal thread's */
    claimed_ids doomed;  /* the sweeper's */
} rocks_claims;

bool rocks_claims_init(rocks_claims *c);
void rocks_claims_free(rocks_claims *c);

/* From the journal thread. False: the sweeper is deleting the run, or there is no memory. */
bool rocks_claims_take(rocks_claims *c, const run_id *id);
void rocks_claims_drop(rocks_claims *c); /* all of them */

/* From the sweeper, before it looks whether the run is live. False: the run is being reopened, or there is no memory.
 */
bool rocks_claims_doom(rocks_claims *c, const run_id *id);
void rocks_claims_spare(rocks_claims *c); /* all that are left: they are deleted, or will not be */

#endif
