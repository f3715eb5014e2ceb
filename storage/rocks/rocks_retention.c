/* Deleting runs whose time has come, and the oldest when the store is too large. A round of retention goes forward in
 * each table and does not look back: deleted rows cost iterators time until they are compacted. Marks of deleted rows
 * are compacted where there are many, once they are in files: so a round that has left many has them written. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/rocks/rocks_core.h"

/* ---- By age ---- */

void rocks_sweep_begin(backend_sweep *s, int64_t now_ms, int64_t store_ms)
{
    memset(s->expiry_from, 0, sizeof s->expiry_from);
    s->expiry_from[BACKEND_EXPIRY_OWN][0] = BACKEND_EXPIRY_OWN;
    s->bytes_from = (run_id){{0}};
    s->now_ms = now_ms;
    s->older_than_ms = now_ms - store_ms;
    s->done = false;
    /* If the clock was set back, runs made since then may lie before walk_from. */
    if (run_id_time_ms(&s->walk_from) > s->older_than_ms) s->walk_from = (run_id){{0}};
}

static bool run_is_live(rocks *r, const rocksdb_readoptions_t *how, const run_id *id, bool *ok)
{
    char *why = NULL;
    size_t len = 0;
    char *due =
        rocksdb_get_cf(r->db, how, r->tables[ROCKS_TABLE_LIVE], (const char *)id->bytes, RUN_ID_BYTES, &len, &why);
    if (why) rocksdb_free(why);
    if (why) *ok = false;
    if (due) rocksdb_free(due);
    return due != NULL;
}

/* Whether the run has been reopened, and has named another expiry row than this one since (batch_expiry), or has not
 * ended. `row` NULL: any row. */
static bool run_has_other_row(rocks *r, const run_id *id, const uint8_t *row, bool *ok)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES];
    char *why = NULL;
    size_t len = 0;
    row_segment_key(key, id, ROCKS_SEQ_EXPIRY);
    char *counts =
        rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_SEGMENTS], (const char *)key, sizeof key, &len, &why);
    if (why) rocksdb_free(why);
    if (why) *ok = false;
    bool other = counts && !(row && len == BACKEND_EXPIRY_BYTES && memcmp(counts, row, len) == 0);
    if (counts) rocksdb_free(counts);
    return other;
}

/* Whether the run, which seems to have ended, may be deleted: it is not being reopened, nor has it been since that was
 * seen. It stays ended then until the batch is written. */
static bool run_is_doomed(rocks *r, const run_id *id, bool *ok)
{
    return rocks_claims_doom(&r->claims, id) && !run_is_live(r, r->reads, id, ok) && *ok;
}

/* Deletes runs by their expiry rows: those that outlived their first commit, or have a retention of their own. A run
 * that is live has an expiry row if it was reopened, or if its last commit was reported as failed and came back from
 * the log: the run goes on, and only the row is deleted; and so it is if the run has ended again, and has another row.
 * Returns how many runs; -1: an error. */
static long sweep_expired(rocks *r, rocksdb_writebatch_t *b, backend_sweep *s, backend_expiry kind, size_t limit)
{
    uint8_t *from = s->expiry_from[kind];
    assert(from[0] == kind);
    assert(limit > 0);
    int64_t until_ms = kind == BACKEND_EXPIRY_OWN ? s->now_ms : s->older_than_ms;
    const char *error = NULL;
    size_t n = 0;
    long deleted = 0;
    bool ok = true;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_EXPIRY);
    for (rocksdb_iter_seek(it, (const char *)from, BACKEND_EXPIRY_BYTES); ok && n < limit && rocksdb_iter_valid(it);
         rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, BACKEND_EXPIRY_BYTES);
        if (!at) continue;
        if (at[0] != kind || row_expiry_ms(at) > until_ms) break;
        run_id id = row_expiry_run(at);
        memcpy(from, at, BACKEND_EXPIRY_BYTES);
        n++;
        if (!rocks_claims_doom(&r->claims, &id))
            continue; /* it is being reopened: the next round sees whether it was */
        int before = rocksdb_writebatch_count(b);
        bool stays = run_is_live(r, r->reads, &id, &ok) || run_has_other_row(r, &id, at, &ok);
        if (ok && !stays) ok = rocks_batch_delete_run(r, b, &id);
        bool deletes =
            rocksdb_writebatch_count(b) > before; /* else sweep_bytes has deleted the run, and left this row */
        if (deletes) backend_sweep_note(s, &id);
        rocksdb_writebatch_delete_cf(b, r->tables[ROCKS_TABLE_EXPIRY], (const char *)at, BACKEND_EXPIRY_BYTES);
        deleted += deletes;
    }
    if (n == limit) s->done = false;
    return rocks_iterated(it, &error) && ok ? deleted : -1;
}

/* One run of the segments table, in order of time. */
typedef struct walked {
    run_id id;
    size_t segments, bytes;
} walked;

/* A snapshot with an iterator over the segments. Segments and live rows have to be of one moment: a run of one segment
 * that was live a moment ago may have ended since, with a second segment; read at two moments it would look like a run
 * that began and ended within one commit. */
typedef struct moment {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *reads;
    rocksdb_iterator_t *it;
} moment;

static moment moment_begin(rocks *r, const run_id *from)
{
    moment m = {.snapshot = rocksdb_create_snapshot(r->db), .reads = rocksdb_readoptions_create()};
    rocksdb_readoptions_set_snapshot(m.reads, m.snapshot);
    m.it = rocksdb_create_iterator_cf(r->db, m.reads, r->tables[ROCKS_TABLE_SEGMENTS]);
    rocksdb_iter_seek(m.it, (const char *)from->bytes, RUN_ID_BYTES);
    return m;
}

static void moment_end(rocks *r, moment *m)
{
    rocksdb_iter_destroy(m->it);
    rocksdb_readoptions_destroy(m->reads);
    rocksdb_release_snapshot(r->db, m->snapshot);
}

/* Takes the run at the iterator and moves behind it. */
static bool walk_run(rocksdb_iterator_t *it, walked *w)
{
    const uint8_t *at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROW_SEGMENT_KEY_BYTES) : NULL;
    *w = (walked){.segments = 0};
    if (!at) return false;
    memcpy(w->id.bytes, at, RUN_ID_BYTES);
    do {
        size_t len = 0;
        (void)rocksdb_iter_value(it, &len);
        w->bytes += len + ROW_SEGMENT_KEY_BYTES;
        w->segments++;
        rocksdb_iter_next(it);
        at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROW_SEGMENT_KEY_BYTES) : NULL;
    } while (at && memcmp(at, w->id.bytes, RUN_ID_BYTES) == 0);
    return true;
}

/* ---- What cannot be read ---- */

/* True: the iterator has stopped at a value that cannot be read, not at its end. */
static bool iterator_is_broken(rocksdb_iterator_t *it)
{
    char *why = NULL;
    if (rocksdb_iter_valid(it)) return false;
    rocksdb_iter_get_error(it, &why);
    if (why) rocksdb_free(why);
    return why != NULL;
}

/* The first run that began at `ms` (Unix) or later, or an id of that time when there is none. False: it cannot be read.
 */
static bool first_run_from(rocks *r, uint64_t ms, run_id *out)
{
    uint8_t key[RUN_ID_BYTES] = {0};
    row_put_be(key, ms, 6);
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_SEGMENTS);
    rocksdb_iter_seek(it, (const char *)key, sizeof key);
    const uint8_t *at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROW_SEGMENT_KEY_BYTES) : NULL;
    bool ok = !iterator_is_broken(it);
    memcpy(out->bytes, at ? at : key, RUN_ID_BYTES);
    rocksdb_iter_destroy(it);
    return ok;
}

/* Behind `from` is a run that cannot be read: moves `from` to a run behind the damage that began before until_ms. That
 * is the nearest one, if only one run is damaged; runs between two damaged ones may be passed over. False: there is
 * none. */
static bool step_over(rocks *r, run_id *from, int64_t until_ms)
{
    run_id found;
    uint64_t bad = (uint64_t)run_id_time_ms(from), good = until_ms > 0 ? (uint64_t)until_ms : 0;
    if (good <= bad || !first_run_from(r, good, &found)) return false;
    while (good - bad > 1) {
        run_id middle;
        uint64_t ms = bad + (good - bad) / 2;
        if (first_run_from(r, ms, &middle)) {
            good = ms;
            found = middle;
        } else {
            bad = ms;
        }
    }
    assert(bad < good);
    *from = found;
    return true;
}

/* The iterator of *m broke behind this run's first segment. True: that segment is all of the run. */
static bool run_is_single(rocks *r, const moment *m, const run_id *id)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES], behind[ROW_SEGMENT_KEY_BYTES + 1] = {0};
    const char *error = NULL;
    size_t n = 0;
    row_segment_key(key, id, 0);
    row_segment_key(behind, id, UINT32_MAX);
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    rocksdb_readoptions_set_snapshot(how, m->snapshot);
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)behind, sizeof behind);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, r->tables[ROCKS_TABLE_SEGMENTS]);
    for (rocksdb_iter_seek(it, (const char *)key, sizeof key); rocksdb_iter_valid(it); rocksdb_iter_next(it)) n++;
    bool ok = rocks_iterated(it, &error);
    rocksdb_readoptions_destroy(how);
    return ok && n == 1;
}

/* Deletes runs of a single commit, which have no expiry row: their id tells when they ended, and the table is in that
 * order. Runs that stay here, live or of several segments, get an expiry row when they end, and are not looked at
 * again. Returns how many were deleted; -1: an error. */
static long sweep_walk(rocks *r, rocksdb_writebatch_t *b, backend_sweep *s, size_t limit)
{
    long n = 0;
    size_t seen = 0;
    bool ok = true, broken = false;
    walked w;
    moment m = moment_begin(r, &s->walk_from);
    for (; ok && seen < limit && walk_run(m.it, &w); seen++) {
        if (run_id_time_ms(&w.id) >= s->older_than_ms) break;
        s->walk_from = w.id;
        broken = iterator_is_broken(m.it); /* perhaps in the middle of this run */
        if (w.segments > 1 || (broken && !run_is_single(r, &m, &w.id)) || run_is_live(r, m.reads, &w.id, &ok) || !ok)
            continue;
        if (!run_is_doomed(r, &w.id, &ok) || run_has_other_row(r, &w.id, NULL, &ok) || !ok) continue;
        ok = rocks_batch_delete_run(r, b, &w.id);
        backend_sweep_note(s, &w.id);
        n++;
    }
    broken = iterator_is_broken(m.it);
    if (seen == limit) s->done = false;
    moment_end(r, &m);
    if (broken && step_over(r, &s->walk_from, s->older_than_ms)) s->done = false;
    return ok ? n : -1;
}

/* What lists may pass over without anybody waiting for it: some ten milliseconds. */
enum { SWEPT_MAX = 10000 };

/* Has the marks of deleted runs written to files, in which RocksDB finds that there are too many (DELETED_WINDOW), and
 * takes them away together with what they delete. */
static void flush_swept(rocks *r)
{
    const char *error = NULL;
    rocksdb_flushoptions_t *how = rocksdb_flushoptions_create();
    rocksdb_flushoptions_set_wait(how, 0);
    r->swept = 0;
    (void)pthread_mutex_lock(&r->slow);
    bool is_open = rocks_read_begin(r, &error);
    unsigned tables = __atomic_load_n(&r->table_count, __ATOMIC_ACQUIRE);
    for (unsigned t = 0; is_open && t < tables; t++) {
        char *why = NULL;
        rocksdb_flush_cf(r->db, how, r->tables[t], &why);
        if (why) rocksdb_free(why); /* the next write meets it, too */
    }
    if (is_open) rocks_read_end(r);
    (void)pthread_mutex_unlock(&r->slow);
    rocksdb_flushoptions_destroy(how);
}

long rocks_sweep_age(backend *base, backend_sweep *sweep, size_t limit)
{
    rocks *r = rocks_of(base);
    const char *error = NULL;
    backend_sweep next = *sweep; /* becomes *sweep when its deletions are written */
    assert(limit > 1);           /* sweep_walk begins with the last run of the batch before */
    if (!rocks_read_begin(r, &error)) return -1;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    next.done = true;
    next.deleted_count = 0;
    long own = sweep_expired(r, b, &next, BACKEND_EXPIRY_OWN, limit);
    long stores = own < 0 ? -1 : sweep_expired(r, b, &next, BACKEND_EXPIRY_STORE, limit);
    long single = stores < 0 ? -1 : sweep_walk(r, b, &next, limit);
    bool ok = single >= 0 && (rocksdb_writebatch_count(b) == 0 || rocks_batch_write(r, b, &error));
    rocksdb_writebatch_destroy(b);
    rocks_claims_spare(&r->claims);
    rocks_read_end(r);
    if (!ok) return -1;
    *sweep = next;
    r->swept += (size_t)(own + stores + single);
    if (next.done && r->swept >= SWEPT_MAX) flush_swept(r);
    return own + stores + single;
}

/* ---- By size ---- */

long rocks_sweep_bytes(backend *base, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed)
{
    rocks *r = rocks_of(base);
    const char *error = NULL;
    backend_sweep next = *sweep;
    size_t seen = 0;
    long n = 0;
    bool ok = true;
    walked w;
    assert(bytes > 0);
    assert(limit > 1); /* the walk begins with the last run of the batch before, if that was not deleted */
    *freed = 0;
    next.deleted_count = 0;
    if (!rocks_read_begin(r, &error)) return -1;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    moment m = moment_begin(r, &next.bytes_from);
    for (; ok && *freed < bytes && seen < limit && walk_run(m.it, &w); seen++) {
        next.bytes_from = w.id;
        if (iterator_is_broken(m.it) || !run_is_doomed(r, &w.id, &ok)) continue;
        ok = rocks_batch_delete_run(r, b, &w.id); /* the expiry row stays: it leads to nothing when its time comes */
        *freed += w.bytes;
        backend_sweep_note(&next, &w.id);
        n++;
    }
    bool broken = iterator_is_broken(m.it);
    next.done = seen < limit && *freed < bytes;
    moment_end(r, &m);
    if (broken && step_over(r, &next.bytes_from, next.now_ms)) next.done = false;
    ok = ok && (n == 0 || rocks_batch_write(r, b, &error));
    rocksdb_writebatch_destroy(b);
    rocks_claims_spare(&r->claims);
    rocks_read_end(r);
    if (ok) *sweep = next;
    return ok ? n : -1;
}

void rocks_sweep_give_back(backend *base, const backend_sweep *sweep)
{
    rocks *r = rocks_of(base);
    const char *error = NULL;
    uint8_t to[ROW_SEGMENT_KEY_BYTES];
    (void)pthread_mutex_lock(&r->slow);
    if (rocks_read_begin(r, &error)) {
        row_segment_key(to, &sweep->bytes_from, UINT32_MAX);
        rocksdb_compact_range_cf(r->db, r->tables[ROCKS_TABLE_SEGMENTS], NULL, 0, (const char *)to, sizeof to);
        rocks_read_end(r);
    }
    (void)pthread_mutex_unlock(&r->slow);
}

/* Blobs of deleted runs count as gone: the next compactions give their space back. */
uint64_t rocks_disk_bytes(backend *b)
{
    rocks *r = rocks_of(b);
    static const char *const properties[] = {"rocksdb.live-sst-files-size", "rocksdb.live-blob-file-size",
                                             "rocksdb.live-blob-file-garbage-size"};
    const char *error = NULL;
    uint64_t sums[3] = {0}, one;
    if (!rocks_read_begin(r, &error)) return 0;
    unsigned tables = __atomic_load_n(&r->table_count, __ATOMIC_ACQUIRE);
    for (size_t p = 0; p < 3; p++)
        for (unsigned t = 0; t < tables; t++)
            if (rocksdb_property_int_cf(r->db, r->tables[t], properties[p], &one) == 0) sums[p] += one;
    rocks_read_end(r);
    return sums[0] + sums[1] - (sums[2] < sums[1] ? sums[2] : sums[1]);
}
