/* What the files of this backend share: the database as a whole (rocks.c), opening it (rocks_open.c), its tables
 * (rocks_tables.c), commits (rocks_write.c), other changes (rocks_change.c), reading (rocks_read.c, rocks_list.c),
 * retention (rocks_retention.c). */
#ifndef STORAGE_ROCKS_ROCKS_CORE_H
#define STORAGE_ROCKS_ROCKS_CORE_H

#include <pthread.h>
#include <rocksdb/c.h>

#include "storage/folder.h"
#include "storage/rocks/rocks.h"
#include "storage/rocks/rocks_claims.h"
#include "storage/rocks/rocks_seq.h"
#include "storage/rocks/rocks_synced.h"
#include "storage/rocks/rocks_trimmer.h"
#include "storage/row_bytes.h"

typedef enum rocks_table {
    ROCKS_TABLE_META,
    ROCKS_TABLE_SEGMENTS,
    ROCKS_TABLE_LIVE,
    ROCKS_TABLE_EXPIRY,
    ROCKS_TABLE_KEYS,
    ROCKS_TABLES
} rocks_table;

enum {
    ROCKS_NODE_MAX = 33,
    ROCKS_FAMILIES_MAX = 32, /* as many as rocks_edit knows the logs of: ROCKS_EDIT_TABLES */
    ROCKS_PREFIX_MAX = STORE_TABLE_NAME_MAX + 1,
    ROCKS_NAMED_KEY_MAX = ROCKS_PREFIX_MAX + STORE_ROW_KEY_MAX,
    ROCKS_MARK_BYTES = 16,
    ROCKS_STAMP_BYTES = 8,
    ROCKS_SWEPT_BYTES = 16,
    ROCKS_KEY_ROW_BYTES = RUN_ID_BYTES + STORE_KEY_BYTES
};

typedef struct rocks {
    backend base;
    char path[FOLDER_PATH_MAX];
    uint8_t secret[FOLDER_SECRET_BYTES];
    pthread_rwlock_t lock; /* of `db`: shared for readers, exclusive for rocks_reopen */
    /* Locked by a backup and by a compaction, which take long. rocks_reopen tries this lock first: it must not wait for
     * them in `lock`, with every reader behind it. */
    pthread_mutex_t slow;
    rocksdb_t *db; /* NULL while it could not be opened again */
    /* The store's own families, then those found when the database was opened, then those made since. Only the journal
     * thread makes one, and then raises the count, which is atomic: readers go on meanwhile. */
    rocksdb_column_family_handle_t *tables[ROCKS_FAMILIES_MAX];
    char *names[ROCKS_FAMILIES_MAX];
    unsigned table_count;
    rocksdb_options_t *options;         /* of the database, and of all families but one */
    rocksdb_options_t *segment_options; /* of the family `segments` */
    /* All writes are synced, so that at most the last record of a log is not on disk: see rocks_check. */
    rocksdb_writeoptions_t *synced_writes;
    rocksdb_readoptions_t *reads;
    rocksdb_writebatch_t *batch; /* the journal thread's */
    rocks_synced synced;         /* the journal thread's: for the next start */
    int64_t synced_saved_ms;
    int64_t seen_ms; /* the highest wall clock in `synced` as the process before left it; 0: unknown */
    bool failed;     /* a commit has failed since the database was opened, so its log may end in bytes that are not on
                        disk; or the database is read_only */
    bool read_only;  /* the database is open for reading alone: changed under `lock` */
    rocks_trimmer *trimmer; /* NULL: there is none, see rocks_trimmer_start */
    int lock_file;          /* see lock_journal; -1: none */
    int folder_lock;        /* see lock_folder; -1: none */
    uint64_t needs_bytes;   /* journal thread: how much room the next opening for writing needs; 0: not known */
    bool met_damage;        /* atomic: writes failed because a compaction met a damaged value */
    size_t swept;           /* runs deleted since their marks were last written to files; the sweeper's */
    uint64_t epoch;
    uint8_t stamp[ROCKS_STAMP_BYTES]; /* behind the epoch on disk: random bytes of this process */
    bool fenced;                      /* journal thread: see is_fenced in backend.h */
    rocks_claims claims;              /* between the journal thread and the sweeper */
    uint64_t marks;                   /* commits since the start that wrote a mark: see rocks_find_commit */
    char node[ROCKS_NODE_MAX];
} rocks;

_Static_assert(offsetof(rocks, base) == 0, "a backend is cast to the struct that begins with it");
_Static_assert((int)FOLDER_SECRET_BYTES == (int)STORE_SECRET_BYTES, "the store hands the folder's secret out");

static inline rocks *rocks_of(backend *b) { return (rocks *)b; }

/* Sees to it that `db` stays open until rocks_read_end, which has to follow. False with a static message: `db` is not
 * open, and nothing follows. Never nested: a second one would wait for rocks_reopen, which waits for the first. */
bool rocks_read_begin(rocks *r, const char **error);
void rocks_read_end(rocks *r);

/* ---- Tables (rocks_tables.c) ---- */

/* A named table: a family of its own, or the rows of `default` whose keys begin with `prefix`. */
typedef struct rocks_named {
    rocksdb_column_family_handle_t *family; /* NULL: nothing was ever written to the table */
    char prefix[ROCKS_PREFIX_MAX + 1];
    size_t prefix_len;
} rocks_named;

/* Opens the database with every family that is in it. `read_only`: writes nothing to the disk. False with RocksDB's
 * message in *why, to be freed by rocksdb_free; *why NULL: there are too many families, or memory is out. */
bool rocks_tables_open(rocks *r, const char *path, bool read_only, char **why);
/* Closes the database, if it is open. Under `lock`, or when no other thread knows the backend. */
void rocks_tables_close(rocks *r);
rocks_named rocks_named_find(rocks *r, const char *table);
/* Finds the table, and makes its family if it has none. From the journal thread. False with a message. */
bool rocks_named_make(rocks *r, const char *table, rocks_named *out, char *error, size_t error_size);
/* Writes the key, behind the table's prefix, to `out`. Returns its length. */
size_t rocks_named_key(const rocks_named *p, store_bytes key, uint8_t out[ROCKS_NAMED_KEY_MAX]);
/* Writes to `out` where a range of the table ends: at the key `to`, or, if that is empty, behind the table's last key.
 * Returns its length; 0: at the end of the family, which is the table's own. */
size_t rocks_named_end(const rocks_named *p, store_bytes to, uint8_t out[ROCKS_NAMED_KEY_MAX]);

/* ---- Opening (rocks_open.c) ---- */

/* The first opening of this process, by which it gets its epoch and name: for writing, or for reading alone when the
 * disk takes no writes. False with a message that says what to change. */
bool rocks_open_first(rocks *r, char *error, size_t error_size);
bool rocks_reopen(backend *b, char *error, size_t error_size);
/* Keeps programs from starting on the folder, and writes nothing for that. False with a message: it is in use. */
bool rocks_lock_to_read(rocks *r, char *error, size_t error_size);
/* Opens for reading alone what rocks_lock_to_read has locked. False with a message. */
bool rocks_open_locked(rocks *r, char *error, size_t error_size);
void rocks_unlock_folder(rocks *r);
/* Puts a row into `default`, synced. The database is open. False with a message. */
bool rocks_put_meta(rocks *r, const char *name, store_bytes value, char *error, size_t error_size);
/* Reads a row of `default`, cut to `size`. Returns its length; 0: there is none; -1, with a message: an error. */
long rocks_get_meta(rocks *r, const char *name, void *value, size_t size, char *error, size_t error_size);

/* ---- Changes that are no commits (rocks_change.c) ---- */

/* Adds the deletion of what there is of the run, but its rows in `live` and `expiry`, to the batch. False: it could not
 * be read. */
bool rocks_batch_delete_run(rocks *r, rocksdb_writebatch_t *b, const run_id *id);
/* Writes the batch, synced. False with a static message; the log has RocksDB's. */
bool rocks_batch_write(rocks *r, rocksdb_writebatch_t *b, const char **error);

/* ---- The database (rocks.c) ---- */

/* Copies RocksDB's message, if there is one, and frees it. False: `why` is NULL. */
bool rocks_take_error(char *why, char *error, size_t error_size);
/* A write failed for the reason `why`: sets met_damage when that is a damaged value. */
void rocks_detect_damage(rocks *r, const char *why);
/* Before a commit, at most once a second: measures what will be on disk with that commit. *due: rocks_save_synced is to
 * follow when the commit has succeeded. False: the folder is gone. */
bool rocks_measure_synced(rocks *r, bool *due);
void rocks_save_synced(rocks *r);
/* Saves the files' sizes as they are now, synced: nothing of the database is in memory alone. */
void rocks_save_all_synced(rocks *r);
/* Has a trimmer look after the folder as it is now: while the database was closed another may have taken its place. */
void rocks_start_trimmer(rocks *r);
extern const char rocks_not_open[], rocks_read_failed[];

/* Copies the database as it is at one moment to the new folder `path`; files are shared by links where the file system
 * can. Waits for a compaction. False with a message. */
bool rocks_checkpoint(rocks *r, const char *path, char *error, size_t error_size);

/* ---- The backend's functions, see backend.h ---- */

store_outcome rocks_commit(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size);
bool rocks_write_rows(backend *b, const store_row *rows, const char **error);
bool rocks_drop_index(backend *b, const char **error);
bool rocks_find_commit(backend *b, const store_segment *list, bool *there, const char **error);
void rocks_load(backend *b, store_journal *out, size_t bytes_max);
void rocks_glance(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg);
long rocks_scan_live(backend *b, const store_live_range *range, store_live_row *rows, bool *end, const char **error);
long rocks_list(backend *b, const run_id *before, size_t limit, run_id *ids, const char **error);
backend_scan rocks_scan(backend *b, const store_range *range, backend_on_row *on_row, void *arg, const char **error);
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
/* Frees the iterator. False with a static message: it had stopped for an error, which is logged. */
bool rocks_iterated(rocksdb_iterator_t *it, const char **error);
/* The key at the iterator, which is valid; NULL: the key has another length. */
const uint8_t *rocks_key_of(rocksdb_iterator_t *it, size_t expected_len);

#endif
