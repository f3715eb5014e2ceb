/* What the files of the database share: it as a whole (rocks.c), opening (rocks_open.c), its tables (rocks_tables.c),
 * writing (rocks_write.c), reading (rocks_read.c), forgetting (rocks_retention.c). */
#ifndef STORAGE_ROCKS_ROCKS_CORE_H
#define STORAGE_ROCKS_ROCKS_CORE_H

#include <pthread.h>
#include <rocksdb/c.h>

#include "storage/folder.h"
#include "storage/rocks/rocks.h"
#include "storage/rocks/rocks_synced.h"

typedef enum rocks_table {
    ROCKS_TABLE_META,
    ROCKS_TABLE_SEGMENTS,
    ROCKS_TABLE_LIVE,
    ROCKS_TABLE_EXPIRY,
    ROCKS_TABLE_KEYS,
    ROCKS_TABLES
} rocks_table;

/* First byte of a row in the expiry table: whose time the row is kept under. */
typedef enum rocks_expiry {
    ROCKS_EXPIRY_STORE, /* the run's end: the store's retention is counted from it, and may change */
    ROCKS_EXPIRY_OWN    /* when the run is to be deleted */
} rocks_expiry;

enum {
    ROCKS_NODE_MAX = 33,
    ROCKS_FAMILIES_MAX = 32, /* as many as rocks_check can tell the logs of */
    ROCKS_PREFIX_MAX = STORE_TABLE_NAME_MAX + 1,
    ROCKS_EXPIRY_BYTES = BACKEND_EXPIRY_BYTES,
    ROCKS_MARK_BYTES = 16,
    ROCKS_KEY_BYTES = RUN_ID_BYTES + 4,
    ROCKS_DUE_BYTES = 8,
    ROCKS_STAMP_BYTES = 8,
    ROCKS_SWEPT_BYTES = 16,
    ROCKS_KEY_ROW_BYTES = RUN_ID_BYTES + STORE_KEY_BYTES
};

/* Sequence numbers that no entry gets. */
#define ROCKS_SEQ_KEY  (UINT32_MAX - 1) /* the hash of the run's key, see store_key */
#define ROCKS_SEQ_LONE UINT32_MAX       /* empty: see batch_expiry */

typedef struct rocks {
    backend base;
    char path[FOLDER_PATH_MAX];
    uint8_t secret[FOLDER_SECRET_BYTES];
    pthread_rwlock_t lock; /* readers of `db` hold it shared, rocks_reopen alone */
    /* Held by a backup and by a compaction, which take long, and tried by rocks_reopen: it must not wait for them with
     * every reader behind it. */
    pthread_mutex_t slow;
    rocksdb_t *db; /* NULL while it could not be opened again */
    /* The store's own, then others: found when the database was opened, and made since. Only the journal thread makes
     * one, and then raises the count, which is atomic: readers go on meanwhile. */
    rocksdb_column_family_handle_t *tables[ROCKS_FAMILIES_MAX];
    char *names[ROCKS_FAMILIES_MAX];
    unsigned table_count;
    rocksdb_options_t *options;
    /* All writes are synced, so that at most the last record of a log is not on disk: see rocks_check. */
    rocksdb_writeoptions_t *synced_writes;
    rocksdb_readoptions_t *reads;
    rocksdb_writebatch_t *batch; /* the journal thread's */
    rocks_synced synced;         /* the journal thread's: for the next start */
    int64_t synced_saved_ms;
    int64_t seen_ms; /* the highest wall clock in `synced` as the process before left it; 0: unknown */
    bool failed;     /* a commit did since the database was opened: its log may end in what is not on disk; or it is
                        read_only */
    bool read_only;  /* the database is open for reading alone: changed under `lock` */
    int lock_file;   /* see lock_journal; -1: none */
    int folder_lock; /* see lock_folder; -1: none */
    uint64_t needs_bytes; /* journal thread: as much room has to be there for the next opening; 0: some */
    bool met_damage;      /* atomic: writes failed because a compaction met a damaged value */
    uint64_t epoch;
    uint8_t stamp[ROCKS_STAMP_BYTES]; /* behind the epoch on disk: no other process has these */
    bool fenced;                      /* journal thread: another process has the database, or has had it since */
    uint64_t marks;                   /* commits since the start that wrote a mark: see rocks_find_commit */
    char node[ROCKS_NODE_MAX];
} rocks;

static inline rocks *rocks_of(backend *b) { return (rocks *)b; }

void rocks_put_be(uint8_t *to, uint64_t n, int bytes);
uint64_t rocks_get_be(const uint8_t *from, int bytes);
void rocks_segment_key(uint8_t key[ROCKS_KEY_BYTES], const run_id *id, uint32_t seq);

/* Holds `db` open until rocks_read_end. False with a static message when it is not open; then there is no end. */
bool rocks_read_begin(rocks *r, const char **error);
void rocks_read_end(rocks *r);

/* ---- Tables (rocks_tables.c) ---- */

/* Where a named table's rows are: a family of its own, or those of `default` with this before their keys. */
typedef struct rocks_named {
    rocksdb_column_family_handle_t *family; /* NULL: nothing was ever written to the table */
    char prefix[ROCKS_PREFIX_MAX + 1];
    size_t prefix_len;
} rocks_named;

/* Opens the database with every family that is in it. `read_only`: writes nothing to the disk. False with RocksDB's
 * message, malloc'd by it, or without one: there are too many families, or memory is out. */
bool rocks_tables_open(rocks *r, const char *path, bool read_only, char **why);
/* Closes it, when it is open. */
void rocks_tables_close(rocks *r);
rocks_named rocks_named_find(rocks *r, const char *table);
/* Makes the table's family if it has none. Journal thread. */
bool rocks_named_make(rocks *r, const char *table, rocks_named *out, char *error, size_t error_size);
/* The key behind the prefix. Its length. */
size_t rocks_named_key(const rocks_named *p, store_bytes key, uint8_t out[ROCKS_PREFIX_MAX + STORE_ROW_KEY_MAX]);

/* ---- Opening (rocks_open.c) ---- */

/* The first opening of this process, by which it gets its epoch and name: for writing, or for reading alone when the
 * disk takes no writes. False with a message that says what to change. */
bool rocks_open_first(rocks *r, char *error, size_t error_size);
bool rocks_reopen(backend *b, char *error, size_t error_size);
void rocks_unlock_folder(rocks *r);
/* A row of `default`. The database is open. */
bool rocks_put_meta(rocks *r, const char *name, const void *value, size_t len, char *error, size_t error_size);
/* Length, 0 if there is none, -1 on an error. */
long rocks_get_meta(rocks *r, const char *name, void *value, size_t size, char *error, size_t error_size);

/* ---- The database (rocks.c) ---- */

/* Copies and frees RocksDB's message. False: there is none. */
bool rocks_take_error(char *why, char *error, size_t error_size);
/* A write failed for the reason `why`: sets met_damage when that is a damaged value. */
void rocks_detect_damage(rocks *r, const char *why);
/* Before a commit, at most once a second: measures what will be on disk with that commit. *due: rocks_save_synced is to
 * follow when the commit has succeeded. False: the folder is gone. */
bool rocks_measure_synced(rocks *r, bool *due);
void rocks_save_synced(rocks *r);
/* Saves the files' sizes as they are now, synced: nothing of the database is in memory alone. */
void rocks_save_all_synced(rocks *r);
extern const char rocks_not_open[], rocks_read_failed[];

/* A copy of the database as it is at one moment, in the new folder `path`; files are shared by links where the file
 * system can. False with a message. */
bool rocks_checkpoint(rocks *r, const char *path, char *error, size_t error_size);

/* ---- The backend's functions, see backend.h ---- */

store_outcome rocks_commit(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size);
bool rocks_find_commit(backend *b, const store_segment *list, bool *there, const char **error);
void rocks_load(backend *b, store_journal *out, size_t bytes_max);
void rocks_glance(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg);
long rocks_scan_live(backend *b, const run_id *after, size_t limit, unsigned loop, unsigned loops, store_live_row *rows,
                     bool *end, const char **error);
long rocks_list(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error);
long rocks_scan(backend *b, const store_range *range, backend_on_row *on_row, void *arg, bool *end, const char **error);
bool rocks_find_key(backend *b, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error);
bool rocks_delete(backend *b, const run_id *id, const char **error);
store_backup_result rocks_backup(backend *b, const char *to, uint64_t *bytes, char *error, size_t error_size);
void rocks_sweep_begin(backend_sweep *s, int64_t now_ms, int64_t store_ms);
long rocks_sweep_age(backend *b, backend_sweep *sweep, size_t limit);
long rocks_sweep_bytes(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed);
void rocks_sweep_give_back(backend *b, const backend_sweep *sweep);
uint64_t rocks_disk_bytes(backend *b);

/* ---- Keys and iterators ---- */

rocksdb_iterator_t *rocks_iterate(rocks *r, rocks_table t);
/* Frees the iterator; false with a static message when it stopped for an error. */
bool rocks_iterated(rocksdb_iterator_t *it, const char **error);
/* The key at the iterator, which is valid; NULL when it has another length. */
const uint8_t *rocks_key_of(rocksdb_iterator_t *it, size_t expected_len);

#endif
