#include "runtime/prove/verdict.h"

#include <assert.h>
#include <fnmatch.h>
#include <string.h>

#include "runtime/probe/call_fact.h"

void verdict_init(verdict *v)
{
    *v = (verdict){.first = NULL};
    arena_init(&v->memory, NULL);
    arena_init(&v->scratch, NULL);
    v->findings_end = &v->findings;
    v->calls_end = &v->calls;
}

void verdict_free(verdict *v)
{
    arena_free(&v->memory);
    arena_free(&v->scratch);
}

/* ---- Findings ---- */

static const char *text_copy(arena *a, const char *text) { return text ? arena_strndup(a, text, strlen(text)) : NULL; }

/* Adds a finding with copies of the texts. NULL: out of memory. */
static finding *finding_append(verdict *v, finding_kind kind, const char *who, const char *what, unsigned crash)
{
    finding *f = arena_zalloc(&v->memory, sizeof *f);
    const char *own_who = text_copy(&v->memory, who), *own_what = text_copy(&v->memory, what);
    if (!f || !own_who || !own_what) return NULL;
    *f = (finding){.kind = kind, .who = own_who, .what = own_what, .crash = crash};
    assert(!*v->findings_end);
    *v->findings_end = f;
    v->findings_end = &f->next;
    return f;
}

void verdict_add(verdict *v, finding_kind kind, const char *who, const char *what, unsigned crash)
{
    if (!who || !what) return;
    for (const finding *f = v->findings; f; f = f->next)
        if (f->kind == kind && strcmp(f->who, who) == 0 && strcmp(f->what, what) == 0) return;
    (void)finding_append(v, kind, who, what, crash);
}

const char *verdict_who_run(verdict *v, const execution *x, uint64_t lineage)
{
    const executed_run *r = lineage == LINEAGE_ROOT ? NULL : execution_run(x, lineage);
    if (!r || r->entry_count == 0) return "handler";
    return arena_strndup(&v->scratch, r->entries[0].function.data, r->entries[0].function.len);
}

/* The step with its branch; "": the fact is of no step and no branch. */
static const char *fact_who(arena *a, const fact *f)
{
    const int label = (int)f->label.len, step = (int)f->id.len;
    const char *slash = label > 0 && step > 0 ? "/" : "";
    return arena_printf(a, "%.*s%s%.*s", label, f->label.data, slash, step, f->id.data);
}

const char *verdict_who(verdict *v, const execution *x, const fact *f)
{
    const char *run = verdict_who_run(v, x, f->run), *who = fact_who(&v->scratch, f);
    if (!run || !who) return NULL;
    if (!*who) return run;
    return f->run == LINEAGE_ROOT ? who : arena_printf(&v->scratch, "%s: %s", run, who);
}

static bool run_was_given_up(const executed_run *r)
{
    return r && r->cancelled && r->cancelled->status == ENTRY_CANCEL_ASKED;
}

bool verdict_has_lost(const execution *first, const execution *x, uint64_t lineage)
{
    while (lineage != LINEAGE_ROOT) {
        const executed_run *was = execution_run(first, lineage), *is = execution_run(x, lineage);
        if (run_was_given_up(was) || run_was_given_up(is)) return true;
        if (!was && !is) return false;
        lineage = was ? was->caller : is->caller;
    }
    return false;
}

/* ---- Outside steps ---- */

static bool text_starts_with(const entry_text *t, const char *text)
{
    return t->len >= strlen(text) && memcmp(t->data, text, strlen(text)) == 0;
}

static bool function_is_random(const entry_text *function)
{
    static const char *const names[] = {"rand", "drand", "lrand", "get", "arc4", "RAND", "uuid"};
    if (text_starts_with(function, "gettime")) return false;
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
        if (text_starts_with(function, names[i])) return true;
    return false;
}

static const char *outside_finding_text(verdict *v, const fact *f)
{
    int len = (int)f->text.len;
    const char *name = f->text.data;
    if (f->kind != FACT_READ)
        return arena_printf(&v->scratch, "%.*s() is called outside any step: it would be done again at every replay",
                            len, name);
    if (function_is_random(&f->text))
        return arena_printf(&v->scratch, "random numbers come from %.*s(), not sw_random()", len, name);
    return arena_printf(&v->scratch, "the clock is read with %.*s(), not sw_now()", len, name);
}

/* Adds what a handler did outside steps, once for each location. */
static void verdict_look_outside(verdict *v, const execution *x, const fact *f, unsigned crash)
{
    finding_kind kind = f->kind == FACT_READ ? FINDING_READ : FINDING_EFFECT;
    for (const finding *had = v->findings; had; had = had->next)
        if (had->kind == kind && had->address == f->hash) return;
    fact place = *f;
    place.id = (entry_text){"", 0}; /* the code is of the branch */
    finding *made = finding_append(v, kind, verdict_who(v, x, &place), outside_finding_text(v, f), crash);
    if (!made) return;
    made->address = f->hash;
    if (f->data.len > 0) made->file = arena_strndup(&v->memory, f->data.data, f->data.len);
}

/* ---- Calls ---- */

_Static_assert((VERDICT_BUCKETS & (VERDICT_BUCKETS - 1)) == 0, "a path is masked by the number of buckets");

static seen_call **calls_bucket(verdict *v, uint64_t run, uint64_t path)
{
    return &v->buckets[((run ^ path) >> 16) & (VERDICT_BUCKETS - 1)];
}

static bool call_is_of(const seen_call *s, const fact *f) { return s->run == f->run && s->path == f->path; }

static seen_call *calls_find(verdict *v, const fact *f)
{
    seen_call *s = *calls_bucket(v, f->run, f->path);
    while (s && !(call_is_of(s, f) && s->number == f->number)) s = s->next_in_bucket;
    return s;
}

static void calls_add(verdict *v, const execution *x, const fact *f, const call_asked *q)
{
    seen_call *s = arena_zalloc(&v->memory, sizeof *s);
    assert(!calls_find(v, f));
    if (!s) return;
    *s = (seen_call){.run = f->run,
                     .path = f->path,
                     .number = f->number,
                     .who = text_copy(&v->memory, verdict_who(v, x, f)),
                     .step = arena_strndup(&v->memory, f->id.data, f->id.len),
                     .method = text_copy(&v->memory, q->method),
                     .resource = arena_strndup(&v->memory, q->url, strcspn(q->url, "?#")),
                     .key = text_copy(&v->memory, q->key),
                     .body_hash = q->body_hash,
                     .has_step_key = f->flags & FACT_STEP_KEY};
    if (!s->who || !s->step || !s->method || !s->resource || !s->key) return;
    assert(!*v->calls_end);
    *v->calls_end = s;
    v->calls_end = &s->next;
    s->next_in_bucket = *calls_bucket(v, s->run, s->path);
    *calls_bucket(v, s->run, s->path) = s;
}

static void verdict_look_at_call(verdict *v, const execution *x, const fact *f, unsigned crash)
{
    call_asked q;
    assert(f->kind == FACT_CALL);
    seen_call *s = calls_find(v, f);
    if (!call_asked_read(&v->scratch, f->data, &q)) return;
    if (f->flags & FACT_UNKNOWN && !verdict_has_lost(v->first, x, f->run)) {
        const char *resource = arena_strndup(&v->memory, q.url, strcspn(q.url, "?#"));
        verdict_add(v, FINDING_UNKNOWN, verdict_who(v, x, f),
                    arena_printf(&v->scratch, "%s %s is not in the recording", q.method, resource ? resource : ""),
                    crash);
    }
    if (!s) {
        calls_add(v, x, f, &q);
        return;
    }
    s->has_step_key = s->has_step_key && (f->flags & FACT_STEP_KEY);
    s->key_differs = s->key_differs || strcmp(s->key, q.key) != 0;
    s->body_differs = s->body_differs || s->body_hash != q.body_hash;
}

static void calls_set_sync(verdict *v, const fact *attempt)
{
    assert(attempt->kind == FACT_ATTEMPT);
    for (seen_call *s = *calls_bucket(v, attempt->run, attempt->path); s; s = s->next_in_bucket)
        if (call_is_of(s, attempt)) s->is_sync = true;
}

/* Whether nobody but the page tells that the run has failed: others' failures are their callers' to deal with. */
static bool run_is_alone(const execution *x, const executed_run *r)
{
    for (size_t i = 0; i < x->run_count; i++)
        for (size_t k = 0; k < x->runs[i].entry_count; k++) {
            const entry *e = &x->runs[i].entries[k];
            const bool calls = e->kind == ENTRY_CALLED && memcmp(e->child.data, r->id.bytes, RUN_ID_BYTES) == 0;
            if (calls) return e->detached;
        }
    return true;
}

/* Adds that the run failed or stopped in the first execution. That is seldom what was to be proved: a service may have
 * been out of reach. */
static void verdict_look_at_end(verdict *v, const execution *x, const executed_run *r)
{
    arena *a = &v->scratch;
    const char *who = verdict_who_run(v, x, r->lineage);
    if (!r->ended && r->stopped && execution_is_over(x))
        verdict_add(v, FINDING_FAILED, who,
                    arena_printf(a, "the run stops: %.*s", (int)r->stopped->error.len, r->stopped->error.data), 0);
    if (!r->ended || r->ended->status != ENTRY_FAILED || r->cancelled || !run_is_alone(x, r)) return;
    const char *what = arena_printf(a, "the run fails with %d: %.*s", r->response ? r->response->status : 0,
                                    (int)r->ended->error.len, r->ended->error.data);
    verdict_add(v, FINDING_FAILED, who, what, 0);
}

void verdict_look(verdict *v, const execution *x, unsigned crash)
{
    assert(crash > 0 || !v->calls); /* the first execution comes first */
    arena_free(&v->scratch);
    if (crash == 0) v->first = x;
    for (size_t i = 0; i < x->run_count && crash == 0; i++) verdict_look_at_end(v, x, &x->runs[i]);
    for (size_t i = 0; i < x->fact_count; i++) {
        const fact *f = &x->facts[i];
        if (f->kind == FACT_CALL) verdict_look_at_call(v, x, f, crash);
        if (f->kind == FACT_READ || f->kind == FACT_EFFECT || f->kind == FACT_MISUSE)
            verdict_look_outside(v, x, f, crash);
    }
    for (size_t i = 0; i < x->fact_count; i++)
        if (x->facts[i].kind == FACT_ATTEMPT && (x->facts[i].flags & FACT_SYNC)) calls_set_sync(v, &x->facts[i]);
}

/* ---- Attempts ---- */

/* Whether runs of one endpoint or function have made both attempts. */
static bool attempts_are_kin(const execution *x, const fact *a, const fact *b)
{
    const executed_run *r = execution_run(x, a->run), *s = execution_run(x, b->run);
    return r && s && r->entry_count > 0 && s->entry_count > 0 &&
           entry_text_equal(r->entries[0].function, s->entries[0].function);
}

static bool attempt_is_last(const execution *x, const fact *f)
{
    for (const fact *g = f + 1; g < x->facts + x->fact_count; g++)
        if (g->kind == FACT_ATTEMPT && attempts_are_kin(x, f, g)) return false;
    return true;
}

size_t verdict_attempts(const execution *first)
{
    size_t count = 0;
    for (const fact *f = first->facts; f < first->facts + first->fact_count; f++)
        if (f->kind == FACT_ATTEMPT) count += attempt_is_last(first, f) ? 2 : 1;
    return count;
}

const fact *verdict_attempt(const execution *first, size_t number, bool *stays)
{
    const fact *end = first->facts + first->fact_count;
    for (int round = 0; round < 2; round++)
        for (const fact *f = first->facts; f < end; f++) {
            if (f->kind != FACT_ATTEMPT || (round > 0 && !attempt_is_last(first, f))) continue;
            *stays = round > 0;
            if (number-- == 0) return f;
        }
    return NULL;
}

/* ---- Judging ---- */

static bool step_is_repeatable(const char *patterns, const char *step)
{
    char pattern[300];
    for (const char *at = patterns; at && *at;) {
        size_t len = strcspn(at, ",");
        if (len < sizeof pattern) {
            memcpy(pattern, at, len);
            pattern[len] = 0;
            if (fnmatch(pattern, step, 0) == 0) return true;
        }
        at += len + (at[len] == ',');
    }
    return false;
}

static void verdict_judge_call(verdict *v, const seen_call *s, const char *repeatable)
{
    static const char twice[] = "may be made twice if the machine dies during it";
    bool has_key = s->has_step_key || (*s->key && !s->key_differs), idempotent = call_is_idempotent(s->method);
    const char *what = NULL;
    finding_kind kind = FINDING_CALL_OK;
    if (!call_is_once(s->method) && !idempotent) return;
    if (has_key)
        what = s->is_sync ? "ok: .sync, key sent" : "ok: key sent, not .sync";
    else if (idempotent && !s->body_differs)
        what = arena_printf(&v->scratch, "ok: %s of the same content may be repeated", s->method);
    else if (step_is_repeatable(repeatable, s->step))
        what = "ok: may be repeated (--prove-repeatable)";
    else
        kind = FINDING_CALL;
    if (kind == FINDING_CALL && idempotent)
        what = arena_printf(&v->scratch, "%s, with another content: %s %s", twice, s->method, s->resource);
    else if (kind == FINDING_CALL && *s->key)
        what = arena_printf(&v->scratch, "%s: its Idempotency-Key is another each time (use sw_step_key), %s %s", twice,
                            s->method, s->resource);
    else if (kind == FINDING_CALL)
        what = arena_printf(&v->scratch, "%s: it sends no key (sw_step_key), %s %s", twice, s->method, s->resource);
    verdict_add(v, kind, s->who, what, 0);
}

void verdict_judge_calls(verdict *v, const char *repeatable)
{
    assert(v->points <= v->points_possible);
    for (const seen_call *s = v->calls; s; s = s->next) verdict_judge_call(v, s, repeatable);
}
