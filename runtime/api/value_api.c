/* value_api: the values of stepwell.h. What a function makes lies in its context's arena. */
#include <assert.h>
#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "runtime/base/value.h"
#include "runtime/run/ctx_access.h"

/* Returns `len` as msgpack's type; fails `c` when that has no room for it. */
static uint32_t length_check(sw_ctx *c, size_t len)
{
    if (len > UINT32_MAX) ctx_fail_misuse(c, "a value of %zu bytes: msgpack holds at most %u", len, UINT32_MAX);
    return (uint32_t)len;
}

sw_value sw_strn(sw_ctx *c, const char *text, size_t len)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    struct arena *a = ctx_arena(c, "sw_strn");
    if (!text && len > 0) ctx_fail_misuse(c, "sw_strn without a text");
    v.via.str.size = length_check(c, len);
    v.via.str.ptr = arena_strndup(a, text, len);
    if (!v.via.str.ptr) ctx_fail_memory(c);
    return v;
}

sw_value sw_str(sw_ctx *c, const char *text)
{
    (void)ctx_arena(c, "sw_str");
    return text ? sw_strn(c, text, strlen(text)) : sw_nil();
}

sw_value sw_strf(sw_ctx *c, const char *format, ...)
{
    struct arena *a = ctx_arena(c, "sw_strf");
    ctx_check_format(c, "sw_strf", format);
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(a, format, args);
    va_end(args);
    if (!text) ctx_fail_memory(c);
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = text;
    v.via.str.size = length_check(c, strlen(text));
    return v;
}

sw_value sw_bin(sw_ctx *c, const void *data, size_t len)
{
    sw_value v = {.type = MSGPACK_OBJECT_BIN};
    struct arena *a = ctx_arena(c, "sw_bin");
    if (!data && len > 0) ctx_fail_misuse(c, "sw_bin without data");
    v.via.bin.size = length_check(c, len);
    v.via.bin.ptr = arena_strndup(a, len ? data : "", len);
    if (!v.via.bin.ptr) ctx_fail_memory(c);
    return v;
}

static bool key_equals(const msgpack_object *key, const char *name, size_t len)
{
    return key->type == MSGPACK_OBJECT_STR && key->via.str.size == len && memcmp(key->via.str.ptr, name, len) == 0;
}

static sw_value *map_find(sw_value *map, const char *key)
{
    if (map->type != MSGPACK_OBJECT_MAP || !key) return NULL;
    size_t len = strlen(key);
    for (uint32_t i = 0; i < map->via.map.size; i++)
        if (key_equals(&map->via.map.ptr[i].key, key, len)) return &map->via.map.ptr[i].val;
    return NULL;
}

/* Copies the map's table first: other values may share the table, and do not change. */
void sw_set(sw_ctx *c, sw_value *map, const char *key, sw_value value)
{
    struct arena *a = ctx_arena_for(c, "sw_set", map);
    if (!map || !key) ctx_fail_misuse(c, "sw_set without a %s", map ? "key" : "map");
    if (map->type != MSGPACK_OBJECT_NIL && map->type != MSGPACK_OBJECT_MAP)
        ctx_fail_misuse(c, "sw_set \"%s\" on a value that is no map", key);
    uint32_t n = map->type == MSGPACK_OBJECT_MAP ? map->via.map.size : 0;
    msgpack_object_kv *table = arena_alloc(a, ((size_t)n + 1) * sizeof *table);
    if (!table) ctx_fail_memory(c);
    if (n > 0) memcpy(table, map->via.map.ptr, n * sizeof *table);
    map->type = MSGPACK_OBJECT_MAP;
    map->via.map.ptr = table;
    map->via.map.size = n;
    sw_value *old = map_find(map, key);
    if (old) {
        *old = value;
        return;
    }
    table[n] = (msgpack_object_kv){sw_str(c, key), value};
    map->via.map.size = n + 1;
}

sw_value(sw_map)(sw_ctx *c, ...)
{
    struct arena *a = ctx_arena(c, "sw_map");
    va_list args;
    size_t n = 0;
    va_start(args, c);
    while (va_arg(args, const char *)) {
        (void)va_arg(args, sw_value);
        n++;
    }
    va_end(args);
    sw_value map = {.type = MSGPACK_OBJECT_MAP};
    map.via.map.ptr = arena_alloc(a, (n + 1) * sizeof *map.via.map.ptr);
    if (!map.via.map.ptr) ctx_fail_memory(c);
    va_start(args, c);
    for (const char *key; (key = va_arg(args, const char *));) {
        sw_value value = va_arg(args, sw_value), *old = map_find(&map, key);
        assert(old || map.via.map.size < n);
        if (old)
            *old = value;
        else
            map.via.map.ptr[map.via.map.size++] = (msgpack_object_kv){sw_str(c, key), value};
    }
    va_end(args);
    return map;
}

sw_value sw_array(sw_ctx *c, size_t count, ...)
{
    struct arena *a = ctx_arena(c, "sw_array");
    sw_value array = {.type = MSGPACK_OBJECT_ARRAY};
    array.via.array.size = length_check(c, count);
    array.via.array.ptr = value_array_new(a, array.via.array.size);
    if (!array.via.array.ptr) ctx_fail_memory(c);
    va_list args;
    va_start(args, count);
    for (size_t i = 0; i < count; i++) array.via.array.ptr[i] = va_arg(args, sw_value);
    va_end(args);
    return array;
}

void sw_push(sw_ctx *c, sw_value *array, sw_value value)
{
    struct arena *a = ctx_arena_for(c, "sw_push", array);
    if (!array) ctx_fail_misuse(c, "sw_push without an array");
    if (array->type == MSGPACK_OBJECT_NIL) *array = (sw_value){.type = MSGPACK_OBJECT_ARRAY};
    if (array->type != MSGPACK_OBJECT_ARRAY) ctx_fail_misuse(c, "sw_push to a value that is no array");
    if (!value_array_push(a, array, value)) ctx_fail_memory(c);
    assert(array->via.array.size > 0);
}

sw_value sw_get(sw_value map, const char *key)
{
    sw_value *v = map_find(&map, key);
    return v ? *v : sw_nil();
}

sw_value sw_at(sw_value array, size_t index)
{
    return array.type == MSGPACK_OBJECT_ARRAY && index < array.via.array.size ? array.via.array.ptr[index] : sw_nil();
}

sw_value sw_key_at(sw_value map, size_t index, sw_value *value)
{
    bool there = map.type == MSGPACK_OBJECT_MAP && index < map.via.map.size;
    if (value) *value = there ? map.via.map.ptr[index].val : sw_nil();
    return there ? map.via.map.ptr[index].key : sw_nil();
}

size_t sw_len(sw_value v)
{
    switch (v.type) {
    case MSGPACK_OBJECT_ARRAY:
        return v.via.array.size;
    case MSGPACK_OBJECT_MAP:
        return v.via.map.size;
    case MSGPACK_OBJECT_STR:
        return v.via.str.size;
    case MSGPACK_OBJECT_BIN:
        return v.via.bin.size;
    default:
        return 0;
    }
}

sw_kind sw_type(sw_value v)
{
    switch (v.type) {
    case MSGPACK_OBJECT_NIL:
        return SW_NIL;
    case MSGPACK_OBJECT_BOOLEAN:
        return SW_BOOL;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return SW_INT;
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return SW_FLOAT;
    case MSGPACK_OBJECT_STR:
        return SW_STRING;
    case MSGPACK_OBJECT_BIN:
        return SW_BINARY;
    case MSGPACK_OBJECT_ARRAY:
        return SW_ARRAY;
    case MSGPACK_OBJECT_MAP:
        return SW_MAP;
    case MSGPACK_OBJECT_EXT:
        break;
    }
    return SW_OTHER;
}

bool sw_is_nil(sw_value v) { return v.type == MSGPACK_OBJECT_NIL; }

static bool value_is_float(sw_value v) { return v.type == MSGPACK_OBJECT_FLOAT64 || v.type == MSGPACK_OBJECT_FLOAT32; }

int64_t sw_as_int(sw_value v, int64_t fallback)
{
    if (v.type == MSGPACK_OBJECT_NEGATIVE_INTEGER) return v.via.i64;
    if (v.type == MSGPACK_OBJECT_POSITIVE_INTEGER) return v.via.u64 <= INT64_MAX ? (int64_t)v.via.u64 : fallback;
    if (value_is_float(v) && v.via.f64 >= -9.2e18 && v.via.f64 <= 9.2e18 && trunc(v.via.f64) == v.via.f64)
        return (int64_t)v.via.f64;
    return fallback;
}

double sw_as_double(sw_value v, double fallback)
{
    if (value_is_float(v)) return v.via.f64;
    if (v.type == MSGPACK_OBJECT_NEGATIVE_INTEGER) return (double)v.via.i64;
    return v.type == MSGPACK_OBJECT_POSITIVE_INTEGER ? (double)v.via.u64 : fallback;
}

bool sw_as_bool(sw_value v, bool fallback) { return v.type == MSGPACK_OBJECT_BOOLEAN ? v.via.boolean : fallback; }

const char *sw_cstr(sw_ctx *c, sw_value v)
{
    struct arena *a = ctx_arena(c, "sw_cstr");
    if (v.type != MSGPACK_OBJECT_STR) return NULL;
    char *text = arena_strndup(a, v.via.str.ptr, v.via.str.size);
    if (!text) ctx_fail_memory(c);
    return text;
}

bool sw_equal(sw_value a, sw_value b) { return value_equal(a, b); }

bool sw_str_equal(sw_value v, const char *text)
{
    return text ? key_equals(&v, text, strlen(text)) : v.type == MSGPACK_OBJECT_NIL;
}
