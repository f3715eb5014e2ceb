/* run_end: the handler of a run: calling it, and what follows when it ends: its response, or a problem instead, and the
 * journal's last entries. */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/recall.h"
#include "runtime/run/record.h"
#include "runtime/run/remarking.h"
#include "runtime/run/replay.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/returning.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_request.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

/* ---- The journal's last entries ---- */

bool run_response_entry(run *r, entry *out)
{
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    scratch->size = 0;
    bool packed = run_pack_headers(scratch, r->task.response.headers);
    *out = (entry){.kind = ENTRY_RESPONSE,
                   .at_ms = clock_wall_ms(),
                   .status = r->task.response.status,
                   .headers = {scratch->data, scratch->size},
                   .body = {r->task.response.body.data, r->task.response.body.len}};
    return packed;
}

static uint64_t *run_outcome_counter(const run *r, counters *n)
{
    if (r->is_rejected) return &n->runs_rejected;
    switch (r->outcome) {
    case ENTRY_SUCCEEDED:
        return &n->runs_succeeded;
    case ENTRY_CANCELLED:
        return &n->runs_cancelled;
    default:
        return &n->runs_failed;
    }
}

static duration_outcome run_duration_outcome(const run *r)
{
    if (r->is_rejected) return OUTCOME_REJECTED;
    switch (r->outcome) {
    case ENTRY_SUCCEEDED:
        return OUTCOME_SUCCEEDED;
    case ENTRY_CANCELLED:
        return OUTCOME_CANCELLED;
    default:
        return OUTCOME_FAILED;
    }
}

/* Returns how long it is since the run began, or was last reopened, in whichever process that was. */
static uint64_t run_duration_us(run *r)
{
    home *h = r->task.home;
    if (r->began_us > 0) {
        uint64_t now_us = durations_turn_us(&h->durations);
        return now_us > r->began_us ? now_us - r->began_us : 0;
    }
    clock_instant now = clock_now(&h->clock);
    const entry *reopened = r->replay ? replay_reopened(r->replay) : NULL;
    clock_mark from = {.epoch = r->started_epoch, .at_ms = r->started_ms},
               to = {.epoch = now.epoch, .at_ms = now.wall_ms};
    if (reopened) from = (clock_mark){.epoch = reopened->epoch, .at_ms = reopened->at_ms};
    return (uint64_t)clock_between_ms(&h->clock, from, to) * 1000;
}

void run_count_end(run *r)
{
    assert(r->state == RUN_ENDED);
    home *h = r->task.home;
    counter_add(run_outcome_counter(r, &h->counters), 1);
    durations_add_run(h, r->task.endpoint, run_duration_outcome(r), run_duration_us(r));
    if (r->task.trace) request_span_end(r);
}

entry_text run_causes(run *r, const failure *f)
{
    char *bytes = f && f->cause_count ? arena_alloc(&r->task.arena, f->cause_count * sizeof(uint64_t)) : NULL;
    if (!bytes && f && f->cause_count) run_lose_for_memory(r);
    if (!bytes) return entry_text_of("");
    for (uint32_t i = 0; i < f->cause_count; i++) {
        uint64_t path = htobe64(f->causes[i]);
        memcpy(bytes + i * sizeof path, &path, sizeof path);
    }
    return (entry_text){bytes, f->cause_count * sizeof(uint64_t)};
}

void run_record_end(run *r)
{
    assert(r->state == RUN_ENDING || run_has_lost(r)); /* lost: making the response found no memory */
    assert(r->task.response.status != 0);
    msgpack_sbuffer *scratch = &r->task.home->scratch;
    entry response;
    entry ended = {.kind = ENTRY_ENDED,
                   .at_ms = clock_wall_ms(),
                   .status = (int)r->outcome,
                   .error = entry_text_of(r->outcome_error),
                   .causes = run_causes(r, r->failure)};
    if (!BUG(DROP_STATUS)) remarking_flush(r);
    /* What is to leave with *ended* comes first: what was appended is written, also if the run is lost behind it. */
    bool ok = returning_prepare(r, &ended.value) && recall_prepare(r);
    ok = ok && run_response_entry(r, &response) && record_append(r, &response);
    scratch->size = 0; /* it held the response's headers, which have been copied */
    ok = ok && remarking_pack(r, scratch);
    ended.remarks = (entry_text){scratch->data, scratch->size};
    ok = ok && record_append(r, &ended);
    if (r->open_has_end) mailbox_give_up(r); /* a run that was lost before has none: its letters stay */
    if (ok && r->task.trace) request_span_hold(r);
    if (!ok) run_lose_for_memory(r);
}

/* ---- The handler ---- */

static void run_set_problem(run *r, const failure *f)
{
    r->outcome_error = task_set_problem(&r->task, f);
    r->outcome = ENTRY_FAILED;
}

/* The status tells the client what it can still expect. 410: the result will never be there; 504: it was not there in
 * time; 500: the run stood still for too long. */
void run_end_cancelled(run *r)
{
    static const struct {
        int status;
        entry_ended outcome;
        const char *message;
    } ends[] = {
        [ENTRY_CANCEL_ASKED] = {410, ENTRY_CANCELLED, "the run was cancelled"},
        [ENTRY_CANCEL_GONE] = {410, ENTRY_CANCELLED, "the run was cancelled: its client went away"},
        [ENTRY_CANCEL_LATE] = {504, ENTRY_FAILED, "the run is over its deadline (timeout_ms of its endpoint)"},
        [ENTRY_CANCEL_STALE] = {500, ENTRY_FAILED, "the run was stopped, and not released in time (--retain-stopped)"},
    };
    assert(r->cancel != ENTRY_CANCEL_NONE);
    bool known = r->cancel <= ENTRY_CANCEL_STALE; /* else the journal has a reason of a later version */
    entry_cancel why = known ? r->cancel : ENTRY_CANCEL_ASKED;
    failure f = {.kind = FAILURE_FATAL, .status = ends[why].status, .message = ends[why].message};
    run_set_problem(r, &f);
    r->outcome = ends[why].outcome;
    run_log(r, LOG_INFO, "%s: %s", r->task.endpoint->route, f.message);
    run_record_end(r);
}

/* Makes the response of a handler that failed with a 4xx: its client sent what the handler cannot take. That is an
 * answer like a 4xx that a handler gives, so the run does not count as failed, and no operator is to be called for it.
 */
static void run_reject_request(run *r, const failure *f)
{
    const char *message = task_set_problem(&r->task, f);
    r->is_rejected = true;
    run_log(r, LOG_INFO, "%s rejected its request with %d: %s", r->task.endpoint->route, f->status, message);
}

/* Tells the run how its handler has ended, with the response that follows from a failure. */
static void run_handler_ended(run *r, bool ok, const failure *f)
{
    assert(!ok == (f->kind != FAILURE_NONE));
    assert(!r->failure); /* no other event is being dealt with */
    if (!ok && f->kind == FAILURE_UNWIND) {
        run_post(r, RUN_ON_UNWOUND);
        return;
    }
    if (ok && r->cancel == ENTRY_CANCEL_NONE) fit_report_unasked(r);
    bool stops = !ok && f->is_exhausted && r->task.endpoint->options.on_exhausted == SW_STOP && !BUG(EXHAUSTED_FAILS);
    bool has_failed = !ok && !run_has_lost(r); /* a lost run is tried again from what is on disk */
    if (has_failed && f->status >= 400 && f->status < 500) {
        run_reject_request(r, f);
    } else if (has_failed) {
        run_set_problem(r, f); /* a cancelled run replaces this response later: RUN_DO_END_CANCELLED */
        if (!stops)
            run_log(r, LOG_WARN, "%s failed: %s%s%s", r->task.endpoint->route, f->step ? f->step : "",
                    f->step ? ": " : "", r->outcome_error);
    }
    if (r->task.response.status == 0) r->task.response.status = 204;
    r->failure = ok ? NULL : f;
    run_post(r, stops ? RUN_ON_EXHAUSTED : RUN_ON_RETURNED);
    r->failure = NULL; /* it lies on the handler's stack, which goes */
}

void run_main(void *arg)
{
    run *r = arg;
    strand s;
    strand_enter(&s, &r->task);
    assert(run_state_has_handler(r->state));
    sw_ctx c;
    bool ok = ctx_call_handler(&c, &s);
    if (ok || s.failure.kind != FAILURE_UNWIND)
        replay_log_end(&c);
    else
        replay_log_drop(&c);
    if (ok || s.failure.kind != FAILURE_UNWIND) (void)gate_wait_end(&s); /* interrupted, it ends all the same */
    run_handler_ended(r, ok, &s.failure);
    strand_exit(&s);
}
