/* step_api: the public calls that make one step. Owns nothing. */
#include <assert.h>

#include "runtime/api/step.h"
#include "runtime/run/ctx.h"

static sw_value step_or_raise(sw_ctx *c, const step_spec *spec)
{
    sw_value out = sw_nil();
    step_outcome outcome = step_execute(c->strand, spec, &out);
    assert(outcome != STEP_ABANDONED); /* members of groups alone are */
    if (outcome != STEP_OK) {
        failure f = c->strand->failure;
        assert((outcome == STEP_UNWOUND) == (f.kind == FAILURE_UNWIND));
        if (f.kind == FAILURE_RETRY) f.kind = FAILURE_FATAL;
        ctx_raise(c, f);
    }
    return out;
}

sw_value sw_step_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options)
{
    step_spec spec = step_prepare(c, id, fn, input, options);
    return step_or_raise(c, &spec);
}

sw_value sw_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input)
{
    return sw_step_with(c, id, fn, input, NULL);
}

int sw_attempt(sw_ctx *c)
{
    ctx_check(c, "sw_attempt");
    return c->kind == CTX_STEP ? c->attempt : 0;
}

bool sw_try_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options,
                 sw_value *out, sw_error *err)
{
    ctx_check_wait(c, "sw_try");
    step_spec spec = step_prepare(c, id, fn, input, options);
    sw_value value = sw_nil();
    step_outcome outcome = step_execute(c->strand, &spec, &value);
    assert(outcome != STEP_ABANDONED);
    if (outcome == STEP_UNWOUND) ctx_raise(c, c->strand->failure);
    if (out) *out = value;
    if (outcome == STEP_OK) return true;
    const failure *f = &c->strand->failure;
    if (err) *err = failure_error(f);
    return false;
}

bool sw_try(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, sw_value *out, sw_error *err)
{
    return sw_try_with(c, id, fn, input, NULL, out, err);
}
