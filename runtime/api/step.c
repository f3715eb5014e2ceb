#include "runtime/api/step.h"

#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/random.h"
#include "runtime/base/retry.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/attempt_input.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/record.h"
#include "runtime/run/replay.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

/* ---- Preparing ---- */

size_t step_check_id(sw_ctx *c, const char *what, const char *id)
{
    size_t len = id ? strlen(id) : 0;
    if (len == 0) ctx_fail_misuse(c, "%s with an empty id: an id is 1 to %d bytes", what, STEP_ID_MAX);
    if (len > STEP_ID_MAX)
        ctx_fail_misuse(c, "%s id \"%.40s...\" has %zu bytes: at most %d are allowed", what, id, len, STEP_ID_MAX);
    return len;
}

void step_count_one(sw_ctx *c, const char *what, const char *id)
{
    run *r = c->run;
    const int steps_max = (int)r->task.home->opt->steps_max;
    if (++r->step_count > (uint32_t)steps_max)
        ctx_fail_misuse(c, "%s \"%s\" is one more than the %d steps a run may have (--steps-max)", what, id, steps_max);
}

const char *step_copy_id(sw_ctx *c, const char *what, const char *id)
{
    size_t len = step_check_id(c, what, id);
    const char *copy = arena_strndup(&c->task->arena, id, len);
    if (!copy) ctx_fail_memory(c);
    return copy;
}

step_spec step_prepare(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options)
{
    ctx_check_wait(c, "sw_step");
    id = step_copy_id(c, "a step", id);
    run *r = c->run;
    if (!fn) ctx_fail_misuse(c, "step \"%s\" without a function", id);
    if (!r) ctx_fail_misuse(c, "step \"%s\" in a plain route: steps need sw_endpoint", id);
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "step \"%s\" inside step \"%s\": use a branch (sw_group_branch) for work that holds steps",
                        id, c->id);
    step_count_one(c, "step", id);
    step_spec spec = {.id = id, .branch = c->path, .branch_label = c->label, .fn = fn, .input = input};
    if (options) spec.options = *options;
    if (spec.options.metric && !*spec.options.metric) ctx_fail_misuse(c, "step \"%s\" with an empty .metric", id);
    if (spec.options.retries == 0) spec.options.retries = STEP_RETRIES_DEFAULT;
    if (spec.options.retries < 0) spec.options.retries = 0;
    if (spec.options.backoff_ms <= 0) spec.options.backoff_ms = 500;
    if (spec.options.backoff_max_ms <= 0) spec.options.backoff_max_ms = 60000;
    spec.path = path_next(c, PATH_STEP, id, &spec.occurrence);
    spec.input_hash = value_hash(&r->task.home->scratch, input, &spec.input_bytes);
    if (spec.input_bytes == VALUE_NO_MEMORY) ctx_fail_memory(c);
    if (probe_on) probe_step(c, &spec);
    if (c->pending_lines) replay_log_pass(c, fit_find(r, spec.path) != NULL);
    return spec;
}

step_spec step_prepare_branch(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input)
{
    ctx_check_wait(c, "sw_group_branch");
    step_spec spec = {
        .id = step_copy_id(c, "a branch", id), .branch = c->path, .branch_label = c->label, .fn = fn, .input = input};
    if (!fn) ctx_fail_misuse(c, "branch \"%s\" without a function", id);
    spec.path = path_next(c, PATH_BRANCH, id, &spec.occurrence);
    return spec;
}

/* ---- Attempts ---- */

static void on_attempt_timeout(struct timer *t) { strand_interrupt(t->arg, INTERRUPT_TIMEOUT); }

/* One call of a step's function. */
typedef struct attempt {
    const step_spec *spec;
    int number;                  /* from 1 */
    uint64_t began_us, ended_us; /* steady */
    uint32_t began;              /* entries that the run had when the step's first attempt began */
    entry_text calls;            /* that the attempt made; in the attempt's arena */
    bool has_streamed;
    bool has_input; /* the journal has the step's input, with a failed attempt of it, or there is none */
} attempt;

static entry attempt_entry(const attempt *a, entry_kind kind, const clock_instant *now)
{
    const step_spec *spec = a->spec;
    assert(a->number > 0);
    assert(kind == ENTRY_STEP_DONE || kind == ENTRY_STEP_FAILED);
    return (entry){.kind = kind,
                   .path = spec->path,
                   .id = {spec->id, strlen(spec->id)},
                   .occurrence = spec->occurrence,
                   .attempt = (uint32_t)a->number,
                   .branch = spec->branch,
                   .began = a->began,
                   .input_hash = spec->input_hash,
                   .epoch = now->epoch,
                   .at_ms = now->wall_ms,
                   .duration_ms = (int64_t)(now->steady_us / 1000 - a->began_us / 1000),
                   .calls = a->calls};
}

/* Adds to the entry of an attempt without a result what the step was given, once for all its attempts: people look at a
 * step that is in trouble. The entry of the result has the input again, so it is left out if the run's entries would be
 * over half of --run-state-max with both: the other half is left to what the run itself journals, so that a run that
 * needs no more than half never fails for what only people read. */
static void attempt_add_input(run *r, attempt *a, entry *e)
{
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    entry_text calls = e->calls;
    size_t kept_free = (size_t)r->task.home->opt->run_state_max / 2;
    if (a->has_input) return;
    scratch->size = 0;
    if (!attempt_input_add(scratch, &calls, a->spec->input, a->spec->input_bytes)) return;
    if (!record_has_room(r, kept_free + 2 * calls.len)) return;
    e->calls = calls;
    a->has_input = true;
}

static failure failure_over_state_max(const step_spec *spec, int attempts)
{
    return (failure){.kind = FAILURE_FATAL,
                     .message = "the run's state is over its limit (--run-state-max)",
                     .step = spec->id,
                     .attempts = attempts,
                     .retry_after_ms = -1};
}

/* Journals the result and copies it to the run's arena. False: the strand's failure says why. Not inlined, and neither
 * is attempt_record_failure: their entries would lie on the stack of every step that waits. */
static __attribute__((noinline)) bool attempt_record_result(strand *s, attempt *a, sw_value value, sw_value *out)
{
    run *r = s->run;
    const step_spec *spec = a->spec;
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    const sw_options *opt = r->task.home->opt;
    const char *error = NULL;
    assert(s->failure.kind == FAILURE_NONE);
    scratch->size = 0;
    clock_instant now = clock_now(&r->task.home->clock);
    a->ended_us = now.steady_us;
    entry e = attempt_entry(a, ENTRY_STEP_DONE, &now);
    if (spec->input.type != MSGPACK_OBJECT_NIL) {
        const char *ignored = NULL;
        if (!value_pack(scratch, spec->input, STEP_INPUT_JOURNALED_MAX, &ignored)) e.input_bytes = spec->input_bytes;
    }
    size_t input_len = scratch->size;
    bool packed = value_pack(scratch, value, opt->step_result_max, &error);
    assert(scratch->size >= input_len); /* the result stands behind the input */
    if (!packed && error == value_no_memory) {
        s->failure = step_lose_run(r);
        return false;
    }
    if (!packed) {
        char *text = arena_printf(&r->task.arena,
                                  "the result of step \"%s\" cannot be journaled: %s (--step-result-max is %zu bytes)",
                                  spec->id, error, (size_t)opt->step_result_max);
        s->failure = (failure){.kind = FAILURE_FATAL, .message = text ? text : error, .retry_after_ms = -1};
        return false;
    }
    e.input = (entry_text){scratch->data, input_len};
    e.value = (entry_text){scratch->data + input_len, scratch->size - input_len};
    if (!record_append(r, &e)) {
        s->failure = failure_over_state_max(spec, a->number);
        return false;
    }
    if (run_has_lost(r)) { /* no code may go on with a result that will never be on disk */
        s->failure = failure_unwind;
        return false;
    }
    if (!value_copy(&r->task.arena, value, out, &error)) {
        s->failure = error == value_no_memory
                         ? step_lose_run(r)
                         : (failure){.kind = FAILURE_FATAL, .message = error, .retry_after_ms = -1};
        return false;
    }
    return true;
}

static int64_t attempt_delay_ms(const failure *f, const step_spec *spec, int number)
{
    int64_t asked_ms = f->retry_after_ms < 0 ? -1 : retry_asked_ms(f->retry_after_ms, random_u64());
    if (asked_ms >= 0 && !f->retry_lengthens) return asked_ms;
    int64_t backoff_ms =
        retry_backoff_ms((uint32_t)number, spec->options.backoff_ms, spec->options.backoff_max_ms, random_u64());
    assert(backoff_ms >= 0);
    return asked_ms > backoff_ms ? asked_ms : backoff_ms;
}

/* Logs a failed attempt. A replay makes no attempt, so that it logs none again. */
static void attempt_log_failure(run *r, const attempt *a, const failure *f, const clock_wait *next)
{
    const char *route = r->task.endpoint->route;
    if (next->due_ms > 0)
        run_log(r, LOG_INFO, "%s: step \"%s\": attempt %d failed: %s; the next is made in %lld ms", route, a->spec->id,
                a->number, f->message, (long long)clock_left_ms(next));
    else
        run_log(r, LOG_WARN, "%s: step \"%s\": attempt %d failed: %s; it was the last", route, a->spec->id, a->number,
                f->message);
}

/* Journals a failed attempt. *next becomes the wait for the next attempt; zeros: no attempt follows, since the failure
 * is fatal, the retries are used up, or the entry found no room. */
static __attribute__((noinline)) void attempt_record_failure(strand *s, attempt *a, clock_wait *next)
{
    run *r = s->run;
    failure *f = &s->failure;
    const step_spec *spec = a->spec;
    assert(f->kind == FAILURE_RETRY || f->kind == FAILURE_FATAL);
    f->step = spec->id;
    f->attempts = a->number;
    bool again = f->kind == FAILURE_RETRY && a->number <= spec->options.retries + BUG(RETRY_MORE);
    clock_instant now = clock_now(&r->task.home->clock);
    a->ended_us = now.steady_us;
    *next = (clock_wait){.due_ms = 0};
    if (again) *next = clock_wait_for(&now, attempt_delay_ms(f, spec, a->number));
    if (again && probe_on) probe_pause(clock_left_ms(next));
    if (!again) step_set_cause(r, spec, f);
    f->status = 0; /* no entry has the status, so that a replay would answer with another */
    entry e = attempt_entry(a, ENTRY_STEP_FAILED, &now);
    e.due_ms = next->due_ms;
    e.fatal = f->kind == FAILURE_FATAL;
    e.error = entry_text_of(f->message);
    attempt_add_input(r, a, &e);
    counter_add(&r->task.home->counters.attempts_failed, 1);
    if (!record_append(r, &e)) {
        *f = failure_over_state_max(spec, a->number);
        *next = (clock_wait){.due_ms = 0};
    }
    attempt_log_failure(r, a, f, next);
}

/* Calls the step's function, with what it makes in `own`. False: the strand's failure says why. */
static bool attempt_run(strand *s, attempt *a, arena *own, sw_value *value)
{
    run *r = s->run;
    const step_spec *spec = a->spec;
    sw_ctx c = {.kind = CTX_STEP,
                .strand = s,
                .task = &r->task,
                .run = r,
                .arena = own,
                .path = spec->path,
                .label = NULL,
                .id = spec->id,
                .attempt = a->number,
                .arg = spec->options.arg,
                .branch_label = spec->branch_label,
                .occurrence = spec->occurrence};
    struct timer timeout = {.fn = on_attempt_timeout, .arg = s, .has_reserve = true};
    int64_t timeout_ms = spec->options.timeout_ms;
    if (timeout_ms > 0) (void)timers_start(&r->task.home->timers, &timeout, (uint64_t)timeout_ms);
    coro_set_activity(s->co, spec->id);
    if (r->task.trace) attempt_span_begin(&c);
    bool ok = ctx_call(&c, spec->fn, spec->input, value);
    coro_set_activity(s->co, NULL);
    timers_stop(&r->task.home->timers, &timeout);
    if (s->interrupt == INTERRUPT_TIMEOUT) {
        s->interrupt = INTERRUPT_NONE;
        if (!ok && s->failure.kind == FAILURE_RETRY) {
            char *text = arena_printf(&r->task.arena, "timed out after %lld ms", (long long)timeout_ms);
            if (text) s->failure.message = text;
        }
    }
    assert(s->interrupt != INTERRUPT_TIMEOUT);
    assert(ok == (s->failure.kind == FAILURE_NONE));
    if (probe_on) probe_attempt_over(&c, spec, ok, value);
    if (r->task.trace) attempt_span_end(&c, ok ? NULL : &s->failure);
    a->calls = call_notes_pack(&c.calls, own, ok ? 0 : s->failure.answered);
    a->has_streamed = c.step_label != NULL;
    return ok;
}

/* Takes back what an attempt has streamed. False: the run is lost. */
static bool step_roll_back(run *r, const step_spec *spec)
{
    entry e = {.kind = ENTRY_ROLLBACK, .path = spec->path, .occurrence = spec->occurrence, .at_ms = clock_wall_ms()};
    const char *label = path_label(r, spec->branch_label, spec->id, spec->occurrence);
    e.id = entry_text_of(label);
    if (record_append(r, &e)) return true;
    run_lose_for_memory(r); /* loaded again from what is on disk */
    return false;
}

/* Another member of the group has won meanwhile. Journals, for people, that the attempt was made, whole or in part, and
 * takes back what it has streamed. A run that leaves memory at the same moment does without. Returns false. */
static __attribute__((noinline)) bool attempt_give_up(strand *s, attempt *a)
{
    run *r = s->run;
    const step_spec *spec = a->spec;
    clock_instant now = clock_now(&r->task.home->clock);
    s->failure = failure_unwind;
    if (!run_may_go_on(r)) return false;
    a->ended_us = now.steady_us;
    entry e = attempt_entry(a, ENTRY_STEP_FAILED, &now);
    e.kind = ENTRY_ABANDONED;
    attempt_add_input(r, a, &e);
    (void)record_append(r, &e);
    if (a->has_streamed) (void)step_roll_back(r, spec);
    return false;
}

typedef enum attempt_end { ATTEMPT_DONE, ATTEMPT_FAILED, ATTEMPT_UNWOUND } attempt_end;

/* Runs the attempt and journals its result or failure. After ATTEMPT_FAILED *next is the wait for the next attempt;
 * zeros: the step has failed for good. */
static attempt_end attempt_make(strand *s, attempt *a, sw_value *out, clock_wait *next)
{
    arena own;
    arena_init(&own, s->task->home->arenas);
    arena_set_limit(&own, s->task->home->opt->run_state_max);
    sw_value value = sw_nil();
    bool ok = attempt_run(s, a, &own, &value);
    if (s->is_abandoned && !BUG(LOSERS_COUNT))
        ok = attempt_give_up(s, a);
    else if (ok)
        ok = attempt_record_result(s, a, value, out);
    assert(ok || s->failure.kind != FAILURE_NONE);
    attempt_end end = ok ? ATTEMPT_DONE : s->failure.kind == FAILURE_UNWIND ? ATTEMPT_UNWOUND : ATTEMPT_FAILED;
    if (end == ATTEMPT_FAILED) attempt_record_failure(s, a, next);
    if (!BUG(LEAK_ARENA)) arena_free(&own);
    return end;
}

static duration_outcome attempt_outcome(attempt_end end, const clock_wait *next)
{
    if (end == ATTEMPT_DONE) return OUTCOME_SUCCEEDED;
    return next->due_ms > 0 ? OUTCOME_RETRIED : OUTCOME_FAILED;
}

/* Takes back the chunks of an attempt that a crash cut off, before the step's next attempt. False: the run is lost. */
static bool step_take_back_chunks(run *r, const step_spec *spec, replay_record *rec)
{
    if (!rec || rec->open_chunks == 0 || BUG(SKIP_ROLLBACK)) return true;
    rec->open_chunks = 0;
    return step_roll_back(r, spec);
}

bool step_give_up(run *r, const step_spec *spec)
{
    (void)step_take_back_chunks(r, spec, fit_find(r, spec->path)); /* without memory the run is loaded again */
    return true;
}

static step_outcome step_unwound(strand *s)
{
    s->failure = failure_unwind;
    return STEP_UNWOUND;
}

static bool step_is_abandoned(const step_spec *spec) { return spec->decided && *spec->decided; }

/* Ends the step whose wait between attempts was interrupted. */
static step_outcome step_cut_short(strand *s)
{
    if (s->interrupt != INTERRUPT_STOP) return step_unwound(s);
    s->interrupt = INTERRUPT_NONE;
    return STEP_ABANDONED;
}

/* Waits until the disk has what a crash must not undo before the attempt begins: the values of sw_now and sw_random so
 * far, and for a .sync step everything before it, the run's start and Idempotency-Key included. False: the run leaves
 * memory. */
static bool attempt_may_begin(strand *s, const step_spec *spec, bool is_first)
{
    run *r = s->run;
    bool sync = is_first && spec->options.sync && !BUG(SYNC_BEFORE);
    uint32_t upto = sync ? r->seq_next : r->seq_choice;
    do {
        if (!record_wait(s, upto) || !gate_pass(s)) return false;
        upto = r->seq_choice; /* another branch may have drawn a value meanwhile */
    } while (r->seq_durable < upto);
    return true;
}

static step_outcome step_make(strand *s, const step_spec *spec, sw_value *out)
{
    run *r = s->run;
    replay_record *rec = fit_find(r, spec->path);
    step_outcome answered = step_answer(r, spec, out, &s->failure);
    if (answered != STEP_OPEN) return answered;
    if (s->is_abandoned && step_give_up(r, spec)) return step_unwound(s);
    if (probe_on && probe_holds_attempt(s, spec, rec ? rec->attempts : 0)) return step_unwound(s);
    attempt a = {.spec = spec, .number = rec ? (int)rec->attempts : 0, .began = rec ? rec->began : 0};
    a.has_input = spec->input.type == MSGPACK_OBJECT_NIL || (a.number > 0 && rec->input_hash == spec->input_hash);
    clock_wait next = {.due_ms = 0};
    if (rec && rec->wait.due_ms > 0) next = clock_wait_of(&r->task.home->clock, &rec->wait);
    int64_t paused_ms = rec ? rec->wait.at_ms : 0;
    if (!step_take_back_chunks(r, spec, rec)) return step_unwound(s);
    s->work.attempt = (uint32_t)a.number;
    for (;;) {
        if (step_is_abandoned(spec)) return STEP_ABANDONED;
        const wait_span pause = {"retry", spec->id, spec->path, (uint32_t)a.number, paused_ms};
        if (next.due_ms > 0 && !wait_span_sleep(s, &pause, &next)) return step_cut_short(s);
        paused_ms = 0;
        if (!attempt_may_begin(s, spec, a.number == 0) || s->is_abandoned) return step_unwound(s);
        if (step_is_abandoned(spec)) return STEP_ABANDONED;
        if (a.number++ == 0) a.began = r->seq_next;
        a.began_us = clock_steady_us();
        if (probe_on) probe_attempt(r, spec, a.number);
        s->work.attempt++;
        s->work.began_us = a.began_us;
        feed *heard = &r->task.home->app->feed;
        if (feed_is_heard(heard)) feed_tell_attempt(heard, r, spec, s->work.attempt);
        attempt_end end = attempt_make(s, &a, out, &next);
        s->work.began_us = 0;
        if (end == ATTEMPT_UNWOUND) return STEP_UNWOUND;
        durations_add_step(r->task.home, r->task.endpoint, spec, attempt_outcome(end, &next), a.ended_us - a.began_us);
        if (end == ATTEMPT_DONE) break;
        if (next.due_ms == 0) return STEP_FAILED;
    }
    counter_add(&r->task.home->counters.steps_done, 1);
    if (spec->options.sync && !BUG(SYNC_AFTER) && !record_wait(s, r->seq_next)) return step_unwound(s);
    return STEP_OK;
}

step_outcome step_execute(strand *s, const step_spec *spec, sw_value *out)
{
    assert(!s->work.step); /* no step in a step */
    s->work.step = spec;
    step_outcome outcome = step_make(s, spec, out);
    s->work.step = NULL;
    return outcome;
}
