#include "runtime/prove/prove.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/value.h"
#include "runtime/process/app.h"
#include "runtime/prove/history.h"
#include "runtime/prove/recording.h"
#include "runtime/prove/request_text.h"
#include "runtime/prove/verdict.h"

enum { GOOD = 0, BAD = 1, NOT_TRIED = 2, ERROR_TEXT = 1024, REFUSED_SHOWN = 200 };

typedef struct proof {
    sw_app *app;
    char *request; /* owned */
    size_t request_len;
    arena memory;   /* of the recording's facts, and of those made from the first journals */
    arena points;   /* of the disk at the crash point that is being tried */
    tape recording; /* of --replay */
    tape tape;      /* of the first execution */
    execution first;
    verdict verdict;
    char error[ERROR_TEXT];
} proof;

/* ---- The first execution ---- */

static bool proof_read_recording(proof *p)
{
    size_t count = 0;
    const sw_options *o = &p->app->opt;
    if (!o->replay) return true;
    const recording_file file = {.path = o->replay, .bytes_max = o->prove_bytes_max};
    fact *facts = recording_read(&p->memory, &file, &count, p->error, sizeof p->error);
    return facts && tape_add(&p->recording, facts, count);
}

static bool proof_was_refused(proof *p)
{
    for (size_t i = 0; i < p->first.fact_count; i++) {
        const fact *f = &p->first.facts[i];
        if (f->kind != FACT_REFUSED) continue;
        size_t shown = f->data.len < REFUSED_SHOWN ? f->data.len : REFUSED_SHOWN;
        const char *line = f->data.data, *end = memchr(line, '\r', shown);
        (void)snprintf(p->error, sizeof p->error, "--prove \"%s\": the request began no run: %.*s", p->app->opt.prove,
                       (int)(end ? (size_t)(end - line) : shown), line);
        return true;
    }
    return false;
}

static bool proof_make_first(proof *p)
{
    const sw_options *o = &p->app->opt;
    const execution_input input = {.plan = {.is_first = true, .may_call = !o->replay, .tape = &p->recording},
                                   .request = p->request,
                                   .request_len = p->request_len};
    return execution_make(p->app, &input, &p->first, p->error, sizeof p->error) && !proof_was_refused(p);
}

/* Adds what the entries of a run have. Returns how many facts were made. */
static size_t facts_make_of_run(proof *p, const executed_run *r, fact *made)
{
    size_t count = 0;
    made[count++] = (fact){.kind = FACT_RUN, .run = r->lineage, .id = {(const char *)r->id.bytes, RUN_ID_BYTES}};
    for (size_t i = 0; i < r->entry_count; i++) {
        const entry *e = &r->entries[i];
        msgpack_object v;
        const char *error = NULL;
        if (e->kind == ENTRY_STEP_DONE)
            made[count++] = (fact){.kind = FACT_DONE, .run = r->lineage, .path = e->path, .data = e->value};
        if (e->kind != ENTRY_VALUE || !value_unpack(&p->memory, e->value.data, e->value.len, &v, &error)) continue;
        if (v.type != MSGPACK_OBJECT_POSITIVE_INTEGER) continue; /* a question: each execution makes the same */
        made[count++] = (fact){.kind = FACT_VALUE, .run = r->lineage, .path = e->path, .hash = v.via.u64};
    }
    return count;
}

/* Fills the tape with the first execution's facts, the ids of its runs, the results of their steps and the values that
 * they drew. */
static bool proof_fill_tape(proof *p)
{
    const execution *x = &p->first;
    size_t count = 0;
    fact *made = arena_zalloc(&p->memory, (x->entry_count + x->run_count + 1) * sizeof *made);
    for (size_t i = 0; i < x->run_count && made; i++) count += facts_make_of_run(p, &x->runs[i], made + count);
    assert(!made || count <= x->entry_count + x->run_count);
    bool ok = made && tape_add(&p->tape, x->facts, x->fact_count) && tape_add(&p->tape, made, count);
    if (!ok) (void)snprintf(p->error, sizeof p->error, "out of memory for the recording");
    return ok;
}

/* ---- The others ---- */

/* Returns the input of an execution that goes on from the first `entries` of what `x` has brought to the disk; in
 * p->points. False with a message: no memory. */
static bool input_from_prefix(proof *p, const execution *x, size_t entries, unsigned crash, execution_input *out)
{
    assert(entries > 0);
    assert(entries <= x->entry_count);
    assert(crash > 0); /* 0 is the first execution */
    *out = (execution_input){.plan = {.tape = &p->tape, .crash = crash},
                             .openings = x == &p->first ? 1 : 2,
                             .is_quiet = strcmp(p->app->opt.log_level, "debug") != 0};
    bool ok = history_disk(&p->points, x, entries, &out->disk);
    if (!ok) (void)snprintf(p->error, sizeof p->error, "out of memory for a crash point");
    return ok;
}

static bool proof_execute(proof *p, const execution_input *input, execution *x)
{
    if (!execution_make(p->app, input, x, p->error, sizeof p->error)) return false;
    verdict_look(&p->verdict, x, input->plan.crash);
    return true;
}

static void proof_compare(proof *p, const execution *x, const execution_input *input)
{
    const crash_point point = {input->plan.crash, &input->disk};
    verdict_compare(&p->verdict, &p->first, &p->tape, x, &point);
}

static bool proof_execute_and_compare(proof *p, const execution_input *input)
{
    execution x;
    bool ok = proof_execute(p, input, &x);
    if (ok) proof_compare(p, &x, input);
    execution_free(&x);
    return ok;
}

/* Lets the machine die with this many entries on disk, and compares what the resumed runs do. */
static bool proof_crash_behind(proof *p, unsigned crash, size_t entries)
{
    execution_input input;
    return input_from_prefix(p, &p->first, entries, crash, &input) && proof_execute_and_compare(p, &input);
}

static bool proof_go_on(proof *p, const execution *dead, unsigned crash)
{
    execution_input input;
    return input_from_prefix(p, dead, dead->entry_count, crash, &input) && proof_execute_and_compare(p, &input);
}

/* Returns the input of an execution that runs until this attempt's function is over. It begins from the first entry, so
 * that the run's id, and with it every step's key, is that of the first execution. */
static bool input_until_attempt(proof *p, unsigned crash, const fact *attempt, execution_input *out)
{
    assert(attempt->kind == FACT_ATTEMPT);
    if (!input_from_prefix(p, &p->first, 1, crash, out)) return false;
    out->plan.death_run = attempt->run;
    out->plan.death_path = attempt->path;
    out->plan.death_attempt = attempt->attempt;
    return true;
}

/* Lets the machine die when the function of an attempt is over and its result is not on disk. */
static bool proof_crash_in(proof *p, unsigned crash, const fact *attempt)
{
    execution x;
    execution_input input;
    if (!input_until_attempt(p, crash, attempt, &input)) return false;
    bool ok = proof_execute(p, &input, &x);
    if (ok && x.died)
        ok = proof_go_on(p, &x, crash);
    else if (ok)
        proof_compare(p, &x, &input); /* the execution did not come to that attempt */
    execution_free(&x);
    return ok;
}

/* Lets a run leave memory in this attempt and go on in that process, whose variables its handler has used. */
static bool proof_stay(proof *p, unsigned crash, const fact *attempt)
{
    execution_input input;
    if (!input_until_attempt(p, crash, attempt, &input)) return false;
    input.plan.stays = true;
    return proof_execute_and_compare(p, &input);
}

/* Returns whether crash point `i` of `all` is tried: of more than `count`, `count` are tried, spread over all. */
static bool crash_is_chosen(size_t i, size_t all, size_t count)
{
    assert(i < all);
    assert(count > 0);
    return all <= count || i * count / all != (i + 1) * count / all;
}

static bool proof_try(proof *p, unsigned crash, size_t prefixes)
{
    bool stays = false;
    arena_free(&p->points);
    if (crash <= prefixes) return proof_crash_behind(p, crash, verdict_prefix(&p->first, crash));
    const fact *attempt = verdict_attempt(&p->first, crash - prefixes - 1, &stays);
    return stays ? proof_stay(p, crash, attempt) : proof_crash_in(p, crash, attempt);
}

static bool proof_make_others(proof *p)
{
    const size_t limit = (size_t)p->app->opt.prove_points, prefixes = verdict_prefixes(&p->first);
    const size_t all = prefixes + verdict_attempts(&p->first);
    bool ok = true;
    p->verdict.points_possible = all;
    for (size_t i = 0; i < all && ok; i++)
        if (crash_is_chosen(i, all, limit)) ok = proof_try(p, (unsigned)i + 1, prefixes);
    assert(p->verdict.points <= all);
    return ok;
}

/* ---- The whole ---- */

static bool proof_write_recording(proof *p)
{
    const sw_options *o = &p->app->opt;
    return !o->record || recording_write(o->record, o->prove, &p->first, p->error, sizeof p->error);
}

static int proof_run(proof *p)
{
    const sw_options *o = &p->app->opt;
    if (!o->prove)
        (void)snprintf(p->error, sizeof p->error,
                       "--prove-body (-d), --prove-header (-H), --prove-signal, --record and --replay go with --prove");
    if (!o->prove || !probe_check_signals(o->prove_signals, p->error, sizeof p->error) ||
        !(p->request = request_text(p->app, &p->request_len, p->error, sizeof p->error)) || !proof_read_recording(p) ||
        !proof_make_first(p) || !proof_write_recording(p) || !proof_fill_tape(p))
        return NOT_TRIED;
    verdict_look(&p->verdict, &p->first, 0);
    if (!execution_is_over(&p->first))
        verdict_no_end(&p->verdict, &p->first, 0);
    else if (!proof_make_others(p))
        return NOT_TRIED;
    verdict_judge_calls(&p->verdict, o->prove_repeatable);
    return verdict_print(&p->verdict, &p->first, stdout) ? GOOD : BAD;
}

int prove_main(sw_app *app)
{
    proof p = {.app = app};
    assert(!probe_on); /* this process does not serve: its children do */
    arena_init(&p.memory, NULL);
    arena_init(&p.points, NULL);
    verdict_init(&p.verdict);
    int result = proof_run(&p);
    if (result == NOT_TRIED) (void)fprintf(stderr, "%s: %s\n", app->name, p.error);
    execution_free(&p.first);
    tape_free(&p.recording);
    tape_free(&p.tape);
    verdict_free(&p.verdict);
    arena_free(&p.memory);
    arena_free(&p.points);
    free(p.request);
    return result;
}
