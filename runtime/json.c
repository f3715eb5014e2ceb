#include "runtime/json.h"

#include <jansson.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/ctx_access.h"
#include "runtime/value.h"

/* ---- Writing ---- */

static bool put(msgpack_sbuffer *to, const char *data, size_t len) { return msgpack_sbuffer_write(to, data, len) == 0; }

static bool put_text(msgpack_sbuffer *to, const char *text) { return put(to, text, strlen(text)); }

/* Bytes of the UTF-8 sequence that `s` begins with, by the table of Unicode 15.0, 3.9 (D92); 0 if it is malformed. */
static size_t utf8_length(const uint8_t *s, size_t len)
{
    uint8_t low = 0x80, high = 0xbf;
    size_t n = s[0] < 0x80                    ? 1
               : s[0] >= 0xc2 && s[0] <= 0xdf ? 2
               : (s[0] & 0xf0) == 0xe0        ? 3
               : s[0] >= 0xf0 && s[0] <= 0xf4 ? 4
                                              : 0;
    if (n <= 1 || n > len) return n > len ? 0 : n;
    if (s[0] == 0xe0) low = 0xa0;
    if (s[0] == 0xed) high = 0x9f;
    if (s[0] == 0xf0) low = 0x90;
    if (s[0] == 0xf4) high = 0x8f;
    if (s[1] < low || s[1] > high) return 0;
    for (size_t i = 2; i < n; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return n;
}

static bool put_escape(msgpack_sbuffer *to, uint8_t c)
{
    char text[8];
    switch (c) {
    case '"':
        return put(to, "\\\"", 2);
    case '\\':
        return put(to, "\\\\", 2);
    case '\n':
        return put(to, "\\n", 2);
    case '\r':
        return put(to, "\\r", 2);
    case '\t':
        return put(to, "\\t", 2);
    default:
        (void)snprintf(text, sizeof text, "\\u%04x", c);
        return put(to, text, 6);
    }
}

static bool put_string(msgpack_sbuffer *to, const char *data, size_t len)
{
    const uint8_t *s = (const uint8_t *)data;
    bool ok = put(to, "\"", 1);
    size_t plain = 0; /* where the bytes that need no change begin */
    for (size_t i = 0; i < len && ok;) {
        size_t n = utf8_length(s + i, len - i);
        if (n > 1 || (n == 1 && s[i] >= 0x20 && s[i] != '"' && s[i] != '\\')) {
            i += n;
            continue;
        }
        ok = (plain == i || put(to, data + plain, i - plain)) &&
             (n == 1 ? put_escape(to, s[i]) : put_text(to, "\xef\xbf\xbd"));
        plain = ++i;
    }
    return ok && (plain == len || put(to, data + plain, len - plain)) && put(to, "\"", 1);
}

static bool put_base64(msgpack_sbuffer *to, const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *s = (const uint8_t *)data;
    bool ok = put(to, "\"", 1);
    for (size_t i = 0; i < len && ok; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)s[i] << 16 | (have > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (have > 2 ? s[i + 2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], have > 1 ? digits[bits >> 6 & 63] : '=',
                        have > 2 ? digits[bits & 63] : '='};
        ok = put(to, four, sizeof four);
    }
    return ok && put(to, "\"", 1);
}

/* The fewest digits that read back as the same number. */
static bool put_double(msgpack_sbuffer *to, double d)
{
    char text[40];
    if (!isfinite(d)) return put_text(to, "null");
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, d);
        if (strtod(text, NULL) == d) break;
    }
    if (!strpbrk(text, ".e")) strcat(text, ".0"); /* stays a float when it is read again */
    return put_text(to, text);
}

static bool put_integer(msgpack_sbuffer *to, const char *format, unsigned long long bits)
{
    char text[24];
    (void)snprintf(text, sizeof text, format[0] == '-' ? "%lld" : "%llu", bits);
    return put_text(to, text);
}

static bool utf8_valid(const char *data, size_t len)
{
    const uint8_t *s = (const uint8_t *)data;
    for (size_t i = 0, n; i < len; i += n)
        if ((n = utf8_length(s + i, len - i)) == 0) return false;
    return true;
}

bool json_writes_whole(sw_value v)
{
    switch (v.type) {
    case MSGPACK_OBJECT_STR:
        return utf8_valid(v.via.str.ptr, v.via.str.size);
    case MSGPACK_OBJECT_ARRAY:
        for (uint32_t i = 0; i < v.via.array.size; i++)
            if (!json_writes_whole(v.via.array.ptr[i])) return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        for (uint32_t i = 0; i < v.via.map.size; i++)
            if (!json_writes_whole(v.via.map.ptr[i].key) || !json_writes_whole(v.via.map.ptr[i].val)) return false;
        return true;
    default:
        return true;
    }
}

static bool put_value(msgpack_sbuffer *to, const sw_value *v, unsigned depth);

/* Of arrays and maps only that they are such: their text, as a key in a key, would double its quotes each time. */
static bool put_key(msgpack_sbuffer *to, const sw_value *key, unsigned depth)
{
    if (key->type == MSGPACK_OBJECT_STR) return put_string(to, key->via.str.ptr, key->via.str.size);
    if (key->type == MSGPACK_OBJECT_ARRAY) return put_text(to, "\"[]\"");
    if (key->type == MSGPACK_OBJECT_MAP) return put_text(to, "\"{}\"");
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    bool ok = put_value(&text, key, depth) && put_string(to, text.data, text.size);
    msgpack_sbuffer_destroy(&text);
    return ok;
}

static bool put_map(msgpack_sbuffer *to, const msgpack_object_map *map, unsigned depth)
{
    bool ok = put(to, "{", 1);
    for (uint32_t i = 0; i < map->size && ok; i++)
        ok = (i == 0 || put(to, ",", 1)) && put_key(to, &map->ptr[i].key, depth + 1) && put(to, ":", 1) &&
             put_value(to, &map->ptr[i].val, depth + 1);
    return ok && put(to, "}", 1);
}

static bool put_array(msgpack_sbuffer *to, const msgpack_object_array *array, unsigned depth)
{
    bool ok = put(to, "[", 1);
    for (uint32_t i = 0; i < array->size && ok; i++)
        ok = (i == 0 || put(to, ",", 1)) && put_value(to, &array->ptr[i], depth + 1);
    return ok && put(to, "]", 1);
}

static bool put_value(msgpack_sbuffer *to, const sw_value *v, unsigned depth)
{
    if (depth > VALUE_DEPTH_MAX) return false;
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        return put_text(to, "null");
    case MSGPACK_OBJECT_BOOLEAN:
        return put_text(to, v->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return put_integer(to, "+", v->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return put_integer(to, "-", (unsigned long long)v->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return put_double(to, v->via.f64);
    case MSGPACK_OBJECT_STR:
        return put_string(to, v->via.str.ptr, v->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return put_base64(to, v->via.bin.ptr, v->via.bin.size);
    case MSGPACK_OBJECT_EXT:
        return put_base64(to, v->via.ext.ptr, v->via.ext.size);
    case MSGPACK_OBJECT_ARRAY:
        return put_array(to, &v->via.array, depth);
    case MSGPACK_OBJECT_MAP:
        return put_map(to, &v->via.map, depth);
    }
    return false;
}

bool json_write(arena *a, sw_value v, sw_bytes *out)
{
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    char *copy = NULL;
    if (put_value(&text, &v, 0)) copy = arena_strndup(a, text.data, text.size);
    *out = copy ? (sw_bytes){copy, text.size} : (sw_bytes){"", 0};
    msgpack_sbuffer_destroy(&text);
    return copy != NULL;
}

/* ---- Reading ---- */

/* Jansson recurses once a level; its own limit (2,048) is more than a coroutine's stack holds. */
static bool too_deep(const char *data, size_t len)
{
    unsigned depth = 0;
    bool in_string = false;
    for (size_t i = 0; i < len; i++) {
        char c = data[i];
        if (in_string) {
            if (c == '\\')
                i++;
            else if (c == '"')
                in_string = false;
        } else if (c == '"') {
            in_string = true;
        } else if (c == '[' || c == '{') {
            if (++depth > VALUE_DEPTH_MAX) return true;
        } else if ((c == ']' || c == '}') && depth > 0) {
            depth--;
        }
    }
    return false;
}

static bool convert(arena *a, const json_t *j, sw_value *out);

static bool convert_string(arena *a, const char *data, size_t len, sw_value *out)
{
    const char *copy = len <= UINT32_MAX ? arena_strndup(a, data, len) : NULL;
    *out = (sw_value){.type = MSGPACK_OBJECT_STR, .via.str = {(uint32_t)len, copy}};
    return copy != NULL;
}

static bool convert_array(arena *a, const json_t *j, sw_value *out)
{
    uint32_t n = (uint32_t)json_array_size(j);
    *out = (sw_value){.type = MSGPACK_OBJECT_ARRAY, .via.array = {n, value_array_new(a, n)}};
    if (!out->via.array.ptr) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!convert(a, json_array_get(j, i), &out->via.array.ptr[i])) return false;
    return true;
}

static bool convert_object(arena *a, json_t *j, sw_value *out)
{
    uint32_t n = (uint32_t)json_object_size(j), i = 0;
    *out = (sw_value){.type = MSGPACK_OBJECT_MAP,
                      .via.map = {n, arena_alloc(a, ((size_t)n + 1) * sizeof(msgpack_object_kv))}};
    if (!out->via.map.ptr) return false;
    for (void *at = json_object_iter(j); at; at = json_object_iter_next(j, at), i++) {
        const char *key = json_object_iter_key(at);
        if (!convert_string(a, key, strlen(key), &out->via.map.ptr[i].key) ||
            !convert(a, json_object_iter_value(at), &out->via.map.ptr[i].val))
            return false;
    }
    return true;
}

static bool convert(arena *a, const json_t *j, sw_value *out)
{
    switch (json_typeof(j)) {
    case JSON_OBJECT:
        return convert_object(a, (json_t *)(uintptr_t)j, out);
    case JSON_ARRAY:
        return convert_array(a, j, out);
    case JSON_STRING:
        return convert_string(a, json_string_value(j), json_string_length(j), out);
    case JSON_INTEGER:
        *out = sw_int(json_integer_value(j));
        return true;
    case JSON_REAL:
        *out = sw_double(json_real_value(j));
        return true;
    case JSON_TRUE:
    case JSON_FALSE:
        *out = sw_bool(json_typeof(j) == JSON_TRUE);
        return true;
    case JSON_NULL:
        break;
    }
    *out = sw_nil();
    return true;
}

bool json_read(arena *a, const char *data, size_t len, sw_value *out, const char **message)
{
    *out = sw_nil();
    if (too_deep(data, len)) {
        *message = "it is nested more than 128 levels deep";
        return false;
    }
    json_error_t why;
    json_t *j = json_loadb(data, len, JSON_DECODE_ANY | JSON_ALLOW_NUL, &why);
    if (!j) {
        *message = arena_printf(a, "line %d, column %d: %s", why.line, why.column, why.text);
        if (!*message) *message = "out of memory";
        return false;
    }
    bool ok = convert(a, j, out);
    if (!ok) *message = "the memory of the run is over its limit";
    json_decref(j);
    return ok;
}

/* ---- For handlers ---- */

bool sw_json_try(sw_ctx *c, const char *data, size_t len, sw_value *out, const char **message)
{
    const char *unused;
    sw_value value;
    struct arena *a = ctx_arena(c, "sw_json_try");
    return json_read(a, data ? data : "", data ? len : 0, out ? out : &value, message ? message : &unused);
}

sw_value sw_json_parse(sw_ctx *c, const char *data, size_t len)
{
    sw_value v;
    const char *message;
    (void)ctx_arena(c, "sw_json_parse");
    if (!sw_json_try(c, data, len, &v, &message)) sw_fail(c, "sw_json_parse: %s", message);
    return v;
}

sw_bytes sw_json(sw_ctx *c, sw_value value)
{
    sw_bytes text;
    if (!json_write(ctx_arena(c, "sw_json"), value, &text))
        ctx_fail_misuse(c, "sw_json: the value is nested too deep or the run's memory is over its limit");
    return text;
}
