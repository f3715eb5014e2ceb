/* schema: the JSON schemas that the model's answers must fit, and the check that they do. */
#ifndef RESEARCH_SCHEMA_H
#define RESEARCH_SCHEMA_H

#include <stepwell.h>

sw_value schema_string(sw_ctx *c);
/* An array of whole numbers, as many as there are; `what` says what they are. */
sw_value schema_integers(sw_ctx *c, const char *what);
/* "name", schema, ..., NULL: every property required, no others. */
sw_value schema_object(sw_ctx *c, ...) __attribute__((sentinel));
sw_value schema_array(sw_ctx *c, sw_value items, int64_t least, int64_t most);

/* NULL, or what does not fit, with its path: "$.queries[2].query: not a string". Of schemas made by the above. */
const char *schema_misfit(sw_ctx *c, sw_value schema, sw_value v);

#endif
