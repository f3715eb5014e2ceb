/* ctx: contexts, the levels of a handler's code on one strand: the handler, a branch, a step's attempt. A failure
 * inside a context unwinds to its boundary, where its clean-ups run. Owns nothing: a context lies in a frame of its
 * coroutine.
 *
 * `function` in all of these is the name of the public function that was called, for the message of a misuse. */
#ifndef RUNTIME_RUN_CTX_H
#define RUNTIME_RUN_CTX_H

#include "runtime/run/ctx_access.h"
#include "runtime/run/task.h"

/* Calls fn(c, input) inside c's boundary, waits for the groups made in it, runs its clean-ups. True: *out is what fn
 * returned. False: c->strand->failure says why not. */
bool ctx_call(sw_ctx *c, sw_step_fn fn, sw_value input, sw_value *out);

/* Fills `c`, the handler's context of `s`, and calls the endpoint's handler in it as ctx_call does. */
bool ctx_call_handler(sw_ctx *c, strand *s);

/* Fails `c`, the innermost context, with `f`. Never returns: jumps to c's boundary. */
SW_NORETURN void ctx_raise(sw_ctx *c, failure f);

/* Fails `c` with what the strand's interrupt stands for, after strand_suspend returned false. */
SW_NORETURN void ctx_raise_interrupt(sw_ctx *c);

/* The innermost context of the running strand; NULL on any other stack, and outside of contexts. */
sw_ctx *ctx_current(void);

/* Refuses `function` (ctx_refuse) unless `c` is the innermost context of the running strand. */
void ctx_check(sw_ctx *c, const char *function);

/* Refuses `function`, which waits or writes in the journal, as ctx_check does, and also in a clean-up. Unwinds `c` if
 * it is given up. */
void ctx_check_wait(sw_ctx *c, const char *function);

/* Before something begins that the journal does not have: unwinds `c`, which is the innermost context, if it works for
 * a member of a group that has lost. */
void ctx_check_begin(sw_ctx *c);

#endif
