#include "runtime/prove/difference.h"

#include <assert.h>

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/redact.h"
#include "runtime/base/value.h"

enum { SHOWN_BYTES = 100 };

static const difference nothing = {"", "", ""}; /* there is no memory */

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

/* Shows where `was` and `is` differ: what is shown of each is in `shown`, if something is hidden. */
static difference difference_shown(arena *a, const place *whole, const place *shown)
{
    bool is_hidden = shown && value_equal(shown->was, shown->is);
    place p = place_narrow(a, shown && !is_hidden ? *shown : *whole);
    const char *path = p.path ? p.path : "";
    if (is_hidden) return (difference){path, REDACTED, REDACTED};
    return (difference){path, value_shown(a, p.was), value_shown(a, p.is)};
}

static difference difference_of_values(arena *a, const redact *hides, sw_value was, sw_value is)
{
    const place whole = {was, is, ""};
    place shown = whole;
    if (!redact_value(hides, a, &shown.was) || !redact_value(hides, a, &shown.is)) return nothing;
    return difference_shown(a, &whole, hides ? &shown : NULL);
}

static bool read_both(arena *a, entry_text was, entry_text is, place *out)
{
    const char *error = NULL;
    const sw_value nil = {.type = MSGPACK_OBJECT_NIL};
    *out = (place){nil, nil, ""};
    return (was.len == 0 || value_unpack(a, was.data, was.len, &out->was, &error)) &&
           (is.len == 0 || value_unpack(a, is.data, is.len, &out->is, &error));
}

difference difference_of_packed(arena *a, const redact *hides, entry_text was, entry_text is)
{
    place p;
    return read_both(a, was, is, &p) ? difference_of_values(a, hides, p.was, p.is) : nothing;
}

/* A body of which the other one is no JSON, or neither. */
static const char *body_shown(arena *a, const redact *hides, entry_text body)
{
    sw_value v;
    const char *message = NULL;
    if (!json_read(a, body.data, body.len, &v, &message)) {
        http_text text = {body.data, body.len};
        bool ok = message != value_no_memory && redact_text_in(hides, a, &text);
        return ok ? text_shown(a, text.data, text.len) : "";
    }
    return redact_value(hides, a, &v) ? value_shown(a, v) : "";
}

difference difference_of_json(arena *a, const redact *hides, entry_text was, entry_text is)
{
    sw_value x, y;
    const char *message = NULL;
    if (!json_read(a, was.data, was.len, &x, &message) || !json_read(a, is.data, is.len, &y, &message))
        return (difference){"", body_shown(a, hides, was), body_shown(a, hides, is)};
    return difference_of_values(a, hides, x, y);
}

/* ---- Headers: [name, value, name, value, ...] ---- */

/* Hides values, and what others quote, in a copy of the array. False: no memory. */
static bool headers_hide(arena *a, const redact *hides, sw_value *v)
{
    if (!hides || v->type != MSGPACK_OBJECT_ARRAY || v->via.array.size == 0) return true;
    const uint32_t count = v->via.array.size;
    msgpack_object *all = arena_memdup(a, v->via.array.ptr, count * sizeof *all);
    if (!all) return false;
    for (uint32_t i = 0; i + 1 < count; i += 2) {
        const msgpack_object_str *name = &all[i].via.str;
        bool is_hidden = all[i].type == MSGPACK_OBJECT_STR && redact_has_header(hides, name->ptr, name->size);
        if (!is_hidden && !redact_value(hides, a, &all[i + 1])) return false;
        if (!is_hidden) continue;
        all[i + 1].type = MSGPACK_OBJECT_STR;
        all[i + 1].via.str = (msgpack_object_str){.size = sizeof REDACTED - 1, .ptr = REDACTED};
    }
    v->via.array.ptr = all;
    return true;
}

difference difference_of_headers(arena *a, const redact *hides, entry_text was, entry_text is)
{
    place whole;
    if (!read_both(a, was, is, &whole)) return nothing;
    place shown = whole;
    if (!headers_hide(a, hides, &shown.was) || !headers_hide(a, hides, &shown.is)) return nothing;
    return difference_shown(a, &whole, hides ? &shown : NULL);
}
