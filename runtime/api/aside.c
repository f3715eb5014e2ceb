#include "runtime/api/aside.h"

#include <assert.h>
#include <stddef.h>

#include "runtime/base/pool.h"
#include "runtime/probe/probe.h"
#include "runtime/recovery/crash.h"
#include "runtime/run/home.h"
#include "runtime/run/strand.h"

typedef struct aside {
    pool_job job;
    strand *strand;
    void (*work)(void *arg);
    void *arg;
    bool done;
} aside;

bool aside_may_wait(const sw_ctx *c) { return !c->cleaning && !c->unwinds; }

static void aside_work(pool_job *j)
{
    aside *a = (aside *)((char *)j - offsetof(aside, job));
    crash_work_for(a->strand);
    a->work(a->arg);
    crash_work_for(NULL);
}

static void aside_wake_strand(pool_job *j)
{
    aside *a = (aside *)((char *)j - offsetof(aside, job));
    assert(!a->done);
    assert(a->strand->uninterruptible); /* or the job's memory, on the strand's stack, might be gone */
    a->done = true;
    strand_wake(a->strand);
}

bool job_await(strand *s, struct pool_job *j, const bool *done)
{
    assert(!s->uninterruptible);
    s->uninterruptible = true;
    if (probe_on) probe_count_blocking(1);
    bool stays = true;
    while (!*done && (stays = s->interrupt != INTERRUPT_UNWIND || !pool_withdraw(j))) (void)strand_suspend(s);
    if (probe_on) probe_count_blocking(-1);
    s->uninterruptible = false;
    assert(*done == stays);
    return stays;
}

bool aside_run(strand *s, void (*work)(void *arg), void *arg)
{
    assert(coro_current() == s->co);
    assert(!s->uninterruptible);
    assert(s->wait == STRAND_BUSY); /* the run does not park meanwhile */
    aside a = {.job = {.work = aside_work, .done = aside_wake_strand}, .strand = s, .work = work, .arg = arg};
    if (!pool_submit(&s->task->home->aside, &a.job)) {
        work(arg);
        return true;
    }
    (void)job_await(s, &a.job, &a.done);
    return s->interrupt != INTERRUPT_UNWIND;
}
