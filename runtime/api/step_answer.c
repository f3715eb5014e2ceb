/* step_answer: what the journal has of a step, as a result or a failure. Owns nothing: both lie in the run's arena. */
#include <assert.h>

#include "coro/seeded_bug.h"
#include "runtime/api/step.h"
#include "runtime/base/value.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/replay.h"

void step_set_cause(run *r, const step_spec *spec, failure *f)
{
    assert(f->kind == FAILURE_RETRY || f->kind == FAILURE_FATAL);
    f->path = path_label(r, spec->branch_label, spec->id, spec->occurrence);
    f->causes = arena_memdup(&r->task.arena, &spec->path, sizeof spec->path);
    f->cause_count = f->causes ? 1 : 0;
    f->is_exhausted = f->causes && (f->kind == FAILURE_RETRY || BUG(FATAL_STOPS));
    if (!f->causes) run_lose_for_memory(r);
}

static failure failure_of_record(run *r, const step_spec *spec, const replay_record *rec)
{
    const char *text = arena_strndup(&r->task.arena, rec->error.data, rec->error.len);
    assert(rec->failed);
    assert(!rec->done || BUG(RUN_STEP_AGAIN));
    if (!text) run_lose_for_memory(r);
    failure f = {.kind = rec->fatal ? FAILURE_FATAL : FAILURE_RETRY,
                 .message = text ? text : "failed",
                 .step = spec->id,
                 .attempts = (int)rec->attempts,
                 .answered = call_notes_failed_for(rec->calls),
                 .retry_after_ms = -1};
    step_set_cause(r, spec, &f);
    return f;
}

failure step_lose_run(run *r)
{
    run_lose_for_memory(r);
    return failure_unwind;
}

/* Answers a finished step with its journaled result. Not having the memory for the result loses the run. */
static step_outcome step_answer_done(run *r, const step_spec *spec, const replay_record *rec, sw_value *out,
                                     failure *why)
{
    const char *error = NULL;
    counter_add(&r->task.home->counters.steps_replayed, 1);
    if (value_unpack(&r->task.arena, rec->value.data, rec->value.len, out, &error)) return STEP_OK;
    if (error == value_no_memory) {
        *why = step_lose_run(r);
        return STEP_UNWOUND;
    }
    *why = (failure){.kind = FAILURE_FATAL, .message = error, .step = spec->id, .retry_after_ms = -1};
    return STEP_FAILED;
}

/* Answers the step from its record. STEP_OPEN: the record has no end of the step. */
static step_outcome step_answer_from_record(run *r, const step_spec *spec, replay_record *rec, sw_value *out,
                                            failure *why)
{
    assert(rec->path == spec->path);
    if (!fit_is_step(r, rec, spec)) {
        *why = fit_misfit(r, rec, "step", spec->id);
        return why->kind == FAILURE_UNWIND ? STEP_UNWOUND : STEP_FAILED;
    }
    if (!fit_check_input(r, spec, rec)) {
        *why = failure_unwind;
        return STEP_UNWOUND;
    }
    if (rec->done && !(BUG(RUN_STEP_AGAIN) && spec->occurrence > 0)) return step_answer_done(r, spec, rec, out, why);
    if (!rec->failed) return STEP_OPEN;
    *why = failure_of_record(r, spec, rec);
    return STEP_FAILED;
}

step_outcome step_answer(run *r, const step_spec *spec, sw_value *out, failure *why)
{
    replay_record *rec = fit_find(r, spec->path);
    return rec ? step_answer_from_record(r, spec, rec, out, why) : STEP_OPEN;
}
