/* Changes that are no commits: what the sweeper and store_delete take away, and the indexer's rows. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "storage/kin.h"
#include "storage/rocks/rocks_core.h"

/* ---- Deleting a run ---- */

/* Deletes the key of a run that is deleted, unless the key leads to another run by now. False: it cannot be read. */
static bool batch_delete_key(rocks *r, rocksdb_writebatch_t *b, const run_id *id, const char *hash)
{
    char *why = NULL;
    size_t len = 0;
    char *row = rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_KEYS], hash, STORE_KEY_BYTES, &len, &why);
    if (row && len == ROCKS_KEY_ROW_BYTES && memcmp(row, id->bytes, RUN_ID_BYTES) == 0)
        rocksdb_writebatch_delete_cf(b, r->tables[ROCKS_TABLE_KEYS], hash, STORE_KEY_BYTES);
    if (row) rocksdb_free(row);
    if (!why) return true;
    rocksdb_free(why);
    return false;
}

/* Deletes a run of which a value is damaged: an iterator reads the values it passes, so this run's keys cannot be
 * listed, but it is known between which keys they lie. The range has to begin with the first one: see
 * storage/rocks/rocks_places.h. */
static bool batch_delete_unread(rocks *r, rocksdb_writebatch_t *b, const run_id *id)
{
    uint8_t from[ROW_SEGMENT_KEY_BYTES], key[ROW_SEGMENT_KEY_BYTES], to[ROW_SEGMENT_KEY_BYTES + 1] = {0};
    char *why = NULL;
    size_t len = 0;
    row_segment_key(from, id, 0);
    row_segment_key(key, id, ROCKS_SEQ_KEY);
    row_segment_key(to, id, UINT32_MAX); /* and a zero byte: behind the last key */
    char *hash =
        rocksdb_get_cf(r->db, r->reads, r->tables[ROCKS_TABLE_SEGMENTS], (const char *)key, sizeof key, &len, &why);
    bool ok = !why && (len != STORE_KEY_BYTES || batch_delete_key(r, b, id, hash));
    if (hash) rocksdb_free(hash);
    if (why) rocksdb_free(why);
    rocksdb_writebatch_delete_range_cf(b, r->tables[ROCKS_TABLE_SEGMENTS], (const char *)from, sizeof from,
                                       (const char *)to, sizeof to);
    return ok;
}

/* False: they could not be read, nor their key. */
static bool batch_delete_segments(rocks *r, rocksdb_writebatch_t *b, const run_id *id)
{
    uint8_t from[ROW_SEGMENT_KEY_BYTES], behind[ROW_SEGMENT_KEY_BYTES + 1] = {0};
    const char *ignored = NULL;
    bool ok = true;
    row_segment_key(from, id, 0);
    row_segment_key(behind, id, UINT32_MAX);
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)behind, sizeof behind);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, r->tables[ROCKS_TABLE_SEGMENTS]);
    for (rocksdb_iter_seek(it, (const char *)from, sizeof from); ok && rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const uint8_t *at = rocks_key_of(it, ROW_SEGMENT_KEY_BYTES);
        if (!at) break;
        rocksdb_writebatch_delete_cf(b, r->tables[ROCKS_TABLE_SEGMENTS], (const char *)at, ROW_SEGMENT_KEY_BYTES);
        if (row_segment_seq(at) != ROCKS_SEQ_KEY) continue;
        size_t len = 0;
        const char *hash = rocksdb_iter_value(it, &len);
        ok = len == STORE_KEY_BYTES && batch_delete_key(r, b, id, hash);
    }
    ok = rocks_iterated(it, &ignored) && ok;
    rocksdb_readoptions_destroy(how);
    return ok || batch_delete_unread(r, b, id);
}

/* Adds the deletion of the other row of a pair of KIN_TABLE. */
static void batch_delete_turned(rocksdb_writebatch_t *b, const rocks_named *p, store_bytes key)
{
    uint8_t turned[KIN_KEY_BYTES], other[ROCKS_NAMED_KEY_MAX];
    if (!kin_key_turn(key, turned)) return;
    size_t len = rocks_named_key(p, (store_bytes){turned, sizeof turned}, other);
    rocksdb_writebatch_delete_cf(b, p->family, (const char *)other, len);
}

/* Adds the deletion of the rows of a named table that begin with the run's id; of pairs of KIN_TABLE that of both rows.
 * Rows that cannot be read stay, and lead to nothing: no run has to stay for them. */
static void batch_delete_named(rocks *r, rocksdb_writebatch_t *b, const run_id *id, const char *table)
{
    const rocks_named p = rocks_named_find(r, table);
    const run_id behind = run_id_behind(id);
    const char *ignored = NULL;
    uint8_t from[ROCKS_NAMED_KEY_MAX], to[ROCKS_NAMED_KEY_MAX];
    store_bytes key;
    if (!p.family) return;
    size_t from_len = rocks_named_key(&p, (store_bytes){id->bytes, RUN_ID_BYTES}, from);
    size_t to_len = rocks_named_key(&p, (store_bytes){behind.bytes, RUN_ID_BYTES}, to);
    rocksdb_readoptions_t *how = rocksdb_readoptions_create();
    rocksdb_readoptions_set_iterate_upper_bound(how, (const char *)to, to_len);
    rocksdb_iterator_t *it = rocksdb_create_iterator_cf(r->db, how, p.family);
    for (rocksdb_iter_seek(it, (const char *)from, from_len); rocksdb_iter_valid(it); rocksdb_iter_next(it)) {
        const char *at = rocksdb_iter_key(it, &key.len);
        rocksdb_writebatch_delete_cf(b, p.family, at, key.len);
        key = (store_bytes){at + p.prefix_len, key.len - p.prefix_len};
        if (strcmp(table, KIN_TABLE) == 0) batch_delete_turned(b, &p, key);
    }
    (void)rocks_iterated(it, &ignored);
    rocksdb_readoptions_destroy(how);
}

bool rocks_batch_delete_run(rocks *r, rocksdb_writebatch_t *b, const run_id *id)
{
    int before = rocksdb_writebatch_count(b);
    bool ok = batch_delete_segments(r, b, id);
    bool is_there = rocksdb_writebatch_count(b) > before;
    if (is_there) batch_delete_named(r, b, id, KIN_TABLE);
    if (is_there) batch_delete_named(r, b, id, STORE_MARKS_TABLE);
    return ok;
}

/* ---- Writing ---- */

bool rocks_batch_write(rocks *r, rocksdb_writebatch_t *b, const char **error)
{
    char *why = NULL;
    rocksdb_write(r->db, r->synced_writes, b, &why);
    if (!why) return true;
    fprintf(stderr, "stepwell: journal: %s\n", why);
    rocks_detect_damage(r, why);
    rocksdb_free(why);
    *error = "the journal could not be written (see the log)";
    return false;
}

/* Ends with rocks_read_end; false with a message: the database is not open, or takes no writes. */
static bool rocks_change_begin(rocks *r, const char **error)
{
    if (!rocks_read_begin(r, error)) return false;
    if (!r->read_only) return true;
    rocks_read_end(r);
    *error = "the data folder takes no writes at present";
    return false;
}

bool rocks_delete(backend *base, const run_id *id, const char **error)
{
    rocks *r = rocks_of(base);
    if (!rocks_change_begin(r, error)) return false;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    bool ok = rocks_batch_delete_run(r, b, id);
    if (!ok) *error = "the journal could not be read (see the log)";
    rocksdb_writebatch_delete_cf(b, r->tables[ROCKS_TABLE_LIVE], (const char *)id->bytes, RUN_ID_BYTES);
    ok = ok && rocks_batch_write(r, b, error);
    rocksdb_writebatch_destroy(b);
    rocks_read_end(r);
    return ok;
}

bool rocks_write_rows(backend *base, const store_row *rows, const char **error)
{
    rocks *r = rocks_of(base);
    uint8_t key[ROCKS_PREFIX_MAX + STORE_ROW_KEY_MAX];
    if (!rocks_change_begin(r, error)) return false;
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    for (; rows; rows = rows->next) {
        const rocks_named p = rocks_named_find(r, rows->table);
        size_t len = rocks_named_key(&p, rows->key, key);
        assert(p.family == r->tables[ROCKS_TABLE_META]); /* the journal thread alone makes families */
        assert(rows->op != STORE_ROW_INSERT);
        if (rows->op == STORE_ROW_DELETE)
            rocksdb_writebatch_delete_cf(b, p.family, (const char *)key, len);
        else
            rocksdb_writebatch_put_cf(b, p.family, (const char *)key, len, rows->value.data, rows->value.len);
    }
    bool ok = rocks_batch_write(r, b, error);
    rocksdb_writebatch_destroy(b);
    rocks_read_end(r);
    return ok;
}

bool rocks_drop_index(backend *base, const char **error)
{
    rocks *r = rocks_of(base);
    if (!rocks_change_begin(r, error)) return false;
    uint8_t behind[ROCKS_NAMED_KEY_MAX];
    const rocks_named p = rocks_named_find(r, "index");
    size_t behind_len = rocks_named_end(&p, (store_bytes){NULL, 0}, behind);
    assert(p.prefix_len > 0);
    rocksdb_writebatch_t *b = rocksdb_writebatch_create();
    rocksdb_writebatch_delete_range_cf(b, p.family, p.prefix, p.prefix_len, (const char *)behind, behind_len);
    bool ok = rocks_batch_write(r, b, error);
    rocksdb_writebatch_destroy(b);
    rocks_read_end(r);
    return ok;
}
