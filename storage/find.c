#include "storage/find.h"

#include <assert.h>
#include <string.h>

#include "storage/find_core.h"
#include "storage/glance.h"
#include "storage/steady.h"

enum { IDS_AT_ONCE = 128, CLOCK_EVERY = 16 };

void finder_fail(finder *f, const char *error)
{
    f->out->error = error;
    f->is_over = true;
}

/* Whether there is any run in the query's bounds below this id. */
static bool finder_has_older(finder *f, const run_id *than)
{
    run_id older;
    long n = f->b->ops->list(f->b, than, 1, &older, &f->out->error);
    return n == 1 && run_id_compare(&older, &f->q->from) >= 0;
}

/* The query goes on below that id, another time. */
static void finder_end(finder *f, const run_id *below)
{
    f->is_over = true;
    f->out->next = *below;
    f->out->has_next = finder_has_older(f, below);
}

void finder_look_at_clock(finder *f, const run_id *below)
{
    if (!f->is_over && f->end_ms > 0 && steady_ms() >= f->end_ms) finder_end(f, below);
}

/* Also a run that cannot be read is shown, so that it hides neither itself nor others. */
static bool summary_is_shown(const store_summary *s) { return s->found || s->live || s->error; }

void finder_look(finder *f, const run_id *id)
{
    const run_query *q = f->q;
    assert(f->out->count < q->limit);
    store_summary *s = &f->out->runs[f->out->count];
    s->run = *id;
    f->looked++;
    glance_take(f->b, s, q->bytes_max);
    if (s->error == store_no_memory) finder_fail(f, store_no_memory);
    if (!f->is_over && summary_is_shown(s) && query_takes(q, s)) {
        f->out->count++;
    } else {
        glance_free(s);
        memset(s, 0, sizeof *s);
    }
    if (f->is_over) return;
    if (f->out->count == q->limit || (q->looked_max > 0 && f->looked >= q->looked_max))
        finder_end(f, id);
    else if (f->looked % CLOCK_EVERY == 0)
        finder_look_at_clock(f, id);
}

void finder_walk(finder *f, const run_id *lo, const run_id *hi)
{
    run_id ids[IDS_AT_ONCE], before = {{0}};
    size_t most = f->q->limit < IDS_AT_ONCE && !f->q->wants ? f->q->limit : IDS_AT_ONCE;
    if (hi) before = *hi;
    for (bool has_before = hi != NULL; !f->is_over; has_before = true) {
        long n = f->b->ops->list(f->b, has_before ? &before : NULL, most, ids, &f->out->error);
        if (n < 0) f->is_over = true;
        for (long i = 0; i < n && !f->is_over; i++) {
            if (run_id_compare(&ids[i], lo) < 0) return;
            finder_look(f, &ids[i]);
        }
        if (n < (long)most) return;
        before = ids[n - 1];
    }
}

void find_runs(backend *b, struct run_index *index, const run_query *q, find_result *out)
{
    finder f = {.b = b, .index = index, .q = q, .out = out, .end_ms = q->ms_max > 0 ? steady_ms() + q->ms_max : 0};
    assert(q->limit > 0);
    assert(!q->has_before || run_id_compare(&q->before, &q->from) >= 0);
    if (index && query_narrows(q))
        finder_walk_index(&f);
    else
        finder_walk(&f, &q->from, q->has_before ? &q->before : NULL);
    if (!out->error) return;
    for (size_t i = 0; i < out->count; i++) glance_free(&out->runs[i]);
    out->count = 0;
    out->has_next = false;
}
