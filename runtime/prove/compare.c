/* compare: what differs between an execution that went on from a crash point and the first one. */
#include <assert.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <xxhash.h>

#include "runtime/prove/difference.h"
#include "runtime/prove/verdict.h"

static entry_text no_text(void) { return (entry_text){"", 0}; }

static const char *text_in_parentheses(arena *a, const char *path)
{
    return path && *path ? arena_printf(a, " (%s)", path) : "";
}

/* ---- Steps ---- */

static bool verdict_add_difference(verdict *v, entry_text label, const char *what, const crash_point *p)
{
    verdict_add(v, FINDING_DIFFERS, verdict_who(v, label, no_text()), what, p->number);
    return false;
}

/* Adds the first step that is new, or has another input. False: there is such a step. */
static bool steps_are_same(verdict *v, const tape *t, const execution *x, const crash_point *p)
{
    arena *a = &v->scratch;
    for (size_t i = 0; i < x->fact_count; i++) {
        const fact *f = &x->facts[i];
        if (f->kind != FACT_STEP) continue;
        const fact *had = tape_find(t, FACT_STEP, f->path, 0, 0);
        int len = (int)f->id.len;
        if (!had)
            return verdict_add_difference(
                v, f->label,
                arena_printf(a, "it comes to step \"%.*s\", which the first run did not have", len, f->id.data), p);
        if (had->hash == f->hash) continue;
        return verdict_add_difference(
            v, f->label,
            arena_printf(a, "the input of step \"%.*s\"%s", len, f->id.data,
                         text_in_parentheses(a, difference_of_packed(a, NULL, had->data, f->data).path)),
            p);
    }
    return true;
}

/* Adds the first step that the execution did not come to. False: there is such a step. */
static bool steps_are_all_there(verdict *v, const execution *first, const execution *x, const crash_point *p)
{
    tape own = {.cells = NULL};
    bool all = true;
    if (x->cancelled) return true; /* by its deadline, for example: the run ends without its handler */
    if (!tape_add(&own, x->facts, x->fact_count)) return true;
    for (size_t i = 0; i < first->fact_count && all; i++) {
        const fact *f = &first->facts[i];
        if (f->kind != FACT_STEP || tape_find(&own, FACT_STEP, f->path, 0, 0)) continue;
        all = verdict_add_difference(v, f->label,
                                     arena_printf(&v->scratch,
                                                  "it does not come to step \"%.*s\", which the first run had",
                                                  (int)f->id.len, f->id.data),
                                     p);
    }
    tape_free(&own);
    return all;
}

static const char *execution_end_text(verdict *v, const execution *x)
{
    arena *a = &v->scratch;
    if (x->stopped)
        return arena_printf(a, "the run is stopped: %.*s", (int)x->stopped->error.len, x->stopped->error.data);
    if (x->timed_out) return "it does not end within --prove-timeout";
    if (WIFSIGNALED(x->status)) return arena_printf(a, "the process dies of signal %d", WTERMSIG(x->status));
    return arena_printf(a, "the process ends with code %d before the run does", WEXITSTATUS(x->status));
}

/* ---- Answers ---- */

/* Returns a hash of the chunks from outside steps, those of each branch in their order. Chunks of steps are not
 * compared: a step may do what it likes. */
static uint64_t chunks_hash(const execution *x)
{
    uint64_t all = 0;
    for (size_t i = 0; i < x->entry_count; i++) {
        const entry *e = &x->entries[i];
        uint64_t seed = e->path ^ e->occurrence;
        if (e->kind == ENTRY_CHUNK && e->id.len == 0) all += XXH3_64bits_withSeed(e->value.data, e->value.len, seed);
    }
    return all;
}

/* Returns a hash of the labels and usage that the run says outside steps, each with its place. Statuses are left out:
 * of them only the last ones before a commit are journaled. */
static uint64_t remarks_hash(const execution *x)
{
    uint64_t all = 0;
    for (size_t i = 0; i < x->entry_count; i++) {
        const entry *e = &x->entries[i];
        uint64_t seed = XXH3_64bits_withSeed(e->id.data, e->id.len, e->path ^ e->occurrence);
        if (e->attempt > 0) continue;
        if (e->kind == ENTRY_LABEL) all += XXH3_64bits_withSeed(e->value.data, e->value.len, seed);
        if (e->kind == ENTRY_USAGE) all += XXH3_64bits_withSeed(e->used, sizeof e->used, seed);
    }
    return all;
}

static bool answer_is_same(verdict *v, const execution *first, const execution *x, const crash_point *p)
{
    const entry *a = first->response, *b = x->response;
    arena *m = &v->scratch;
    assert(execution_is_over(x));
    if (first->stopped && x->stopped && entry_text_equal(first->stopped->error, x->stopped->error)) return true;
    if (x->stopped) return verdict_add_difference(v, no_text(), execution_end_text(v, x), p);
    if (!a || !b) return a == b;
    if (a->status != b->status)
        return verdict_add_difference(v, no_text(),
                                      arena_printf(m, "the answer is %d, and was %d", b->status, a->status), p);
    if (!entry_text_equal(a->headers, b->headers))
        return verdict_add_difference(v, no_text(), "the answer's headers", p);
    if (!entry_text_equal(a->body, b->body))
        return verdict_add_difference(
            v, no_text(),
            arena_printf(m, "the answer's body%s",
                         text_in_parentheses(m, difference_of_json(m, NULL, a->body, b->body).path)),
            p);
    if (chunks_hash(first) != chunks_hash(x)) return verdict_add_difference(v, no_text(), "what it streams", p);
    if (remarks_hash(first) != remarks_hash(x))
        return verdict_add_difference(v, no_text(), "what it says of itself (sw_label, sw_usage)", p);
    return true;
}

/* ---- Steps that were finished ---- */

static int path_compare(const void *a, const void *b)
{
    const uint64_t *x = a, *y = b;
    return *x < *y ? -1 : *x > *y;
}

/* Returns the paths of the steps that journal_len bytes of the journal have ended, sorted; in scratch memory. NULL: out
 * of memory. */
static const uint64_t *steps_finished(verdict *v, const execution *x, size_t journal_len, size_t *count)
{
    uint64_t *paths = arena_alloc(&v->scratch, (x->entry_count + 1) * sizeof *paths);
    *count = 0;
    for (size_t i = 0; paths && i < x->entry_count && x->ends[i] <= journal_len; i++) {
        const entry *e = &x->entries[i];
        bool over = e->kind == ENTRY_STEP_DONE || (e->kind == ENTRY_STEP_FAILED && e->due_ms == 0);
        if (over) paths[(*count)++] = e->path;
    }
    if (paths) qsort(paths, *count, sizeof *paths, path_compare);
    return paths;
}

static bool steps_ran_once(verdict *v, const execution *x, const crash_point *p)
{
    bool once = true;
    size_t count = 0;
    const uint64_t *finished = steps_finished(v, x, p->journal_len, &count);
    for (size_t i = 0; finished && i < x->fact_count; i++) {
        const fact *f = &x->facts[i];
        if (f->kind != FACT_ATTEMPT || !bsearch(&f->path, finished, count, sizeof *finished, path_compare)) continue;
        once = false;
        verdict_add(v, FINDING_TWICE, verdict_who(v, f->label, f->id),
                    "has run again although its result was on disk: please report this", p->number);
    }
    return once;
}

/* ---- Ends ---- */

void verdict_no_end(verdict *v, const execution *x, unsigned crash)
{
    assert(!execution_is_over(x));
    verdict_add(v, FINDING_NO_END, "handler", execution_end_text(v, x), crash);
}

void verdict_compare(verdict *v, const execution *first, const tape *t, const execution *x, const crash_point *p)
{
    assert(p->number > 0); /* 0 is the first execution */
    assert(execution_is_over(first));
    v->points++;
    v->points_once += steps_ran_once(v, x, p);
    bool same = steps_are_same(v, t, x, p);
    if (!execution_is_over(x)) {
        verdict_no_end(v, x, p->number);
        return;
    }
    same = same && steps_are_all_there(v, first, x, p);
    same = answer_is_same(v, first, x, p) && same;
    v->points_same += same;
    assert(v->points_same <= v->points);
    assert(v->points_once <= v->points);
}
