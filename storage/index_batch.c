/* The rows that the index is about to write, as one write. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>

#include "storage/index_core.h"

static batch_row *batch_new_row(index_batch *b)
{
    if (b->count == b->room) {
        size_t room = b->room * 2 + 64;
        batch_row *bigger = realloc(b->rows, room * sizeof *bigger);
        if (!bigger) {
            b->lacks_memory = true;
            return NULL;
        }
        b->rows = bigger;
        b->room = room;
    }
    return &b->rows[b->count++];
}

/* Puts what was added to `bytes` from `from` on. */
void index_batch_put(run_index *x, index_kind kind, const run_id *id, size_t from)
{
    batch_row *row = batch_new_row(&x->batch);
    assert(from <= x->batch.bytes.size);
    if (!row) return;
    index_key(row->key, kind, id);
    row->is_delete = false;
    row->at = from;
    row->len = x->batch.bytes.size - from;
}

void index_batch_delete(run_index *x, index_kind kind, const run_id *id)
{
    batch_row *row = batch_new_row(&x->batch);
    if (!row) return;
    *row = (batch_row){.is_delete = true};
    index_key(row->key, kind, id);
}

void index_batch_put_tally(run_index *x, const tally *t)
{
    size_t from = x->batch.bytes.size;
    assert(run_id_compare(&t->first, &t->end) < 0);
    if (!tally_put(&x->batch.bytes, t)) x->batch.lacks_memory = true;
    index_batch_put(x, INDEX_TALLY, &t->first, from);
}

bool index_scan(run_index *x, const store_range *range, backend_on_row *on_row, void *arg)
{
    const char *error = NULL;
    bool ok = x->b->ops->scan(x->b, range, on_row, arg, &error) != BACKEND_SCAN_FAILED;
    if (!ok) x->unread++;
    return ok;
}

static void delete_run_row(void *arg, store_bytes key, store_bytes value)
{
    run_id id;
    (void)value;
    if (index_key_read(key, INDEX_RUN, &id)) index_batch_delete(arg, INDEX_RUN, &id);
}

bool index_batch_delete_runs(run_index *x, const run_id *lo, const run_id *hi)
{
    index_bounds bounds;
    const store_range range = index_range(&bounds, INDEX_RUN, lo, hi, SIZE_MAX);
    return index_scan(x, &range, delete_run_row, x);
}

/* ---- Writing ---- */

static void batch_empty(index_batch *b)
{
    b->count = 0;
    b->bytes.size = 0;
    b->lacks_memory = false;
}

static void batch_put_cursor(run_index *x)
{
    static const run_id one; /* there is one cursor */
    size_t from = x->batch.bytes.size;
    const index_cursor c = {.floor = x->next_floor, .opening = x->b->ops->epoch(x->b)};
    if (!index_cursor_put(&x->batch.bytes, &c)) x->batch.lacks_memory = true;
    index_batch_put(x, INDEX_CURSOR, &one, from);
}

static bool batch_commit(run_index *x)
{
    index_batch *b = &x->batch;
    const char *error = "out of memory";
    store_row *rows = b->lacks_memory ? NULL : calloc(b->count, sizeof *rows);
    if (!rows) return false;
    for (size_t i = 0; i < b->count; i++) {
        const batch_row *r = &b->rows[i];
        rows[i] = (store_row){.next = i + 1 < b->count ? &rows[i + 1] : NULL,
                              .op = r->is_delete ? STORE_ROW_DELETE : STORE_ROW_PUT,
                              .table = INDEX_TABLE,
                              .key = {r->key, INDEX_KEY_BYTES},
                              .value = {r->len > 0 ? b->bytes.data + r->at : "", r->len}};
    }
    bool ok = x->b->ops->write_rows(x->b, rows, &error);
    free(rows);
    return ok;
}

bool index_batch_write_uncounted(run_index *x, const run_id *uncounted)
{
    index_marks_raise(x);
    batch_put_cursor(x);
    tally open = index_open_sum(x);
    bool ok = batch_commit(x);
    batch_empty(&x->batch);
    if (!ok) {
        tally_free(&open);
        index_batch_drop(x);
        return false;
    }
    (void)pthread_mutex_lock(&x->lock);
    index_open_publish(x, &open);
    index_feed_raise(x, &x->next_floor, uncounted);
    x->marks.below = x->next_floor;
    x->marks.is_blind = false;
    x->generation++;
    (void)pthread_mutex_unlock(&x->lock);
    return true;
}

bool index_batch_write(run_index *x) { return index_batch_write_uncounted(x, &x->next_floor); }

void index_batch_drop(run_index *x)
{
    batch_empty(&x->batch);
    (void)pthread_mutex_lock(&x->lock);
    x->is_ready = false;
    x->has_begun = false;
    x->floor = (run_id){{0}};
    x->marks.is_blind = true;
    tally_free(&x->open_sum);
    x->marks.taken_count = 0; /* they are in the table, and obeyed when the index begins */
    x->generation++;
    index_feed_restore(x);
    (void)pthread_mutex_unlock(&x->lock);
    x->taken.count = x->late_taken.count = 0;
    x->open_count = 0;
}
