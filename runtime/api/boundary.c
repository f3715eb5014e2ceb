/* boundary: where a failure becomes a value (sw_caught) that another language carries through its own frames, and a
 * failure again. Owns no caught failure: each lies in its run's arena, or is static. */
#include <assert.h>
#include <setjmp.h>
#include <stdint.h>
#include <string.h>

#include "runtime/api/step.h"
#include "runtime/run/blocking_guard.h"
#include "runtime/run/ctx.h"
#include "runtime/run/task.h"

struct sw_caught {
    failure why;
};

static const sw_caught caught_unwind = {{.kind = FAILURE_UNWIND, .retry_after_ms = -1}};
static const sw_caught caught_no_memory = {{.kind = FAILURE_FATAL, .message = "out of memory", .retry_after_ms = -1}};
/* The message of sw_blocking itself names the function that was called. */
static const sw_caught caught_misplaced = {
    {.kind = FAILURE_FATAL, .message = "a context was used on the thread of sw_blocking", .retry_after_ms = -1}};

/* Copies the strand's failure to the run's arena, whose limit does not count here: a full arena may be the failure. */
static const sw_caught *caught_copy_failure(sw_ctx *c)
{
    const failure *f = &c->strand->failure;
    assert(f->kind != FAILURE_NONE);
    if (f->kind == FAILURE_UNWIND) {
        c->unwinds = true;
        return &caught_unwind;
    }
    arena *a = &c->task->arena;
    size_t limit = a->bytes_max;
    arena_set_limit(a, SIZE_MAX);
    const sw_caught *copy = arena_memdup(a, f, sizeof *f);
    arena_set_limit(a, limit);
    return copy ? copy : &caught_no_memory;
}

_Static_assert(sizeof(sw_caught) == sizeof(failure), "a failure is copied as a whole");
_Static_assert(sizeof((sw_ctx){0}.boundary) == sizeof(jmp_buf), "a boundary is copied as a whole");

const sw_caught *sw_guard(void (*work)(void *arg), void *arg)
{
    sw_ctx *c = ctx_current();
    bool done;
    if (!c && !blocking_guard(work, arg, &done)) return &caught_misplaced;
    if (!c && !done) work(arg); /* a thread that runs no handler: there misuse ends the thread, so nothing fails */
    if (!c) return NULL;
    jmp_buf outer;
    memcpy(&outer, &c->boundary, sizeof outer);
    bool failed = _setjmp(c->boundary) != 0;
    if (!failed) work(arg);
    memcpy(&c->boundary, &outer, sizeof outer);
    assert(ctx_current() == c); /* contexts within this one have ended */
    return failed ? caught_copy_failure(c) : NULL;
}

sw_error failure_error(const failure *f)
{
    assert(f->kind == FAILURE_RETRY || f->kind == FAILURE_FATAL);
    return (sw_error){.step = f->step,
                      .message = f->message ? f->message : "failed",
                      .attempts = f->attempts,
                      .fatal = f->kind == FAILURE_FATAL,
                      .retryable = f->kind != FAILURE_FATAL,
                      .status = f->answered,
                      .path = f->path};
}

bool sw_caught_error(const sw_caught *caught, sw_error *error)
{
    if (caught->why.kind == FAILURE_UNWIND) return false;
    if (error) *error = failure_error(&caught->why);
    return true;
}

void sw_rethrow(const sw_caught *caught)
{
    sw_ctx *c = ctx_current();
    if (!c) ctx_refuse("sw_rethrow", "where nothing was caught");
    if (caught->why.kind == FAILURE_UNWIND && !c->unwinds) /* one value stands for all runs that leave memory */
        ctx_fail_misuse(c,
                        "sw_rethrow of what another context has caught: rethrow it in the function that sw_guard was "
                        "called in");
    ctx_raise(c, caught->why);
}

void *sw_arg(sw_ctx *c)
{
    ctx_check(c, "sw_arg");
    return c->arg;
}
