/* coro: a stackful coroutine. Owns its stack (taken from a stack_pool) and the switch to and from it. It never
 * schedules: who resumes it and when is the caller's (see sched.h). A coroutine lives on one thread.
 *
 *      created --resume--> running --suspend--> suspended --resume--> running --fn returns--> finished
 *         \_______________________________ destroy ______________________/__________________/        */
#ifndef CORO_CORO_H
#define CORO_CORO_H

#include <stdbool.h>
#include <stddef.h>

#include "coro/stack.h"

typedef struct coro coro;
typedef void (*coro_fn)(void *arg);

/* What was said of a coroutine, for reports: by coro_set_label, coro_set_activity and coro_set_code. */
typedef struct coro_about {
    const char *label, *activity;
    const void *code;
} coro_about;

/* Makes a coroutine that runs fn(arg) when it is first resumed. NULL with errno: the pool is at its limit, or memory is
 * out. */
coro *coro_create(stack_pool *pool, coro_fn fn, void *arg);

/* Gives the coroutine's stack back. Not for the running coroutine, nor for one in a queue. The frames of a suspended
 * coroutine are dropped, not unwound. */
void coro_destroy(coro *co);

/* Runs `co` until it suspends or finishes. Only from a thread's own stack, never from inside a coroutine. */
void coro_resume(coro *co);

/* Goes back to whoever resumed the running coroutine; returns when it is resumed again. */
void coro_suspend(void);

coro *coro_current(void); /* the running coroutine of this thread; NULL on the thread's own stack */
bool coro_finished(const coro *co);
void *coro_arg(const coro *co);

/* What an overflow report calls the coroutine, e.g. "GET /orders/:id run 01J..."; borrowed, NULL: nothing. */
void coro_set_label(coro *co, const char *label);
/* What the coroutine is in the middle of, e.g. the id of a step; borrowed, NULL: nothing in particular. */
void coro_set_activity(coro *co, const char *activity);
/* Which of the program's functions the coroutine executes, e.g. the function of a step; NULL: nobody has said. */
void coro_set_code(coro *co, const void *code);
const void *coro_code(const coro *co);

/* What the coroutine's owner wants to find again from inside the coroutine; borrowed, NULL at first. */
void coro_set_user(coro *co, void *user);
void *coro_user(const coro *co);

/* Links for one list at a time (the sched's ready queue); coro sets none of them. */
struct coro_links {
    coro *next, *prev;
    bool queued;
};
struct coro_links *coro_links_of(coro *co);

#endif
