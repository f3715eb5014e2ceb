/* Ranges of ids that are not counted: after a start, after a kill, after a loss; and rows of runs that have ended
 * without a notice. A part at a time, the newest first. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/glance.h"
#include "storage/index_core.h"
#include "storage/live_filter.h"

enum { TALLIES_AT_ONCE = 256, ROWS_AT_ONCE = 512, MERGED_AMONG = 8 };

/* ---- Forgetting ---- */

/* The id behind the newest run, or `from` if no run is newer. */
static bool find_top(run_index *x, const run_id *from, run_id *top)
{
    const char *error = NULL;
    run_id newest;
    long n = x->b->ops->list(x->b, NULL, 1, &newest, &error);
    *top = n == 1 ? run_id_behind(&newest) : *from;
    if (run_id_compare(top, from) < 0) *top = *from;
    return n >= 0;
}

typedef struct forgetting {
    run_index *x;
    run_id from;  /* becomes the beginning of the tally that it lies in, or of a damaged one before it */
    bool deletes; /* else `from` is looked for */
} forgetting;

static void forget_tally(void *arg, store_bytes key, store_bytes value)
{
    forgetting *f = arg;
    run_id first;
    tally t;
    if (!index_key_read(key, INDEX_TALLY, &first)) return;
    bool ok = tally_read(value, &first, &f->x->names, &t);
    bool stays = ok && run_id_compare(&t.end, &f->from) <= 0;
    if (ok) tally_free(&t);
    if (stays) return;
    if (f->deletes)
        index_batch_delete(f->x, INDEX_TALLY, &first);
    else if (run_id_compare(&first, &f->from) < 0)
        f->from = first;
}

static bool forget_tallies(run_index *x, run_id *from)
{
    static const run_id lowest;
    run_id highest;
    index_bounds bounds;
    forgetting f = {.x = x, .from = *from};
    memset(highest.bytes, 0xff, RUN_ID_BYTES);
    const store_range range = index_range(&bounds, INDEX_TALLY, &lowest, &highest, SIZE_MAX);
    bool ok = index_scan(x, &range, forget_tally, &f);
    f.deletes = true;
    ok = ok && index_scan(x, &range, forget_tally, &f);
    *from = f.from;
    return ok;
}

bool index_forget(run_index *x, const run_id *from)
{
    run_id first = *from, top;
    (void)pthread_mutex_lock(&x->lock);
    x->is_ready = false;
    x->floor = (run_id){{0}}; /* until the new one is there, everything is kept */
    x->marks.is_blind = true;
    (void)pthread_mutex_unlock(&x->lock);
    if (!find_top(x, from, &top) || !forget_tallies(x, &first)) return false;
    const tally all = {.first = first, .end = top};
    if (run_id_compare(&first, &top) < 0) index_batch_put_tally(x, &all);
    x->next_floor = top;
    x->open_count = 0;
    if (!index_batch_write_uncounted(x, run_id_compare(&first, &top) < 0 ? &first : &top)) return false;
    x->has_counted = false;
    x->count_below = top;
    (void)pthread_mutex_lock(&x->lock);
    x->is_ready = true;
    (void)pthread_mutex_unlock(&x->lock);
    return true;
}

/* ---- Counting ---- */

/* Finds the newest tally that is not counted, and sets count_below to its end. False, if *ok: there is none. */
static bool find_uncounted(run_index *x, tally *out, bool *ok)
{
    *ok = true;
    for (int n = 0; n < TALLIES_AT_ONCE; n++) {
        if (!index_find_tally(x, &x->count_below, out, ok)) {
            x->has_counted = *ok;
            return false;
        }
        if (!out->is_counted) {
            x->count_below = out->end;
            return true;
        }
        x->count_below = out->first;
        tally_free(out);
    }
    return false;
}

static bool count_run(run_index *x, tally *t, const run_id *id)
{
    index_run now;
    store_summary s;
    bool ok = index_look(x, id, &now, &s);
    now.is_cut = now.is_cut || now.fate == FATE_LIVE;
    if (ok && now.fate != 0) index_add(x, t, id, &now);
    glance_free(&s);
    return ok;
}

/* The newest runs of a range. */
typedef struct newest_runs {
    run_id ids[TALLY_RUNS];
    size_t count;
    run_id first; /* of their tally */
    bool is_all;  /* no older ones are in the range */
} newest_runs;

/* How many of the runs go into one tally: those of a slot, as long as anybody asks which runs are recent. */
static size_t count_of_slot(const run_index *x, const run_id *ids, size_t count)
{
    const int64_t newest_ms = run_id_time_ms(&ids[0]), slot = newest_ms / x->slot_ms;
    size_t n = 0;
    if (newest_ms < x->now_ms - TALLY_RECENT_SLOTS * x->slot_ms) return count;
    while (n < count && run_id_time_ms(&ids[n]) / x->slot_ms == slot) n++;
    return n;
}

/* Finds as many as a tally has. */
static bool find_newest(run_index *x, const tally *all, newest_runs *out)
{
    const char *error = NULL;
    long n = x->b->ops->list(x->b, &all->end, x->tally_runs, out->ids, &error);
    assert(x->tally_runs <= TALLY_RUNS);
    if (n < 0) return false;
    while (n > 0 && run_id_compare(&out->ids[n - 1], &all->first) < 0) n--;
    out->first = all->first;
    out->is_all = (size_t)n < x->tally_runs;
    if (n == 0) return true;
    out->count = count_of_slot(x, out->ids, (size_t)n);
    out->is_all = out->is_all && out->count == (size_t)n;
    if (out->count < (size_t)n)
        out->first = run_id_behind(&out->ids[out->count]);
    else if (!out->is_all)
        out->first = out->ids[out->count - 1];
    out->is_all = run_id_equal(&out->first, &all->first);
    return true;
}

/* Counts the newest runs of the range. */
static bool count_newest(run_index *x, const tally *all)
{
    newest_runs runs = {.count = 0};
    if (!find_newest(x, all, &runs)) return false;
    tally t = {.first = runs.first, .end = all->end, .is_counted = true};
    bool ok = index_batch_delete_runs(x, &t.first, &t.end);
    for (size_t i = 0; ok && i < runs.count; i++) ok = count_run(x, &t, &runs.ids[i]);
    if (!runs.is_all) index_batch_put_tally(x, &(tally){.first = all->first, .end = t.first});
    if (runs.count > 0)
        index_batch_put_tally(x, &t);
    else
        index_batch_delete(x, INDEX_TALLY, &t.first); /* no runs are there any more: nothing has to cover that */
    tally_free(&t);
    return ok;
}

bool index_count_some(run_index *x)
{
    bool ok = true;
    tally all;
    x->next_floor = x->floor;
    if (!find_uncounted(x, &all, &ok)) return ok;
    ok = count_newest(x, &all);
    tally_free(&all);
    return ok && index_batch_write(x);
}

/* ---- Merging ---- */

static uint64_t tally_sum(const tally *t)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < t->count; i++) sum += t->classes[i].runs;
    return sum;
}

static bool tallies_can_merge(const run_index *x, const tally *older, const tally *newer)
{
    if (!older->is_counted || !newer->is_counted || !run_id_equal(&older->end, &newer->first)) return false;
    return tally_sum(older) + tally_sum(newer) <= x->tally_runs;
}

static bool merge_write(run_index *x, tally *older, const tally *newer)
{
    for (size_t i = 0; i < newer->count; i++)
        if (!tally_add(older, &newer->classes[i], (int)newer->classes[i].runs)) x->batch.lacks_memory = true;
    older->end = newer->end;
    x->next_floor = x->floor;
    index_batch_delete(x, INDEX_TALLY, &newer->first);
    index_batch_put_tally(x, older);
    return index_batch_write(x);
}

/* Looks at the tally that begins before that id, and the one before that. *at becomes where the former begins;
 * *is_over: there are no two. */
static bool merge_two(run_index *x, run_id *at, bool *merged, bool *is_over)
{
    tally newer = {.count = 0}, older = {.count = 0};
    bool ok;
    *merged = false;
    *is_over = !index_find_tally(x, at, &newer, &ok);
    if (*is_over) return ok;
    *at = newer.first;
    *is_over = !index_find_tally(x, at, &older, &ok);
    if (!*is_over && tallies_can_merge(x, &older, &newer)) {
        *merged = true;
        ok = merge_write(x, &older, &newer);
    }
    tally_free(&newer);
    tally_free(&older);
    return ok;
}

bool index_merge_some(run_index *x)
{
    static const uint8_t zeros[10];
    int64_t ms = x->now_ms - TALLY_RECENT_SLOTS * x->slot_ms;
    bool merged = false, is_over = ms < 0, ok = true;
    run_id at = run_id_make(is_over ? 0 : ms, zeros, 0, 1);
    for (int i = 0; i < MERGED_AMONG && ok && !merged && !is_over; i++) ok = merge_two(x, &at, &merged, &is_over);
    x->wants_merge = merged;
    return ok;
}

/* ---- Live runs ---- */

/* Rows, the newest first: of runs that are live by them, of runs that have ended by them, and of those that perhaps
 * another program could not read. */
typedef struct checked_rows {
    run_id live[ROWS_AT_ONCE], ended[ROWS_AT_ONCE], unreadable[ROWS_AT_ONCE], last;
    size_t live_count, ended_count, unreadable_count, seen;
} checked_rows;

static void on_row_to_check(void *arg, store_bytes key, store_bytes value)
{
    checked_rows *c = arg;
    index_run r;
    if (!index_key_read(key, INDEX_RUN, &c->last)) return;
    c->seen++;
    if (!index_run_read(value, &r) || r.fate == FATE_LIVE)
        c->live[c->live_count++] = c->last;
    else if (r.fate == FATE_UNREADABLE)
        c->unreadable[c->unreadable_count++] = c->last;
    else
        c->ended[c->ended_count++] = c->last;
}

static void add_changed(index_events *e, const run_id *id)
{
    e->list[e->count++] = (index_event){.run = *id, .what = INDEX_CHANGED};
}

/* Adds the runs that have ended though their rows say that they are live, those that were reopened, and those that were
 * not readable, by id. */
static bool checked_rows_compare(run_index *x, checked_rows *c, index_events *changed)
{
    run_id over[ROWS_AT_ONCE];
    const char *error = NULL;
    if (c->ended_count > 0) memcpy(over, c->ended, c->ended_count * sizeof *over);
    long ended = live_filter_ended(x->b, c->live, c->live_count, &error);
    long still = live_filter_ended(x->b, over, c->ended_count, &error);
    if (ended < 0 || still < 0) return false;
    for (long i = 0; i < ended; i++) add_changed(changed, &c->live[i]);
    for (size_t i = 0; i < c->unreadable_count; i++) add_changed(changed, &c->unreadable[i]);
    for (size_t i = 0, k = 0; i < c->ended_count; i++) {
        bool is_over = k < (size_t)still && run_id_equal(&over[k], &c->ended[i]);
        if (is_over)
            k++;
        else
            add_changed(changed, &c->ended[i]);
    }
    index_events_sort(x, changed);
    return true;
}

bool index_check_some(run_index *x)
{
    static const run_id lowest;
    index_bounds bounds;
    index_event list[ROWS_AT_ONCE];
    index_events changed = {.list = list};
    checked_rows *c = calloc(1, sizeof *c);
    if (!c) return true;
    const store_range range = index_range(&bounds, INDEX_RUN, &lowest, &x->check_below, ROWS_AT_ONCE);
    bool ok = index_scan(x, &range, on_row_to_check, c);
    x->next_floor = x->floor;
    ok = ok && checked_rows_compare(x, c, &changed) && index_apply(x, &changed);
    if (ok && x->batch.count > 0) ok = index_batch_write(x);
    x->has_checked = c->seen < ROWS_AT_ONCE;
    x->check_below = c->last;
    free(c);
    return ok;
}
