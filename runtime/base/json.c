#include "runtime/base/json.h"

#include <assert.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json_number.h"
#include "runtime/base/json_plain.h"
#include "runtime/base/utf8.h"
#include "runtime/base/value.h"

/* ---- Writing ---- */

enum { ROOM_FIRST = 8192 };

typedef struct json_text {
    msgpack_sbuffer *bytes;
    size_t bytes_max;
    unsigned depth_max;
    bool is_longer; /* the text would have more than bytes_max */
} json_text;

/* Makes room for `len` bytes more, in doubling steps. False: no memory, or the text would be too long. */
static __attribute__((noinline)) bool json_text_grow(json_text *to, size_t len)
{
    msgpack_sbuffer *b = to->bytes;
    to->is_longer = b->size > to->bytes_max || len > to->bytes_max - b->size;
    if (to->is_longer) return false;
    size_t room = b->alloc > ROOM_FIRST / 2 ? b->alloc : ROOM_FIRST / 2;
    do room = room > to->bytes_max / 2 ? to->bytes_max : room * 2;
    while (room < b->size + len);
    char *moved = realloc(b->data, room);
    if (!moved) return false;
    b->data = moved;
    b->alloc = room;
    return true;
}

/* Looks at the limit only where the buffer has to grow, which it never does beyond it: most pieces are a few bytes. */
static bool json_append(json_text *to, const char *data, size_t len)
{
    msgpack_sbuffer *b = to->bytes;
    assert(b->size <= b->alloc);
    if (len > b->alloc - b->size && !json_text_grow(to, len)) return false;
    if (len > 0) memcpy(b->data + b->size, data, len);
    b->size += len;
    return true;
}

static bool json_append_text(json_text *to, const char *text) { return json_append(to, text, strlen(text)); }

static bool json_append_escape(json_text *to, uint8_t c)
{
    char text[8];
    switch (c) {
    case '"':
        return json_append(to, "\\\"", 2);
    case '\\':
        return json_append(to, "\\\\", 2);
    case '\n':
        return json_append(to, "\\n", 2);
    case '\r':
        return json_append(to, "\\r", 2);
    case '\t':
        return json_append(to, "\\t", 2);
    default:
        assert(c < 0x20); /* the other bytes stand for themselves */
        (void)snprintf(text, sizeof text, "\\u%04x", c);
        return json_append(to, text, 6);
    }
}

static bool json_append_string(json_text *to, const char *data, size_t len)
{
    bool ok = json_append(to, "\"", 1);
    for (const char *at = data, *end = data + len; at < end && ok;) {
        const char *plain_end = json_plain_end(at, end);
        ok = json_append(to, at, (size_t)(plain_end - at));
        if (plain_end == end || !ok) break;
        uint8_t c = (uint8_t)*plain_end;
        ok = c < 0x80 ? json_append_escape(to, c) : json_append_text(to, UTF8_REPLACEMENT);
        at = plain_end + 1;
    }
    return ok && json_append(to, "\"", 1);
}

static bool json_append_base64(json_text *to, const char *data, size_t len)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    const uint8_t *s = (const uint8_t *)data;
    bool ok = json_append(to, "\"", 1);
    for (size_t i = 0; i < len && ok; i += 3) {
        size_t have = len - i < 3 ? len - i : 3;
        uint32_t bits = (uint32_t)s[i] << 16 | (have > 1 ? (uint32_t)s[i + 1] << 8 : 0) | (have > 2 ? s[i + 2] : 0);
        char four[4] = {digits[bits >> 18], digits[bits >> 12 & 63], have > 1 ? digits[bits >> 6 & 63] : '=',
                        have > 2 ? digits[bits & 63] : '='};
        ok = json_append(to, four, sizeof four);
    }
    return ok && json_append(to, "\"", 1);
}

static bool json_append_double(json_text *to, double d)
{
    char text[JSON_NUMBER_BYTES_MAX];
    if (!isfinite(d)) return json_append_text(to, "null");
    size_t len = (size_t)(json_number_write(d, text) - text);
    return json_append(to, text, len);
}

static bool json_append_integer(json_text *to, bool is_negative, uint64_t magnitude)
{
    char text[JSON_NUMBER_BYTES_MAX] = "-", *end = json_integer_write(magnitude, text + is_negative);
    return json_append(to, text, (size_t)(end - text));
}

/* A handler may have put together a value whose type says "negative" and whose number is not. */
static bool json_append_signed(json_text *to, int64_t n)
{
    return json_append_integer(to, n < 0, n < 0 ? 0 - (uint64_t)n : (uint64_t)n);
}

bool json_writes_whole(sw_value v)
{
    switch (v.type) {
    case MSGPACK_OBJECT_STR:
        return utf8_is_valid(v.via.str.ptr, v.via.str.size);
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

static bool json_append_value(json_text *to, const sw_value *v, unsigned depth);

/* Writes a key as a string. Arrays and maps are only named: their text, as a key in a key, would double its quotes each
 * time. */
static bool json_append_key(json_text *to, const sw_value *key, unsigned depth)
{
    switch (key->type) {
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT: /* in quotes anyway */
        return json_append_value(to, key, depth);
    case MSGPACK_OBJECT_ARRAY:
        return json_append_text(to, "\"[]\"");
    case MSGPACK_OBJECT_MAP:
        return json_append_text(to, "\"{}\"");
    default:
        return json_append(to, "\"", 1) && json_append_value(to, key, depth) && json_append(to, "\"", 1);
    }
}

static bool json_append_map(json_text *to, const msgpack_object_map *map, unsigned depth)
{
    bool ok = json_append(to, "{", 1);
    for (uint32_t i = 0; i < map->size && ok; i++)
        ok = (i == 0 || json_append(to, ",", 1)) && json_append_key(to, &map->ptr[i].key, depth + 1) &&
             json_append(to, ":", 1) && json_append_value(to, &map->ptr[i].val, depth + 1);
    return ok && json_append(to, "}", 1);
}

static bool json_append_array(json_text *to, const msgpack_object_array *array, unsigned depth)
{
    bool ok = json_append(to, "[", 1);
    for (uint32_t i = 0; i < array->size && ok; i++)
        ok = (i == 0 || json_append(to, ",", 1)) && json_append_value(to, &array->ptr[i], depth + 1);
    return ok && json_append(to, "]", 1);
}

static bool json_append_value(json_text *to, const sw_value *v, unsigned depth)
{
    if (depth > to->depth_max) return false;
    switch (v->type) {
    case MSGPACK_OBJECT_NIL:
        return json_append_text(to, "null");
    case MSGPACK_OBJECT_BOOLEAN:
        return json_append_text(to, v->via.boolean ? "true" : "false");
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
        return json_append_integer(to, false, v->via.u64);
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        return json_append_signed(to, v->via.i64);
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
        return json_append_double(to, v->via.f64);
    case MSGPACK_OBJECT_STR:
        return json_append_string(to, v->via.str.ptr, v->via.str.size);
    case MSGPACK_OBJECT_BIN:
        return json_append_base64(to, v->via.bin.ptr, v->via.bin.size);
    case MSGPACK_OBJECT_EXT:
        return json_append_base64(to, v->via.ext.ptr, v->via.ext.size);
    case MSGPACK_OBJECT_ARRAY:
        return json_append_array(to, &v->via.array, depth);
    case MSGPACK_OBJECT_MAP:
        return json_append_map(to, &v->via.map, depth);
    }
    return false;
}

bool json_write_to(msgpack_sbuffer *to, sw_value v)
{
    json_text text = {.bytes = to, .bytes_max = SIZE_MAX, .depth_max = VALUE_DEPTH_MAX};
    return json_append_value(&text, &v, 0);
}

/* Writes to text->bytes, which is empty, copies that into `a` and frees it. */
static bool json_text_write(json_text *text, arena *a, sw_value v, sw_bytes *out)
{
    msgpack_sbuffer *bytes = text->bytes;
    char *copy = NULL;
    if (json_append_value(text, &v, 0)) {
        assert(bytes->size > 0);
        copy = arena_strndup(a, bytes->data, bytes->size);
    }
    *out = copy ? (sw_bytes){copy, bytes->size} : (sw_bytes){"", 0};
    msgpack_sbuffer_destroy(bytes);
    return copy != NULL;
}

bool json_write_up_to(arena *a, sw_value v, size_t bytes_max, sw_bytes *out, bool *is_longer)
{
    msgpack_sbuffer bytes = {0};
    json_text text = {.bytes = &bytes, .bytes_max = bytes_max, .depth_max = VALUE_DEPTH_MAX};
    bool ok = json_text_write(&text, a, v, out);
    *is_longer = text.is_longer;
    return ok;
}

bool json_write_document(arena *a, sw_value v, sw_bytes *out)
{
    msgpack_sbuffer bytes = {0};
    json_text text = {.bytes = &bytes, .bytes_max = SIZE_MAX, .depth_max = JSON_DOCUMENT_DEPTH_MAX};
    return json_text_write(&text, a, v, out);
}

bool json_write(arena *a, sw_value v, sw_bytes *out)
{
    bool ignored;
    return json_write_up_to(a, v, SIZE_MAX, out, &ignored);
}
