/* Marks: rows by which the next start finds what a kill leaves untold: that a run whose range may be counted already
 * began, or was reopened. The journal thread writes them in the commit itself, which is rare: ids are as new as their
 * first commits. The indexer deletes a mark with what it stands for. */
#include <assert.h>
#include <string.h>

#include "storage/index_core.h"

enum { MARKS_OBEYED_MAX = 256 }; /* at a start, one by one */

/* ---- The journal thread's side ---- */

/* The start cannot find out by itself that this has happened. */
static bool segment_is_awaited(const store_segment *s)
{
    return s->len > 0 && (s->seq == 0 || s->live == STORE_LIVE_REOPEN);
}

/* Where there is no room, or nobody knows what is counted, one mark stands for all runs from the lowest on. */
static void marks_add(index_marks *m, const run_id *id)
{
    bool has_room = !m->is_blind && m->batch_count < INDEX_MARKS_OF_BATCH && m->batch[0].kind != INDEX_MARK_FROM;
    if (m->batch_count == 0 || has_room) {
        m->batch[m->batch_count++] = (index_mark){*id, m->is_blind ? INDEX_MARK_FROM : INDEX_MARK};
        return;
    }
    run_id lowest = *id;
    for (size_t i = 0; i < m->batch_count; i++)
        if (run_id_compare(&m->batch[i].run, &lowest) < 0) lowest = m->batch[i].run;
    m->batch[0] = (index_mark){lowest, INDEX_MARK_FROM};
    m->batch_count = 1;
}

static void marks_expect(index_marks *m, const run_id *id)
{
    if (m->is_blind || run_id_compare(id, &m->below) < 0) {
        marks_add(m, id);
        return;
    }
    if (!m->is_expecting || run_id_compare(id, &m->expected) < 0) m->expected = *id;
    m->is_expecting = true;
}

/* Puts a segment that has nothing but the marks before the list. */
static store_segment *marks_join(index_marks *m, store_segment *list)
{
    for (size_t i = 0; i < m->batch_count; i++) {
        index_key(m->keys[i], m->batch[i].kind, &m->batch[i].run);
        m->rows[i] = (store_row){.next = i + 1 < m->batch_count ? &m->rows[i + 1] : NULL,
                                 .op = STORE_ROW_PUT,
                                 .table = INDEX_TABLE,
                                 .key = {m->keys[i], INDEX_KEY_BYTES},
                                 .value = {"", 0}};
    }
    m->segment = (store_segment){.next = list, .run = list->run, .data = "", .rows = m->rows};
    return &m->segment;
}

store_segment *run_index_expect(run_index *x, store_segment *list)
{
    index_marks *m = &x->marks;
    assert(list);
    (void)pthread_mutex_lock(&x->lock);
    m->batch_count = 0;
    m->is_expecting = false;
    for (const store_segment *s = list; s; s = s->next)
        if (segment_is_awaited(s)) marks_expect(m, &s->run);
    (void)pthread_mutex_unlock(&x->lock);
    return m->batch_count > 0 ? marks_join(m, list) : list;
}

/* A mark that finds no room stays in the table until the next start. */
static void marks_tell(index_marks *m, const run_id *run, index_kind kind)
{
    if (m->told_count < INDEX_MARKS_MAX) m->told[m->told_count++] = (index_mark){*run, kind};
}

void index_marks_settle(run_index *x, bool is_done)
{
    index_marks *m = &x->marks;
    for (size_t i = 0; is_done && i < m->batch_count; i++) marks_tell(m, &m->batch[i].run, m->batch[i].kind);
    if (m->is_owed) marks_tell(m, &m->owed, INDEX_MARK_FROM);
    m->is_owed = m->is_expecting = false;
    m->batch_count = 0;
}

void run_index_refused(run_index *x)
{
    (void)pthread_mutex_lock(&x->lock);
    index_marks_settle(x, false);
    (void)pthread_mutex_unlock(&x->lock);
}

void run_index_doubt(run_index *x, const store_segment *list)
{
    (void)pthread_mutex_lock(&x->lock);
    for (; list; list = list->next) index_feed_lose(x, &list->run);
    index_marks_settle(x, true);
    (void)pthread_mutex_unlock(&x->lock);
}

/* ---- The indexer's side ---- */

static void batch_put_mark(run_index *x, const run_id *run)
{
    index_batch_put(x, INDEX_MARK_FROM, run, x->batch.bytes.size);
}

void index_marks_raise(run_index *x)
{
    index_marks *m = &x->marks;
    (void)pthread_mutex_lock(&x->lock);
    bool owes = m->is_expecting && !m->is_owed && run_id_compare(&m->expected, &x->next_floor) < 0;
    if (owes) m->owed = m->expected;
    m->is_owed = m->is_owed || owes;
    if (run_id_compare(&x->next_floor, &m->below) > 0) m->below = x->next_floor;
    const run_id owed = m->owed;
    (void)pthread_mutex_unlock(&x->lock);
    if (owes) batch_put_mark(x, &owed);
}

void index_marks_take(index_marks *m)
{
    memcpy(m->taken, m->told, m->told_count * sizeof *m->told);
    m->taken_count = m->told_count;
    m->told_count = 0;
}

void index_marks_delete(run_index *x)
{
    for (size_t i = 0; i < x->marks.taken_count; i++)
        index_batch_delete(x, x->marks.taken[i].kind, &x->marks.taken[i].run);
    x->marks.taken_count = 0;
}

typedef struct found_marks {
    run_index *x;
    run_id *from;
    size_t obeyed;
} found_marks;

static void on_mark_from(void *arg, store_bytes key, store_bytes value)
{
    found_marks *f = arg;
    run_id id;
    (void)value;
    if (!index_key_read(key, INDEX_MARK_FROM, &id)) return;
    if (run_id_compare(&id, f->from) < 0) *f->from = id;
    index_batch_delete(f->x, INDEX_MARK_FROM, &id);
}

/* The run's range is to be counted again, with the next take. */
static void on_mark(void *arg, store_bytes key, store_bytes value)
{
    found_marks *f = arg;
    run_id id;
    (void)value;
    if (!index_key_read(key, INDEX_MARK, &id)) return;
    if (f->obeyed == MARKS_OBEYED_MAX) {
        if (run_id_compare(&id, f->from) < 0) *f->from = id;
        index_batch_delete(f->x, INDEX_MARK, &id);
        return;
    }
    f->obeyed++;
    (void)pthread_mutex_lock(&f->x->lock);
    index_feed_late(f->x, &(index_event){.run = id, .what = INDEX_BEGAN});
    marks_tell(&f->x->marks, &id, INDEX_MARK);
    (void)pthread_mutex_unlock(&f->x->lock);
}

bool index_marks_begin(run_index *x, run_id *from)
{
    static const run_id lowest;
    run_id highest;
    index_bounds bounds;
    found_marks f = {.x = x, .from = from};
    memset(highest.bytes, 0xff, RUN_ID_BYTES);
    (void)pthread_mutex_lock(&x->lock);
    x->marks.is_owed = false; /* index_marks_raise looks again */
    (void)pthread_mutex_unlock(&x->lock);
    const store_range range_from = index_range(&bounds, INDEX_MARK_FROM, &lowest, &highest, SIZE_MAX);
    if (!index_scan(x, &range_from, on_mark_from, &f)) return false;
    const store_range range = index_range(&bounds, INDEX_MARK, &lowest, &highest, SIZE_MAX);
    return index_scan(x, &range, on_mark, &f);
}
