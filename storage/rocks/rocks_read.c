/* Reading: one run's journal, a key of a run, rows of tables in order. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/rocks/rocks_core.h"

const char rocks_read_failed[] = "the journal could not be read (see the log)";

rocksdb_iterator_t *rocks_iterate(rocks *r, rocks_table t)
{
    return rocksdb_create_iterator_cf(r->db, r->reads, r->tables[t]);
}

bool rocks_iterated(rocksdb_iterator_t *it, const char **error)
{
    char *why = NULL;
    assert(error);
    rocksdb_iter_get_error(it, &why);
    rocksdb_iter_destroy(it);
    if (!why) return true;
    fprintf(stderr, "stepwell: journal: %s\n", why);
    rocksdb_free(why);
    *error = rocks_read_failed;
    return false;
}

const uint8_t *rocks_key_of(rocksdb_iterator_t *it, size_t expected_len)
{
    size_t len = 0;
    assert(rocksdb_iter_valid(it));
    const char *key = rocksdb_iter_key(it, &len);
    return len == expected_len ? (const uint8_t *)key : NULL;
}

static bool journal_append(store_journal *to, size_t *room, const char *data, size_t len)
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
    assert(to->len <= *room);
    return true;
}

/* Appends the segment at the iterator. False: the journal would go beyond bytes_max, and nothing was appended; or
 * memory is out, see out->error. */
static bool journal_take_segment(rocksdb_iterator_t *it, const uint8_t *key, store_journal *out, size_t *room,
                                 size_t bytes_max)
{
    size_t len = 0;
    const char *value = rocksdb_iter_value(it, &len);
    uint32_t seq = row_segment_seq(key);
    assert(!out->cut && !out->error);
    out->found = true;
    if (len == 0 || seq >= ROCKS_SEQ_END) return true;
    out->cut = bytes_max > 0 && out->len + len > bytes_max;
    if (out->cut) return false;
    out->seq_next = seq + 1;
    if (!journal_append(out, room, value, len)) out->error = store_no_memory;
    return !out->error;
}

static void load_segments(rocks *r, rocksdb_readoptions_t *how, store_journal *out, size_t bytes_max)
{
    uint8_t key[ROW_SEGMENT_KEY_BYTES], behind[ROW_SEGMENT_KEY_BYTES + 1] = {0};
    size_t room = 0;
    assert(!out->data && out->len == 0);
    row_segment_key(key, &out->run, 0);
    row_segment_key(behind, &out->run, UINT32_MAX);
    /* The iterator reads values as it moves: without a bound, a damaged value of the next run would make this run
     * unreadable. */
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)behind, sizeof behind);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, r->tables[ROCKS_TABLE_SEGMENTS]);
    bool more = true;
    for (rocksdb_iter_seek(it, (const char *)key, sizeof key); more && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, ROW_SEGMENT_KEY_BYTES);
        if (!at || memcmp(at, out->run.bytes, RUN_ID_BYTES) != 0) break;
        more = journal_take_segment(it, at, out, &room, bytes_max);
    }
    const char *why = NULL;
    if (!rocks_iterated(it, &why)) out->error = why;
}

/* Reads the run's row in the live table: *live, *due_ms. Returns NULL, or why the row could not be read. */
static const char *read_due(rocks *r, const rocksdb_readoptions_t *how, const run_id *id, bool *live, int64_t *due_ms)
{
    char *why = NULL;
    size_t len = 0;
    char *due =
        rocksdb_get_cf(r->db, how, r->tables[ROCKS_TABLE_LIVE], (const char *)id->bytes, RUN_ID_BYTES, &len, &why);
    *live = due && len == ROW_DUE_BYTES;
    if (*live) *due_ms = (int64_t)row_get_be((const uint8_t *)due, ROW_DUE_BYTES);
    if (due) rocksdb_free(due);
    if (!why) return NULL;
    rocksdb_free(why);
    return rocks_read_failed;
}

/* A snapshot: what is read with `how` is of one moment. */
typedef struct moment {
    const rocksdb_snapshot_t *snapshot;
    rocksdb_readoptions_t *how;
} moment;

static moment moment_begin(rocks *r)
{
    moment m = {rocksdb_create_snapshot(r->db), rocksdb_readoptions_create()};
    rocksdb_readoptions_set_snapshot(m.how, m.snapshot);
    return m;
}

static void moment_end(rocks *r, const moment *m)
{
    rocksdb_readoptions_destroy(m->how);
    rocksdb_release_snapshot(r->db, m->snapshot);
}

void rocks_load(backend *b, store_journal *out, size_t bytes_max)
{
    rocks *r = rocks_of(b);
    if (!rocks_read_begin(r, &out->error)) return;
    moment m = moment_begin(r);
    out->error = read_due(r, m.how, &out->run, &out->live, &out->due_ms);
    if (!out->error) load_segments(r, m.how, out, bytes_max);
    moment_end(r, &m);
    rocks_read_end(r);
}

/* The sequence number of the segment at the iterator. False: there is none. */
static bool segment_at(rocksdb_iterator_t *it, uint32_t *seq)
{
    const uint8_t *at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROW_SEGMENT_KEY_BYTES) : NULL;
    if (at) *seq = row_segment_seq(at);
    return at != NULL;
}

static bool tell_segment(rocksdb_iterator_t *it, backend_end end, uint32_t seq, backend_on_segment *on_segment,
                         void *arg)
{
    size_t len = 0;
    const char *value = rocksdb_iter_value(it, &len);
    return on_segment(arg, end, seq, (store_bytes){value, len});
}

/* The bounds of an iterator over one run's segments: an iterator reads each value that it comes to, and is to read none
 * of other runs, nor one twice. The caller owns the bounds, which have to outlive the iterator. */
typedef struct bounds {
    uint8_t from[ROW_SEGMENT_KEY_BYTES], behind[ROW_SEGMENT_KEY_BYTES];
} bounds;

static rocksdb_iterator_t *iterate_run(rocks *r, rocksdb_readoptions_t *how, const run_id *id, uint32_t from, bounds *b)
{
    row_segment_key(b->from, id, from);
    row_segment_key(b->behind, id, ROCKS_SEQ_END);
    rocksdb_readoptions_set_iterate_lower_bound(how, (const char *)b->from, sizeof b->from);
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)b->behind, sizeof b->behind);
    return rocksdb_create_iterator_cf(r->db, how, r->tables[ROCKS_TABLE_SEGMENTS]);
}

static void glance_segments(rocks *r, rocksdb_readoptions_t *how, store_summary *out, backend_on_segment *on_segment,
                            void *arg)
{
    bounds b;
    uint32_t seq = 0;
    rocksdb_iterator_t *it = iterate_run(r, how, &out->run, 0, &b);
    rocksdb_iter_seek_to_first(it);
    bool more = true;
    assert(!out->found);
    while (more && segment_at(it, &seq)) {
        out->found = true;
        more = tell_segment(it, BACKEND_FIRST, seq, on_segment, arg);
        if (more) rocksdb_iter_next(it);
    }
    if (!rocks_iterated(it, &out->error) || more) return;
    it = iterate_run(r, how, &out->run, seq + 1, &b);
    rocksdb_iter_seek_to_last(it);
    while (segment_at(it, &seq) && tell_segment(it, BACKEND_LAST, seq, on_segment, arg)) rocksdb_iter_prev(it);
    (void)rocks_iterated(it, &out->error);
}

void rocks_glance(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg)
{
    rocks *r = rocks_of(b);
    out->is_closed = !rocks_read_begin(r, &out->error);
    if (out->is_closed) return;
    moment m = moment_begin(r);
    out->error = read_due(r, m.how, &out->run, &out->live, &out->due_ms);
    if (!out->error) glance_segments(r, m.how, out, on_segment, arg);
    moment_end(r, &m);
    rocks_read_end(r);
}

/* ---- Named tables ---- */

/* The iterator ends where the range does: what lies behind, rows of other tables among it, it neither reads nor passes
 * where it was deleted. */
static backend_scan scan_named(rocks *r, const store_range *range, backend_on_row *on_row, void *arg,
                               const char **error)
{
    uint8_t from[ROCKS_NAMED_KEY_MAX], end[ROCKS_NAMED_KEY_MAX];
    const rocks_named p = rocks_named_find(r, range->table);
    size_t from_len = rocks_named_key(&p, range->from, from), end_len = rocks_named_end(&p, range->to, end);
    size_t n = 0, bytes = 0, len, value_len;
    backend_scan result = BACKEND_SCAN_END;
    assert(range->rows_max > 0);
    if (!p.family) return BACKEND_SCAN_END;
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    if (end_len > 0) rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)end, end_len);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, p.family);
    for (rocksdb_iter_seek(it, (const char *)from, from_len); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const char *key = rocksdb_iter_key(it, &len);
        assert(len >= p.prefix_len && memcmp(key, p.prefix, p.prefix_len) == 0);
        if (n == range->rows_max || (range->bytes_max > 0 && bytes > range->bytes_max)) result = BACKEND_SCAN_MORE;
        if (result == BACKEND_SCAN_MORE) break;
        const char *value = rocksdb_iter_value(it, &value_len);
        on_row(arg, (store_bytes){key + p.prefix_len, len - p.prefix_len}, (store_bytes){value, value_len});
        bytes += len - p.prefix_len + value_len;
        n++;
    }
    if (!rocks_iterated(it, error)) result = BACKEND_SCAN_FAILED;
    rocksdb_readoptions_destroy(how);
    return result;
}

backend_scan rocks_scan(backend *b, const store_range *range, backend_on_row *on_row, void *arg, const char **error)
{
    rocks *r = rocks_of(b);
    if (!rocks_read_begin(r, error)) return BACKEND_SCAN_FAILED;
    backend_scan result = scan_named(r, range, on_row, arg, error);
    rocks_read_end(r);
    return result;
}

bool rocks_find_key(backend *b, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error)
{
    rocks *r = rocks_of(b);
    char *why = NULL;
    size_t len = 0;
    bool ok = true, found = false;
    if (!rocks_read_begin(r, error)) return false;
    char *row =
        rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_KEYS], (const char *)hash, STORE_KEY_BYTES, &len, &why);
    if (why) {
        ok = false;
        rocksdb_free(why);
    } else if (row && len == ROCKS_KEY_ROW_BYTES) {
        memcpy(out->run.bytes, row, RUN_ID_BYTES);
        memcpy(out->fingerprint, row + RUN_ID_BYTES, STORE_KEY_BYTES);
        found = true;
    }
    if (row) rocksdb_free(row);
    rocks_read_end(r);
    if (!ok) *error = rocks_read_failed;
    return ok && found;
}

long rocks_scan_live(backend *b, const store_live_range *range, store_live_row *rows, bool *end, const char **error)
{
    const run_id *after = range->after;
    rocks *r = rocks_of(b);
    size_t n = 0;
    assert(range->rows_max > 0);
    assert(range->loop < range->loops);
    if (!rocks_read_begin(r, error)) return -1;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_LIVE);
    if (after)
        rocksdb_iter_seek(it, (const char *)after->bytes, RUN_ID_BYTES);
    else
        rocksdb_iter_seek_to_first(it);
    for (; n < range->rows_max && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, RUN_ID_BYTES);
        size_t len = 0;
        const char *due = rocksdb_iter_value(it, &len);
        if (!at || len != ROW_DUE_BYTES || (after && memcmp(at, after->bytes, RUN_ID_BYTES) == 0)) continue;
        memcpy(rows[n].run.bytes, at, RUN_ID_BYTES);
        rows[n].due_ms = (int64_t)row_get_be((const uint8_t *)due, ROW_DUE_BYTES);
        if (store_live_range_has(range, &rows[n].run)) n++;
    }
    *end = n < range->rows_max;
    bool ok = rocks_iterated(it, error);
    rocks_read_end(r);
    return ok ? (long)n : -1;
}
