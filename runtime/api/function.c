#include "runtime/api/function.h"

#include <assert.h>

#include "runtime/api/respond.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"

void function_handler(sw_ctx *c)
{
    const task *t = c->task;
    assert(t->endpoint->function);
    assert(t->run);
    respond_result(c, t->endpoint->function(c, t->request.input));
}

void function_refuse(sw_ctx *c, const char *called, const char *instead)
{
    if (c->task->endpoint->function)
        ctx_fail_misuse(c, "%s in a function, whose run has no request: %s", called, instead);
}
