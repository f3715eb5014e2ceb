/* usage: what calls cost, as a value that steps return and the run adds up:
 * {modelCalls, searches, inputTokens, outputTokens, costDollars}. costDollars is nil when a price is not known. */
#ifndef RESEARCH_USAGE_H
#define RESEARCH_USAGE_H

#include <stepwell.h>

sw_value usage_none(sw_ctx *c);
sw_value usage_of_model(sw_ctx *c, int64_t input_tokens, int64_t output_tokens); /* one call */
sw_value usage_of_search(sw_ctx *c, sw_value cost_dollars);                      /* one call; its cost may be nil */

/* *sum gets both together. A cost that is not known makes the sum's not known. */
void usage_add(sw_ctx *c, sw_value *sum, sw_value more);

#endif
