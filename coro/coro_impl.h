/* What overflow.c and sched.c ask of a coroutine beyond coro.h. Safe in a signal handler. */
#ifndef CORO_IMPL_H
#define CORO_IMPL_H

#include "coro/coro.h"

const char *coro_label(const coro *co);
/* Reads what was said of the coroutine, also from another thread while the coroutine runs (see sched_running). Whatever
 * the caller loads afterwards is loaded later. */
coro_about coro_peek(const coro *co);
/* Whether `address` is in the guard below the coroutine's stack. */
bool coro_overflowed(const coro *co, const void *address);
size_t coro_stack_bytes(const coro *co);

/* Tells standard error whose stack is used up, and what to do about it. */
void overflow_report(const coro *co);

#endif
