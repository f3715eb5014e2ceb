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
typedef struct blocking_place {
    jmp_buf boundary;
    const char *refused;
} blocking_place;

static __thread blocking_place *working;

void blocking_refuse(const char *function)
{
    if (!working) return;
    working->refused = function;
    _longjmp(working->boundary, 1);
}

bool blocking_guard(void (*work)(void *arg), void *arg, bool *done)
{
    jmp_buf outer;
    *done = working != NULL;
    if (!working) return true;
    memcpy(&outer, &working->boundary, sizeof outer);
    bool ended = _setjmp(working->boundary) != 0;
    if (!ended) work(arg);
    memcpy(&working->boundary, &outer, sizeof outer);
    return !ended;
}

static void on_thread(pool_job *j)
{
    blocking *b = (blocking *)((char *)j - offsetof(blocking, job));
    blocking_place place = {.refused = NULL};
    working = &place;
    crash_work_for(b->strand);
    if (_setjmp(place.boundary) == 0) b->result = b->fn(b->arg);
    working = NULL;
    crash_work_for(NULL);
    b->refused = place.refused;
}

static void on_thread_done(pool_job *j)
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
    blocking b = {.job = {.work = on_thread, .done = on_thread_done}, .strand = s, .fn = fn, .arg = arg};
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
