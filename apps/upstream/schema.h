/* schema: reading a JSON schema: what it refers to, joined and chosen so that one type is left. Makes no values. */
#ifndef UPSTREAM_SCHEMA_H
#define UPSTREAM_SCHEMA_H

#include <stepwell.h>

typedef enum schema_type {
    SCHEMA_OBJECT,
    SCHEMA_ARRAY,
    SCHEMA_STRING,
    SCHEMA_NUMBER,
    SCHEMA_INTEGER,
    SCHEMA_BOOLEAN,
    SCHEMA_NULL
} schema_type;

/* The schema without $ref, allOf, anyOf and oneOf: references followed into `root`, parts joined, the first choice
 * that is not null taken. */
sw_value schema_plain(sw_ctx *c, sw_value root, sw_value schema);

/* True if only some values will do (const, enum); `choice` picks one. */
bool schema_constant(sw_value schema, uint64_t choice, sw_value *out);

schema_type schema_type_of(sw_ctx *c, sw_value schema);
bool schema_lists(sw_ctx *c, sw_value names, const char *name); /* `name` is in the array */

#endif
