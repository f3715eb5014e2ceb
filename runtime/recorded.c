/* recorded: what a handler gets from outside its steps and sees again at every replay: the clock, random numbers, and
 * the ends of its sleeps. */
#include <stdint.h>
#include <string.h>

#include "runtime/fit.h"
#include "runtime/loop.h"
#include "runtime/moment.h"
#include "runtime/path.h"
#include "runtime/random.h"
#include "runtime/record.h"
#include "runtime/replay_log.h"
#include "runtime/step.h"
#include "runtime/strand.h"
#include "runtime/value.h"

static void append_or_fail(sw_ctx *c, const entry *e)
{
    if (!record_append(c->run, e)) ctx_fail_misuse(c, "the run's state is over its limit (--run-state-max)");
}

static uint64_t recorded(sw_ctx *c, const char *id, uint64_t fresh)
{
    run *r = c->run;
    if (r->plain || c->kind == CTX_STEP) return fresh; /* a step's result is what is recorded */
    ctx_check_wait(c, id);
    uint32_t occurrence;
    uint64_t path = path_next(c, PATH_VALUE, id, &occurrence);
    replay_record *rec = fit_find(r, path);
    if (c->held) replay_log_pass(c, rec != NULL);
    sw_value v = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = fresh};
    const char *error = NULL;
    if (rec) {
        if (!fit_is(rec, ENTRY_VALUE, id, occurrence)) ctx_raise(c, fit_misfit(r, rec, "a call of", id));
        if (!value_unpack(&r->arena, rec->value.data, rec->value.len, &v, &error)) ctx_fail_misuse(c, "%s", error);
        return v.via.u64;
    }
    r->loop->scratch.size = 0;
    if (!value_pack(&r->loop->scratch, v, SIZE_MAX, &error)) ctx_fail_misuse(c, "%s", error);
    append_or_fail(c, &(entry){.kind = ENTRY_VALUE,
                               .path = path,
                               .id = {id, strlen(id)},
                               .occurrence = occurrence,
                               .at_ms = loop_now_ms(),
                               .value = {r->loop->scratch.data, r->loop->scratch.size}});
    return fresh;
}

int64_t sw_now(sw_ctx *c)
{
    ctx_check(c, "sw_now");
    return (int64_t)recorded(c, "sw_now", (uint64_t)loop_now_ms());
}

uint64_t sw_random(sw_ctx *c)
{
    ctx_check(c, "sw_random");
    return recorded(c, "sw_random", random_u64());
}

static void sleep_here(sw_ctx *c, int64_t due_ms)
{
    if (!strand_sleep_until(c->strand, due_ms, STRAND_SLEEP_PLAIN)) ctx_raise_interrupt(c);
}

void sw_sleep_until(sw_ctx *c, const char *id, int64_t unix_ms)
{
    ctx_check_wait(c, "sw_sleep_until");
    run *r = c->run;
    (void)step_check_id(c, "a sleep", id);
    unix_ms = moment_of(unix_ms);
    if (r->plain || c->kind == CTX_STEP) {
        sleep_here(c, unix_ms);
        return;
    }
    uint32_t occurrence;
    uint64_t path = path_next(c, PATH_STEP, id, &occurrence);
    replay_record *rec = fit_find(r, path);
    if (c->held) replay_log_pass(c, rec != NULL);
    if (rec && !fit_is(rec, ENTRY_SLEEP, id, occurrence)) ctx_raise(c, fit_misfit(r, rec, "sleep", id));
    if (rec) {
        unix_ms = rec->due_ms;
    } else {
        if (++r->step_count > (uint32_t)r->loop->app->opt.steps_max)
            ctx_fail_misuse(c, "sleep \"%s\" is one more than the %d steps a run may have (--steps-max)", id,
                            (int)r->loop->app->opt.steps_max);
        append_or_fail(c, &(entry){.kind = ENTRY_SLEEP,
                                   .path = path,
                                   .id = {id, strlen(id)},
                                   .occurrence = occurrence,
                                   .branch = c->path,
                                   .began = r->seq_next,
                                   .epoch = store_epoch(r->loop->app->store),
                                   .at_ms = loop_now_ms(),
                                   .due_ms = unix_ms});
    }
    if (!strand_sleep_until(c->strand, unix_ms, STRAND_SLEEP_DURABLE)) ctx_raise_interrupt(c);
}

void sw_sleep(sw_ctx *c, const char *id, int64_t ms)
{
    ctx_check_wait(c, "sw_sleep");
    sw_sleep_until(c, id, moment_after(loop_now_ms(), ms));
}
