/* logging: sw_log writes a handler's line once, however often the handler is replayed. */
#include <stdarg.h>

#include "runtime/run/ctx.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_trace.h"

void sw_log(sw_ctx *c, const char *format, ...)
{
    ctx_check(c, "sw_log");
    ctx_check_format(c, "sw_log", format);
    va_list args;
    va_start(args, format);
    if (c->kind == CTX_STEP)
        ctx_vlog(c, LOG_INFO, format, args);
    else
        replay_log(c, format, args);
    va_end(args);
}
