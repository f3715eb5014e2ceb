/* Deleting runs: one by its id, those whose time has come, the oldest when the store is too large. */
#include <assert.h>
#include <string.h>

#include "storage/kin.h"
#include "storage/memory/memory_core.h"

static bool row_is_of_run(const void *key, const run_id *id) { return memcmp(key, id->bytes, RUN_ID_BYTES) == 0; }

static bool run_is_live(const memory_disk *d, const run_id *id)
{
    return memory_get(&d->tables[MEMORY_LIVE], id->bytes, RUN_ID_BYTES) != NULL;
}

/* Adds the deletion of the rows of a named table that begin with the run's id; of pairs of KIN_TABLE that of both rows.
 */
static void add_deletion_of_named(memory_disk *d, memory_batch *b, const run_id *id, const char *table)
{
    const memory_table *t = memory_table_of(d, table);
    uint8_t other[KIN_KEY_BYTES];
    if (!t) return;
    const unsigned number = (unsigned)(t - d->tables);
    for (size_t i = memory_seek(t, id->bytes, RUN_ID_BYTES); i < t->count && row_is_of_run(t->rows[i].key, id); i++) {
        const store_bytes key = {t->rows[i].key, t->rows[i].key_len};
        memory_batch_delete(b, number, key);
        if (strcmp(table, KIN_TABLE) == 0 && kin_key_turn(key, other))
            memory_batch_delete(b, number, (store_bytes){other, sizeof other});
    }
}

/* Adds the deletion of all of the run's rows to the batch. Returns how many bytes its segments have. */
static size_t add_deletion(memory_disk *d, memory_batch *b, const run_id *id)
{
    const memory_table *t = &d->tables[MEMORY_SEGMENTS], *keys = &d->tables[MEMORY_KEYS];
    size_t bytes = 0;
    for (size_t i = memory_seek(t, id->bytes, RUN_ID_BYTES); i < t->count && row_is_of_run(t->rows[i].key, id); i++) {
        memory_batch_delete(b, MEMORY_SEGMENTS, (store_bytes){t->rows[i].key, t->rows[i].key_len});
        bytes += t->rows[i].key_len + t->rows[i].value_len;
    }
    for (size_t i = 0; i < keys->count; i++) /* a test has few keys */
        if (row_is_of_run(memory_value(&keys->rows[i]), id))
            memory_batch_delete(b, MEMORY_KEYS, (store_bytes){keys->rows[i].key, keys->rows[i].key_len});
    memory_batch_delete(b, MEMORY_LIVE, (store_bytes){id->bytes, RUN_ID_BYTES});
    add_deletion_of_named(d, b, id, KIN_TABLE);
    add_deletion_of_named(d, b, id, STORE_MARKS_TABLE);
    return bytes;
}

/* Writes the batch, and ends what memory_write_begin began. False: the write has failed. */
static bool deletion_finish(memory *m, memory_batch *b)
{
    char ignored[BACKEND_ERROR_MAX];
    bool ok = b->count == 0 || memory_write(m, b, ignored, sizeof ignored) == STORE_DONE;
    memory_read_end(m);
    return ok;
}

bool memory_delete(backend *b, const run_id *id, const char **error)
{
    memory *m = memory_of(b);
    memory_batch batch = memory_batch_of(m->disk);
    memory_write_begin(m);
    (void)add_deletion(m->disk, &batch, id);
    if (deletion_finish(m, &batch)) return true;
    *error = "the memory disk fails";
    return false;
}

void memory_sweep_begin(backend_sweep *s, int64_t now_ms, int64_t store_ms)
{
    *s = (backend_sweep){.now_ms = now_ms, .older_than_ms = now_ms - store_ms, .deleted = s->deleted};
}

/* Deletes runs by their expiry rows of one kind. Does not store how far it has come: each row that it has looked at is
 * gone, or was not due. */
static size_t sweep_kind(memory_disk *d, memory_batch *b, backend_sweep *s, backend_expiry kind, size_t limit)
{
    const memory_table *t = &d->tables[MEMORY_EXPIRY];
    int64_t until_ms = kind == BACKEND_EXPIRY_OWN ? s->now_ms : s->older_than_ms;
    const uint8_t first = (uint8_t)kind;
    size_t n = 0;
    assert(kind < BACKEND_EXPIRY_KINDS);
    for (size_t i = memory_seek(t, &first, 1); i < t->count && t->rows[i].key[0] == first && n < limit; i++) {
        assert(t->rows[i].key_len == BACKEND_EXPIRY_BYTES);
        if (row_expiry_ms(t->rows[i].key) > until_ms) break;
        run_id id = row_expiry_run(t->rows[i].key);
        memory_batch_delete(b, MEMORY_EXPIRY, (store_bytes){t->rows[i].key, t->rows[i].key_len});
        if (run_is_live(d, &id)) continue;
        if (add_deletion(d, b, &id) == 0) continue; /* memory_sweep_bytes has deleted the run, and left this row */
        backend_sweep_note(s, &id);
        n++;
    }
    return n;
}

long memory_sweep_age(backend *b, backend_sweep *sweep, size_t limit)
{
    memory *m = memory_of(b);
    memory_batch batch = memory_batch_of(m->disk);
    memory_write_begin(m);
    sweep->deleted_count = 0;
    size_t own = sweep_kind(m->disk, &batch, sweep, BACKEND_EXPIRY_OWN, limit);
    size_t stores = sweep_kind(m->disk, &batch, sweep, BACKEND_EXPIRY_STORE, limit);
    sweep->done = own < limit && stores < limit;
    return deletion_finish(m, &batch) ? (long)(own + stores) : -1;
}

long memory_sweep_bytes(backend *b, backend_sweep *sweep, uint64_t bytes, size_t limit, uint64_t *freed)
{
    memory *m = memory_of(b);
    memory_batch batch = memory_batch_of(m->disk);
    long n = 0;
    *freed = 0;
    sweep->deleted_count = 0;
    memory_write_begin(m);
    const memory_table *t = &m->disk->tables[MEMORY_SEGMENTS];
    uint8_t behind[ROW_SEGMENT_KEY_BYTES];
    run_id id = sweep->bytes_from;
    row_segment_key(behind, &id, UINT32_MAX);
    size_t i = memory_seek(t, behind, sizeof behind), seen = 0;
    for (; i < t->count && *freed < bytes && seen < limit; seen++) {
        memcpy(id.bytes, t->rows[i].key, RUN_ID_BYTES);
        while (i < t->count && row_is_of_run(t->rows[i].key, &id)) i++;
        if (run_is_live(m->disk, &id)) continue;
        *freed += add_deletion(m->disk, &batch, &id);
        backend_sweep_note(sweep, &id);
        n++;
    }
    assert(i <= t->count);
    bool done = i == t->count && *freed < bytes;
    if (!deletion_finish(m, &batch)) return -1;
    sweep->bytes_from = id;
    sweep->done = done;
    return n;
}

void memory_sweep_give_back(backend *b, const backend_sweep *sweep) { (void)b, (void)sweep; }

uint64_t memory_disk_bytes(backend *b)
{
    memory *m = memory_of(b);
    const char *ignored = NULL;
    uint64_t sum = 0;
    if (!memory_read_begin(m, &ignored)) return 0;
    for (unsigned t = 0; t < m->disk->table_count; t++)
        for (size_t i = 0; i < m->disk->tables[t].count; i++)
            sum += m->disk->tables[t].rows[i].key_len + m->disk->tables[t].rows[i].value_len;
    memory_read_end(m);
    return sum;
}
