/* What the index is told: two bounded buffers of events, which grow as they are needed. They are filled by the journal
 * thread and by whoever deletes runs. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/index_core.h"

/* Makes room for `needed` events, and keeps those that are there. False: no memory. */
static bool events_reserve(index_events *e, size_t needed)
{
    size_t room = e->room ? e->room : INDEX_EVENTS_FIRST;
    assert(needed <= INDEX_EVENTS_MAX);
    while (room < needed) room *= 2;
    if (room == e->room) return true;
    index_event *bigger = realloc(e->list, room * sizeof *bigger);
    if (!bigger) return false;
    e->list = bigger;
    e->room = room;
    return true;
}

bool index_feed_begin(run_index *x)
{
    index_events *all[] = {&x->fresh, &x->late, &x->busy, &x->taken, &x->late_taken, &x->spare};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++)
        if (!events_reserve(all[i], INDEX_EVENTS_FIRST)) return false;
    return true;
}

void index_feed_free(run_index *x)
{
    index_events *all[] = {&x->fresh, &x->late, &x->busy, &x->taken, &x->late_taken, &x->spare};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        free(all[i]->list);
        all[i]->list = NULL;
    }
}

/* A run below the floor that goes on has a row, and a check of all rows finds how it stands. */
static bool event_can_be_found(const run_index *x, const index_events *of, const index_event *e)
{
    return of != &x->fresh && (e->what == INDEX_CHANGED || e->what == INDEX_ENDED);
}

/* For an event of that buffer there is no room, or no memory. */
static void feed_drop(run_index *x, const index_events *of, const index_event *e)
{
    if (event_can_be_found(x, of, e))
        x->is_unchecked = true;
    else
        index_feed_lose(x, &e->run);
}

static void feed_put(run_index *x, index_events *to, const index_event *e)
{
    if (to->count < x->events_max && events_reserve(to, to->count + 1))
        to->list[to->count++] = *e;
    else
        feed_drop(x, to, e);
}

static void feed_drop_all(run_index *x, index_events *e)
{
    for (size_t i = 0; i < e->count; i++) feed_drop(x, e, &e->list[i]);
    e->count = 0;
}

void index_feed_lose(run_index *x, const run_id *id)
{
    if (!x->is_lost || run_id_compare(id, &x->lost_from) < 0) x->lost_from = *id;
    x->is_lost = true;
}

void index_feed_late(run_index *x, const index_event *e) { feed_put(x, &x->late, e); }

void index_feed_raise(run_index *x, const run_id *floor, const run_id *uncounted)
{
    size_t kept = 0, count = x->fresh.count;
    assert(run_id_compare(uncounted, floor) <= 0);
    x->floor = *floor;
    x->fresh.count = 0;
    for (size_t i = 0; i < count; i++) {
        const index_event e = x->fresh.list[i];
        bool is_new = run_id_compare(&e.run, floor) >= 0;
        if (is_new) x->fresh.list[kept++] = e;
        if (!is_new && run_id_compare(&e.run, uncounted) < 0) index_feed_late(x, &e);
    }
    x->fresh.count = kept;
}

/* Under the lock. */
static void feed_add(run_index *x, const index_event *e)
{
    feed_put(x, run_id_compare(&e->run, &x->floor) >= 0 ? &x->fresh : &x->late, e);
}

/* False: the segment changes nothing that the index has. */
static bool event_of(const store_segment *s, index_event *e)
{
    bool is_first = s->seq == 0;
    if (s->len == 0 || s->outcome != STORE_DONE) return false;
    *e = (index_event){.run = s->run, .function = s->function, .version = s->version, .what = INDEX_CHANGED};
    if (s->live == STORE_LIVE_CLEAR) {
        e->what = is_first ? INDEX_WHOLE : INDEX_ENDED;
        e->fate = s->function ? s->fate : 0;
        return true;
    }
    if (s->live == STORE_LIVE_REOPEN) e->what = INDEX_REOPENED;
    if (is_first) e->what = INDEX_BEGAN;
    return is_first || s->live == STORE_LIVE_REOPEN || s->is_renewed;
}

void run_index_tell(run_index *x, const store_segment *list)
{
    index_event e;
    (void)pthread_mutex_lock(&x->lock);
    for (; list; list = list->next)
        if (event_of(list, &e)) feed_add(x, &e);
    index_marks_settle(x, true);
    (void)pthread_mutex_unlock(&x->lock);
}

void run_index_tell_gone(run_index *x, const run_id *ids, size_t count, bool may_wait)
{
    (void)pthread_mutex_lock(&x->lock);
    for (size_t i = 0; i < count; i++) {
        while (may_wait && !x->is_given_up && x->late.count >= x->events_max / 2) /* the rest is the journal thread's */
            (void)pthread_cond_wait(&x->room, &x->lock);
        feed_add(x, &(index_event){.run = ids[i], .what = INDEX_GONE});
    }
    (void)pthread_mutex_unlock(&x->lock);
}

void run_index_give_up(run_index *x)
{
    (void)pthread_mutex_lock(&x->lock);
    x->is_given_up = true;
    (void)pthread_cond_broadcast(&x->room);
    (void)pthread_mutex_unlock(&x->lock);
}

/* ---- The indexer's side ---- */

static void events_swap(index_events *a, index_events *b)
{
    index_events was = *a;
    *a = *b;
    *b = was;
}

static void events_merge(index_event *to, const index_event *from, size_t middle, size_t end)
{
    size_t i = 0, k = middle;
    for (size_t n = 0; n < end; n++) {
        bool left = i < middle && (k == end || run_id_compare(&from[i].run, &from[k].run) <= 0);
        to[n] = left ? from[i++] : from[k++];
    }
}

/* Runs end about in the order of their ids: what is in order already is not moved. */
static void events_sort(index_event *list, index_event *spare, size_t count)
{
    size_t middle = count / 2;
    if (count < 2) return;
    events_sort(list, spare, middle);
    events_sort(list + middle, spare, count - middle);
    if (run_id_compare(&list[middle - 1].run, &list[middle].run) <= 0) return;
    memcpy(spare, list, count * sizeof *list);
    events_merge(list, spare, middle, count);
}

void index_events_sort(run_index *x, index_events *e)
{
    assert(e->count <= x->spare.room);
    events_sort(e->list, x->spare.list, e->count);
}

/* Under the lock: makes room for sorting what was told, and for the copy of what is late. Without memory it is dropped,
 * and read from the disk. */
static void feed_reserve(run_index *x)
{
    size_t most = x->fresh.count > x->late.count ? x->fresh.count : x->late.count;
    if (events_reserve(&x->spare, most) && events_reserve(&x->late_taken, x->late.count)) return;
    feed_drop_all(x, &x->fresh);
    feed_drop_all(x, &x->late);
}

bool index_feed_take(run_index *x, run_id *lost_from)
{
    (void)pthread_mutex_lock(&x->lock);
    assert(x->taken.count == 0 && x->busy.count == 0);
    feed_reserve(x);
    events_swap(&x->fresh, &x->taken);
    events_swap(&x->late, &x->busy);
    index_marks_take(&x->marks);
    x->late_taken.count = x->busy.count;
    if (x->busy.count > 0) memcpy(x->late_taken.list, x->busy.list, x->busy.count * sizeof *x->busy.list);
    bool lost = x->is_lost;
    *lost_from = x->lost_from;
    x->is_lost = false;
    if (lost) x->is_ready = false;
    if (x->is_unchecked) {
        x->has_checked = x->is_unchecked = false;
        x->check_below = x->floor;
    }
    (void)pthread_cond_broadcast(&x->room);
    (void)pthread_mutex_unlock(&x->lock);
    events_sort(x->taken.list, x->spare.list, x->taken.count);
    events_sort(x->late_taken.list, x->spare.list, x->late_taken.count);
    return lost;
}

void index_feed_restore(run_index *x)
{
    for (size_t i = 0; i < x->late.count; i++) feed_put(x, &x->busy, &x->late.list[i]);
    events_swap(&x->busy, &x->late);
    x->busy.count = 0;
}

index_event index_event_fold(const index_events *e, size_t *next, bool *is_first)
{
    index_event sum = e->list[(*next)++];
    *is_first = sum.what == INDEX_BEGAN || sum.what == INDEX_WHOLE;
    for (; *next < e->count && run_id_equal(&e->list[*next].run, &sum.run); (*next)++)
        if (sum.what != INDEX_GONE) sum = e->list[*next];
    return sum;
}

void index_feed_done(run_index *x)
{
    (void)pthread_mutex_lock(&x->lock);
    x->busy.count = 0;
    x->generation++;
    (void)pthread_mutex_unlock(&x->lock);
    x->taken.count = x->late_taken.count = 0;
}

/* ---- Readers ---- */

bool run_index_view(run_index *x, index_view *out)
{
    (void)pthread_mutex_lock(&x->lock);
    *out = (index_view){.floor = x->floor, .generation = x->generation};
    bool is_ready = x->is_ready && !x->is_lost;
    (void)pthread_mutex_unlock(&x->lock);
    return is_ready;
}

/* What a reader asks for, and what was found of it. */
typedef struct pending {
    const run_id *lo, *hi;
    run_id *ids;
    size_t count, max; /* count > max: some found no room */
} pending;

static void pending_add(pending *p, const index_events *e)
{
    for (size_t i = 0; i < e->count; i++) {
        const run_id *id = &e->list[i].run;
        if (run_id_compare(id, p->lo) < 0 || run_id_compare(id, p->hi) >= 0) continue;
        if (p->count < p->max) p->ids[p->count] = *id;
        p->count++;
    }
}

size_t run_index_pending(run_index *x, const run_id *lo, const run_id *hi, run_id *ids, size_t max)
{
    pending p = {.lo = lo, .hi = hi, .ids = ids, .max = max};
    (void)pthread_mutex_lock(&x->lock);
    pending_add(&p, &x->late);
    pending_add(&p, &x->busy);
    (void)pthread_mutex_unlock(&x->lock);
    return p.count > max ? SIZE_MAX : p.count;
}
