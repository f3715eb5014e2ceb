#include "runtime/run/blocking_guard.h"

#include <assert.h>
#include <setjmp.h>
#include <string.h>

/* The work of this thread. Lies on its stack. */
typedef struct blocking_job {
    jmp_buf boundary;
    const char *refused; /* the function of stepwell.h that the work called; NULL: none */
} blocking_job;

static __thread blocking_job *job_here; /* NULL: this is no thread of sw_blocking, or it has nothing to do */

const char *blocking_work(void (*work)(void *arg), void *arg)
{
    blocking_job job = {.refused = NULL};
    assert(!job_here);
    job_here = &job;
    if (_setjmp(job.boundary) == 0) work(arg);
    assert(job_here == &job);
    job_here = NULL;
    return job.refused;
}

bool blocking_guard(void (*work)(void *arg), void *arg, bool *done)
{
    jmp_buf outer;
    *done = job_here != NULL;
    if (!job_here) return true;
    memcpy(&outer, &job_here->boundary, sizeof outer);
    bool ended = _setjmp(job_here->boundary) != 0;
    if (!ended) work(arg);
    memcpy(&job_here->boundary, &outer, sizeof outer);
    assert(!ended || job_here->refused);
    return !ended;
}

void blocking_refuse(const char *function)
{
    assert(function);
    if (!job_here) return;
    job_here->refused = function;
    _longjmp(job_here->boundary, 1);
}
