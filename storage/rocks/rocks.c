#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "storage/rocks/rocks_backup.h"
#include "storage/rocks/rocks_check.h"
#include "storage/rocks/rocks_core.h"
#include "storage/rocks/rocks_places.h"
#include "storage/steady.h"

enum {
    WRITE_BUFFER_BYTES = 64 << 20,
    MEMTABLE_BLOCK_BYTES = 128 << 10, /* a segment over a quarter of it has memory of its own, see start_set_malloc */
    WAL_BYTES_MAX = 512 << 20,
    DELETED_WINDOW = 1024,     /* entries in a row, of a file: half of them deletion marks are too many */
    BLOB_BYTES_MIN = 16 << 10, /* a segment over this goes to a blob file: compaction then moves only its address */
    TABLE_SYNC_BYTES = 1 << 20,
    INFO_LOG_BYTES = 1 << 20,
    PROBE_BYTES = 4096,
    SYNCED_SAVE_MS = 1000
};

const char rocks_not_open[] = "the journal cannot be read at present: its disk has failed and it is being opened again";

/* ---- Opening ---- */

bool rocks_take_error(char *why, char *error, size_t error_size)
{
    if (!why) return false;
    (void)snprintf(error, error_size, "%s", why);
    rocksdb_free(why);
    return true;
}

/* A compaction moves the live values of blob files. When it meets a damaged value, RocksDB refuses all writes until the
 * database is opened anew, and then again with the next compaction: so rocks_reopen stops the moving. */
void rocks_detect_damage(rocks *r, const char *why)
{
    if (strstr(why, "Corruption")) __atomic_store_n(&r->met_damage, true, __ATOMIC_RELAXED);
}

static rocksdb_options_t *database_options(void)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 4);
    rocksdb_options_set_arena_block_size(o, MEMTABLE_BLOCK_BYTES);
    rocksdb_options_set_max_total_wal_size(o, WAL_BYTES_MAX);
    rocksdb_options_set_max_background_jobs(o, 2);
    /* A new table goes to the disk while it is written. If all its 64 MiB went there at its end, the commits' syncs
     * would queue behind them. */
    rocksdb_options_set_bytes_per_sync(o, TABLE_SYNC_BYTES);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_max_log_file_size(o, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(o, 2);
    /* Of the info log only the header: in RocksDB 7.8 a line that does not fit on a full disk makes the next line fail
     * an assertion, which ends the process. Stepwell logs itself what goes wrong. */
    rocksdb_options_set_info_log_level(o, 4);
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, BLOB_BYTES_MIN);
    rocksdb_options_set_enable_blob_gc(o, 1);
    /* Retention deletes runs from the oldest on, so a blob file is soon half garbage: then its live values are moved,
     * whatever the file's age. */
    rocksdb_options_set_blob_gc_age_cutoff(o, 1.0);
    rocksdb_options_set_blob_gc_force_threshold(o, 0.5);
    /* Lists pass each deletion mark one by one, so a file that is full of them is compacted: see rocks_sweep_age. */
    rocksdb_options_add_compact_on_deletion_collector_factory(o, DELETED_WINDOW, DELETED_WINDOW / 2);
    return o;
}

/* Returns the options of the family `segments`: those of the database, and that its memtables remember places, if this
 * program was compiled with that and RocksDB takes it. The option is the memtables' alone: nothing on disk depends on
 * it, and programs without it open the database. */
static rocksdb_options_t *segment_options(rocksdb_options_t *database)
{
    rocksdb_options_t *o = rocksdb_options_create_copy(database);
#ifdef HAS_ROCKS_PLACES
    char *why = NULL;
    rocks_places_register();
    rocksdb_get_options_from_string(database, "memtable_insert_with_hint_prefix_extractor=" ROCKS_PLACES, o, &why);
    if (why) rocksdb_free(why);
#endif
    return o;
}

/* The lock prefers the writer, rocks_reopen: else reads that overlap could make it wait for ever. No read is nested. */
static int rwlock_init(pthread_rwlock_t *lock)
{
    pthread_rwlockattr_t a;
    int rc = pthread_rwlockattr_init(&a);
    if (rc != 0) return rc;
    rc = pthread_rwlockattr_setkind_np(&a, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    if (rc == 0) rc = pthread_rwlock_init(lock, &a);
    (void)pthread_rwlockattr_destroy(&a);
    return rc;
}

/* ---- What is on disk, for the next start ---- */

/* The commit's sync is that of the logs too: once the commit is on disk, so are the sizes measured before it. A
 * MANIFEST has a sync of its own, which may be under way: its size of the last time counts. */
bool rocks_measure_synced(rocks *r, bool *due)
{
    rocks_synced now;
    *due = steady_ms() - r->synced_saved_ms >= SYNCED_SAVE_MS;
    if (!*due) return true;
    if (!rocks_synced_measure(&now, r->path)) return false;
    now.wall_ms = r->synced.wall_ms;
    if (now.left_out > 0 && r->synced.left_out == 0)
        fprintf(stderr,
                "stepwell: journal: the database has %u logs more than the %d that the file `synced` has room for: if "
                "one of "
                "them loses its end, the next start does not notice\n",
                now.left_out, ROCKS_SYNCED_FILES);
    for (unsigned i = 0; i < now.count; i++) {
        int64_t before = rocks_synced_bytes(&r->synced, now.files[i].name);
        if (now.files[i].name[0] == 'M') now.files[i].bytes = before > 0 ? (uint64_t)before : 0;
    }
    r->synced = now;
    return true;
}

void rocks_save_synced(rocks *r)
{
    if (rocks_synced_write(&r->synced, r->path, false)) r->synced_saved_ms = steady_ms();
}

void rocks_save_all_synced(rocks *r)
{
    if (!r->failed && rocks_synced_measure(&r->synced, r->path)) (void)rocks_synced_write(&r->synced, r->path, true);
}

static void rocks_close(backend *b)
{
    rocks *r = rocks_of(b);
    bool was_open = r->db != NULL;
    rocks_tables_close(r);
    rocks_trimmer_stop(r->trimmer);
    assert(!r->db && r->table_count == 0);
    if (was_open) rocks_save_all_synced(r);
    if (r->lock_file >= 0) close(r->lock_file);
    rocks_unlock_folder(r);
    rocksdb_writebatch_destroy(r->batch);
    rocksdb_readoptions_destroy(r->reads);
    rocksdb_writeoptions_destroy(r->synced_writes);
    rocksdb_options_destroy(r->segment_options);
    rocksdb_options_destroy(r->options);
    (void)pthread_rwlock_destroy(&r->lock);
    (void)pthread_mutex_destroy(&r->slow);
    rocks_claims_free(&r->claims);
    free(r);
}

static void rocks_swept(backend *b, clock_belief *out)
{
    rocks *r = rocks_of(b);
    uint8_t row[ROCKS_SWEPT_BYTES];
    char ignored[BACKEND_ERROR_MAX];
    const char *closed = NULL;
    *out = (clock_belief){.believed_ms = 0};
    if (!rocks_read_begin(r, &closed)) return;
    long n = rocks_get_meta(r, "swept", row, sizeof row, ignored, sizeof ignored);
    rocks_read_end(r);
    if (n != ROCKS_SWEPT_BYTES) return;
    out->believed_ms = (int64_t)row_get_be(row, 8);
    out->grace_ms = (int64_t)row_get_be(row + 8, 8);
}

static void rocks_set_swept(backend *b, const clock_belief *belief)
{
    rocks *r = rocks_of(b);
    uint8_t row[ROCKS_SWEPT_BYTES];
    char *why = NULL;
    const char *closed = NULL;
    row_put_be(row, (uint64_t)belief->believed_ms, 8);
    row_put_be(row + 8, (uint64_t)belief->grace_ms, 8);
    _Static_assert(sizeof row == 8 + 8, "believed_ms, grace_ms");
    if (!rocks_read_begin(r, &closed)) return;
    rocksdb_put_cf(r->db, r->synced_writes, r->tables[ROCKS_TABLE_META], "swept", 5, (const char *)row, sizeof row,
                   &why);
    if (why) rocksdb_free(why); /* the next commit fails too, and then it is logged */
    rocks_read_end(r);
}

static bool rocks_is_read_only(const backend *b) { return ((const rocks *)b)->read_only; }
static bool rocks_is_fenced(const backend *b) { return ((const rocks *)b)->fenced; }

static bool rocks_try_write(backend *b, char *error, size_t error_size)
{
    static const char zeros[PROBE_BYTES];
    rocks *r = rocks_of(b);
    return r->db && rocks_put_meta(r, "probe", (store_bytes){zeros, sizeof zeros}, error, error_size);
}

/* ---- Copying ---- */

bool rocks_checkpoint(rocks *r, const char *path, char *error, size_t error_size)
{
    char *why = NULL;
    const char *closed = NULL;
    (void)pthread_mutex_lock(&r->slow);
    if (!rocks_read_begin(r, &closed)) {
        (void)pthread_mutex_unlock(&r->slow);
        (void)snprintf(error, error_size, "%s", closed);
        return false;
    }
    bool can = !r->read_only;
    rocksdb_checkpoint_t *c = can ? rocksdb_checkpoint_object_create(r->db, &why) : NULL;
    if (c && !why) rocksdb_checkpoint_create(c, path, 0, &why); /* 0: rows that are only in memory are written first */
    if (c) rocksdb_checkpoint_object_destroy(c);
    rocks_read_end(r);
    (void)pthread_mutex_unlock(&r->slow);
    if (!can)
        (void)snprintf(error, error_size, "No space left: the data folder takes no writes, and a copy begins with one");
    return can && !rocks_take_error(why, error, error_size);
}

store_backup_result rocks_backup(backend *b, const char *to, uint64_t *bytes, char *error, size_t error_size)
{
    return backup_make(rocks_of(b), to, bytes, error, error_size);
}

/* ---- Reading ---- */

bool rocks_read_begin(rocks *r, const char **error)
{
    int rc = pthread_rwlock_rdlock(&r->lock);
    assert(rc == 0);
    (void)rc;
    if (r->db) return true;
    (void)pthread_rwlock_unlock(&r->lock);
    *error = rocks_not_open;
    return false;
}

void rocks_read_end(rocks *r) { (void)pthread_rwlock_unlock(&r->lock); }

/* ---- The backend ---- */

static int64_t rocks_seen_ms(const backend *b) { return ((const rocks *)b)->seen_ms; }
static uint64_t rocks_epoch(const backend *b) { return ((const rocks *)b)->epoch; }
static const char *rocks_node(const backend *b) { return ((const rocks *)b)->node; }
static const cluster *rocks_cluster(const backend *b) { return (void)b, &cluster_alone; }
static const uint8_t *rocks_secret(const backend *b) { return ((const rocks *)b)->secret; }

static int64_t rocks_wall_ms(const backend *b)
{
    struct timespec t;
    (void)b;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static const backend_ops ops = {.close = rocks_close,
                                .epoch = rocks_epoch,
                                .node = rocks_node,
                                .cluster = rocks_cluster,
                                .secret = rocks_secret,
                                .wall_ms = rocks_wall_ms,
                                .seen_ms = rocks_seen_ms,
                                .backup = rocks_backup,
                                .commit = rocks_commit,
                                .is_read_only = rocks_is_read_only,
                                .is_fenced = rocks_is_fenced,
                                .reopen = rocks_reopen,
                                .find_commit = rocks_find_commit,
                                .try_write = rocks_try_write,
                                .write_rows = rocks_write_rows,
                                .drop_index = rocks_drop_index,
                                .delete_run = rocks_delete,
                                .load = rocks_load,
                                .glance = rocks_glance,
                                .scan_live = rocks_scan_live,
                                .list = rocks_list,
                                .scan = rocks_scan,
                                .find_key = rocks_find_key,
                                .swept = rocks_swept,
                                .set_swept = rocks_set_swept,
                                .sweep_begin = rocks_sweep_begin,
                                .sweep_age = rocks_sweep_age,
                                .sweep_bytes = rocks_sweep_bytes,
                                .sweep_give_back = rocks_sweep_give_back,
                                .disk_bytes = rocks_disk_bytes};

void rocks_start_trimmer(rocks *r)
{
    char journal[FOLDER_PATH_MAX + 16];
    (void)snprintf(journal, sizeof journal, "%s/journal", r->path);
    rocks_trimmer_stop(r->trimmer);
    r->trimmer = rocks_trimmer_start(journal);
}

static rocks *rocks_new(const char *path)
{
    rocks *r = calloc(1, sizeof *r);
    if (!r || rwlock_init(&r->lock) != 0 || pthread_mutex_init(&r->slow, NULL) != 0 || !rocks_claims_init(&r->claims)) {
        free(r);
        return NULL;
    }
    r->base.ops = &ops;
    r->lock_file = r->folder_lock = -1;
    (void)snprintf(r->path, sizeof r->path, "%s", path);
    r->options = database_options();
    r->segment_options = segment_options(r->options);
    r->synced_writes = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->synced_writes, 1);
    r->reads = rocksdb_readoptions_create();
    r->batch = rocksdb_writebatch_create();
    return r;
}

backend *rocks_open_reading(const char *path, char *error, size_t error_size)
{
    char current[FOLDER_PATH_MAX + 16];
    if (!folder_check(path, error, error_size)) return NULL;
    (void)snprintf(current, sizeof current, "%s/journal/CURRENT", path);
    if (access(current, F_OK) != 0) {
        (void)snprintf(error, error_size, "data folder %s: it has no journal yet, or that cannot be read", path);
        return NULL;
    }
    rocks *r = rocks_new(path);
    if (!r) {
        (void)snprintf(error, error_size, "out of memory");
        return NULL;
    }
    rocksdb_options_set_create_if_missing(r->options, 0);
    (void)rocks_synced_read(&r->synced, path);
    r->seen_ms = r->synced.wall_ms;
    /* The lock comes first: a program that works with the folder writes its logs while they are checked. */
    if (rocks_lock_to_read(r, error, error_size) && rocks_check(path, false, error, error_size) &&
        rocks_open_locked(r, error, error_size))
        return &r->base;
    rocks_close(&r->base);
    return NULL;
}

backend *rocks_open(const char *path, bool accept_loss, char *error, size_t error_size)
{
    if (!folder_prepare(path, error, error_size)) return NULL;
    rocks *r = rocks_new(path);
    if (!r) {
        (void)snprintf(error, error_size, "out of memory");
        return NULL;
    }
    (void)rocks_synced_read(&r->synced, path);
    r->seen_ms = r->synced.wall_ms;
    bool ok = rocks_check(path, accept_loss, error, error_size) && rocks_open_first(r, error, error_size);
    rocksdb_options_set_create_if_missing(r->options, 0); /* when it is opened again, a missing file is damage */
    if (ok && folder_secret(path, r->secret, error, error_size)) {
        folder_mark_used(path);
        assert(r->epoch > 0 && r->node[0]);
        rocks_start_trimmer(r);
        return &r->base;
    }
    rocks_close(&r->base);
    return NULL;
}
