/* What the value functions need of a context; the rest of it is in run.h.
 *
 * A context is good in one place only: in the function that it was given to, while that function runs. Elsewhere its
 * memory may be gone, so that a public function compares the pointer with the innermost context of the running
 * coroutine before it looks at anything behind it, and its misuse fails whoever runs. */
#ifndef RUNTIME_RUN_CTX_ACCESS_H
#define RUNTIME_RUN_CTX_ACCESS_H

#include "runtime/stepwell.h"

struct arena;

/* Where what is made for `c` lives. `function`: who asks; refused (below) when `c` may not be used here. */
struct arena *ctx_arena(sw_ctx *c, const char *function);
/* Likewise, for what is kept in `variable`. Refused, too, in a step when that is of who called the step: what the step
 * makes is gone with it. */
struct arena *ctx_arena_for(sw_ctx *c, const char *function, const sw_value *variable);
/* Fails `c`, which has been checked, unless there is a format. */
void ctx_check_format(sw_ctx *c, const char *function, const char *format);
/* `c` is the innermost context. Must have been checked. */
SW_NORETURN void ctx_fail_misuse(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

/* There is no memory for what `c` asked for, and `c` is the innermost context. When a limit is the reason this is
 * misuse, and the run fails for good. Else nothing is wrong with the run: an attempt fails, and is made again as its
 * options say; a handler or branch is unwound, and loaded again from what is on disk; a plain request is answered 503.
 */
SW_NORETURN void ctx_fail_memory(sw_ctx *c);

/* Fails the code that called `function` in a wrong place: the innermost context of the running coroutine, or what
 * sw_blocking runs on this thread. A thread that is neither has no run that could fail: it is ended, with a line in the
 * log. `mistake`: "with ...: what to change". */
SW_NORETURN void ctx_refuse(const char *function, const char *mistake);

#endif
