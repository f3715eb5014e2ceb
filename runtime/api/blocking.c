/* blocking: sw_blocking runs a function on a thread of the home's pool while the strand that called it is suspended.
 * Owns nothing: the job lies on the strand's stack, which stays until the function has returned, or was never begun. */
#include <assert.h>
#include <stddef.h>

#include "runtime/api/aside.h"
#include "runtime/base/pool.h"
#include "runtime/probe/probe.h"
#include "runtime/recovery/crash.h"
#include "runtime/run/blocking_guard.h"
#include "runtime/run/ctx.h"
#include "runtime/run/home.h"
#include "runtime/run/strand.h"

typedef struct blocking {
    pool_job job;
    strand *strand;
    void *(*fn)(void *arg);
    void *arg, *result;
    const char *refused; /* the function of stepwell.h that fn called; NULL: none */
    bool done;
} blocking;

static void blocking_call(void *arg)
{
    blocking *b = arg;
    assert(!b->done);
    b->result = b->fn(b->arg);
}

static void blocking_run_on_thread(pool_job *j)
{
    blocking *b = (blocking *)((char *)j - offsetof(blocking, job));
    crash_work_for(b->strand);
    b->refused = blocking_work(blocking_call, b);
    crash_work_for(NULL);
}

static void blocking_wake_strand(pool_job *j)
{
    blocking *b = (blocking *)((char *)j - offsetof(blocking, job));
    assert(!b->done);
    assert(b->strand->uninterruptible); /* or the job's memory, on the strand's stack, might be gone */
    b->done = true;
    strand_wake(b->strand);
}

void *sw_blocking(sw_ctx *c, void *(*fn)(void *arg), void *arg)
{
    ctx_check_wait(c, "sw_blocking");
    if (!fn) ctx_fail_misuse(c, "sw_blocking without a function");
    bool misplaced = c->run && c->kind != CTX_STEP;
    if (misplaced && probe_on) probe_misuse(c, "sw_blocking", __builtin_return_address(0));
    if (misplaced)
        ctx_fail_misuse(c, "sw_blocking outside a step would run again at every replay: call it inside sw_step");
    strand *s = c->strand;
    blocking b = {
        .job = {.work = blocking_run_on_thread, .done = blocking_wake_strand}, .strand = s, .fn = fn, .arg = arg};
    if (!pool_submit(&c->task->home->blocking, &b.job)) sw_fail(c, "no thread for sw_blocking");
    (void)job_await(s, &b.job, &b.done);
    if (s->interrupt) ctx_raise_interrupt(c);
    if (b.refused)
        ctx_fail_misuse(c,
                        "%s was called on the thread of sw_blocking: the function given to sw_blocking may not use "
                        "the context; return what it found and go on after sw_blocking",
                        b.refused);
    return b.result;
}
