/* rocks: the RocksDB database that holds the journals: the only file of Stepwell that knows its API. Tables (column
 * families) and keys: docs/journal.md. Reads may come from any thread; writes from the journal's and the sweeper's. */
#ifndef STORAGE_ROCKS_H
#define STORAGE_ROCKS_H

#include "storage/store.h"

typedef struct rocks rocks;

enum { ROCKS_ERROR_MAX = 512, ROCKS_NODE_MAX = 33 };

/* `path` is the data folder. NULL with a message. Raises the epoch. */
rocks *rocks_open(const char *path, char *error, size_t error_size);
void rocks_close(rocks *r);
uint64_t rocks_epoch(const rocks *r);
const char *rocks_node(const rocks *r);

/* All segments as one batch, synced. False with a message in `error`: nothing of it counts. */
bool rocks_commit(rocks *r, const store_segment *list, int64_t now_ms, char *error, size_t error_size);

/* After a failed write: opens the database anew, as that is what clears RocksDB's error state. Reads fail meanwhile. */
bool rocks_reopen(rocks *r, char *error, size_t error_size);

/* `out->run` is set; fills the rest. data is malloc'd. error is static. */
void rocks_load(rocks *r, store_journal *out);

/* Return the count of rows, or -1 with a static message in *error. */
long rocks_scan_live(rocks *r, const run_id *after, size_t limit, unsigned loop, unsigned loops, store_live_row *rows,
                     bool *end, const char **error);
long rocks_list(rocks *r, const run_id *before, size_t limit, run_id *ids, const char **error);
bool rocks_delete(rocks *r, const run_id *id, const char **error);

/* Retention. Deletes at most `limit` ended runs whose time has come, as of now_ms; store_ms is the age for runs that
 * have none of their own. Returns how many, -1 on an error. */
long rocks_sweep_age(rocks *r, int64_t now_ms, int64_t store_ms, size_t limit);
/* Deletes the oldest ended runs until about `bytes` are freed, and gives the space back to the file system. */
long rocks_sweep_bytes(rocks *r, uint64_t bytes, size_t limit);
uint64_t rocks_disk_bytes(rocks *r);

#endif
