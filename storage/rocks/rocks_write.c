/* Writing: what a segment is in the tables, and many of them as one batch. */
#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "storage/rocks/rocks_core.h"

/* ---- Segments ---- */

static void batch_put(rocks *r, rocks_table t, store_bytes key, store_bytes value)
{
    rocksdb_writebatch_put_cf(r->batch, r->tables[t], key.data, key.len, value.data, value.len);
}

/* Adds the row by which retention finds an ended run (docs/internals/journal.md). A run that began and ended within one
 * commit, and has neither a retention of its own nor a key, needs no row: its id holds its time. */
static void batch_expiry(rocks *r, const store_segment *s, int64_t now_ms)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES], row[BACKEND_EXPIRY_BYTES];
    assert(s->live == STORE_LIVE_CLEAR);
    bool alone = !s->has_live_row && s->seq == 0, own = s->retain_ms >= 0;
    if (alone && !own && !s->key) return;
    row_expiry_key(row, s, now_ms);
    batch_put(r, ROCKS_TABLE_EXPIRY, (store_bytes){row, sizeof row}, (store_bytes){"", 0});
    if (s->was_reopened) {
        row_segment_key(key, &s->run, ROCKS_SEQ_EXPIRY);
        batch_put(r, ROCKS_TABLE_SEGMENTS, (store_bytes){key, sizeof key}, (store_bytes){row, sizeof row});
    }
    if (!alone) return;
    row_segment_key(key, &s->run, ROCKS_SEQ_LONE); /* a second segment, empty: so sweep_walk leaves the run alone */
    batch_put(r, ROCKS_TABLE_SEGMENTS, (store_bytes){key, sizeof key}, (store_bytes){"", 0});
}

/* Has the expiry row of a run that goes on count no more: nobody knows its key, which holds the journal thread's time
 * of that commit. Instead the run says which of its rows counts: none, until it ends again (batch_expiry). */
static void batch_reopen(rocks *r, const run_id *id)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES];
    row_segment_key(key, id, ROCKS_SEQ_EXPIRY);
    batch_put(r, ROCKS_TABLE_SEGMENTS, (store_bytes){key, sizeof key}, (store_bytes){"", 0});
}

static void batch_segment(rocks *r, const store_segment *s, int64_t now_ms)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES], due[ROW_DUE_BYTES];
    const char *id = (const char *)s->run.bytes;
    assert(s->seq < ROCKS_SEQ_END);
    assert(!s->was_reopened || (s->has_live_row && s->seq > 0));
    assert(s->data || s->len == 0);
    row_segment_key(key, &s->run, s->seq);
    if (s->len > 0) batch_put(r, ROCKS_TABLE_SEGMENTS, (store_bytes){key, sizeof key}, (store_bytes){s->data, s->len});
    if (s->live == STORE_LIVE_REOPEN) batch_reopen(r, &s->run);
    if (s->live == STORE_LIVE_SET || s->live == STORE_LIVE_REOPEN) {
        row_put_be(due, (uint64_t)s->due_ms, ROW_DUE_BYTES);
        batch_put(r, ROCKS_TABLE_LIVE, (store_bytes){id, RUN_ID_BYTES}, (store_bytes){due, sizeof due});
    }
    if (s->live != STORE_LIVE_CLEAR) return;
    if (s->has_live_row) rocksdb_writebatch_delete_cf(r->batch, r->tables[ROCKS_TABLE_LIVE], id, RUN_ID_BYTES);
    batch_expiry(r, s, now_ms);
}

/* A batch in the making. */
typedef struct writer {
    rocks *r;
    /* The segments of the batch so far that have a key, by the key's hash: open addressing, a power of two; NULL: free.
     */
    const store_segment **keyed;
    size_t keyed_room; /* 0: no segment of the batch has a key */
    /* The rows of named tables in the batch so far, for inserts to look at; NULL: the batch has no inserts. */
    rocksdb_writebatch_wi_t *seen;
    char *error; /* why the batch cannot be written; error_size bytes */
    size_t error_size;
    bool failed;      /* the whole batch is refused */
    bool has_segment; /* else the batch needs a mark: see rocks_find_commit */
    bool claims;      /* runs that are reopened are kept from the sweeper */
} writer;

/* Fails the batch. Returns false. */
static bool writer_fail(writer *w, const char *why)
{
    (void)snprintf(w->error, w->error_size, "%s", why);
    w->failed = true;
    return false;
}

/* ---- Keys of runs ---- */

static void key_row(const store_segment *s, uint8_t row[ROCKS_KEY_ROW_BYTES])
{
    memcpy(row, s->run.bytes, RUN_ID_BYTES);
    memcpy(row + RUN_ID_BYTES, s->key->fingerprint, STORE_KEY_BYTES);
}

static bool keyed_begin(writer *w, store_segment *list)
{
    size_t count = 0;
    for (store_segment *s = list; s; s = s->next) {
        s->outcome = STORE_DONE; /* until the segment's group is refused: batch_key looks at outcomes */
        count += s->key != NULL;
    }
    if (count == 0) return true;
    for (w->keyed_room = 4; w->keyed_room < 2 * count;) w->keyed_room *= 2;
    assert((w->keyed_room & (w->keyed_room - 1)) == 0);
    w->keyed = calloc(w->keyed_room, sizeof *w->keyed);
    return w->keyed || writer_fail(w, "out of memory");
}

/* The cell that has a segment with that key, or would have it. */
static const store_segment **keyed_cell(const writer *w, const store_key *key)
{
    uint64_t hash; /* any part of a SHA-256 is random enough */
    _Static_assert(sizeof hash <= STORE_KEY_BYTES, "a part of it");
    assert(w->keyed_room > 0);
    memcpy(&hash, key->hash, sizeof hash);
    size_t i = (size_t)hash & (w->keyed_room - 1);
    while (w->keyed[i] && memcmp(w->keyed[i]->key->hash, key->hash, STORE_KEY_BYTES) != 0)
        i = (i + 1) & (w->keyed_room - 1);
    return &w->keyed[i];
}

/* True: the table has no row for the key, or this one. False: it has another, or could not be read. */
static bool key_is_free(writer *w, const store_key *key, const uint8_t row[ROCKS_KEY_ROW_BYTES])
{
    char *why = NULL;
    size_t len = 0;
    rocksdb_pinnableslice_t *there = rocksdb_get_pinned_cf(w->r->db, w->r->reads, w->r->tables[ROCKS_TABLE_KEYS],
                                                           (const char *)key->hash, STORE_KEY_BYTES, &why);
    if (rocks_take_error(why, w->error, w->error_size)) {
        w->failed = true;
        return false;
    }
    const char *value = rocksdb_pinnableslice_value(there, &len);
    assert(!w->failed);
    bool is_free = !value || (len == ROCKS_KEY_ROW_BYTES && memcmp(value, row, len) == 0);
    rocksdb_pinnableslice_destroy(there);
    return is_free;
}

/* Adds a row that leads from the key to the run, and one from the run to its key, so that retention deletes both.
 * False: the key is another run's, or could not be read. */
static bool batch_key(writer *w, const store_segment *s)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES], row[ROCKS_KEY_ROW_BYTES];
    const store_segment **cell = keyed_cell(w, s->key);
    key_row(s, row);
    if (*cell && (*cell)->outcome != STORE_KEY_TAKEN) {
        uint8_t other[ROCKS_KEY_ROW_BYTES];
        key_row(*cell, other);
        if (memcmp(row, other, sizeof row) != 0) return false;
    } else if (!key_is_free(w, s->key, row)) {
        return false;
    }
    *cell = s;
    batch_put(w->r, ROCKS_TABLE_KEYS, (store_bytes){s->key->hash, STORE_KEY_BYTES}, (store_bytes){row, sizeof row});
    row_segment_key(key, &s->run, ROCKS_SEQ_KEY);
    batch_put(w->r, ROCKS_TABLE_SEGMENTS, (store_bytes){key, sizeof key}, (store_bytes){s->key->hash, STORE_KEY_BYTES});
    return true;
}

/* ---- Rows of named tables ---- */

/* False: the key is taken, or could not be read. */
static bool may_insert(writer *w, const rocks_named *p, const char *key, size_t key_len, store_bytes value)
{
    char *why = NULL;
    size_t len = 0;
    assert(w->seen);
    assert(p->family);
    char *found = rocksdb_writebatch_wi_get_from_batch_and_db_cf(w->seen, w->r->db, w->r->reads, p->family, key,
                                                                 key_len, &len, &why);
    if (rocks_take_error(why, w->error, w->error_size)) {
        w->failed = true;
        return false;
    }
    bool free_key = !found || (len == value.len && (len == 0 || memcmp(found, value.data, len) == 0));
    if (found) rocksdb_free(found);
    return free_key;
}

/* False: the row is an insert whose key is taken, or the batch has failed. */
static bool batch_row(writer *w, const store_row *row)
{
    uint8_t bytes[ROCKS_PREFIX_MAX + STORE_ROW_KEY_MAX];
    const char *value = row->value.len > 0 ? row->value.data : "";
    rocks_named p;
    if (!rocks_named_make(w->r, row->table, &p, w->error, w->error_size)) {
        w->failed = true;
        return false;
    }
    size_t len = rocks_named_key(&p, row->key, bytes);
    const char *key = (const char *)bytes;
    if (row->op == STORE_ROW_INSERT && !may_insert(w, &p, key, len, row->value)) return false;
    if (row->op == STORE_ROW_DELETE) {
        rocksdb_writebatch_delete_cf(w->r->batch, p.family, key, len);
        if (w->seen) rocksdb_writebatch_wi_delete_cf(w->seen, p.family, key, len);
        return true;
    }
    rocksdb_writebatch_put_cf(w->r->batch, p.family, key, len, value, row->value.len);
    if (w->seen) rocksdb_writebatch_wi_put_cf(w->seen, p.family, key, len, value, row->value.len);
    return true;
}

/* ---- Runs that are reopened ---- */

/* Whether the run that has ended is there, and stays until the batch is written. */
static bool batch_claim(writer *w, const store_segment *s)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES];
    char *why = NULL;
    assert(s->seq > 0);
    if (!rocks_claims_take(&w->r->claims, &s->run)) return false;
    w->claims = true;
    row_segment_key(key, &s->run, 0);
    rocksdb_pinnableslice_t *first = rocksdb_get_pinned_cf(w->r->db, w->r->reads, w->r->tables[ROCKS_TABLE_SEGMENTS],
                                                           (const char *)key, sizeof key, &why);
    if (rocks_take_error(why, w->error, w->error_size)) w->failed = true;
    bool is_there = first != NULL;
    if (first) rocksdb_pinnableslice_destroy(first);
    return is_there;
}

/* ---- Groups ---- */

static bool has_insert(const store_segment *s)
{
    for (const store_row *row = s->rows; row; row = row->next)
        if (row->op == STORE_ROW_INSERT) return true;
    return false;
}

/* Sets a point that the batch can be taken back to, or takes it back there. */
static void batch_save_point(writer *w, bool back)
{
    char *why = NULL;
    if (!w->seen && !w->keyed) return;
    if (!back) {
        rocksdb_writebatch_set_save_point(w->r->batch);
        if (w->seen) rocksdb_writebatch_wi_set_save_point(w->seen);
        return;
    }
    rocksdb_writebatch_rollback_to_save_point(w->r->batch, &why);
    if (rocks_take_error(why, w->error, w->error_size)) w->failed = true;
    why = NULL;
    if (!w->seen) return;
    rocksdb_writebatch_wi_rollback_to_save_point(w->seen, &why);
    if (rocks_take_error(why, w->error, w->error_size)) w->failed = true;
}

/* Adds the group that begins with `first`, or nothing of it if a key is taken. Returns the segment behind the group. */
static store_segment *batch_group(writer *w, store_segment *first, int64_t now_ms)
{
    store_segment *s = first;
    bool whole = true, has_segment = false;
    if (s->live == STORE_LIVE_REOPEN && !batch_claim(w, s)) {
        s->outcome = STORE_GONE;
        return s->next;
    }
    batch_save_point(w, false);
    for (bool more = true; more; s = s->next) {
        batch_segment(w->r, s, now_ms);
        if (s->key && whole) whole = batch_key(w, s);
        has_segment = has_segment || s->len > 0;
        for (const store_row *row = s->rows; row && whole; row = row->next) whole = batch_row(w, row);
        more = s->joined && s->next;
    }
    for (store_segment *g = first; g != s; g = g->next) g->outcome = whole ? STORE_DONE : STORE_KEY_TAKEN;
    if (!whole && !w->failed) batch_save_point(w, true);
    assert(s != first);
    if (whole) w->has_segment = w->has_segment || has_segment;
    return s;
}

/* ---- Commits ---- */

static const char MARK[] = "commit";

enum { BATCH_REUSE_MAX = 1 << 20 }; /* bytes of a batch whose memory is worth keeping for the next */

/* Empties the batch. RocksDB keeps the memory of an emptied batch, so after a large one a new batch is made. */
static void batch_empty(rocks *r)
{
    size_t len = 0;
    (void)rocksdb_writebatch_data(r->batch, &len);
    if (len <= BATCH_REUSE_MAX) {
        rocksdb_writebatch_clear(r->batch);
        return;
    }
    rocksdb_writebatch_destroy(r->batch);
    r->batch = rocksdb_writebatch_create();
}

static void commit_mark(const rocks *r, uint8_t mark[ROCKS_MARK_BYTES])
{
    _Static_assert(ROCKS_MARK_BYTES == 8 + 8, "epoch and count");
    row_put_be(mark, r->epoch, 8);
    row_put_be(mark + 8, r->marks, 8);
}

static bool fill_batch(writer *w, store_segment *list, int64_t now_ms)
{
    rocks *r = w->r;
    bool inserts = false;
    assert(list);
    assert(!w->keyed && !w->seen);
    assert(rocksdb_writebatch_count(r->batch) == 0);
    if (!keyed_begin(w, list)) return false;
    for (const store_segment *s = list; s && !inserts; s = s->next) inserts = has_insert(s);
    if (inserts) w->seen = rocksdb_writebatch_wi_create(0, 1);
    for (store_segment *s = list; s && !w->failed;) s = batch_group(w, s, now_ms);
    if (w->seen) rocksdb_writebatch_wi_destroy(w->seen);
    free(w->keyed);
    if (w->failed || w->has_segment || rocksdb_writebatch_count(r->batch) == 0) return !w->failed;
    uint8_t mark[ROCKS_MARK_BYTES]; /* the batch has no segment by which rocks_find_commit could know it */
    r->marks++;
    commit_mark(r, mark);
    batch_put(r, ROCKS_TABLE_META, (store_bytes){MARK, sizeof MARK - 1}, (store_bytes){mark, sizeof mark});
    return true;
}

/* True: the folder is gone, so nothing of what was written can come back. */
static bool journal_is_deleted(const rocks *r)
{
    char path[FOLDER_PATH_MAX + 16];
    (void)snprintf(path, sizeof path, "%s/journal", r->path);
    return access(path, F_OK) != 0 && errno == ENOENT;
}

store_outcome rocks_commit(backend *b, store_segment *list, int64_t now_ms, char *error, size_t error_size)
{
    rocks *r = rocks_of(b);
    writer w = {.r = r, .error = error, .error_size = error_size};
    char *why = NULL;
    bool due;
    if (!r->db || r->failed) {
        (void)writer_fail(&w, r->db ? "a write failed before: the journal has to be opened again" : rocks_not_open);
        return STORE_REFUSED;
    }
    if (!rocks_measure_synced(r, &due)) {
        (void)snprintf(error, error_size, "the data folder %s has been deleted, or cannot be read", r->path);
        return STORE_REFUSED;
    }
    assert(!r->read_only);
    bool filled = fill_batch(&w, list, now_ms);
    bool empty = rocksdb_writebatch_count(r->batch) == 0; /* no group could be taken */
    if (filled && !empty) rocksdb_write(r->db, r->synced_writes, r->batch, &why);
    batch_empty(r);
    if (w.claims) rocks_claims_drop(&r->claims);
    if (!filled) return STORE_REFUSED;
    if (empty) return STORE_DONE;
    r->failed = why != NULL; /* until rocks_reopen */
    if (why) rocks_detect_damage(r, why);
    if (rocks_take_error(why, error, error_size)) return journal_is_deleted(r) ? STORE_REFUSED : STORE_UNKNOWN;
    if (now_ms > r->synced.wall_ms) r->synced.wall_ms = now_ms;
    if (due) rocks_save_synced(r);
    return STORE_DONE;
}

/* A batch is there as a whole or not at all, so one of its rows tells: a segment, which no other commit writes, or the
 * batch's mark. */
bool rocks_find_commit(backend *b, const store_segment *list, bool *there, const char **error)
{
    rocks *r = rocks_of(b);
    uint8_t key[ROW_SEGMENT_KEY_BYTES], mark[ROCKS_MARK_BYTES];
    char *why = NULL, *row;
    size_t len = 0;
    while (list && (list->outcome != STORE_DONE || list->len == 0)) list = list->next;
    if (!rocks_read_begin(r, error)) return false;
    if (list) {
        row_segment_key(key, &list->run, list->seq);
        row =
            rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_SEGMENTS], (const char *)key, sizeof key, &len, &why);
        *there = row != NULL;
    } else {
        commit_mark(r, mark);
        row = rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_META], MARK, sizeof MARK - 1, &len, &why);
        *there = row && len == sizeof mark && memcmp(row, mark, sizeof mark) == 0;
    }
    if (row) rocksdb_free(row);
    rocks_read_end(r);
    if (!why) return true;
    rocksdb_free(why);
    *error = rocks_read_failed;
    return false;
}
