/* alloc: memory and printed text that a handler asks for, in its context's arena: the run's, or in a step the
 * attempt's. */
#include <assert.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/run/ctx.h"
#include "runtime/run/home.h"

void *sw_alloc(sw_ctx *c, size_t size)
{
    void *p = arena_zalloc(ctx_arena(c, "sw_alloc"), size);
    if (!p) ctx_fail_memory(c);
    assert((uintptr_t)p % _Alignof(max_align_t) == 0);
    return p;
}

char *sw_printf(sw_ctx *c, const char *format, ...)
{
    ctx_check(c, "sw_printf");
    ctx_check_format(c, "sw_printf", format);
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(c->arena, format, args);
    va_end(args);
    if (!text) ctx_fail_memory(c);
    return text;
}
