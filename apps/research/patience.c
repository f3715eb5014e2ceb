#include "apps/research/patience.h"

#include "apps/research/settings.h"

enum { REFUSED_LEAST = 400, REFUSED_MOST = 499, REFUSED_RETRIES_MAX = 4 };

static sw_step_options tried_again(int times)
{
    return (sw_step_options){.retries = times > 0 ? times : SW_NO_RETRIES};
}

/* What sw_guard calls: it takes one argument. */
typedef struct attempt {
    sw_ctx *c;
    const char *id; /* of the step to be made; NULL: fn is called as it is */
    sw_step_fn fn;
    sw_value input, result;
} attempt;

static void make(void *arg)
{
    attempt *a = arg;
    const sw_step_options patient = tried_again(research_settings.retries);
    a->result = a->id ? sw_step_with(a->c, a->id, a->fn, a->input, &patient) : a->fn(a->c, a->input);
}

static bool is_refused(const sw_caught *caught)
{
    sw_error why;
    return sw_caught_error(caught, &why) && why.fatal && why.status >= REFUSED_LEAST && why.status <= REFUSED_MOST;
}

/* The step once more, in which a refusal counts as a failed attempt: they stop a run, fatal failures do not. */
static sw_value step_refused(sw_ctx *c, sw_value input)
{
    attempt a = {.c = c, .fn = *(sw_step_fn *)sw_arg(c), .input = input};
    const sw_caught *caught = sw_guard(make, &a);
    if (!caught) return a.result;
    sw_error why;
    if (!is_refused(caught) || !sw_caught_error(caught, &why)) sw_rethrow(caught);
    sw_fail(c, "%s", why.message);
}

sw_value patience_step(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input)
{
    attempt a = {.c = c, .id = id, .fn = fn, .input = input};
    const sw_caught *caught = sw_guard(make, &a);
    if (!caught) return a.result;
    if (!is_refused(caught)) sw_rethrow(caught);
    int times = research_settings.retries;
    sw_step_options few = tried_again(times < REFUSED_RETRIES_MAX ? times : REFUSED_RETRIES_MAX);
    few.arg = &fn;
    return sw_step_with(c, id, step_refused, input, &few);
}
