#include "apps/research/usage.h"

#include <math.h>

#include "apps/research/settings.h"

static sw_value usage_make(sw_ctx *c, int64_t calls, int64_t searches, int64_t input, int64_t output, sw_value cost)
{
    return sw_map(c, "modelCalls", sw_int(calls), "searches", sw_int(searches), "inputTokens", sw_int(input),
                  "outputTokens", sw_int(output), "costDollars", cost);
}

/* A millionth of a dollar is as fine as prices are. */
static sw_value usage_dollars(double amount) { return sw_double(round(amount * 1e6) / 1e6); }

sw_value usage_none(sw_ctx *c) { return usage_make(c, 0, 0, 0, 0, usage_dollars(0)); }

sw_value usage_of_model(sw_ctx *c, int64_t input_tokens, int64_t output_tokens)
{
    double in = research_settings.price_input, out = research_settings.price_output;
    bool known = in >= 0 && out >= 0;
    sw_value cost = known ? usage_dollars(((double)input_tokens * in + (double)output_tokens * out) / 1e6) : sw_nil();
    return usage_make(c, 1, 0, input_tokens, output_tokens, cost);
}

sw_value usage_of_search(sw_ctx *c, sw_value cost_dollars)
{
    double cost = sw_as_double(cost_dollars, -1);
    return usage_make(c, 0, 1, 0, 0, cost >= 0 ? usage_dollars(cost) : sw_nil());
}

static int64_t usage_sum(sw_value a, sw_value b, const char *key)
{
    return sw_as_int(sw_get(a, key), 0) + sw_as_int(sw_get(b, key), 0);
}

void usage_add(sw_ctx *c, sw_value *sum, sw_value more)
{
    sw_value a = sw_get(*sum, "costDollars"), b = sw_get(more, "costDollars");
    bool known = !sw_is_nil(a) && !sw_is_nil(b);
    sw_value cost = known ? usage_dollars(sw_as_double(a, 0) + sw_as_double(b, 0)) : sw_nil();
    *sum = usage_make(c, usage_sum(*sum, more, "modelCalls"), usage_sum(*sum, more, "searches"),
                      usage_sum(*sum, more, "inputTokens"), usage_sum(*sum, more, "outputTokens"), cost);
}
