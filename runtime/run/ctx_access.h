/* ctx_access: what functions that make values and texts need of a context, without its struct (runtime/run/task.h).
 *
 * A context is good in one place only: in the function that it was given to, while that function runs. Elsewhere its
 * memory may be gone, so a public function compares the pointer with the innermost context of the running coroutine
 * before it looks at anything behind the pointer; a misuse fails the run that is running. */
#ifndef RUNTIME_RUN_CTX_ACCESS_H
#define RUNTIME_RUN_CTX_ACCESS_H

#include "runtime/stepwell.h"

struct arena;

/* The arena of `c`, after ctx_check: `function` is refused when `c` may not be used here. */
struct arena *ctx_arena(sw_ctx *c, const char *function);
/* The arena of `c`, after ctx_check, for what is put into `variable`. In a step also refuses a variable of the code
 * that called the step: what the step makes is gone when its attempt ends. */
struct arena *ctx_arena_for(sw_ctx *c, const char *function, const sw_value *variable);
/* Fails `c`, which has been checked, when `format` is NULL. */
void ctx_check_format(sw_ctx *c, const char *function, const char *format);
/* Fails `c`, which has been checked, for good: the message says what to change. */
SW_NORETURN void ctx_fail_misuse(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

/* Fails `c`, the innermost context, since there is no memory for what it asked for. Over a limit (--run-state-max) that
 * is misuse, and the run fails for good. Else nothing is wrong with the run: an attempt fails, and is made again as its
 * options say; a handler or branch is unwound, and its run loaded again from what is on disk; a plain request is
 * answered 503. */
SW_NORETURN void ctx_fail_memory(sw_ctx *c);

/* Fails the code that called `function` in a wrong place: the innermost context of the running coroutine, or what
 * sw_blocking runs on this thread. Any other thread has no run that could fail: it is ended, with a line in the log.
 * `mistake`: "with ...: what to change". */
SW_NORETURN void ctx_refuse(const char *function, const char *mistake);

#endif
