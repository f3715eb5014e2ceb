#include "apps/research/patience.h"

#include "apps/research/settings.h"

enum { REFUSED_LEAST = 400, REFUSED_MOST = 499, REFUSED_RETRIES_MAX = 4 };

static sw_step_options retries_of(int times) { return (sw_step_options){.retries = times > 0 ? times : SW_NO_RETRIES}; }

/* What sw_guard calls attempt_make with: it takes one argument. */
typedef struct attempt {
    sw_ctx *c;
    const char *id; /* of the step to be made; NULL: fn is called in the step that runs */
    sw_step_fn fn;
    sw_value input, result;
} attempt;

static void attempt_make(void *arg)
{
    attempt *a = arg;
    const sw_step_options patient = retries_of(research_settings.retries);
    a->result = a->id ? sw_step_with(a->c, a->id, a->fn, a->input, &patient) : a->fn(a->c, a->input);
}

static bool caught_is_refusal(const sw_caught *caught)
{
    sw_error why;
    return sw_caught_error(caught, &why) && why.fatal && why.status >= REFUSED_LEAST && why.status <= REFUSED_MOST;
}

/* The step once more, with a refusal as a failed attempt that is made again. When these are used up the run stops
 * (SW_STOP); a fatal failure would fail it. */
static sw_value step_refused(sw_ctx *c, sw_value input)
{
    attempt a = {.c = c, .fn = *(sw_step_fn *)sw_arg(c), .input = input};
    const sw_caught *caught = sw_guard(attempt_make, &a);
    if (!caught) return a.result;
    sw_error why;
    if (!caught_is_refusal(caught) || !sw_caught_error(caught, &why)) sw_rethrow(caught);
    sw_fail(c, "%s", why.message);
}

sw_value patience_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input)
{
    attempt a = {.c = c, .id = id, .fn = fn, .input = input};
    const sw_caught *caught = sw_guard(attempt_make, &a);
    if (!caught) return a.result;
    if (!caught_is_refusal(caught)) sw_rethrow(caught);
    int times = research_settings.retries;
    sw_step_options few = retries_of(times < REFUSED_RETRIES_MAX ? times : REFUSED_RETRIES_MAX);
    few.arg = &fn;
    return sw_step_with(c, id, step_refused, input, &few);
}
