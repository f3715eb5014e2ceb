/* What the files of the database share: opening and writing (rocks.c), reading (rocks_read.c), forgetting
 * (rocks_retention.c). */
#ifndef STORAGE_ROCKS_CORE_H
#define STORAGE_ROCKS_CORE_H

#include <pthread.h>
#include <rocksdb/c.h>

#include "storage/folder.h"
#include "storage/rocks.h"
#include "storage/rocks_note.h"

typedef enum rocks_table {
    ROCKS_TABLE_META,
    ROCKS_TABLE_SEGMENTS,
    ROCKS_TABLE_LIVE,
    ROCKS_TABLE_EXPIRY,
    ROCKS_TABLE_KEYS,
    ROCKS_TABLES
} rocks_table;

enum {
    ROCKS_KEY_BYTES = RUN_ID_BYTES + 4,
    ROCKS_DUE_BYTES = 8,
    ROCKS_SWEPT_BYTES = 16,
    ROCKS_KEY_ROW_BYTES = RUN_ID_BYTES + STORE_KEY_BYTES
};

/* Sequence numbers that no entry gets. */
#define ROCKS_SEQ_KEY  (UINT32_MAX - 1) /* the hash of the run's key, see store_key */
#define ROCKS_SEQ_LONE UINT32_MAX       /* empty: see batch_expiry */

struct rocks {
    char path[FOLDER_PATH_MAX];
    pthread_rwlock_t lock; /* readers of `db` hold it shared, rocks_reopen alone */
    /* Held by a backup and by a compaction, which take long, and tried by rocks_reopen: it must not wait for them with
     * every reader behind it. */
    pthread_mutex_t slow;
    rocksdb_t *db; /* NULL while it could not be opened again */
    rocksdb_column_family_handle_t *tables[ROCKS_TABLES];
    rocksdb_options_t *options;
    /* All writes are synced, so that at most the last record of a log is not on disk: see rocks_check. */
    rocksdb_writeoptions_t *synced;
    rocksdb_readoptions_t *reads;
    rocksdb_writebatch_t *batch; /* the journal thread's */
    rocks_note note;             /* the journal thread's; see note_sizes */
    int64_t noted_ms;
    bool failed; /* a commit did since the database was opened: its log may end in what is not on disk */
    uint64_t epoch;
    char node[ROCKS_NODE_MAX];
};

void rocks_put_be(uint8_t *to, uint64_t n, int bytes);
uint64_t rocks_get_be(const uint8_t *from, int bytes);
void rocks_segment_key(uint8_t key[ROCKS_KEY_BYTES], const run_id *id, uint32_t seq);

/* Holds `db` open until rocks_read_end. False with a static message when it is not open; then there is no end. */
bool rocks_read_begin(rocks *r, const char **error);
void rocks_read_end(rocks *r);

rocksdb_iterator_t *rocks_iterate(rocks *r, rocks_table t);
/* Frees the iterator; false with a static message when it stopped for an error. */
bool rocks_iterated(rocksdb_iterator_t *it, const char **error);
/* The key at the iterator, which is valid; NULL when it has another length. */
const uint8_t *rocks_key_of(rocksdb_iterator_t *it, size_t expected_len);

#endif
