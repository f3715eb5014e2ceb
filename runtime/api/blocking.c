/* sw_blocking: a function that waits, on a thread of the pool, while its strand is suspended. */
#include <setjmp.h>
#include <stddef.h>
#include <string.h>

#include "runtime/base/pool.h"
#include "runtime/probe/probe.h"
#include "runtime/recovery/crash.h"
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

/* What runs on this thread of the pool: where to go on when it is cut short. Lies on that thread's stack. */
typedef struct blocking_frame {
    jmp_buf boundary;
    const char *refused;
} blocking_frame;

static __thread blocking_frame *running_frame;

void blocking_refuse(const char *function)
{
    if (!running_frame) return;
    running_frame->refused = function;
    _longjmp(running_frame->boundary, 1);
}

bool blocking_guard(void (*work)(void *arg), void *arg, bool *done)
{
    jmp_buf outer;
    *done = running_frame != NULL;
    if (!running_frame) return true;
    memcpy(&outer, &running_frame->boundary, sizeof outer);
    bool ended = _setjmp(running_frame->boundary) != 0;
    if (!ended) work(arg);
    memcpy(&running_frame->boundary, &outer, sizeof outer);
    return !ended;
}

static void blocking_run_on_thread(pool_job *j)
{
    blocking *b = (blocking *)((char *)j - offsetof(blocking, job));
    blocking_frame frame = {.refused = NULL};
    running_frame = &frame;
    crash_work_for(b->strand);
    if (_setjmp(frame.boundary) == 0) b->result = b->fn(b->arg);
    running_frame = NULL;
    crash_work_for(NULL);
    b->refused = frame.refused;
}

static void blocking_wake_strand(pool_job *j)
{
    blocking *b = (blocking *)((char *)j - offsetof(blocking, job));
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
    s->uninterruptible = true;
    if (probe_on) probe_work(1);
    while (!b.done) (void)strand_suspend(s);
    if (probe_on) probe_work(-1);
    s->uninterruptible = false;
    if (s->interrupt) ctx_raise_interrupt(c);
    if (b.refused)
        ctx_fail_misuse(c,
                        "%s was called on the thread of sw_blocking: the function given to sw_blocking may not use "
                        "the context; return what it found and go on after sw_blocking",
                        b.refused);
    return b.result;
}
