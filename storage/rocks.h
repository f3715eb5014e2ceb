/* rocks: the RocksDB database that holds the journals: the only file of Stepwell that knows its API. Tables (column
 * families) and keys: docs/journal.md. Reads may come from any thread; writes from the journal's and the sweeper's. */
#ifndef STORAGE_ROCKS_H
#define STORAGE_ROCKS_H

#include "storage/clock.h"
#include "storage/store.h"

typedef struct rocks rocks;

enum { ROCKS_ERROR_MAX = 512, ROCKS_NODE_MAX = 33 };

/* `path` is the data folder. NULL with a message. Raises the epoch. `accept_loss`: see rocks_check. */
rocks *rocks_open(const char *path, bool accept_loss, char *error, size_t error_size);
void rocks_close(rocks *r);
uint64_t rocks_epoch(const rocks *r);
const char *rocks_node(const rocks *r);

/* All segments as one batch, synced. False with a message in `error`: nothing of it counts. */
bool rocks_commit(rocks *r, const store_segment *list, int64_t now_ms, char *error, size_t error_size);

/* After a failed write: opens the database anew, as that is what clears RocksDB's error state. Reads fail meanwhile. */
bool rocks_reopen(rocks *r, char *error, size_t error_size);

/* A synced write through the database itself, of some size: what a probe file beside the database cannot tell. */
bool rocks_try_write(rocks *r, char *error, size_t error_size);

/* `out->run` is set; fills the rest. data is malloc'd. error is static. */
void rocks_load(rocks *r, store_journal *out);

/* Return the count of rows, or -1 with a static message in *error. */
long rocks_scan_live(rocks *r, const run_id *after, size_t limit, unsigned loop, unsigned loops, store_live_row *rows,
                     bool *end, const char **error);
long rocks_list(rocks *r, const run_id *before, size_t limit, run_id *ids, const char **error);
/* True: found. False, and *error set if it could not be read. */
bool rocks_find_key(rocks *r, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error);
/* A copy of the database as it is at one moment, in the new folder `path`; files are shared by links where the file
 * system can. False with a message. */
bool rocks_checkpoint(rocks *r, const char *path, char *error, size_t error_size);
bool rocks_delete(rocks *r, const run_id *id, const char **error);

/* ---- Retention ---- */

/* First byte of a row in the expiry table: whose time the row is kept under. */
typedef enum rocks_expiry {
    ROCKS_EXPIRY_STORE, /* the run's end: the store's retention is counted from it, and may change */
    ROCKS_EXPIRY_OWN    /* when the run is to be deleted */
} rocks_expiry;
enum { ROCKS_EXPIRY_KINDS = 2, ROCKS_EXPIRY_BYTES = 1 + 8 + RUN_ID_BYTES };

/* Where a round of retention stands. The caller's, zeroed once. */
typedef struct rocks_sweep {
    uint8_t expiry_from[ROCKS_EXPIRY_KINDS][ROCKS_EXPIRY_BYTES]; /* of this round */
    run_id bytes_from;                                           /* of this round */
    run_id walk_from; /* kept between rounds: what needs no expiry row is dealt with up to here */
    int64_t now_ms;
    int64_t older_than_ms; /* runs without a retention of their own that ended before */
    bool done;             /* the last call found nothing more to look at */
} rocks_sweep;

/* What retention believed of the time when it last looked; zeros: never, or it cannot be read. */
void rocks_swept(rocks *r, clock_belief *out);
void rocks_set_swept(rocks *r, const clock_belief *b);

void rocks_sweep_begin(rocks_sweep *s, int64_t now_ms, int64_t store_ms);
/* Looks at up to `limit` rows of each kind and deletes the runs whose time has come. How many, -1 on an error. */
long rocks_sweep_age(rocks *r, rocks_sweep *sweep, size_t limit);
/* Looks at up to `limit` of the oldest runs and deletes those that have ended, until about `bytes` are freed. */
long rocks_sweep_bytes(rocks *r, rocks_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
/* Compacts what rocks_sweep_bytes went over, so that the file system gets the space. */
void rocks_sweep_give_back(rocks *r, const rocks_sweep *sweep);
uint64_t rocks_disk_bytes(rocks *r);

#endif
