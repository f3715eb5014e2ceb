#include "storage/rocks.h"

#include <assert.h>
#include <pthread.h>
#include <rocksdb/c.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

#include "storage/folder.h"

enum { TABLES = 4, KEY_BYTES = RUN_ID_BYTES + 4, DUE_BYTES = 8, EXPIRY_BYTES = DUE_BYTES + RUN_ID_BYTES };
typedef enum table { TABLE_META, TABLE_SEGMENTS, TABLE_LIVE, TABLE_EXPIRY } table;
static const char *const table_names[TABLES] = {"default", "segments", "live", "expiry"};

enum {
    WRITE_BUFFER_BYTES = 64 << 20,
    WAL_BYTES_MAX = 512 << 20,
    BLOB_BYTES_MIN = 16 << 10, /* a segment over this goes to a blob file: compaction then moves only its address */
    INFO_LOG_BYTES = 1 << 20
};

struct rocks {
    char path[FOLDER_PATH_MAX];
    pthread_rwlock_t lock; /* readers of `db` hold it shared, rocks_reopen alone */
    rocksdb_t *db;         /* NULL while it could not be opened again */
    rocksdb_column_family_handle_t *tables[TABLES];
    rocksdb_options_t *options;
    rocksdb_writeoptions_t *synced, *unsynced;
    rocksdb_readoptions_t *reads;
    rocksdb_writebatch_t *batch; /* the journal thread's */
    uint64_t epoch;
    char node[ROCKS_NODE_MAX];
    run_id sweep_from; /* the age sweep has looked at everything before it */
};

static const char NOT_OPEN[] =
    "the journal cannot be read at present: its disk has failed and it is being opened again";
static const char READ_FAILED[] = "the journal could not be read (see the log)";

/* ---- Keys ---- */

static void put_be(uint8_t *to, uint64_t n, int bytes)
{
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
}

static uint64_t get_be(const uint8_t *from, int bytes)
{
    uint64_t n = 0;
    for (int i = 0; i < bytes; i++) n = n << 8 | from[i];
    return n;
}

static void segment_key(uint8_t key[KEY_BYTES], const run_id *id, uint32_t seq)
{
    memcpy(key, id->bytes, RUN_ID_BYTES);
    put_be(key + RUN_ID_BYTES, seq, 4);
}

static void expiry_key(uint8_t key[EXPIRY_BYTES], int64_t at_ms, const run_id *id)
{
    put_be(key, (uint64_t)at_ms, DUE_BYTES);
    memcpy(key + DUE_BYTES, id->bytes, RUN_ID_BYTES);
}

/* ---- Opening ---- */

static bool take_error(char *why, char *error, size_t error_size)
{
    if (!why) return false;
    (void)snprintf(error, error_size, "%s", why);
    rocksdb_free(why);
    return true;
}

static rocksdb_options_t *make_options(void)
{
    rocksdb_options_t *o = rocksdb_options_create();
    rocksdb_options_set_create_if_missing(o, 1);
    rocksdb_options_set_create_missing_column_families(o, 1);
    rocksdb_options_set_write_buffer_size(o, WRITE_BUFFER_BYTES);
    rocksdb_options_set_max_write_buffer_number(o, 4);
    rocksdb_options_set_max_total_wal_size(o, WAL_BYTES_MAX);
    rocksdb_options_set_recycle_log_file_num(o, 4);
    rocksdb_options_set_max_background_jobs(o, 2);
    rocksdb_options_set_level_compaction_dynamic_level_bytes(o, 1);
    rocksdb_options_set_max_log_file_size(o, INFO_LOG_BYTES);
    rocksdb_options_set_keep_log_file_num(o, 2);
    rocksdb_options_set_info_log_level(o, 2);
    rocksdb_options_set_enable_blob_files(o, 1);
    rocksdb_options_set_min_blob_size(o, BLOB_BYTES_MIN);
    rocksdb_options_set_enable_blob_gc(o, 1);
    /* Runs die from the oldest on, so a blob file is soon half garbage: then its live rest is moved, whatever its age.
     */
    rocksdb_options_set_blob_gc_age_cutoff(o, 1.0);
    rocksdb_options_set_blob_gc_force_threshold(o, 0.5);
    return o;
}

static bool open_database(rocks *r, char *error, size_t error_size)
{
    char path[FOLDER_PATH_MAX + 16], *why = NULL;
    const rocksdb_options_t *each[TABLES] = {r->options, r->options, r->options, r->options};
    (void)snprintf(path, sizeof path, "%s/journal", r->path);
    r->db = rocksdb_open_column_families(r->options, path, TABLES, table_names, each, r->tables, &why);
    if (!why) return true;
    r->db = NULL;
    if (strstr(why, "lock") || strstr(why, "LOCK")) {
        long user = folder_user(r->path);
        char who[48] = "another process";
        if (user > 0) (void)snprintf(who, sizeof who, "process %ld", user);
        (void)snprintf(error, error_size,
                       "data folder %s: it is in use by %s; stop that one, or choose another with --data", r->path,
                       who);
    } else {
        (void)snprintf(error, error_size, "data folder %s: the journal cannot be opened: %s", r->path, why);
    }
    rocksdb_free(why);
    return false;
}

static void close_database(rocks *r)
{
    if (!r->db) return;
    for (int i = 0; i < TABLES; i++) rocksdb_column_family_handle_destroy(r->tables[i]);
    rocksdb_close(r->db);
    r->db = NULL;
}

static bool put_meta(rocks *r, const char *name, const void *value, size_t len, char *error, size_t error_size)
{
    char *why = NULL;
    rocksdb_put_cf(r->db, r->synced, r->tables[TABLE_META], name, strlen(name), value, len, &why);
    return !take_error(why, error, error_size);
}

/* Length, 0 if there is none, -1 on an error. */
static long get_meta(rocks *r, const char *name, void *value, size_t size, char *error, size_t error_size)
{
    char *why = NULL;
    size_t len = 0;
    char *found = rocksdb_get_cf(r->db, r->reads, r->tables[TABLE_META], name, strlen(name), &len, &why);
    if (take_error(why, error, error_size)) return -1;
    if (!found) return 0;
    if (len > size) len = size;
    memcpy(value, found, len);
    rocksdb_free(found);
    return (long)len;
}

static bool load_identity(rocks *r, char *error, size_t error_size)
{
    uint8_t bytes[16];
    long n = get_meta(r, "epoch", bytes, 8, error, error_size);
    if (n < 0) return false;
    r->epoch = (n == 8 ? get_be(bytes, 8) : 0) + 1;
    put_be(bytes, r->epoch, 8);
    if (!put_meta(r, "epoch", bytes, 8, error, error_size)) return false;
    n = get_meta(r, "node", r->node, ROCKS_NODE_MAX - 1, error, error_size);
    if (n != 0) return n > 0;
    if (getrandom(bytes, sizeof bytes, 0) != (ssize_t)sizeof bytes) {
        (void)snprintf(error, error_size, "no random bytes for the node's name");
        return false;
    }
    for (int i = 0; i < 16; i++) (void)sprintf(r->node + (size_t)2 * i, "%02x", bytes[i]);
    return put_meta(r, "node", r->node, ROCKS_NODE_MAX - 1, error, error_size);
}

rocks *rocks_open(const char *path, char *error, size_t error_size)
{
    rocks *r = calloc(1, sizeof *r);
    if (!r || strlen(path) >= FOLDER_PATH_MAX || pthread_rwlock_init(&r->lock, NULL) != 0) {
        (void)snprintf(error, error_size, "out of memory");
        free(r);
        return NULL;
    }
    (void)snprintf(r->path, sizeof r->path, "%s", path);
    r->options = make_options();
    r->synced = rocksdb_writeoptions_create();
    rocksdb_writeoptions_set_sync(r->synced, 1);
    r->unsynced = rocksdb_writeoptions_create();
    r->reads = rocksdb_readoptions_create();
    r->batch = rocksdb_writebatch_create();
    if (open_database(r, error, error_size) && load_identity(r, error, error_size)) return r;
    rocks_close(r);
    return NULL;
}

void rocks_close(rocks *r)
{
    close_database(r);
    rocksdb_writebatch_destroy(r->batch);
    rocksdb_readoptions_destroy(r->reads);
    rocksdb_writeoptions_destroy(r->unsynced);
    rocksdb_writeoptions_destroy(r->synced);
    rocksdb_options_destroy(r->options);
    (void)pthread_rwlock_destroy(&r->lock);
    free(r);
}

bool rocks_reopen(rocks *r, char *error, size_t error_size)
{
    (void)pthread_rwlock_wrlock(&r->lock);
    close_database(r);
    bool ok = open_database(r, error, error_size);
    (void)pthread_rwlock_unlock(&r->lock);
    return ok;
}

uint64_t rocks_epoch(const rocks *r) { return r->epoch; }
const char *rocks_node(const rocks *r) { return r->node; }

/* ---- Writing ---- */

static void batch_put(rocks *r, table t, const void *key, size_t key_len, const void *value, size_t len)
{
    rocksdb_writebatch_put_cf(r->batch, r->tables[t], key, key_len, value, len);
}

static void batch_segment(rocks *r, const store_segment *s, int64_t now_ms)
{
    uint8_t key[KEY_BYTES], due[DUE_BYTES], expiry[EXPIRY_BYTES];
    const char *id = (const char *)s->run.bytes;
    segment_key(key, &s->run, s->seq);
    if (s->len > 0) batch_put(r, TABLE_SEGMENTS, key, sizeof key, s->data, s->len);
    if (s->live == STORE_LIVE_SET) {
        put_be(due, (uint64_t)s->due_ms, DUE_BYTES);
        batch_put(r, TABLE_LIVE, id, RUN_ID_BYTES, due, sizeof due);
    }
    if (s->live != STORE_LIVE_CLEAR) return;
    if (s->listed) rocksdb_writebatch_delete_cf(r->batch, r->tables[TABLE_LIVE], id, RUN_ID_BYTES);
    /* A run that began and ended within this commit is found by its id, which holds its time: no second key for it. */
    if (!s->listed && s->seq == 0 && s->retain_ms < 0) return;
    expiry_key(expiry, now_ms, &s->run);
    put_be(due, (uint64_t)s->retain_ms, DUE_BYTES);
    if (s->retain_ms >= 0) {
        expiry_key(expiry, now_ms + s->retain_ms, &s->run);
        segment_key(key, &s->run, UINT32_MAX); /* a second, empty segment: the walk leaves it alone */
        batch_put(r, TABLE_SEGMENTS, key, sizeof key, "", 0);
    }
    batch_put(r, TABLE_EXPIRY, expiry, sizeof expiry, due, sizeof due);
}

bool rocks_commit(rocks *r, const store_segment *list, int64_t now_ms, char *error, size_t error_size)
{
    char *why = NULL;
    if (!r->db) {
        (void)snprintf(error, error_size, "%s", NOT_OPEN);
        return false;
    }
    rocksdb_writebatch_clear(r->batch);
    for (const store_segment *s = list; s; s = s->next) batch_segment(r, s, now_ms);
    rocksdb_write(r->db, r->synced, r->batch, &why);
    return !take_error(why, error, error_size);
}

/* ---- Reading ---- */

static bool read_begin(rocks *r, const char **error)
{
    (void)pthread_rwlock_rdlock(&r->lock);
    if (r->db) return true;
    (void)pthread_rwlock_unlock(&r->lock);
    *error = NOT_OPEN;
    return false;
}

static void read_end(rocks *r) { (void)pthread_rwlock_unlock(&r->lock); }

static rocksdb_iterator_t *iterate(rocks *r, table t)
{
    return rocksdb_create_iterator_cf(r->db, r->reads, r->tables[t]);
}

/* Frees the iterator; false when it stopped for an error. */
static bool iterated(rocksdb_iterator_t *it, const char **error)
{
    char *why = NULL;
    rocksdb_iter_get_error(it, &why);
    rocksdb_iter_destroy(it);
    if (!why) return true;
    fprintf(stderr, "stepwell: journal: %s\n", why);
    rocksdb_free(why);
    *error = READ_FAILED;
    return false;
}

static const uint8_t *key_of(rocksdb_iterator_t *it, size_t expected_len)
{
    size_t len = 0;
    const char *key = rocksdb_iter_key(it, &len);
    return len == expected_len ? (const uint8_t *)key : NULL;
}

static bool append(store_journal *to, size_t *room, const char *data, size_t len)
{
    if (to->len + len > *room) {
        size_t bigger = (to->len + len) * 2;
        char *moved = realloc(to->data, bigger);
        if (!moved) return false;
        to->data = moved;
        *room = bigger;
    }
    if (len > 0) memcpy(to->data + to->len, data, len);
    to->len += len;
    return true;
}

static void load_segments(rocks *r, store_journal *out)
{
    uint8_t key[KEY_BYTES];
    size_t room = 0;
    segment_key(key, &out->run, 0);
    rocksdb_iterator_t *it = iterate(r, TABLE_SEGMENTS);
    for (rocksdb_iter_seek(it, (const char *)key, sizeof key); rocksdb_iter_valid(it) && !out->error;
         rocksdb_iter_next(it)) {
        const uint8_t *at = key_of(it, KEY_BYTES);
        if (!at || memcmp(at, out->run.bytes, RUN_ID_BYTES) != 0) break;
        size_t len = 0;
        const char *value = rocksdb_iter_value(it, &len);
        out->found = true;
        if (len == 0) continue;
        out->seq_next = (uint32_t)get_be(at + RUN_ID_BYTES, 4) + 1;
        if (!append(out, &room, value, len)) out->error = "out of memory";
    }
    const char *why = NULL;
    if (!iterated(it, &why)) out->error = why;
}

void rocks_load(rocks *r, store_journal *out)
{
    char *why = NULL;
    size_t len = 0;
    if (!read_begin(r, &out->error)) return;
    char *due =
        rocksdb_get_cf(r->db, r->reads, r->tables[TABLE_LIVE], (const char *)out->run.bytes, RUN_ID_BYTES, &len, &why);
    if (why) {
        out->error = READ_FAILED;
        rocksdb_free(why);
    }
    out->live = due && len == DUE_BYTES;
    if (out->live) out->due_ms = (int64_t)get_be((const uint8_t *)due, DUE_BYTES);
    if (due) rocksdb_free(due);
    if (!out->error) load_segments(r, out);
    read_end(r);
}

long rocks_scan_live(rocks *r, const run_id *after, size_t limit, unsigned loop, unsigned loops, store_live_row *rows,
                     bool *end, const char **error)
{
    size_t n = 0;
    if (!read_begin(r, error)) return -1;
    rocksdb_iterator_t *it = iterate(r, TABLE_LIVE);
    if (after)
        rocksdb_iter_seek(it, (const char *)after->bytes, RUN_ID_BYTES);
    else
        rocksdb_iter_seek_to_first(it);
    for (; n < limit && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = key_of(it, RUN_ID_BYTES);
        size_t len = 0;
        const char *due = rocksdb_iter_value(it, &len);
        if (!at || len != DUE_BYTES || (after && memcmp(at, after->bytes, RUN_ID_BYTES) == 0)) continue;
        memcpy(rows[n].run.bytes, at, RUN_ID_BYTES);
        rows[n].due_ms = (int64_t)get_be((const uint8_t *)due, DUE_BYTES);
        if (run_id_loop(&rows[n].run, loops) == loop) n++;
    }
    *end = n < limit;
    bool ok = iterated(it, error);
    read_end(r);
    return ok ? (long)n : -1;
}

/* Moves the iterator, which points into a run's segments, to the last segment of the run before it. */
static void previous_run(rocksdb_iterator_t *it, const run_id *id)
{
    uint8_t key[KEY_BYTES];
    segment_key(key, id, 0);
    rocksdb_iter_seek_for_prev(it, (const char *)key, sizeof key);
    const uint8_t *at = rocksdb_iter_valid(it) ? key_of(it, KEY_BYTES) : NULL;
    if (at && memcmp(at, id->bytes, RUN_ID_BYTES) == 0) rocksdb_iter_prev(it);
}

long rocks_list(rocks *r, const run_id *before, size_t limit, run_id *ids, const char **error)
{
    size_t n = 0;
    if (!read_begin(r, error)) return -1;
    rocksdb_iterator_t *it = iterate(r, TABLE_SEGMENTS);
    if (before)
        previous_run(it, before);
    else
        rocksdb_iter_seek_to_last(it);
    for (; n < limit && rocksdb_iter_valid(it); n++) {
        const uint8_t *at = key_of(it, KEY_BYTES);
        if (!at) break;
        memcpy(ids[n].bytes, at, RUN_ID_BYTES);
        previous_run(it, &ids[n]);
    }
    bool ok = iterated(it, error);
    read_end(r);
    return ok ? (long)n : -1;
}

/* ---- Deleting ---- */

static void batch_delete_run(rocks *r, rocksdb_writebatch_t *b, const run_id *id)
{
    uint8_t from[KEY_BYTES];
    const char *ignored = NULL;
    segment_key(from, id, 0);
    rocksdb_iterator_t *it = iterate(r, TABLE_SEGMENTS);
    for (rocksdb_iter_seek(it, (const char *)from, sizeof from); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = key_of(it, KEY_BYTES);
        if (!at || memcmp(at, id->bytes, RUN_ID_BYTES) != 0) break;
        rocksdb_writebatch_delete_cf(b, r->tables[TABLE_SEGMENTS], (const char *)at, KEY_BYTES);
    }
    (void)iterated(it, &ignored);
    rocksdb_writebatch_delete_cf(b, r->tables[TABLE_LIVE], (const char *)id->bytes, RUN_ID_BYTES);
}

static bool write_unsynced(rocks *r, rocksdb_writebatch_t *b, const char **error)
{
    char *why = NULL;
    rocksdb_write(r->db, r->unsynced, b, &why);
    if (!why) return true;
    fprintf(stderr, "stepwell: journal: %s\n", why);
    rocksdb_free(why);
    *error = "the journal could not be written (see the log)";
    return false;
}

bool rocks_delete(rocks *r, const run_id *id, const char **error)
{
    if (!read_begin(r, error)) return false;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    batch_delete_run(r, b, id);
    bool ok = write_unsynced(r, b, error);
    rocksdb_writebatch_destroy(b);
    read_end(r);
    return ok;
}

/* Runs with an expiry row: those that outlived their first commit, or have a retention of their own. */
static long sweep_expired(rocks *r, rocksdb_writebatch_t *b, int64_t now_ms, int64_t store_ms, size_t limit)
{
    long n = 0;
    const char *error = NULL;
    rocksdb_iterator_t *it = iterate(r, TABLE_EXPIRY);
    for (rocksdb_iter_seek_to_first(it); rocksdb_iter_valid(it) && (size_t)n < limit; rocksdb_iter_next(it)) {
        const uint8_t *at = key_of(it, EXPIRY_BYTES);
        size_t len = 0;
        const char *value = rocksdb_iter_value(it, &len);
        if (!at || len != DUE_BYTES) continue;
        int64_t at_ms = (int64_t)get_be(at, DUE_BYTES), own_ms = (int64_t)get_be((const uint8_t *)value, DUE_BYTES);
        if (at_ms > now_ms) break;
        /* Rows without a retention of their own stand at their end; store_ms may change between two starts. */
        if (own_ms < 0 && at_ms + store_ms > now_ms) continue;
        run_id id;
        memcpy(id.bytes, at + DUE_BYTES, RUN_ID_BYTES);
        batch_delete_run(r, b, &id);
        rocksdb_writebatch_delete_cf(b, r->tables[TABLE_EXPIRY], (const char *)at, EXPIRY_BYTES);
        n++;
    }
    return iterated(it, &error) ? n : -1;
}

static bool is_live(rocks *r, const run_id *id, bool *failed)
{
    char *why = NULL;
    size_t len = 0;
    char *due =
        rocksdb_get_cf(r->db, r->reads, r->tables[TABLE_LIVE], (const char *)id->bytes, RUN_ID_BYTES, &len, &why);
    if (why) rocksdb_free(why);
    *failed |= why != NULL;
    if (due) rocksdb_free(due);
    return due != NULL;
}

/* One run of the segments table, in order of time. */
typedef struct walked {
    run_id id;
    size_t segments, bytes;
} walked;

/* Takes the run at the iterator and moves behind it. */
static bool walk_run(rocksdb_iterator_t *it, walked *w)
{
    const uint8_t *at = rocksdb_iter_valid(it) ? key_of(it, KEY_BYTES) : NULL;
    *w = (walked){.segments = 0};
    if (!at) return false;
    memcpy(w->id.bytes, at, RUN_ID_BYTES);
    do {
        size_t len = 0;
        (void)rocksdb_iter_value(it, &len);
        w->bytes += len + KEY_BYTES;
        w->segments++;
        rocksdb_iter_next(it);
        at = rocksdb_iter_valid(it) ? key_of(it, KEY_BYTES) : NULL;
    } while (at && memcmp(at, w->id.bytes, RUN_ID_BYTES) == 0);
    return true;
}

/* Runs of a single commit have no expiry row: their id tells when they ended, and that order is the table's. */
static long sweep_walk(rocks *r, rocksdb_writebatch_t *b, int64_t older_than_ms, size_t limit)
{
    long n = 0;
    bool failed = false;
    const char *error = NULL;
    walked w;
    rocksdb_iterator_t *it = iterate(r, TABLE_SEGMENTS);
    rocksdb_iter_seek(it, (const char *)r->sweep_from.bytes, RUN_ID_BYTES);
    for (size_t seen = 0; seen < limit && walk_run(it, &w); seen++) {
        if (run_id_time_ms(&w.id) >= older_than_ms) break;
        r->sweep_from = w.id;
        if (w.segments > 1 || is_live(r, &w.id, &failed) || failed) continue;
        batch_delete_run(r, b, &w.id);
        n++;
    }
    return iterated(it, &error) && !failed ? n : -1;
}

long rocks_sweep_age(rocks *r, int64_t now_ms, int64_t store_ms, size_t limit)
{
    const char *error = NULL;
    if (!read_begin(r, &error)) return -1;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    long expired = sweep_expired(r, b, now_ms, store_ms, limit);
    long single = expired < 0 ? -1 : sweep_walk(r, b, now_ms - store_ms, limit);
    bool ok = single >= 0 && (rocksdb_writebatch_count(b) == 0 || write_unsynced(r, b, &error));
    rocksdb_writebatch_destroy(b);
    read_end(r);
    return ok ? expired + single : -1;
}

long rocks_sweep_bytes(rocks *r, uint64_t bytes, size_t limit)
{
    const char *error = NULL;
    uint64_t freed = 0;
    long n = 0;
    bool failed = false;
    walked w;
    run_id last = {{0}};
    if (!read_begin(r, &error)) return -1;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    rocksdb_iterator_t *it = iterate(r, TABLE_SEGMENTS);
    for (rocksdb_iter_seek_to_first(it); freed < bytes && (size_t)n < limit && walk_run(it, &w);) {
        if (is_live(r, &w.id, &failed) || failed) continue;
        batch_delete_run(r, b, &w.id); /* its expiry row finds nothing when its time comes */
        freed += w.bytes;
        last = w.id;
        n++;
    }
    bool ok = iterated(it, &error) && !failed && (n == 0 || write_unsynced(r, b, &error));
    rocksdb_writebatch_destroy(b);
    if (ok && n > 0) {
        uint8_t to[KEY_BYTES];
        segment_key(to, &last, UINT32_MAX);
        rocksdb_compact_range_cf(r->db, r->tables[TABLE_SEGMENTS], NULL, 0, (const char *)to, sizeof to);
    }
    read_end(r);
    return ok ? n : -1;
}

/* Blobs of deleted runs count as gone: the space is given back by the compactions that follow. */
uint64_t rocks_disk_bytes(rocks *r)
{
    static const char *const properties[] = {"rocksdb.total-sst-files-size", "rocksdb.total-blob-file-size",
                                             "rocksdb.live-blob-file-garbage-size"};
    const char *error = NULL;
    uint64_t sums[3] = {0}, one;
    if (!read_begin(r, &error)) return 0;
    for (size_t p = 0; p < 3; p++)
        for (int t = 0; t < TABLES; t++)
            if (rocksdb_property_int_cf(r->db, r->tables[t], properties[p], &one) == 0) sums[p] += one;
    read_end(r);
    return sums[0] + sums[1] - (sums[2] < sums[1] ? sums[2] : sums[1]);
}
