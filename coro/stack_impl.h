/* What coro.c and overflow.c know of a stack beyond stack.h. */
#ifndef CORO_STACK_IMPL_H
#define CORO_STACK_IMPL_H

#include "coro/stack.h"

enum { STACK_LINK_BYTES = 16 };

/* A free stack: *low is its lowest usable byte, the return value one past its highest, of which STACK_LINK_BYTES belong
 * to the pool; the guard lies below low. NULL with errno. */
void *stack_acquire(stack_pool *pool, void **low);
void stack_release(stack_pool *pool, void *high);

/* Whether a stack without a guard was left at its lower end. */
bool stack_overrun(const stack_pool *pool, const void *high);

/* Whether `address` is in the guard of the stack that ends at `high`. Safe in a signal handler. */
bool stack_guards(const stack_pool *pool, const void *high, const void *address);

#endif
