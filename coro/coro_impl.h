/* What the overflow report asks of a coroutine. Safe in a signal handler. */
#ifndef CORO_IMPL_H
#define CORO_IMPL_H

#include "coro/coro.h"

const char *coro_label(const coro *co);
/* Also from another thread while it runs; see sched_running. What the caller loads next is loaded later. */
void coro_peek(const coro *co, const char **label, const char **activity);
bool coro_overflowed(const coro *co, const void *address);
size_t coro_stack_bytes(const coro *co);

/* Tells standard error whose stack is used up. */
void overflow_report(const coro *co);

#endif
