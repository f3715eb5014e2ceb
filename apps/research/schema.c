#include "apps/research/schema.h"

#include <stdarg.h>
#include <string.h>

sw_value schema_string(sw_ctx *c) { return sw_map(c, "type", sw_str(c, "string")); }

sw_value schema_integers(sw_ctx *c, const char *what)
{
    sw_value items = sw_map(c, "type", sw_str(c, "integer"));
    return sw_map(c, "type", sw_str(c, "array"), "items", items, "description", sw_str(c, what));
}

sw_value schema_object(sw_ctx *c, ...)
{
    sw_value properties = sw_map(c), required = sw_array(c, 0);
    va_list args;
    va_start(args, c);
    for (const char *name; (name = va_arg(args, const char *));) {
        sw_set(c, &properties, name, va_arg(args, sw_value));
        sw_push(c, &required, sw_str(c, name));
    }
    va_end(args);
    return sw_map(c, "type", sw_str(c, "object"), "properties", properties, "required", required,
                  "additionalProperties", sw_bool(false));
}

/* How many items is said in words: structured output takes no limits of arrays other than minItems 0 or 1. */
sw_value schema_array(sw_ctx *c, sw_value items, int64_t least, int64_t most)
{
    return sw_map(c, "type", sw_str(c, "array"), "items", items, "minItems", sw_int(least > 0), "description",
                  sw_strf(c, "%d to %d items", (int)least, (int)most));
}

static const char *misfit_at(sw_ctx *c, sw_value schema, sw_value v, const char *path);

static const char *object_misfit(sw_ctx *c, sw_value schema, sw_value v, const char *path)
{
    if (sw_type(v) != SW_MAP) return sw_printf(c, "%s: not an object", path);
    sw_value required = sw_get(schema, "required"), properties = sw_get(schema, "properties");
    for (size_t i = 0; i < sw_len(required); i++) {
        const char *name = sw_cstr(c, sw_at(required, i));
        sw_value member = sw_get(v, name);
        if (sw_is_nil(member)) return sw_printf(c, "%s: has no \"%s\"", path, name);
        const char *misfit = misfit_at(c, sw_get(properties, name), member, sw_printf(c, "%s.%s", path, name));
        if (misfit) return misfit;
    }
    return NULL;
}

/* How many there are is the reader's matter, except that it may need one. */
static const char *array_misfit(sw_ctx *c, sw_value schema, sw_value v, const char *path)
{
    if (sw_type(v) != SW_ARRAY) return sw_printf(c, "%s: not an array", path);
    if ((int64_t)sw_len(v) < sw_as_int(sw_get(schema, "minItems"), 0))
        return sw_printf(c, "%s: has %zu items", path, sw_len(v));
    for (size_t i = 0; i < sw_len(v); i++) {
        const char *misfit = misfit_at(c, sw_get(schema, "items"), sw_at(v, i), sw_printf(c, "%s[%zu]", path, i));
        if (misfit) return misfit;
    }
    return NULL;
}

static const char *misfit_at(sw_ctx *c, sw_value schema, sw_value v, const char *path)
{
    const char *type = sw_cstr(c, sw_get(schema, "type"));
    if (strcmp(type, "object") == 0) return object_misfit(c, schema, v, path);
    if (strcmp(type, "array") == 0) return array_misfit(c, schema, v, path);
    if (strcmp(type, "integer") == 0)
        return sw_as_int(v, INT64_MIN) == INT64_MIN ? sw_printf(c, "%s: not a whole number", path) : NULL;
    return sw_type(v) == SW_STRING ? NULL : sw_printf(c, "%s: not a string", path); /* it may be empty */
}

const char *schema_misfit(sw_ctx *c, sw_value schema, sw_value v) { return misfit_at(c, schema, v, "$"); }
