/* Reading: one run's journal, a key, the tables' rows in order. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "storage/rocks_core.h"

static const char READ_FAILED[] = "the journal could not be read (see the log)";

rocksdb_iterator_t *rocks_iterate(rocks *r, rocks_table t)
{
    return rocksdb_create_iterator_cf(r->db, r->reads, r->tables[t]);
}

bool rocks_iterated(rocksdb_iterator_t *it, const char **error)
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

const uint8_t *rocks_key_of(rocksdb_iterator_t *it, size_t expected_len)
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
    uint8_t key[ROCKS_KEY_BYTES], behind[ROCKS_KEY_BYTES + 1] = {0};
    size_t room = 0;
    rocks_segment_key(key, &out->run, 0);
    rocks_segment_key(behind, &out->run, UINT32_MAX);
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    /* The iterator reads values as it moves: without a bound, a damaged value of the next run would be this one's. */
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)behind, sizeof behind);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, r->tables[ROCKS_TABLE_SEGMENTS]);
    for (rocksdb_iter_seek(it, (const char *)key, sizeof key); rocksdb_iter_valid(it) && !out->error;
         rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, ROCKS_KEY_BYTES);
        if (!at || memcmp(at, out->run.bytes, RUN_ID_BYTES) != 0) break;
        size_t len = 0;
        const char *value = rocksdb_iter_value(it, &len);
        uint32_t seq = (uint32_t)rocks_get_be(at + RUN_ID_BYTES, 4);
        out->found = true;
        if (len == 0 || seq == ROCKS_SEQ_KEY) continue;
        out->seq_next = seq + 1;
        if (!append(out, &room, value, len)) out->error = "out of memory";
    }
    const char *why = NULL;
    if (!rocks_iterated(it, &why)) out->error = why;
    rocksdb_readoptions_destroy(how);
}

void rocks_load(rocks *r, store_journal *out)
{
    char *why = NULL;
    size_t len = 0;
    if (!rocks_read_begin(r, &out->error)) return;
    char *due = rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_LIVE], (const char *)out->run.bytes, RUN_ID_BYTES,
                               &len, &why);
    if (why) {
        out->error = READ_FAILED;
        rocksdb_free(why);
    }
    out->live = due && len == ROCKS_DUE_BYTES;
    if (out->live) out->due_ms = (int64_t)rocks_get_be((const uint8_t *)due, ROCKS_DUE_BYTES);
    if (due) rocksdb_free(due);
    if (!out->error) load_segments(r, out);
    rocks_read_end(r);
}

bool rocks_find_key(rocks *r, const uint8_t hash[STORE_KEY_BYTES], store_key_row *out, const char **error)
{
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
    if (!ok) *error = READ_FAILED;
    return ok && found;
}

long rocks_scan_live(rocks *r, const run_id *after, size_t limit, unsigned loop, unsigned loops, store_live_row *rows,
                     bool *end, const char **error)
{
    size_t n = 0;
    if (!rocks_read_begin(r, error)) return -1;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_LIVE);
    if (after)
        rocksdb_iter_seek(it, (const char *)after->bytes, RUN_ID_BYTES);
    else
        rocksdb_iter_seek_to_first(it);
    for (; n < limit && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, RUN_ID_BYTES);
        size_t len = 0;
        const char *due = rocksdb_iter_value(it, &len);
        if (!at || len != ROCKS_DUE_BYTES || (after && memcmp(at, after->bytes, RUN_ID_BYTES) == 0)) continue;
        memcpy(rows[n].run.bytes, at, RUN_ID_BYTES);
        rows[n].due_ms = (int64_t)rocks_get_be((const uint8_t *)due, ROCKS_DUE_BYTES);
        if (run_id_loop(&rows[n].run, loops) == loop) n++;
    }
    *end = n < limit;
    bool ok = rocks_iterated(it, error);
    rocks_read_end(r);
    return ok ? (long)n : -1;
}

/* Moves the iterator, which points into a run's segments, to the last segment of the run before it. */
static void previous_run(rocksdb_iterator_t *it, const run_id *id)
{
    uint8_t key[ROCKS_KEY_BYTES];
    rocks_segment_key(key, id, 0);
    rocksdb_iter_seek_for_prev(it, (const char *)key, sizeof key);
    const uint8_t *at = rocksdb_iter_valid(it) ? rocks_key_of(it, ROCKS_KEY_BYTES) : NULL;
    if (at && memcmp(at, id->bytes, RUN_ID_BYTES) == 0) rocksdb_iter_prev(it);
}

long rocks_list(rocks *r, const run_id *before, size_t limit, run_id *ids, const char **error)
{
    size_t n = 0;
    if (!rocks_read_begin(r, error)) return -1;
    rocksdb_iterator_t *it = rocks_iterate(r, ROCKS_TABLE_SEGMENTS);
    if (before)
        previous_run(it, before);
    else
        rocksdb_iter_seek_to_last(it);
    for (; n < limit && rocksdb_iter_valid(it); n++) {
        const uint8_t *at = rocks_key_of(it, ROCKS_KEY_BYTES);
        if (!at) break;
        memcpy(ids[n].bytes, at, RUN_ID_BYTES);
        previous_run(it, &ids[n]);
    }
    bool ok = rocks_iterated(it, error);
    rocks_read_end(r);
    return ok ? (long)n : -1;
}
