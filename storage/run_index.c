#include "storage/run_index.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/index_core.h"

enum {
    CLOSE_AFTER_MS = 2000, /* a run that has its first commit later than that makes its range be counted again */
    UNREAD_MAX = 3         /* scans that fail, until the table is taken for damaged */
};

run_index *run_index_new(backend *b)
{
    run_index *x = calloc(1, sizeof *x);
    if (!x || pthread_mutex_init(&x->lock, NULL) != 0 || pthread_cond_init(&x->room, NULL) != 0) {
        free(x);
        return NULL;
    }
    x->b = b;
    x->tally_runs = TALLY_RUNS;
    x->slot_ms = TALLY_SLOT_MS;
    x->events_max = INDEX_EVENTS_MAX;
    x->marks.is_blind = true;
    msgpack_sbuffer_init(&x->batch.bytes);
    if (index_feed_begin(x)) return x;
    run_index_free(x);
    return NULL;
}

void run_index_free(run_index *x)
{
    if (!x) return;
    index_feed_free(x);
    tally_free(&x->open_sum);
    text_pool_free(&x->names);
    free(x->open);
    free(x->batch.rows);
    msgpack_sbuffer_destroy(&x->batch.bytes);
    (void)pthread_cond_destroy(&x->room);
    (void)pthread_mutex_destroy(&x->lock);
    free(x);
}

/* ---- The beginning ---- */

typedef struct found_cursor {
    index_cursor cursor;
    bool found;
} found_cursor;

static void on_cursor(void *arg, store_bytes key, store_bytes value)
{
    found_cursor *f = arg;
    (void)key;
    f->found = index_cursor_read(value, &f->cursor);
}

/* From where on the table is of no use: from its cursor on, or, if a process that kept no index has had the journal
 * since, all of it. */
static bool find_begin(run_index *x, run_id *from)
{
    static const run_id one;
    run_id behind = run_id_behind(&one);
    index_bounds bounds;
    found_cursor f = {.found = false};
    uint64_t opening = x->b->ops->epoch(x->b);
    const store_range range = index_range(&bounds, INDEX_CURSOR, &one, &behind, 1);
    if (!index_scan(x, &range, on_cursor, &f)) return false;
    bool is_known = f.found && f.cursor.opening <= opening && f.cursor.opening + 1 >= opening && !x->is_broken;
    *from = is_known ? f.cursor.floor : one;
    return true;
}

/* A block of rows that cannot be read is found by whoever comes to it, each time: the rows are made anew. */
static bool drop_unread(run_index *x)
{
    const char *error = NULL;
    if (x->unread < UNREAD_MAX) return true;
    if (!x->b->ops->drop_index(x->b, &error)) return false;
    x->unread = 0;
    return true;
}

static bool begin(run_index *x)
{
    run_id from;
    if (!drop_unread(x)) return false;
    if (!find_begin(x, &from) || !index_marks_begin(x, &from) || !index_forget(x, &from)) return false;
    x->is_broken = false;
    x->has_checked = false;
    x->check_below = x->floor;
    x->has_begun = true;
    return true;
}

/* ---- Work ---- */

static bool take_all(run_index *x, int64_t now_ms, bool lost, const run_id *lost_from)
{
    const run_id *from = run_id_compare(lost_from, &x->floor) < 0 ? lost_from : &x->floor;
    if (lost && !index_forget(x, from)) return false;
    x->next_floor = x->floor;
    if (!index_apply(x, &x->late_taken)) return false;
    if (!lost && (!index_open_take(x, &x->taken) || !index_open_close(x, now_ms - CLOSE_AFTER_MS))) return false;
    index_open_resolve(x);
    index_marks_delete(x);
    return x->batch.count == 0 || index_batch_write(x);
}

bool run_index_take(run_index *x, int64_t now_ms)
{
    run_id lost_from;
    x->now_ms = now_ms;
    if (!x->has_begun && !begin(x)) {
        index_batch_drop(x);
        return false;
    }
    bool lost = index_feed_take(x, &lost_from);
    if (!take_all(x, now_ms, lost, &lost_from)) {
        index_batch_drop(x);
        return false;
    }
    const tally sum = index_open_sum(x);
    (void)pthread_mutex_lock(&x->lock);
    index_open_publish(x, &sum);
    (void)pthread_mutex_unlock(&x->lock);
    index_feed_done(x);
    return true;
}

bool run_index_has_more(const run_index *x)
{
    return x->has_begun && (!x->has_counted || !x->has_checked || x->wants_merge);
}

static bool go_on(run_index *x)
{
    if (!x->has_counted) return index_count_some(x);
    if (!x->has_checked) return index_check_some(x);
    return !x->wants_merge || index_merge_some(x);
}

bool run_index_go_on(run_index *x)
{
    assert(x->has_begun);
    bool ok = go_on(x);
    if (!ok) index_batch_drop(x);
    if (ok && !run_index_has_more(x)) x->unread = 0;
    return ok;
}

/* ---- Sums ---- */

static store_class *sum_find(index_sum *s, const char *function, const char *version, run_fate fate)
{
    for (size_t i = 0; i < s->count; i++) {
        store_class *c = &s->classes[i];
        if (c->function == function && c->version == version && c->fate == fate) return c;
    }
    return NULL;
}

static store_class *sum_new_class(index_sum *s)
{
    if (s->count == s->room) {
        size_t room = s->room * 2 + 16;
        store_class *bigger = realloc(s->classes, room * sizeof *bigger);
        if (!bigger) return NULL;
        s->classes = bigger;
        s->room = room;
    }
    return &s->classes[s->count++];
}

static void sum_add(index_sum *s, const tally_class *of, uint64_t recent)
{
    const char *function = text_pool_keep(&s->names, of->function, strlen(of->function));
    const char *version = text_pool_keep(&s->names, of->version, strlen(of->version));
    bool named = function && version;
    store_class *c = named ? sum_find(s, function, version, of->fate) : NULL;
    if (named && !c && (c = sum_new_class(s)))
        *c = (store_class){.function = function, .version = version, .fate = of->fate};
    if (!c) {
        s->error = store_no_memory;
        return;
    }
    c->runs += of->runs;
    c->recent += recent;
}

/* How many of `runs` runs of the tally began since the moment asked for. They all began in the slot in which the tally
 * ends, and count as if they had at even distances. */
static uint64_t sum_recent(const index_sum *s, const tally *t, uint64_t runs)
{
    int64_t first_ms = run_id_time_ms(&t->first), end_ms = run_id_time_ms(&t->end) + 1;
    int64_t slot_ms = (end_ms - 1) / TALLY_SLOT_MS * TALLY_SLOT_MS;
    if (first_ms < slot_ms) first_ms = slot_ms;
    if (first_ms >= s->recent_from_ms) return runs;
    if (end_ms <= s->recent_from_ms) return 0;
    return runs * (uint64_t)(end_ms - s->recent_from_ms) / (uint64_t)(end_ms - first_ms);
}

static void on_tally_to_sum(void *arg, store_bytes key, store_bytes value)
{
    index_sum *sum = arg;
    run_id first;
    tally t;
    if (!index_key_read(key, INDEX_TALLY, &first)) return;
    bool ok = tally_read(value, &first, &sum->names, &t);
    sum->whole = sum->whole && ok && t.is_counted;
    if (!ok) return;
    for (size_t i = 0; i < t.count; i++) sum_add(sum, &t.classes[i], sum_recent(sum, &t, t.classes[i].runs));
    tally_free(&t);
}

/* In one scan, which sees the tallies of one moment: runs may move from one to another (merge_two). */
static void sum_tallies(run_index *x, const run_id *below, index_sum *out)
{
    static const run_id lowest;
    const char *error = NULL;
    index_bounds bounds;
    const store_range range = index_range(&bounds, INDEX_TALLY, &lowest, below, SIZE_MAX);
    if (x->b->ops->scan(x->b, &range, on_tally_to_sum, out, &error) == BACKEND_SCAN_FAILED) out->whole = false;
}

/* The floor is taken with the sum of what is open: tallies that come meanwhile are of runs in that sum. */
void run_index_sum(run_index *x, index_sum *out)
{
    run_id floor;
    (void)pthread_mutex_lock(&x->lock);
    floor = x->floor;
    out->whole = x->is_ready && !x->is_lost;
    if (x->marks.is_blind) memset(floor.bytes, 0xff, RUN_ID_BYTES);
    for (size_t i = 0; i < x->open_sum.count; i++) /* open runs began some minutes ago at most */
        sum_add(out, &x->open_sum.classes[i], x->open_sum.classes[i].runs);
    (void)pthread_mutex_unlock(&x->lock);
    sum_tallies(x, &floor, out);
}

void index_sum_free(index_sum *s)
{
    text_pool_free(&s->names);
    free(s->classes);
}
