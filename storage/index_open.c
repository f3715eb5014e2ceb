/* The newest runs, from the floor on: kept in memory until a range of them is over, which becomes a tally. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/glance.h"
#include "storage/index_core.h"

enum { OPEN_MAX = 200000 }; /* more of them are closed at once, however new they are */

/* ---- What happens to them ---- */

static void open_run_take(run_index *x, open_run *r, const index_event *e)
{
    bool known = e->function && e->version;
    *r = (open_run){.run = e->run};
    r->function = known ? text_pool_keep(&x->names, e->function, strnlen(e->function, INDEX_NAME_MAX)) : NULL;
    r->version = known ? text_pool_keep(&x->names, e->version, strnlen(e->version, INDEX_NAME_MAX)) : NULL;
    if (e->what == INDEX_BEGAN)
        r->fate = FATE_LIVE;
    else
        r->fate = (e->what == INDEX_ENDED || e->what == INDEX_WHOLE) && r->function && r->version ? e->fate : 0;
}

bool index_open_take(run_index *x, const index_events *e)
{
    size_t room = x->open_count + e->count, n = 0, i = 0;
    if (e->count == 0) return true;
    open_run *all = malloc(room * sizeof *all);
    if (!all) return false;
    for (size_t next = 0; next < e->count;) {
        bool is_first;
        const index_event one = index_event_fold(e, &next, &is_first);
        assert(run_id_compare(&one.run, &x->floor) >= 0);
        while (i < x->open_count && run_id_compare(&x->open[i].run, &one.run) < 0) all[n++] = x->open[i++];
        if (i < x->open_count && run_id_equal(&x->open[i].run, &one.run)) i++;
        if (one.what != INDEX_GONE) open_run_take(x, &all[n++], &one);
    }
    while (i < x->open_count) all[n++] = x->open[i++];
    assert(n <= room);
    free(x->open);
    x->open = all;
    x->open_count = n;
    return true;
}

/* Finds out what is not known of a run that is over or has changed. */
static bool open_run_resolve(run_index *x, open_run *r)
{
    index_run now;
    store_summary s;
    bool ok = index_look(x, &r->run, &now, &s);
    if (ok && now.fate != 0) {
        r->function = text_pool_keep(&x->names, now.function.data, now.function.len);
        r->version = text_pool_keep(&x->names, now.version.data, now.version.len);
        r->fate = now.fate;
        r->has_more = now.label_count > 0;
        ok = r->function && r->version;
    }
    glance_free(&s);
    return ok;
}

void index_open_resolve(run_index *x)
{
    for (size_t i = 0; i < x->open_count; i++) {
        open_run *r = &x->open[i];
        if (r->fate == 0 || !r->function) (void)open_run_resolve(x, r);
    }
}

tally index_open_sum(const run_index *x)
{
    tally sum = {.count = 0};
    for (size_t i = 0; i < x->open_count; i++) {
        const open_run *r = &x->open[i];
        const tally_class of = {.function = r->function, .version = r->version, .fate = r->fate};
        if (r->fate == 0 || !r->function || run_id_compare(&r->run, &x->next_floor) < 0) continue;
        (void)tally_add(&sum, &of, 1);
    }
    return sum;
}

void index_open_publish(run_index *x, const tally *sum)
{
    tally_free(&x->open_sum);
    x->open_sum = *sum;
}

/* ---- Tallies of them ---- */

static bool open_close_run(run_index *x, tally *t, const open_run *r)
{
    store_summary s;
    index_run now = {.fate = r->fate, .is_cut = r->fate == FATE_LIVE};
    if (r->function && !r->has_more && (r->fate == FATE_LIVE || r->fate == FATE_SUCCEEDED)) {
        now.function = entry_text_of(r->function);
        now.version = entry_text_of(r->version);
        index_add(x, t, &r->run, &now);
        return true;
    }
    bool ok = index_look(x, &r->run, &now, &s);
    if (ok && now.fate != 0) index_add(x, t, &r->run, &now);
    glance_free(&s);
    return ok;
}

/* Makes a tally of the open runs from number `from` on. */
static bool open_close_range(run_index *x, size_t from, size_t count)
{
    tally t = {.first = x->next_floor, .end = run_id_behind(&x->open[from + count - 1].run), .is_counted = true};
    bool ok = true;
    for (size_t i = from; ok && i < from + count; i++) ok = open_close_run(x, &t, &x->open[i]);
    if (ok) index_batch_put_tally(x, &t);
    if (ok) x->next_floor = t.end;
    tally_free(&t);
    return ok;
}

/* How many of the open runs lie before that moment. */
static size_t count_before(const run_index *x, int64_t ms)
{
    size_t lo = 0, hi = x->open_count;
    while (lo < hi) {
        size_t middle = lo + (hi - lo) / 2;
        if (run_id_time_ms(&x->open[middle].run) < ms)
            lo = middle + 1;
        else
            hi = middle;
    }
    return lo;
}

/* How many of the open runs with from <= number < end become the next tally; 0: more may come to them. */
static size_t count_to_close(const run_index *x, size_t from, size_t end, int64_t before_ms)
{
    size_t n = 0;
    if (from == end) return 0;
    const int64_t slot = run_id_time_ms(&x->open[from].run) / x->slot_ms;
    while (from + n < end && n < x->tally_runs && run_id_time_ms(&x->open[from + n].run) / x->slot_ms == slot) n++;
    bool is_over = (slot + 1) * x->slot_ms <= before_ms;
    return n == x->tally_runs || is_over ? n : 0;
}

bool index_open_close(run_index *x, int64_t before_ms)
{
    size_t old = count_before(x, before_ms), done = 0;
    bool ok = true;
    if (x->open_count > OPEN_MAX && old < x->open_count / 2) old = x->open_count / 2;
    for (size_t n; ok && (n = count_to_close(x, done, old, before_ms)) > 0;) {
        x->wants_merge = x->wants_merge || n < x->tally_runs;
        ok = open_close_range(x, done, n);
        done += n;
        if (ok && x->batch.count >= INDEX_ROWS_AT_ONCE) ok = index_batch_write(x);
    }
    if (!ok) return false;
    if (done > 0) memmove(x->open, x->open + done, (x->open_count - done) * sizeof *x->open);
    x->open_count -= done;
    return true;
}
