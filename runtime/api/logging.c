/* logging: sw_log writes a handler's line once, however often the handler is replayed. */
#include <stdarg.h>

#include "runtime/base/log.h"
#include "runtime/run/ctx.h"
#include "runtime/run/replay_log.h"

void sw_log(sw_ctx *c, const char *format, ...)
{
    ctx_check(c, "sw_log");
    ctx_check_format(c, "sw_log", format);
    va_list args;
    va_start(args, format);
    if (c->kind == CTX_STEP)
        log_vline(LOG_INFO, task_run_id(c->task), format, args);
    else
        replay_log(c, format, args);
    va_end(args);
}
