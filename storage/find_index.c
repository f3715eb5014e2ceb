/* Finding runs by the index. The newest, from the index's floor on, are looked at one by one; below it, range by range,
 * only those runs of which a tally or a row says that they may be meant. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/find_core.h"
#include "storage/live_filter.h"
#include "storage/run_index.h"

enum { CANDIDATES_MAX = 4096, TRIES = 4 };

static const run_id *higher(const run_id *a, const run_id *b) { return run_id_compare(a, b) > 0 ? a : b; }

/* ---- Tallies ---- */

typedef struct found_tally {
    const run_query *q;
    run_id first, end;
    bool found, is_counted;
    bool has_unlisted; /* runs that have no row, and may be meant */
    bool has_listed;   /* runs that have one, and may be meant */
} found_tally;

/* A name that the index has cut may be any that begins so. */
static bool name_may_be(entry_text name, const char *wanted)
{
    if (!wanted || entry_text_is(name, wanted)) return true;
    return name.len == INDEX_NAME_MAX && strncmp(wanted, name.data, name.len) == 0;
}

/* Nothing is known of a run that could not be read: another program may have counted it, which knew fewer entries. */
static bool is_known(run_fate fate, entry_text function) { return fate != FATE_UNREADABLE && function.len > 0; }

/* Which runs of the class may be meant: those without a row, which have succeeded, or those that have one. A live run
 * may have ended since. */
static void found_take_class(found_tally *f, const tally_class *c)
{
    const run_query *q = f->q;
    const entry_text function = entry_text_of(c->function);
    if (c->runs == 0) return;
    if (!is_known(c->fate, function)) f->has_listed = true;
    if (!name_may_be(function, q->function) || !name_may_be(entry_text_of(c->version), q->version)) return;
    bool fits = q->fates & c->fate;
    if (c->fate == FATE_SUCCEEDED && fits && !q->error && !q->label_key) f->has_unlisted = true;
    if (c->fate == FATE_LIVE || (fits && (c->fate != FATE_SUCCEEDED || q->label_key))) f->has_listed = true;
}

/* A damaged tally counts as one that is not counted. */
static void on_tally(void *arg, store_bytes key, store_bytes value)
{
    found_tally *f = arg;
    text_pool n = {.count = 0};
    tally t;
    if (!index_key_read(key, INDEX_TALLY, &f->first)) return;
    f->found = true;
    if (tally_read(value, &f->first, &n, &t)) {
        f->is_counted = t.is_counted;
        f->end = t.end;
        for (size_t i = 0; i < t.count; i++) found_take_class(f, &t.classes[i]);
        tally_free(&t);
    }
    text_pool_free(&n);
}

/* Finds the newest tally that begins below that id. If the tallies cannot be read, none is found. */
static void find_tally(finder *f, const run_id *below, found_tally *out)
{
    static const run_id lowest;
    const char *error = NULL;
    index_bounds bounds;
    const store_range range = index_range(&bounds, INDEX_TALLY, &lowest, below, 1);
    *out = (found_tally){.q = f->q, .end = *below};
    if (f->b->ops->scan(f->b, &range, on_tally, out, &error) == BACKEND_SCAN_FAILED) out->found = false;
}

/* ---- Rows ---- */

typedef struct candidates {
    const run_query *q;
    run_id *ids, *live; /* CANDIDATES_MAX each; `live`: whose row says that they are */
    size_t count, live_count;
    bool too_many;
} candidates;

static bool row_may_be_meant(const run_query *q, const index_run *r)
{
    if (!is_known(r->fate, r->function)) return true;
    if (!name_may_be(r->function, q->function) || !name_may_be(r->version, q->version)) return false;
    if (r->fate == FATE_LIVE) return true;
    if (!(q->fates & r->fate)) return false;
    if (!r->is_cut && !query_takes_labels(q, r->labels, r->label_count)) return false;
    return !q->error || r->is_cut || query_contains(r->error.data, r->error.len, q->error);
}

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    candidates *c = arg;
    run_id id;
    index_run r;
    if (!index_key_read(key, INDEX_RUN, &id)) return;
    bool is_whole = index_run_read(value, &r); /* a damaged row: the run itself tells */
    if (is_whole && !row_may_be_meant(c->q, &r)) return;
    bool is_live = is_whole && r.fate == FATE_LIVE;
    size_t *count = is_live ? &c->live_count : &c->count;
    if (*count < CANDIDATES_MAX)
        (is_live ? c->live : c->ids)[(*count)++] = id;
    else
        c->too_many = true;
}

static int newest_first(const void *a, const void *b) { return run_id_compare(b, a); }

static void candidates_add(candidates *c, const run_id *ids, size_t count)
{
    if (c->count + count > CANDIDATES_MAX)
        c->too_many = true;
    else if (count > 0)
        memcpy(c->ids + c->count, ids, count * sizeof *ids);
    if (!c->too_many) c->count += count;
}

/* Finds the runs with lo <= id < hi that have a row and may be meant, or have changed of late. */
static void candidates_find(finder *f, candidates *c, const run_id *lo, const run_id *hi, bool has_listed)
{
    static const size_t pending_max = 1024;
    const char *error = NULL;
    index_bounds bounds;
    run_id pending[1024];
    const store_range range = index_range(&bounds, INDEX_RUN, lo, hi, SIZE_MAX);
    c->count = c->live_count = 0;
    c->too_many = false;
    if (has_listed && f->b->ops->scan(f->b, &range, on_row, c, &error) == BACKEND_SCAN_FAILED)
        c->too_many = true; /* the runs themselves tell */
    size_t n = run_index_pending(f->index, lo, hi, pending, pending_max);
    if (n == SIZE_MAX)
        c->too_many = true;
    else
        candidates_add(c, pending, n);
}

/* Runs whose rows say that they are live are meant only if they are, or only if they are not. */
static void candidates_add_live(finder *f, candidates *c)
{
    long left = (long)c->live_count;
    if (!(f->q->fates & FATE_LIVE)) left = live_filter_ended(f->b, c->live, c->live_count, &f->out->error);
    if (left < 0) f->is_over = true;
    if (left > 0) candidates_add(c, c->live, (size_t)left);
}

static void candidates_look(finder *f, candidates *c)
{
    if (c->count > 1) qsort(c->ids, c->count, sizeof *c->ids, newest_first);
    for (size_t i = 0; i < c->count && !f->is_over; i++)
        if (i == 0 || !run_id_equal(&c->ids[i], &c->ids[i - 1])) finder_look(f, &c->ids[i]);
}

/* ---- Ranges ---- */

/* What the index says of the newest range below an id, all of it as of one moment: the table is written once a second.
 */
typedef struct range_view {
    run_id lo;
    bool by_rows; /* the candidates are all that may be meant; else every run is looked at */
} range_view;

static range_view range_take(finder *f, candidates *c, const run_id *below)
{
    index_view before, after;
    range_view r = {.lo = f->q->from};
    for (int n = 0; n < TRIES && !f->is_over; n++) {
        found_tally t;
        if (!run_index_view(f->index, &before)) return (range_view){.lo = f->q->from};
        find_tally(f, below, &t);
        if (!t.found) return (range_view){.lo = f->q->from};
        if (run_id_compare(&t.end, below) < 0) return (range_view){.lo = *higher(&t.end, &f->q->from)};
        r = (range_view){.lo = *higher(&t.first, &f->q->from), .by_rows = t.is_counted && !t.has_unlisted};
        if (!r.by_rows) return r;
        candidates_find(f, c, &r.lo, below, t.has_listed);
        if (c->too_many) break;
        if (run_index_view(f->index, &after) && after.generation == before.generation) return r;
    }
    r.by_rows = false;
    return r;
}

static void walk_ranges(finder *f, candidates *c, run_id below)
{
    while (!f->is_over && run_id_compare(&below, &f->q->from) > 0) {
        range_view r = range_take(f, c, &below);
        assert(run_id_compare(&r.lo, &below) < 0);
        if (r.by_rows && !f->is_over) candidates_add_live(f, c);
        if (r.by_rows && !c->too_many)
            candidates_look(f, c);
        else if (!f->is_over)
            finder_walk(f, &r.lo, &below);
        below = r.lo;
        finder_look_at_clock(f, &below);
    }
}

void finder_walk_index(finder *f)
{
    const run_query *q = f->q;
    const run_id *hi = q->has_before ? &q->before : NULL;
    index_view view;
    if (!run_index_view(f->index, &view)) {
        finder_walk(f, &q->from, hi);
        return;
    }
    bool begins_below = hi && run_id_compare(hi, &view.floor) <= 0;
    if (!begins_below) finder_walk(f, higher(&view.floor, &q->from), hi);
    if (f->is_over) return;
    candidates c = {
        .q = q, .ids = malloc(CANDIDATES_MAX * sizeof *c.ids), .live = malloc(CANDIDATES_MAX * sizeof *c.live)};
    if (c.ids && c.live)
        walk_ranges(f, &c, begins_below ? *hi : view.floor);
    else
        finder_fail(f, store_no_memory);
    free(c.ids);
    free(c.live);
}
