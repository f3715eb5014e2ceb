/* generator: a value that fits a JSON schema, with texts that fit the names of its properties. It follows what schemas
 * for structured output use: type, properties, items, prefixItems, enum, const, $ref, allOf, anyOf, oneOf and the
 * limits of strings, numbers and arrays; patterns are not read. */
#ifndef UPSTREAM_GENERATOR_H
#define UPSTREAM_GENERATOR_H

#include "apps/upstream/prompt.h"

sw_value generator_make(sw_ctx *c, sw_value schema, const prompt *p, uint64_t seed);

/* The same value made wrong: without its first required property, or, if it needs none, of another type. */
sw_value generator_make_wrong(sw_ctx *c, sw_value schema, sw_value right);

#endif
