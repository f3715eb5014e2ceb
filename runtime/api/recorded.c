/* recorded: what a handler gets outside its steps and gets again at every replay: the clock, random numbers, and the
 * ends of its sleeps. Owns nothing: the values are entries of the run. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/recorded.h"
#include "runtime/api/step.h"
#include "runtime/base/random.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_span.h"
#include "runtime/run/strand.h"

static void recorded_append(sw_ctx *c, const entry *e)
{
    assert(c->kind != CTX_STEP); /* of a step the result alone is journaled */
    if (!record_append(c->run, e)) ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
}

/* Returns the value that the journal has of this call of `id`, or journals `fresh` and returns that. */
static uint64_t recorded_value(sw_ctx *c, const char *id, uint64_t fresh)
{
    run *r = c->run;
    if (!r || c->kind == CTX_STEP) return fresh; /* in a step: the step's result is recorded */
    ctx_check_wait(c, id);
    uint32_t occurrence;
    uint64_t path = path_next(c, PATH_VALUE, id, &occurrence);
    replay_record *rec = fit_find(r, path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    if (probe_on) {
        probe_value(c, id, path);
        fresh = probe_draw(r, path, fresh);
    }
    sw_value v = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = fresh};
    const char *error = NULL;
    if (rec && !BUG(CHOOSE_AGAIN)) {
        if (!fit_is(rec, ENTRY_VALUE, id, occurrence)) ctx_raise(c, fit_misfit(r, rec, "a call of", id));
        bool read = value_unpack(&r->task.arena, rec->value.data, rec->value.len, &v, &error);
        if (!read && error == value_no_memory) ctx_fail_memory(c);
        if (!read) ctx_fail_misuse(c, "%s", error);
        return v.via.u64;
    }
    ctx_check_begin(c);
    r->task.home->scratch.size = 0;
    if (!value_pack(&r->task.home->scratch, v, SIZE_MAX, &error)) ctx_fail_memory(c);
    recorded_append(c, &(entry){.kind = ENTRY_VALUE,
                                .path = path,
                                .id = {id, strlen(id)},
                                .occurrence = occurrence,
                                .at_ms = clock_wall_ms(),
                                .value = {r->task.home->scratch.data, r->task.home->scratch.size}});
    return fresh;
}

int64_t sw_now(sw_ctx *c)
{
    ctx_check(c, "sw_now");
    return (int64_t)recorded_value(c, "sw_now", (uint64_t)clock_wall_ms());
}

uint64_t sw_random(sw_ctx *c)
{
    ctx_check(c, "sw_random");
    return recorded_value(c, "sw_random", random_u64());
}

static void sleep_append(sw_ctx *c, const entry *named, const clock_instant *now, const clock_wait *until)
{
    entry e = *named;
    assert(e.kind == ENTRY_SLEEP);
    e.branch = c->path;
    e.began = c->run->seq_next;
    e.epoch = now->epoch;
    e.at_ms = now->wall_ms;
    e.due_ms = until->due_ms;
    e.absolute = until->absolute;
    recorded_append(c, &e);
}

sleep_begun sleep_begin(sw_ctx *c, const char *id, const sleep_asked *asked)
{
    run *r = c->run;
    entry e = {.kind = ENTRY_SLEEP, .id = {id, strlen(id)}};
    step_count_one(c, "sleep", id);
    e.path = path_next(c, PATH_STEP, id, &e.occurrence);
    if (probe_on) probe_sleep(c, id, e.path);
    replay_record *rec = fit_find(r, e.path);
    if (c->pending_lines) replay_log_pass(c, rec != NULL);
    if (rec && !fit_is(rec, ENTRY_SLEEP, id, e.occurrence)) ctx_raise(c, fit_misfit(r, rec, "sleep", id));
    bool is_earlier = rec && !fit_begins_anew(rec, asked->is_member);
    sleep_begun begun = {.path = e.path,
                         .occurrence = e.occurrence,
                         .began = is_earlier ? rec->began : r->seq_next,
                         .until = asked->until,
                         .from_ms = asked->now->wall_ms,
                         .is_earlier = is_earlier};
    if (probe_on && asked->is_member)
        probe_member(c->run, e.path);
    else if (probe_on)
        begun.is_passed = probe_passes_sleep(c, id, e.path, rec != NULL);
    if (is_earlier) {
        begun.until = clock_wait_of(&r->task.home->clock, &rec->wait);
        begun.from_ms = rec->wait.at_ms;
    } else if (!asked->is_member || !fit_member_has_lost(c, e.path)) {
        ctx_check_begin(c);
        sleep_append(c, &e, asked->now, &asked->until);
    }
    if (rec) rec->is_void = false; /* it has begun */
    return begun;
}

/* Sleeps in the journal, or for as long as the journal says. */
static void sleep_recorded(sw_ctx *c, const char *id, const sleep_asked *asked)
{
    sleep_begun begun = sleep_begin(c, id, asked);
    if (begun.is_passed) return;
    strand *s = c->strand;
    const wait_span w = {
        .name = "sleep", .id = id, .path = begun.path, .from_ms = begun.is_earlier ? begun.from_ms : 0};
    s->work.sleep_id = id;
    s->work.sleep_path = begun.path;
    bool slept = wait_span_sleep(s, &w, &begun.until);
    s->work.sleep_id = NULL;
    if (!slept) ctx_raise_interrupt(c);
}

static void sleep_as(sw_ctx *c, const char *id, const sleep_asked *asked)
{
    if (c->run && c->kind != CTX_STEP)
        sleep_recorded(c, id, asked);
    else if (!strand_sleep_until(c->strand, &asked->until, STRAND_SLEEP_PLAIN))
        ctx_raise_interrupt(c);
}

void sw_sleep_until(sw_ctx *c, const char *id, int64_t unix_ms)
{
    ctx_check_wait(c, "sw_sleep_until");
    (void)step_check_id(c, "a sleep", id);
    clock_instant now = clock_now(&c->task->home->clock);
    sleep_as(c, id, &(sleep_asked){.now = &now, .until = clock_wait_until(unix_ms)});
}

void sw_sleep(sw_ctx *c, const char *id, int64_t ms)
{
    ctx_check_wait(c, "sw_sleep");
    (void)step_check_id(c, "a sleep", id);
    clock_instant now = clock_now(&c->task->home->clock);
    sleep_as(c, id, &(sleep_asked){.now = &now, .until = clock_wait_for(&now, BUG(SHORT_SLEEP) ? ms - ms / 8 : ms)});
}
