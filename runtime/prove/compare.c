/* compare: what differs between an execution that went on from a crash point and the first one. */
#include <assert.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <xxhash.h>

#include "runtime/prove/difference.h"
#include "runtime/prove/verdict.h"

static const char *text_in_parentheses(arena *a, const char *path)
{
    return path && *path ? arena_printf(a, " (%s)", path) : "";
}

/* What is compared: one execution, which went on from a crash point, with the first one. */
typedef struct comparison {
    verdict *v;
    const execution *first, *x;
    const tape *tape; /* of the first one */
    const crash_point *point;
} comparison;

/* ---- Steps ---- */

/* Adds a difference at the place of a fact. Returns false. */
static bool differs_at(const comparison *c, const fact *f, const char *what)
{
    const fact place = {.run = f->run, .label = f->label, .id = {"", 0}};
    verdict_add(c->v, FINDING_DIFFERS, verdict_who(c->v, execution_run(c->x, f->run) ? c->x : c->first, &place), what,
                c->point->number);
    return false;
}

static const char *asked_kind(const fact *f) { return f->flags & FACT_CALLED ? "call" : "step"; }

/* Adds the first step or call that is new, or has another input. False: there is such a one. */
static bool steps_are_same(const comparison *c)
{
    arena *a = &c->v->scratch;
    for (size_t i = 0; i < c->x->fact_count; i++) {
        const fact *f = &c->x->facts[i];
        if (f->kind != FACT_STEP || verdict_has_lost(c->first, c->x, f->run)) continue;
        const fact *had = tape_find(c->tape, f);
        const char *kind = asked_kind(f);
        int len = (int)f->id.len;
        if (!had)
            return differs_at(
                c, f,
                arena_printf(a, "it comes to %s \"%.*s\", which the first run did not have", kind, len, f->id.data));
        if (had->hash == f->hash) continue;
        return differs_at(c, f,
                          arena_printf(a, "the input of %s \"%.*s\"%s", kind, len, f->id.data,
                                       text_in_parentheses(a, difference_of_packed(a, NULL, had->data, f->data).path)));
    }
    return true;
}

/* Whether the run ended without its handler: by its deadline, for example. */
static bool run_was_cancelled(const execution *x, uint64_t lineage)
{
    const executed_run *r = execution_run(x, lineage);
    return r && r->cancelled;
}

/* Whether the run had ended at the crash point. */
static bool run_was_over(const comparison *c, uint64_t lineage)
{
    const executed_run *r = execution_run(c->x, lineage);
    const disk *d = c->point->disk;
    for (size_t i = 0; r && r->ended && d && i < d->run_count; i++)
        if (d->runs[i].lineage == lineage) return d->runs[i].len == r->journal.size;
    return false;
}

/* Adds the first step or call that the execution did not come to. False: there is such a one. */
static bool steps_are_all_there(const comparison *c)
{
    tape own = {.cells = NULL};
    bool all = true;
    if (!tape_add(&own, c->x->facts, c->x->fact_count)) return true;
    for (size_t i = 0; i < c->first->fact_count && all; i++) {
        const fact *f = &c->first->facts[i];
        if (f->kind != FACT_STEP || tape_find(&own, f)) continue;
        if (run_was_over(c, f->run) || run_was_cancelled(c->x, f->run) || verdict_has_lost(c->first, c->x, f->run))
            continue;
        all = differs_at(c, f,
                         arena_printf(&c->v->scratch, "it does not come to %s \"%.*s\", which the first run had",
                                      asked_kind(f), (int)f->id.len, f->id.data));
    }
    tape_free(&own);
    return all;
}

static const char *execution_end_text(verdict *v, const execution *x, const executed_run *r)
{
    arena *a = &v->scratch;
    if (r && r->stopped)
        return arena_printf(a, "the run is stopped: %.*s", (int)r->stopped->error.len, r->stopped->error.data);
    if (x->timed_out) return "it does not end within --prove-timeout";
    if (WIFSIGNALED(x->status)) return arena_printf(a, "the process dies of signal %d", WTERMSIG(x->status));
    return arena_printf(a, "the process ends with code %d before the run does", WEXITSTATUS(x->status));
}

/* ---- Answers ---- */

/* Returns a hash of the chunks from outside steps, those of each branch in their order. Chunks of steps are not
 * compared: a step may do what it likes. */
static uint64_t chunks_hash(const executed_run *x)
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
static uint64_t remarks_hash(const executed_run *x)
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

/* Returns what differs in the answer; NULL: nothing does. */
static const char *answer_difference(arena *m, const executed_run *was, const executed_run *is)
{
    const entry *a = was->response, *b = is->response;
    if (!a || !b) return a == b ? NULL : "there is an answer in one execution alone";
    if (a->status != b->status) return arena_printf(m, "the answer is %d, and was %d", b->status, a->status);
    if (!entry_text_equal(a->headers, b->headers)) return "the answer's headers";
    if (!entry_text_equal(a->body, b->body))
        return arena_printf(m, "the answer's body%s",
                            text_in_parentheses(m, difference_of_json(m, NULL, a->body, b->body).path));
    if (chunks_hash(was) != chunks_hash(is)) return "what it streams";
    if (remarks_hash(was) != remarks_hash(is)) return "what it says of itself (sw_label, sw_usage)";
    return NULL;
}

static bool answer_is_same(const comparison *c, const executed_run *was, const executed_run *is)
{
    if (!is->ended && !was->ended && !is->stopped && !was->stopped) return true; /* both wait for a stopped one */
    if (was->stopped && is->stopped && entry_text_equal(was->stopped->error, is->stopped->error)) return true;
    const char *what = is->stopped ? execution_end_text(c->v, c->x, is) : answer_difference(&c->v->scratch, was, is);
    return !what || differs_at(c, &(fact){.run = is->lineage}, what);
}

/* Compares what the runs have answered, which others, too, were called for. */
static bool answers_are_same(const comparison *c)
{
    bool same = true;
    assert(execution_is_over(c->x));
    for (size_t i = 0; i < c->first->run_count && same; i++) {
        const executed_run *was = &c->first->runs[i], *is = execution_run(c->x, was->lineage);
        if (verdict_has_lost(c->first, c->x, was->lineage)) continue;
        if (is) same = answer_is_same(c, was, is);
        if (is) continue;
        const char *name = verdict_who_run(c->v, c->first, was->lineage);
        same = differs_at(
            c, &(fact){.run = LINEAGE_ROOT},
            arena_printf(&c->v->scratch, "no run of \"%s\" is called that the first run called", name ? name : ""));
    }
    return same;
}

/* ---- Steps that were finished ---- */

/* A step of a run. */
typedef struct step_place {
    uint64_t run, path;
} step_place;

static int place_compare(const void *a, const void *b)
{
    const step_place *x = a, *y = b;
    if (x->run != y->run) return x->run < y->run ? -1 : 1;
    return x->path < y->path ? -1 : x->path > y->path;
}

/* Returns the steps that were ended on disk at the crash point, sorted; in scratch memory. NULL: out of memory. */
static const step_place *steps_finished(const comparison *c, size_t *count)
{
    const disk *d = c->point->disk;
    step_place *places = arena_alloc(&c->v->scratch, (c->x->entry_count + 1) * sizeof *places);
    *count = 0;
    for (size_t k = 0; places && d && k < d->run_count; k++) {
        const executed_run *r = execution_run(c->x, d->runs[k].lineage);
        for (size_t i = 0; r && i < r->entry_count && r->ends[i] <= d->runs[k].len; i++) {
            const entry *e = &r->entries[i];
            bool over = e->kind == ENTRY_STEP_DONE || (e->kind == ENTRY_STEP_FAILED && e->due_ms == 0);
            if (over) places[(*count)++] = (step_place){r->lineage, e->path};
        }
    }
    if (places) qsort(places, *count, sizeof *places, place_compare);
    return places;
}

static bool steps_ran_once(const comparison *c)
{
    static const char again[] = "has run again although its result was on disk: please report this";
    bool once = true;
    size_t count = 0;
    const step_place *finished = steps_finished(c, &count);
    for (size_t i = 0; finished && i < c->x->fact_count; i++) {
        const fact *f = &c->x->facts[i];
        const step_place place = {f->run, f->path};
        if (f->kind != FACT_ATTEMPT || !bsearch(&place, finished, count, sizeof *finished, place_compare)) continue;
        once = false;
        verdict_add(c->v, FINDING_TWICE, verdict_who(c->v, c->x, f), again, c->point->number);
    }
    return once;
}

/* Whether each run has begun once. */
static bool runs_began_once(const comparison *c)
{
    static const char again[] = "has begun again although it was on disk: please report this";
    for (size_t i = 0; i < c->x->run_count; i++) {
        const executed_run *r = &c->x->runs[i];
        for (size_t k = 1; k < r->entry_count; k++) {
            if (r->entries[k].kind != ENTRY_STARTED) continue;
            verdict_add(c->v, FINDING_TWICE, verdict_who_run(c->v, c->x, r->lineage), again, c->point->number);
            return false;
        }
    }
    return true;
}

/* ---- Ends ---- */

/* Whether the run has called another one, and not taken its result. */
static bool run_waits_for_call(const executed_run *r)
{
    size_t open = 0;
    for (size_t i = 0; i < r->entry_count; i++) {
        const entry *e = &r->entries[i];
        open += e->kind == ENTRY_CALLED && !e->detached;
        open -= e->kind == ENTRY_RETURNED;
    }
    return open > 0;
}

/* The first run that has not come to an end, and waits for none that it has called: a stopped one if there is any;
 * NULL: all have. */
static const executed_run *run_without_end(const execution *x)
{
    const executed_run *open = NULL;
    for (size_t i = 0; i < x->run_count; i++) {
        const executed_run *r = &x->runs[i];
        if (r->stopped && !r->ended && r->stopped->status != ENTRY_STOP_EXHAUSTED) return r;
        if (!open && !r->ended && !r->stopped && !run_waits_for_call(r)) open = r;
    }
    return open;
}

void verdict_no_end(verdict *v, const execution *x, unsigned crash)
{
    const executed_run *r = run_without_end(x);
    assert(!execution_is_over(x));
    verdict_add(v, FINDING_NO_END, verdict_who_run(v, x, r ? r->lineage : LINEAGE_ROOT), execution_end_text(v, x, r),
                crash);
}

void verdict_compare(verdict *v, const execution *first, const tape *t, const execution *x, const crash_point *p)
{
    const comparison c = {v, first, x, t, p};
    assert(p->number > 0); /* 0 is the first execution */
    assert(execution_is_over(first));
    v->points++;
    v->points_once += steps_ran_once(&c) && runs_began_once(&c);
    bool same = steps_are_same(&c);
    if (!execution_is_over(x)) {
        verdict_no_end(v, x, p->number);
        return;
    }
    same = same && steps_are_all_there(&c);
    same = answers_are_same(&c) && same;
    v->points_same += same;
    assert(v->points_same <= v->points);
    assert(v->points_once <= v->points);
}
