/* Runs below the floor that have changed: their rows, and the tallies that they are in.
 *
 * A run below the floor that is not over has a row, and that row is what makes its end count once: who ends without one
 * has been counted already. */
#include <assert.h>

#include "storage/glance.h"
#include "storage/index_core.h"

enum { LOOK_BYTES_MAX = 4096 };

/* ---- One run ---- */

static entry_text text_cut(entry_text t, size_t most) { return (entry_text){t.data, t.len < most ? t.len : most}; }

bool index_look(run_index *x, const run_id *id, index_run *out, store_summary *s)
{
    *s = (store_summary){.run = *id};
    *out = (index_run){.fate = 0};
    glance_take(x->b, s, LOOK_BYTES_MAX);
    if (s->error == store_no_memory || s->is_closed) return false;
    if (!s->found && !s->live && !s->error) return true;
    out->fate = query_fate_of(s);
    out->function = text_cut(s->of.started.function, INDEX_NAME_MAX);
    out->version = text_cut(s->of.started.version, INDEX_NAME_MAX);
    out->error = text_cut(s->of.ended.error, INDEX_TEXT_MAX);
    out->is_cut = out->error.len < s->of.ended.error.len;
    out->label_count = s->of.remarks.label_count;
    for (uint32_t i = 0; i < out->label_count; i++) {
        const run_label *l = &s->of.remarks.labels[i];
        out->labels[i] = (run_label){text_cut(l->key, INDEX_TEXT_MAX), text_cut(l->value, INDEX_TEXT_MAX)};
        out->is_cut = out->is_cut || out->labels[i].key.len < l->key.len || out->labels[i].value.len < l->value.len;
    }
    return true;
}

/* Counts the run in the tally, or takes it out. */
static void tally_count(run_index *x, tally *t, const index_run *r, int runs)
{
    const tally_class of = {.function = text_pool_keep(&x->names, r->function.data, r->function.len),
                            .version = text_pool_keep(&x->names, r->version.data, r->version.len),
                            .fate = r->fate};
    if (!of.function || !of.version || !tally_add(t, &of, runs)) x->batch.lacks_memory = true;
}

void index_add(run_index *x, tally *t, const run_id *id, const index_run *r)
{
    size_t from = x->batch.bytes.size;
    tally_count(x, t, r, 1);
    if (r->fate == FATE_SUCCEEDED && r->label_count == 0) return;
    if (!index_run_put(&x->batch.bytes, r)) x->batch.lacks_memory = true;
    index_batch_put(x, INDEX_RUN, id, from);
}

/* ---- Finding rows ---- */

typedef struct found_tally {
    run_index *x;
    tally *out;
    bool found, is_damaged;
} found_tally;

static void on_tally(void *arg, store_bytes key, store_bytes value)
{
    found_tally *f = arg;
    run_id first;
    f->found = index_key_read(key, INDEX_TALLY, &first) && tally_read(value, &first, &f->x->names, f->out);
    f->is_damaged = !f->found;
}

bool index_find_tally(run_index *x, const run_id *before, tally *out, bool *ok)
{
    static const run_id lowest;
    index_bounds bounds;
    found_tally f = {.x = x, .out = out};
    const store_range range = index_range(&bounds, INDEX_TALLY, &lowest, before, 1);
    *ok = index_scan(x, &range, on_tally, &f) && !f.is_damaged;
    x->is_broken = x->is_broken || f.is_damaged;
    return *ok && f.found;
}

typedef struct found_run {
    run_fate fate;
    const char *function, *version;
    text_pool *names;
    bool found, is_damaged, lacks_memory;
} found_run;

static void on_run(void *arg, store_bytes key, store_bytes value)
{
    found_run *f = arg;
    run_id id;
    index_run r;
    f->found = index_key_read(key, INDEX_RUN, &id) && index_run_read(value, &r);
    f->is_damaged = !f->found;
    if (!f->found) return;
    f->fate = r.fate;
    f->function = text_pool_keep(f->names, r.function.data, r.function.len);
    f->version = text_pool_keep(f->names, r.version.data, r.version.len);
    f->lacks_memory = !f->function || !f->version;
}

static bool find_run(run_index *x, const run_id *id, found_run *f)
{
    uint8_t from[INDEX_KEY_BYTES], to[INDEX_KEY_BYTES + 1] = {0}; /* `to`: behind the key */
    *f = (found_run){.names = &x->names};
    index_key(from, INDEX_RUN, id);
    index_key(to, INDEX_RUN, id);
    const store_range range = {.table = INDEX_TABLE, .from = {from, sizeof from}, .to = {to, sizeof to}, .rows_max = 1};
    bool ok = index_scan(x, &range, on_run, f) && !f->is_damaged && !f->lacks_memory;
    x->is_broken = x->is_broken || f->is_damaged;
    return ok;
}

/* ---- One tally ---- */

/* A tally while events of its runs are dealt with. */
typedef struct applying {
    tally t;
    bool is_covered; /* there is a tally, and it is counted */
    bool is_hole;    /* there is none: `t` has this run alone */
    bool has_changed, is_stale, has_gone;
} applying;

static bool applying_begin(run_index *x, const run_id *id, applying *a)
{
    bool ok;
    run_id behind = run_id_behind(id);
    *a = (applying){.t = {.first = *id, .end = behind}};
    bool found = index_find_tally(x, &behind, &a->t, &ok);
    if (found && run_id_compare(id, &a->t.end) >= 0) { /* it lies before the id: nothing covers that */
        tally_free(&a->t);
        a->t = (tally){.first = *id, .end = behind};
        found = false;
    }
    a->is_hole = !found;
    a->is_covered = found && a->t.is_counted;
    return ok;
}

/* All of its runs were deleted, or some: then what is left is counted again. */
static bool applying_end_gone(run_index *x, applying *a)
{
    run_id newest;
    const char *error = NULL;
    long n = x->b->ops->list(x->b, &a->t.end, 1, &newest, &error);
    a->is_stale = n == 1 && run_id_compare(&newest, &a->t.first) >= 0;
    if (n < 0 || a->is_stale) return n >= 0;
    a->has_changed = false;
    index_batch_delete(x, INDEX_TALLY, &a->t.first);
    return index_batch_delete_runs(x, &a->t.first, &a->t.end);
}

static bool applying_end(run_index *x, applying *a)
{
    bool ok = !a->is_covered || !a->has_gone || applying_end_gone(x, a);
    if (ok && a->is_covered && a->is_stale) {
        a->t.count = 0;
        a->t.is_counted = false;
        a->has_changed = true;
        x->has_counted = false;
        if (run_id_compare(&a->t.end, &x->count_below) > 0) x->count_below = a->t.end;
    }
    if (ok && a->is_covered && a->has_changed) index_batch_put_tally(x, &a->t);
    tally_free(&a->t);
    return ok;
}

/* The run, which has a row, is now as *r says. */
static void applying_change(run_index *x, applying *a, const run_id *id, const found_run *was, const index_run *r)
{
    const tally_class before = {.function = was->function, .version = was->version, .fate = was->fate};
    if (!tally_add(&a->t, &before, -1)) x->batch.lacks_memory = true;
    if (r->fate == FATE_SUCCEEDED) index_batch_delete(x, INDEX_RUN, id);
    index_add(x, &a->t, id, r);
    a->has_changed = true;
}

static bool applying_take(run_index *x, applying *a, const index_event *e, bool is_first)
{
    found_run was;
    index_run now;
    store_summary s;
    if (a->is_hole && is_first) a->is_covered = true;
    if (!a->is_covered) return true;
    if (e->what == INDEX_GONE) a->has_gone = true;
    if (is_first) a->is_stale = true; /* it came when its range was over */
    if (a->is_stale || a->has_gone) return true;
    if (!find_run(x, &e->run, &was)) return false;
    if (!was.found) return true;
    if (e->what == INDEX_ENDED && e->fate == FATE_SUCCEEDED) {
        now = (index_run){.fate = FATE_SUCCEEDED,
                          .function = text_cut(entry_text_of(e->function), INDEX_NAME_MAX),
                          .version = text_cut(entry_text_of(e->version), INDEX_NAME_MAX)};
        applying_change(x, a, &e->run, &was, &now);
        return true;
    }
    bool ok = index_look(x, &e->run, &now, &s);
    if (ok && now.fate == 0) a->has_gone = true;
    if (ok && now.fate != 0) applying_change(x, a, &e->run, &was, &now);
    glance_free(&s);
    return ok;
}

bool index_apply(run_index *x, const index_events *e)
{
    applying a = {.is_covered = false};
    bool ok = true, is_open = false;
    for (size_t next = 0; ok && next < e->count;) {
        bool is_first;
        const index_event one = index_event_fold(e, &next, &is_first);
        if (is_open && run_id_compare(&one.run, &a.t.end) >= 0) {
            ok = applying_end(x, &a);
            is_open = false;
            if (ok && x->batch.count >= INDEX_ROWS_AT_ONCE) ok = index_batch_write(x);
        }
        if (ok && !is_open) is_open = ok = applying_begin(x, &one.run, &a);
        if (ok) ok = applying_take(x, &a, &one, is_first);
    }
    if (is_open && ok) return applying_end(x, &a);
    tally_free(&a.t);
    return ok;
}
