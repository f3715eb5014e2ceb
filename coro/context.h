/* context: the machine part of a coroutine: the registers that a call must preserve, saved on its own stack. Owns
 * nothing. context_x86_64.c and context_aarch64.c are hand-written; context_ucontext.c serves every other machine. */
#ifndef CORO_CONTEXT_H
#define CORO_CONTEXT_H

#include <stddef.h>

#if defined(CORO_UCONTEXT)
#include <ucontext.h>
typedef struct context {
    ucontext_t uc;
} context;
#else
typedef struct context {
    void *sp; /* where the saved registers are */
} context;
_Static_assert(sizeof(context) == sizeof(void *), "context_switch stores the stack pointer at the context's address");
#endif

/* Prepares `c` so that the first switch to `c` calls entry(arg) on the stack [low, high). entry never returns. */
void context_make(context *c, void *low, void *high, void (*entry)(void *arg), void *arg);

/* Saves the running context in `from` and goes on in `to`; returns when something switches back to `from`. */
void context_switch(context *from, context *to);

#endif
