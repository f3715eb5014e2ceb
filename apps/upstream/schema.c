#include "apps/upstream/schema.h"

#include <assert.h>
#include <string.h>

enum { FOLLOW_MAX = 16 };

static const char *const type_names[] = {"object", "array", "string", "number", "integer", "boolean", "null"};

static size_t member_count(sw_value v) { return sw_type(v) == SW_MAP ? sw_len(v) : 0; }

/* "#/$defs/a/b" in `root`; nil if it leads nowhere. */
static sw_value schema_pointed_at(sw_ctx *c, sw_value root, const char *pointer)
{
    if (*pointer != '#') return sw_nil();
    sw_value at = root;
    for (const char *part = pointer + 1; *part == '/';) {
        size_t len = strcspn(part + 1, "/");
        at = sw_get(at, sw_printf(c, "%.*s", (int)len, part + 1));
        part += 1 + len;
    }
    return at;
}

static sw_value arrays_joined(sw_ctx *c, sw_value a, sw_value b)
{
    sw_value both = sw_array(c, 0);
    for (size_t i = 0; i < sw_len(a); i++) sw_push(c, &both, sw_at(a, i));
    for (size_t i = 0; i < sw_len(b); i++) sw_push(c, &both, sw_at(b, i));
    return both;
}

/* Everything of `more` on top of `base`; "properties" and "required" are united. */
static sw_value schema_joined(sw_ctx *c, sw_value base, sw_value more)
{
    sw_value out = sw_map(c);
    sw_value value;
    for (size_t i = 0; i < member_count(base); i++) {
        const char *key = sw_cstr(c, sw_key_at(base, i, &value));
        sw_set(c, &out, key, value);
    }
    for (size_t i = 0; i < member_count(more); i++) {
        const char *key = sw_cstr(c, sw_key_at(more, i, &value));
        sw_value before = sw_get(out, key);
        if (strcmp(key, "properties") == 0 && sw_type(before) == SW_MAP) value = schema_joined(c, before, value);
        if (strcmp(key, "required") == 0) value = arrays_joined(c, before, value);
        sw_set(c, &out, key, value);
    }
    return out;
}

static sw_value map_without(sw_ctx *c, sw_value map, const char *key)
{
    sw_value out = sw_map(c);
    for (size_t i = 0; i < member_count(map); i++) {
        sw_value value;
        const char *name = sw_cstr(c, sw_key_at(map, i, &value));
        if (strcmp(name, key) != 0) sw_set(c, &out, name, value);
    }
    return out;
}

static bool is_null_type(sw_ctx *c, sw_value schema)
{
    const char *type = sw_cstr(c, sw_get(schema, "type"));
    return type && strcmp(type, "null") == 0;
}

static sw_value first_choice(sw_ctx *c, sw_value choices)
{
    for (size_t i = 0; i < sw_len(choices); i++)
        if (!is_null_type(c, sw_at(choices, i))) return sw_at(choices, i);
    return sw_at(choices, 0);
}

static sw_value plain_within(sw_ctx *c, sw_value root, sw_value schema, int rounds);

/* One round of schema_plain; false when there is nothing left to do. `rounds` ends schemas that contain themselves. */
static bool schema_make_plainer(sw_ctx *c, sw_value root, sw_value *schema, int rounds)
{
    const char *pointer = sw_cstr(c, sw_get(*schema, "$ref"));
    if (pointer) {
        *schema = schema_joined(c, map_without(c, *schema, "$ref"), schema_pointed_at(c, root, pointer));
        return true;
    }
    static const char *const choices[] = {"anyOf", "oneOf"};
    for (size_t i = 0; i < 2; i++) {
        sw_value list = sw_get(*schema, choices[i]);
        if (sw_len(list) == 0) continue;
        *schema = schema_joined(c, map_without(c, *schema, choices[i]), first_choice(c, list));
        return true;
    }
    sw_value parts = sw_get(*schema, "allOf");
    if (sw_len(parts) == 0) return false;
    sw_value all = map_without(c, *schema, "allOf");
    for (size_t i = 0; i < sw_len(parts); i++)
        all = schema_joined(c, all, plain_within(c, root, sw_at(parts, i), rounds / 2));
    *schema = all;
    return true;
}

static sw_value plain_within(sw_ctx *c, sw_value root, sw_value schema, int rounds)
{
    for (; rounds > 0 && sw_type(schema) == SW_MAP; rounds--)
        if (!schema_make_plainer(c, root, &schema, rounds)) break;
    return schema;
}

sw_value schema_plain(sw_ctx *c, sw_value root, sw_value schema) { return plain_within(c, root, schema, FOLLOW_MAX); }

bool schema_constant(sw_value schema, uint64_t choice, sw_value *out)
{
    assert(out);
    for (size_t i = 0; i < member_count(schema); i++)
        if (sw_str_equal(sw_key_at(schema, i, out), "const")) return true; /* its value may be nil */
    sw_value values = sw_get(schema, "enum");
    if (sw_len(values) == 0 || sw_type(values) != SW_ARRAY) return false;
    *out = sw_at(values, (size_t)(choice % sw_len(values)));
    return true;
}

static bool type_named(const char *name, schema_type *out)
{
    for (size_t i = 0; name && i < sizeof type_names / sizeof type_names[0]; i++)
        if (strcmp(name, type_names[i]) == 0) {
            *out = (schema_type)i;
            return true;
        }
    return false;
}

schema_type schema_type_of(sw_ctx *c, sw_value schema)
{
    schema_type type;
    sw_value given = sw_get(schema, "type");
    if (type_named(sw_cstr(c, given), &type)) return type;
    for (size_t i = 0; sw_type(given) == SW_ARRAY && i < sw_len(given); i++)
        if (type_named(sw_cstr(c, sw_at(given, i)), &type) && type != SCHEMA_NULL) return type;
    if (sw_type(given) == SW_ARRAY && sw_len(given) > 0) return SCHEMA_NULL;
    if (!sw_is_nil(sw_get(schema, "properties"))) return SCHEMA_OBJECT;
    if (!sw_is_nil(sw_get(schema, "items")) || !sw_is_nil(sw_get(schema, "prefixItems"))) return SCHEMA_ARRAY;
    return SCHEMA_STRING;
}

bool schema_lists(sw_ctx *c, sw_value names, const char *name)
{
    for (size_t i = 0; i < sw_len(names); i++) {
        const char *listed = sw_cstr(c, sw_at(names, i));
        if (listed && strcmp(listed, name) == 0) return true;
    }
    return false;
}
