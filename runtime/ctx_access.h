/* The two things the value functions need of a context; the rest of it is in run.h. */
#ifndef RUNTIME_CTX_ACCESS_H
#define RUNTIME_CTX_ACCESS_H

#include "runtime/stepwell.h"

struct arena;

struct arena *ctx_arena(sw_ctx *c); /* where what is made for `c` lives */
SW_NORETURN void ctx_fail_misuse(sw_ctx *c, const char *format, ...) SW_PRINTF(2, 3);

#endif
