/* stack_pool: the coroutine stacks of one thread. Owns large mappings cut into equal stacks, each with a guard of
 * 128 KiB below it: light guards where the kernel has them (Linux 6.13), else mprotect as long as all guards take less
 * than half of the process's mappings. A stack without a guard is checked when it is released. Hands the most recently
 * released stack out first (warm in cache). Never shared between threads. */
#ifndef CORO_STACK_H
#define CORO_STACK_H

#include <stdbool.h>
#include <stddef.h>

typedef struct stack_pool stack_pool;

typedef struct stack_pool_options {
    size_t stack_size_bytes; /* usable, rounded up to pages; 0: 65,536. Sanitizer and Valgrind builds use 4 times it */
    size_t stacks_max;       /* alive at once; 0: 1,000,000. One more is refused with errno ENOMEM */
    bool heavy_guards;       /* mprotect, even where the kernel has lighter guards */
    size_t warm_max;         /* so many released stacks stay in memory for good; 0: 1,024 */
} stack_pool_options;

stack_pool *stack_pool_new(const stack_pool_options *options); /* options NULL: all 0. NULL with errno */
void stack_pool_free(stack_pool *pool);                        /* every stack must be back */

/* Gives the memory of some released stacks past warm_max, about a 64th of them, back to the kernel. To be called a few
 * times a second: a burst's memory goes back, and thousands of coroutines that come and go in waves do not pay for a
 * system call each. */
void stack_pool_trim(stack_pool *pool);

size_t stack_pool_in_use(const stack_pool *pool);
size_t stack_pool_stack_size(const stack_pool *pool); /* bytes, as in use */

/* Catches the signals that end a process for a mistake in it: SIGSEGV, SIGBUS, SIGILL, SIGFPE, SIGABRT, SIGSYS. A fault
 * in a guard prints the running coroutine's label and stack size to standard error; `on_end(number, own)`, if there is
 * one, is called for each, and may only do what is safe in a signal handler; `own`: this process brought the signal on
 * itself. Then the handler of before has it, or the process ends by the signal. Once per process. A thread that runs
 * coroutines needs a stack for the handler: it calls overflow_thread_enter first (false: no memory) and
 * overflow_thread_leave last. */
void overflow_install(void (*on_end)(int number, bool own));
bool overflow_thread_enter(void);
void overflow_thread_leave(void);

#endif
