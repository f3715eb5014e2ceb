/* jansson: another reader of JSON, which ours is compared with. */
#ifndef TESTS_HARNESS_JANSSON_H
#define TESTS_HARNESS_JANSSON_H

#include <jansson.h>
#include <string.h>

#include "runtime/stepwell.h"

/* NULL: it refuses the text. json_decref() gives it back. */
static inline json_t *jansson_read(const char *data, size_t len)
{
    return json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);
}

/* Whether both have read the same, doubles bit by bit. */
static inline bool jansson_same(const json_t *j, const sw_value *v);

static inline bool jansson_same_object(const json_t *j, const sw_value *v)
{
    if (v->type != MSGPACK_OBJECT_MAP || v->via.map.size != json_object_size(j)) return false;
    for (uint32_t i = 0; i < v->via.map.size; i++) {
        const msgpack_object_kv *pair = &v->via.map.ptr[i];
        const json_t *found = json_object_getn(j, pair->key.via.str.ptr, pair->key.via.str.size);
        if (!found || !jansson_same(found, &pair->val)) return false;
    }
    return true;
}

static inline bool jansson_same(const json_t *j, const sw_value *v)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return jansson_same_object(j, v);
    case JSON_ARRAY:
        if (v->type != MSGPACK_OBJECT_ARRAY || v->via.array.size != json_array_size(j)) return false;
        for (uint32_t i = 0; i < v->via.array.size; i++)
            if (!jansson_same(json_array_get(j, i), &v->via.array.ptr[i])) return false;
        return true;
    case JSON_STRING:
        return v->type == MSGPACK_OBJECT_STR && v->via.str.size == json_string_length(j) &&
               memcmp(v->via.str.ptr, json_string_value(j), v->via.str.size) == 0;
    case JSON_INTEGER:
        return (v->type == MSGPACK_OBJECT_POSITIVE_INTEGER || v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) &&
               v->via.i64 == json_integer_value(j);
    case JSON_REAL: { /* the same bits: -0.0 too */
        double real = json_real_value(j);
        return v->type == MSGPACK_OBJECT_FLOAT64 && memcmp(&v->via.f64, &real, sizeof real) == 0;
    }
    case JSON_TRUE:
    case JSON_FALSE:
        return v->type == MSGPACK_OBJECT_BOOLEAN && v->via.boolean == (json_typeof(j) == JSON_TRUE);
    case JSON_NULL:
        return v->type == MSGPACK_OBJECT_NIL;
    }
    return false;
}

#endif
