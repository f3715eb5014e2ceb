/* What coro.c and overflow.c know of a stack beyond stack.h. */
#ifndef CORO_STACK_IMPL_H
#define CORO_STACK_IMPL_H

#include "coro/stack.h"

enum { STACK_LINK_BYTES = 16 };

/* Takes a free stack, or maps one: *low is its lowest usable byte, the return value one past its highest. The highest
 * STACK_LINK_BYTES are the pool's; the guard lies below *low. NULL with errno. */
void *stack_acquire(stack_pool *pool, void **low);
/* Gives back the stack that ends at `high`. */
void stack_release(stack_pool *pool, void *high);

/* Whether something was written below the stack that ends at `high`. False of every stack with a guard. */
bool stack_overrun(const stack_pool *pool, const void *high);

/* Whether `address` is in the guard of the stack that ends at `high`. Safe in a signal handler. */
bool stack_guards(const stack_pool *pool, const void *high, const void *address);

#endif
