#include "runtime/check/judge.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>

#include "runtime/base/code_place.h"
#include "runtime/base/value.h"
#include "runtime/prove/difference.h"

/* What the journal has of one path. */
typedef struct record {
    uint64_t path;
    const entry *last; /* the result, the last failure, the sleep or the value */
    size_t order;      /* of that entry */
    bool is_asked;     /* the program has come to it */
} record;

/* One run on trial. */
typedef struct trial {
    const checked_run *run;
    const execution *x;
    const executed_run *is; /* the run in that execution */
    arena *arena;
    const redact *hides; /* NULL: nothing is hidden */
    record *records;     /* by path */
    size_t count;
} trial;

/* Whether the run has told it, and not one that it has called: those are runs of their own, on trial by themselves. */
static bool fact_is_of_run(const fact *f) { return f->run == LINEAGE_ROOT; }

static const char *text_or_none(const char *text) { return text ? text : ""; }

static const check_verdict ok = {CHECK_OK, "", "", ""};

/* ---- Records ---- */

static int record_compare(const void *a, const void *b)
{
    const record *x = a, *y = b;
    if (x->path != y->path) return x->path < y->path ? -1 : 1;
    return x->order < y->order ? -1 : x->order > y->order;
}

static bool entry_is_of_wait(const entry *e)
{
    return e->kind == ENTRY_WAIT || e->kind == ENTRY_TAKEN || e->kind == ENTRY_TIMED_OUT;
}

static bool entry_is_of_call(const entry *e) { return e->kind == ENTRY_CALLED || e->kind == ENTRY_RETURNED; }

static bool entry_has_record(const entry *e)
{
    return e->kind == ENTRY_STEP_DONE || e->kind == ENTRY_STEP_FAILED || e->kind == ENTRY_SLEEP ||
           entry_is_of_wait(e) || entry_is_of_call(e) || e->kind == ENTRY_VALUE || e->kind == ENTRY_WON ||
           e->kind == ENTRY_SENT;
}

/* False: out of memory. */
static bool records_make(trial *t)
{
    size_t n = 0;
    t->records = arena_zalloc(t->arena, (t->run->count + 1) * sizeof *t->records);
    if (!t->records) return false;
    for (size_t i = 0; i < t->run->count; i++) {
        const entry *e = &t->run->entries[i];
        if (entry_has_record(e)) t->records[n++] = (record){.path = e->path, .last = e, .order = i};
    }
    qsort(t->records, n, sizeof *t->records, record_compare);
    for (size_t i = 0; i < n; i++) /* of a path the last entry counts */
        if (i + 1 == n || t->records[i + 1].path != t->records[i].path) t->records[t->count++] = t->records[i];
    return true;
}

static record *record_find(const trial *t, uint64_t path)
{
    const record wanted = {.path = path};
    size_t low = 0, high = t->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        if (t->records[middle].path < wanted.path)
            low = middle + 1;
        else
            high = middle;
    }
    return low < t->count && t->records[low].path == path ? &t->records[low] : NULL;
}

static const char *record_branch(const trial *t, const record *r)
{
    return text_or_none(checked_run_label(t->run, t->arena, r->last->branch));
}

/* Returns the first record that the program has not come to; if `branch` is not the handler, and has such a record, the
 * first of that branch. NULL: there is none. For a value that was drawn nothing has been done. */
static const record *record_unasked(const trial *t, entry_text branch)
{
    const record *first = NULL, *beside = NULL;
    for (size_t i = 0; i < t->count; i++) {
        const record *r = &t->records[i];
        if (r->is_asked || r->last->kind == ENTRY_VALUE) continue;
        if (!first || r->order < first->order) first = r;
        if ((!beside || r->order < beside->order) && entry_text_is(branch, record_branch(t, r))) beside = r;
    }
    return beside && branch.len > 0 ? beside : first;
}

/* ---- Words ---- */

static const char *path_of(const trial *t, entry_text branch, entry_text id, uint32_t occurrence)
{
    const char *slash = branch.len ? "/" : "";
    int branch_len = (int)branch.len, len = (int)id.len;
    const char *text =
        occurrence > 0
            ? arena_printf(t->arena, "%.*s%s%.*s:%u", branch_len, branch.data, slash, len, id.data, occurrence)
            : arena_printf(t->arena, "%.*s%s%.*s", branch_len, branch.data, slash, len, id.data);
    return text_or_none(text);
}

static const char *fact_path(const trial *t, const fact *f)
{
    const record *r = record_find(t, f->path);
    return path_of(t, f->label, f->id, r ? r->last->occurrence : 0);
}

static const char *record_path(const trial *t, const record *r)
{
    const char *branch = record_branch(t, r);
    return path_of(t, (entry_text){branch, strlen(branch)}, r->last->id, r->last->occurrence);
}

static const char *record_words(const trial *t, const record *r)
{
    const char *kind = r->last->kind == ENTRY_SLEEP  ? "sleep"
                       : r->last->kind == ENTRY_WON  ? "decision"
                       : entry_is_of_wait(r->last)   ? "wait"
                       : entry_is_of_call(r->last)   ? "call"
                       : r->last->kind == ENTRY_SENT ? "signal"
                                                     : "step";
    return text_or_none(arena_printf(t->arena, "%s \"%s\"", kind, record_path(t, r)));
}

static const char *fact_words(const trial *t, const fact *f)
{
    const char *kind = f->flags & FACT_SLEEP    ? "sleep"
                       : f->flags & FACT_CHOICE ? "decision"
                       : f->flags & FACT_CALLED ? "call"
                       : f->flags & FACT_WAIT   ? "wait"
                       : f->flags & FACT_SENT   ? "signal"
                                                : "step";
    return text_or_none(arena_printf(t->arena, "%s \"%s\"", kind, fact_path(t, f)));
}

/* ---- What the program asks for ---- */

static check_verdict differs(const char *at, const char *expected, const char *got)
{
    return (check_verdict){CHECK_DIFFERS, text_or_none(at), text_or_none(expected), text_or_none(got)};
}

/* Whether the journal has the kind of thing that the program asks for. */
static bool record_is_alike(const record *r, const fact *f)
{
    bool sleeps = f->flags & FACT_SLEEP, calls = f->flags & FACT_CALLED, waits = f->flags & FACT_WAIT && !calls;
    bool sends = f->flags & FACT_SENT, chooses = f->flags & FACT_CHOICE;
    return (r->last->kind == ENTRY_SLEEP) == sleeps && entry_is_of_wait(r->last) == waits &&
           entry_is_of_call(r->last) == calls && (r->last->kind == ENTRY_WON) == chooses &&
           (r->last->kind == ENTRY_SENT) == sends;
}

static check_verdict judge_input(const trial *t, const fact *f, const record *r)
{
    const entry *e = r->last;
    bool goes_on = e->kind == ENTRY_STEP_FAILED && e->due_ms > 0; /* with an attempt of the new input */
    bool is_other = !goes_on && e->input_hash != 0 && f->hash != 0 && e->input_hash != f->hash;
    if (!is_other) return ok;
    const char *path = fact_path(t, f);
    if (e->kind != ENTRY_STEP_DONE || (e->input.len == 0 && e->input_bytes > 0))
        return differs(arena_printf(t->arena, "%s, its input", path), "the input that was journaled", "another one");
    difference d = difference_of_packed(t->arena, t->hides, e->input, f->data);
    return differs(arena_printf(t->arena, "%s, its input%s%s", path, *d.path ? " " : "", d.path), d.was, d.is);
}

/* The order in which a branch comes to its steps and sleeps, one after the other, is that in which the run has made
 * them. `before`: the one that the program asked for before `now`. */
static check_verdict judge_order(const trial *t, const record *before, const record *now)
{
    if (before->order < now->order) return ok;
    return differs(record_path(t, before), record_words(t, now), record_words(t, before));
}

/* Segments are told by another thread, whose facts may come in between. */
static bool fact_is_member(const trial *t, const fact *step)
{
    const fact *end = t->x->facts + t->x->fact_count, *next = step + 1;
    while (next < end && next->kind == FACT_SEGMENT) next++;
    return next < end && next->kind == FACT_MEMBER && next->path == step->path;
}

/* Returns the step or sleep before `at` that the same branch has asked for, and that is in no group; NULL: none. */
static const record *asked_before(const trial *t, const fact *at)
{
    for (const fact *f = at; f-- > t->x->facts;) {
        if (f->kind != FACT_STEP || !fact_is_of_run(f) || f->flags & FACT_DRAWN || fact_is_member(t, f)) continue;
        if (!entry_text_equal(f->label, at->label)) continue;
        return record_find(t, f->path);
    }
    return NULL;
}

static check_verdict judge_asked(const trial *t, const fact *f, record *r)
{
    bool is_step = !(f->flags & (FACT_SLEEP | FACT_WAIT | FACT_CHOICE | FACT_SENT));
    r->is_asked = true;
    if (f->flags & FACT_DRAWN) return ok;
    if (!record_is_alike(r, f)) return differs(fact_path(t, f), record_words(t, r), fact_words(t, f));
    if (!fact_is_member(t, f)) {
        const record *before = asked_before(t, f);
        check_verdict v = before ? judge_order(t, before, r) : ok;
        if (v.kind != CHECK_OK) return v;
    }
    return is_step ? judge_input(t, f, r) : ok;
}

static const char *fact_place(const trial *t, const fact *f)
{
    code_name name;
    char file[CODE_NAME_TEXT];
    if (f->data.len == 0 || f->data.len >= sizeof file) return "an unknown place";
    memcpy(file, f->data.data, f->data.len);
    file[f->data.len] = 0;
    code_place_name(file, f->hash, CODE_INNERMOST, &name);
    return text_or_none(arena_strndup(t->arena, name.line, strlen(name.line)));
}

static check_verdict judge_misuse(const trial *t, const fact *f)
{
    return differs(
        path_of(t, (entry_text){"", 0}, f->label, 0), "",
        arena_printf(t->arena, "%.*s outside a step, at %s", (int)f->text.len, f->text.data, fact_place(t, f)));
}

/* Judges what the program asks for, in order; the first difference counts. Marks the records that it has come to. */
static check_verdict judge_facts(const trial *t)
{
    check_verdict first = ok;
    for (size_t i = 0; i < t->x->fact_count; i++) {
        const fact *f = &t->x->facts[i];
        if (!fact_is_of_run(f)) continue;
        record *r = f->kind == FACT_STEP ? record_find(t, f->path) : NULL;
        check_verdict v = r ? judge_asked(t, f, r) : f->kind == FACT_MISUSE ? judge_misuse(t, f) : ok;
        if (first.kind == CHECK_OK) first = v;
    }
    return first;
}

/* ---- Where it comes to ---- */

static const fact *fact_held(const trial *t, bool is_new)
{
    for (size_t i = 0; i < t->x->fact_count; i++) {
        const fact *f = &t->x->facts[i];
        if (f->kind == FACT_HELD && fact_is_of_run(f) && (record_find(t, f->path) == NULL) == is_new) return f;
    }
    return NULL;
}

static check_verdict judge_held(const trial *t)
{
    const fact *held = fact_held(t, true);
    const record *missed = held ? record_unasked(t, held->label) : record_unasked(t, (entry_text){"", 0});
    if (held && missed)
        return differs(fact_path(t, held), record_words(t, missed),
                       arena_printf(t->arena, "the new %s", fact_words(t, held)));
    if (!held) held = fact_held(t, false);
    if (!held) return differs("", "that it goes on", "it waits for nothing that a journal tells");
    if (missed) return differs(fact_path(t, held), record_words(t, missed), fact_words(t, held));
    return (check_verdict){t->run->has_answer ? CHECK_NEW_STEP : CHECK_OK, fact_path(t, held), "", fact_words(t, held)};
}

static check_verdict judge_death(const trial *t)
{
    int status = t->x->status;
    const char *how = t->x->timed_out ? "it takes longer than --prove-timeout"
                      : WIFSIGNALED(status)
                          ? arena_printf(t->arena, "the process dies of signal %d", WTERMSIG(status))
                          : arena_printf(t->arena, "the process ends with code %d", WEXITSTATUS(status));
    return differs("", "", how);
}

/* ---- Answers ---- */

static const char *answer_words(const trial *t, const entry *response, const entry *ended)
{
    http_text error = {ended->error.data, ended->error.len};
    if (error.len > 0 && redact_text_in(t->hides, t->arena, &error))
        return arena_printf(t->arena, "%d: %.*s", response->status, (int)error.len, error.data);
    return arena_printf(t->arena, "%d", response->status);
}

static check_verdict judge_answer(const trial *t)
{
    const entry *was = t->run->response, *is = t->is->response;
    assert(was && is);
    if (was->status != is->status)
        return differs("answer", answer_words(t, was, t->run->ended), answer_words(t, is, t->is->ended));
    if (!entry_text_equal(was->headers, is->headers)) {
        difference d = difference_of_headers(t->arena, t->hides, was->headers, is->headers);
        return differs("answer, its headers", d.was, d.is);
    }
    if (entry_text_equal(was->body, is->body)) return ok;
    difference d = difference_of_json(t->arena, t->hides, was->body, is->body);
    return differs(arena_printf(t->arena, "answer, its body%s%s", *d.path ? " " : "", d.path), d.was, d.is);
}

static check_verdict judge_end(const trial *t)
{
    const record *missed = record_unasked(t, (entry_text){"", 0});
    const char *words =
        arena_printf(t->arena, "the end: %s", text_or_none(answer_words(t, t->is->response, t->is->ended)));
    if (missed) return differs("", record_words(t, missed), words);
    check_verdict v = t->run->has_answer ? judge_answer(t) : ok;
    if (v.kind == CHECK_OK) v.got = text_or_none(words);
    return v;
}

/* Returns the entry by which this execution has stopped the run; NULL: it has not. */
static const entry *stop_of_execution(const trial *t)
{
    const entry *stopped = t->is->stopped;
    return stopped && (size_t)(stopped - t->is->entries) >= t->run->kept ? stopped : NULL;
}

check_verdict judge_execution(const checked_run *r, const execution *x, const redact *hides, arena *a)
{
    trial t = {.run = r, .x = x, .is = execution_root(x), .arena = a, .hides = hides};
    assert(t.is); /* its journal is what the execution began with */
    if (!records_make(&t)) return (check_verdict){CHECK_UNREADABLE, "", "", "out of memory"};
    check_verdict v = judge_facts(&t);
    if (v.kind != CHECK_OK) return v;
    if (t.is->ended && t.is->response) return judge_end(&t);
    if (x->timed_out || WIFSIGNALED(x->status) || WEXITSTATUS(x->status) != 0) return judge_death(&t);
    const entry *stopped = stop_of_execution(&t);
    if (!stopped) return judge_held(&t);
    const record *missed = record_unasked(&t, (entry_text){"", 0});
    const char *why = arena_strndup(a, stopped->error.data, stopped->error.len);
    if (missed) return differs("", record_words(&t, missed), why);
    return (check_verdict){CHECK_OK, "", "", text_or_none(why)};
}
