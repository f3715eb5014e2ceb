/* aside: long work of the library's own, such as reading a large JSON text, that another thread does while the strand
 * that needs it waits, so that the loop serves others meanwhile. Its threads, one for each loop, are apart from those
 * of sw_blocking, whose jobs may take minutes. Owns nothing: the work lies on the strand's stack. What waits for a
 * thread is a strand, so --runs-max bounds the queue. */
#ifndef RUNTIME_API_ASIDE_H
#define RUNTIME_API_ASIDE_H

#include <stdbool.h>

#include "runtime/run/task.h"

struct pool_job;

/* Bytes of input or output from which work is done aside: 5 ms of the heaviest JSON. */
enum { ASIDE_BYTES_MIN = 256 << 10 };

/* Whether `c`, the innermost context, may wait: not in its clean-ups, nor once its code was told to unwind. */
bool aside_may_wait(const sw_ctx *c);

/* Calls work(arg) on another thread and waits for it; where no thread can be had, calls it here. Nothing interrupts the
 * work; what waits for a thread yet is given up if the strand has to unwind. `work` may use what the strand lends it
 * and an arena of its own (arena_init_for), never a context, the task's arena or the home. False: the strand has to
 * unwind, once the caller has let go of what it holds. */
bool aside_run(strand *s, void (*work)(void *arg), void *arg);

/* Waits for a job of a pool, which sets *done at its end. Nothing interrupts a job that is under way. False: the strand
 * has to unwind, and the job, which had no thread yet, was withdrawn. */
bool job_await(strand *s, struct pool_job *j, const bool *done);

#endif
