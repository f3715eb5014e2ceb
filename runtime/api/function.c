#include "runtime/api/function.h"

#include <assert.h>

#include "runtime/api/respond.h"
#include "runtime/base/value.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/path.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

/* A run that was called before its time waits for that first: it is in *started*, so nothing else has to be journaled.
 */
static void function_await_beginning(sw_ctx *c)
{
    const int64_t begins_ms = c->run->caller.begins_ms;
    if (begins_ms == 0) return;
    const clock_wait until = clock_wait_until(begins_ms);
    c->strand->work.sleep_id = "its beginning";
    c->strand->work.sleep_path = PATH_ROOT;
    bool slept = strand_sleep_until(c->strand, &until, STRAND_SLEEP_DURABLE);
    c->strand->work.sleep_id = NULL;
    if (!slept) ctx_raise_interrupt(c);
}

/* The run that has called this one gets the value itself. */
static void function_keep_result(sw_ctx *c, sw_value result)
{
    const char *error = NULL;
    run *r = c->run;
    if (r->caller.number == 0 || value_copy(&r->task.arena, result, &r->result, &error)) return;
    if (error == value_no_memory) ctx_fail_memory(c);
    ctx_fail_misuse(c, "the function's result: %s (--run-state-max)", error);
}

void function_handler(sw_ctx *c)
{
    const task *t = c->task;
    assert(t->endpoint->function);
    assert(t->run);
    function_await_beginning(c);
    sw_value result = t->endpoint->function(c, t->request.input);
    function_keep_result(c, result);
    respond_result(c, result);
}

void function_refuse(sw_ctx *c, const char *called, const char *instead)
{
    if (c->task->endpoint->function)
        ctx_fail_misuse(c, "%s in a function, whose run has no request: %s", called, instead);
}
