/* blocking_guard: on a thread of sw_blocking, where to go on when the function that runs there calls what it may not.
 * Such a thread has no strand and no context, so a failure has nowhere else to jump to. Owns nothing: the boundary lies
 * on the thread's stack. Never used on a loop's thread. */
#ifndef RUNTIME_RUN_BLOCKING_GUARD_H
#define RUNTIME_RUN_BLOCKING_GUARD_H

#include <stdbool.h>

/* Calls work(arg); until that is over, this is a thread of sw_blocking. NULL, or the function of stepwell.h that
 * refused, with which the call ended. Not nested. */
const char *blocking_work(void (*work)(void *arg), void *arg);

/* On a thread of sw_blocking: calls work(arg), and returns also when blocking_refuse ends that call. False: it did, and
 * the caller has to return to blocking_work. *done false: this is no such thread, and nothing was called. */
bool blocking_guard(void (*work)(void *arg), void *arg, bool *done);

/* On a thread of sw_blocking: ends what runs there, so that sw_blocking fails and names `function`, which has to stay
 * valid. Returns on all other threads. */
void blocking_refuse(const char *function);

#endif
