/* What coro.c and overflow.c know of a stack beyond stack.h. */
#ifndef CORO_STACK_IMPL_H
#define CORO_STACK_IMPL_H

#include "coro/stack.h"

/* A free stack: *low is its lowest usable byte, the return value one past its highest; the guard is the page below
 * low. NULL with errno. */
void *stack_acquire(stack_pool *pool, void **low);
void stack_release(stack_pool *pool, void *high);

/* Whether `address` is in the guard of the stack that ends at `high`. Safe in a signal handler. */
bool stack_guards(const stack_pool *pool, const void *high, const void *address);

#endif
