#include "runtime/prove/difference.h"

#include <assert.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/value.h"

enum { SHOWN_BYTES = 100 };

/* Two values that differ, and the path to them; NULL: out of memory. */
typedef struct place {
    sw_value was, is;
    const char *path;
} place;

static place place_narrow(arena *a, place p);

static place place_narrow_map(arena *a, place p)
{
    assert(p.was.type == MSGPACK_OBJECT_MAP && p.is.type == MSGPACK_OBJECT_MAP);
    assert(p.was.via.map.size == p.is.via.map.size);
    for (uint32_t i = 0; i < p.was.via.map.size; i++) {
        const msgpack_object_kv *x = &p.was.via.map.ptr[i], *y = &p.is.via.map.ptr[i];
        if (x->key.type != MSGPACK_OBJECT_STR || !value_equal(x->key, y->key)) return p;
        if (value_equal(x->val, y->val)) continue;
        const char *path = arena_printf(a, "%s.%.*s", p.path, (int)x->key.via.str.size, x->key.via.str.ptr);
        return place_narrow(a, (place){x->val, y->val, path});
    }
    return p;
}

/* Goes from two values that differ to their parts that do, as long as both have the same form. */
static place place_narrow(arena *a, place p)
{
    if (!p.path || p.was.type != p.is.type) return p;
    if (p.was.type == MSGPACK_OBJECT_MAP && p.was.via.map.size == p.is.via.map.size) return place_narrow_map(a, p);
    if (p.was.type != MSGPACK_OBJECT_ARRAY || p.was.via.array.size != p.is.via.array.size) return p;
    for (uint32_t i = 0; i < p.was.via.array.size; i++) {
        sw_value was = p.was.via.array.ptr[i], is = p.is.via.array.ptr[i];
        if (!value_equal(was, is)) return place_narrow(a, (place){was, is, arena_printf(a, "%s[%u]", p.path, i)});
    }
    return p;
}

static const char *text_shown(arena *a, const char *data, size_t len)
{
    bool is_cut = len > SHOWN_BYTES;
    const char *text = arena_printf(a, "%.*s%s", (int)(is_cut ? SHOWN_BYTES : len), data, is_cut ? "..." : "");
    return text ? text : "";
}

static const char *value_shown(arena *a, sw_value v)
{
    sw_bytes json = {0};
    return json_write(a, v, &json) ? text_shown(a, json.data, json.len) : "";
}

static difference difference_of_values(arena *a, sw_value was, sw_value is)
{
    place p = place_narrow(a, (place){was, is, ""});
    return (difference){p.path ? p.path : "", value_shown(a, p.was), value_shown(a, p.is)};
}

difference difference_of_packed(arena *a, entry_text was, entry_text is)
{
    sw_value x = {.type = MSGPACK_OBJECT_NIL}, y = x;
    const char *error = NULL;
    bool read = (was.len == 0 || value_unpack(a, was.data, was.len, &x, &error)) &&
                (is.len == 0 || value_unpack(a, is.data, is.len, &y, &error));
    return read ? difference_of_values(a, x, y) : (difference){"", "", ""};
}

difference difference_of_json(arena *a, entry_text was, entry_text is)
{
    sw_value x, y;
    const char *message = NULL;
    if (!json_read(a, was.data, was.len, &x, &message) || !json_read(a, is.data, is.len, &y, &message))
        return (difference){"", text_shown(a, was.data, was.len), text_shown(a, is.data, is.len)};
    return difference_of_values(a, x, y);
}
