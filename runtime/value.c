#include "runtime/value.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>

/* ---- Copying ---- */

static bool copy(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error);

static bool copy_bytes(arena *a, const char *data, uint32_t len, const char **to)
{
    *to = arena_strndup(a, data, len);
    return *to != NULL;
}

static bool copy_array(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    uint32_t n = v.via.array.size;
    out->via.array.ptr = value_array_new(a, n);
    if (!out->via.array.ptr) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!copy(a, v.via.array.ptr[i], &out->via.array.ptr[i], depth + 1, error)) return false;
    return true;
}

static bool copy_map(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    uint32_t n = v.via.map.size;
    out->via.map.ptr = arena_alloc(a, (size_t)n * sizeof(msgpack_object_kv));
    if (!out->via.map.ptr) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!copy(a, v.via.map.ptr[i].key, &out->via.map.ptr[i].key, depth + 1, error) ||
            !copy(a, v.via.map.ptr[i].val, &out->via.map.ptr[i].val, depth + 1, error))
            return false;
    return true;
}

static bool copy(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    *out = v;
    if (depth > VALUE_DEPTH_MAX) {
        *error = "it is nested more than 128 levels deep";
        return false;
    }
    switch (v.type) {
    case MSGPACK_OBJECT_STR:
        return copy_bytes(a, v.via.str.ptr, v.via.str.size, &out->via.str.ptr);
    case MSGPACK_OBJECT_BIN:
        return copy_bytes(a, v.via.bin.ptr, v.via.bin.size, &out->via.bin.ptr);
    case MSGPACK_OBJECT_EXT:
        return copy_bytes(a, v.via.ext.ptr, v.via.ext.size, &out->via.ext.ptr);
    case MSGPACK_OBJECT_ARRAY:
        return copy_array(a, v, out, depth, error);
    case MSGPACK_OBJECT_MAP:
        return copy_map(a, v, out, depth, error);
    default:
        return true;
    }
}

bool value_copy(arena *a, msgpack_object v, msgpack_object *out, const char **error)
{
    *error = "the memory of the run is over its limit";
    return copy(a, v, out, 0, error);
}

/* ---- Packing ---- */

typedef struct bounded {
    msgpack_sbuffer *to;
    size_t end; /* to->size may not pass it */
} bounded;

static int write_bounded(void *data, const char *bytes, size_t len)
{
    bounded *b = data;
    if (len > b->end - b->to->size) return -1;
    return msgpack_sbuffer_write(b->to, bytes, len);
}

static bool pack(msgpack_packer *pk, const msgpack_object *v, unsigned depth, const char **error)
{
    if (depth > VALUE_DEPTH_MAX) {
        *error = "it is nested more than 128 levels deep";
        return false;
    }
    switch (v->type) {
    case MSGPACK_OBJECT_ARRAY:
        if (msgpack_pack_array(pk, v->via.array.size) != 0) return false;
        for (uint32_t i = 0; i < v->via.array.size; i++)
            if (!pack(pk, &v->via.array.ptr[i], depth + 1, error)) return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        if (msgpack_pack_map(pk, v->via.map.size) != 0) return false;
        for (uint32_t i = 0; i < v->via.map.size; i++)
            if (!pack(pk, &v->via.map.ptr[i].key, depth + 1, error) ||
                !pack(pk, &v->via.map.ptr[i].val, depth + 1, error))
                return false;
        return true;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BOOLEAN:
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
    case MSGPACK_OBJECT_FLOAT32:
    case MSGPACK_OBJECT_FLOAT64:
    case MSGPACK_OBJECT_STR:
    case MSGPACK_OBJECT_BIN:
    case MSGPACK_OBJECT_EXT:
        return msgpack_pack_object(pk, *v) == 0;
    }
    *error = "it is no msgpack value";
    return false;
}

bool value_pack(msgpack_sbuffer *to, msgpack_object v, size_t bytes_max, const char **error)
{
    size_t before = to->size;
    bounded b = {to, bytes_max > SIZE_MAX - before ? SIZE_MAX : before + bytes_max};
    msgpack_packer pk;
    msgpack_packer_init(&pk, &b, write_bounded);
    *error = "it is too large";
    if (pack(&pk, &v, 0, error)) return true;
    to->size = before;
    return false;
}

/* ---- Unpacking ---- */

static uint64_t big_endian(const uint8_t *p, size_t bytes)
{
    uint64_t n = 0;
    for (size_t i = 0; i < bytes; i++) n = n << 8 | p[i];
    return n;
}

/* What follows a first byte (msgpack specification, "Formats"): the width of a length, whether it counts bytes or
 * members, and bytes beside those. */
typedef struct shape {
    uint8_t length_bytes, members, fixed_bytes;
} shape;

static shape shape_of(uint8_t tag)
{
    static const shape shapes[] = {
        [0xc4 - 0xc0] = {1, 0, 0},  [0xc5 - 0xc0] = {2, 0, 0}, [0xc6 - 0xc0] = {4, 0, 0}, [0xc7 - 0xc0] = {1, 0, 1},
        [0xc8 - 0xc0] = {2, 0, 1},  [0xc9 - 0xc0] = {4, 0, 1}, [0xca - 0xc0] = {0, 0, 4}, [0xcb - 0xc0] = {0, 0, 8},
        [0xcc - 0xc0] = {0, 0, 1},  [0xcd - 0xc0] = {0, 0, 2}, [0xce - 0xc0] = {0, 0, 4}, [0xcf - 0xc0] = {0, 0, 8},
        [0xd0 - 0xc0] = {0, 0, 1},  [0xd1 - 0xc0] = {0, 0, 2}, [0xd2 - 0xc0] = {0, 0, 4}, [0xd3 - 0xc0] = {0, 0, 8},
        [0xd4 - 0xc0] = {0, 0, 2},  [0xd5 - 0xc0] = {0, 0, 3}, [0xd6 - 0xc0] = {0, 0, 5}, [0xd7 - 0xc0] = {0, 0, 9},
        [0xd8 - 0xc0] = {0, 0, 17}, [0xd9 - 0xc0] = {1, 0, 0}, [0xda - 0xc0] = {2, 0, 0}, [0xdb - 0xc0] = {4, 0, 0},
        [0xdc - 0xc0] = {2, 1, 0},  [0xdd - 0xc0] = {4, 1, 0}, [0xde - 0xc0] = {2, 2, 0}, [0xdf - 0xc0] = {4, 2, 0}};
    if (tag >= 0xc0 && tag <= 0xdf) return shapes[tag - 0xc0];
    return (shape){0, 0, (tag & 0xe0) == 0xa0 ? tag & 0x1f : 0};
}

/* msgpack-c takes memory for as many members as an array says it has, before it looks for them. */
static bool members_fit(const uint8_t *p, size_t len)
{
    uint64_t expected = 1;
    for (size_t at = 0; expected > 0; expected--) {
        if (at >= len) return false;
        uint8_t tag = p[at++];
        shape s = shape_of(tag);
        if (len - at < s.length_bytes) return false;
        uint64_t n = big_endian(p + at, s.length_bytes);
        at += s.length_bytes;
        uint64_t members = n * s.members, bytes = s.fixed_bytes + (s.members ? 0 : n);
        if (tag >= 0x80 && tag <= 0x9f) members = (uint64_t)(tag & 0x0f) * (tag < 0x90 ? 2 : 1);
        if (bytes > len - at || members > len - at) return false;
        at += bytes;
        expected += members;
    }
    return true;
}

bool value_unpack(arena *a, const char *data, size_t len, msgpack_object *out, const char **error)
{
    msgpack_zone zone;
    *error = "damaged: no msgpack value";
    if (!members_fit((const uint8_t *)data, len)) return false;
    *error = "out of memory";
    if (!msgpack_zone_init(&zone, 1024)) return false;
    size_t at = 0;
    msgpack_object v;
    msgpack_unpack_return got = len > 0 ? msgpack_unpack(data, len, &at, &zone, &v) : MSGPACK_UNPACK_CONTINUE;
    bool ok = got == MSGPACK_UNPACK_SUCCESS && at == len;
    if (!ok)
        *error = "damaged: no msgpack value";
    else
        ok = value_copy(a, v, out, error);
    msgpack_zone_destroy(&zone);
    return ok;
}

/* ---- Comparing ---- */

bool value_equal(msgpack_object a, msgpack_object b) { return msgpack_object_equal(a, b); }

/* ---- Growing arrays ---- */

typedef struct array_head {
    uint32_t magic; /* tells our arrays from others' */
    uint32_t room;
    uint32_t used; /* elements that some value already sees */
    uint32_t unused_;
} array_head;

static const uint32_t ARRAY_MAGIC = 0x57e94e11u;

msgpack_object *value_array_new(arena *a, uint32_t room)
{
    array_head *h = arena_alloc(a, sizeof *h + ((size_t)room + 1) * sizeof(msgpack_object));
    if (!h) return NULL;
    *h = (array_head){.magic = ARRAY_MAGIC, .room = room, .used = room};
    return (msgpack_object *)(h + 1);
}

bool value_array_push(arena *a, msgpack_object *array, msgpack_object v)
{
    assert(array->type == MSGPACK_OBJECT_ARRAY);
    uint32_t n = array->via.array.size;
    array_head *h = array->via.array.ptr ? (array_head *)array->via.array.ptr - 1 : NULL;
    if (n == UINT32_MAX) return false;
    if (!h || h->magic != ARRAY_MAGIC || h->used != n || h->room == n) {
        uint32_t room = n < 4 ? 8 : n > UINT32_MAX / 2 ? UINT32_MAX : n * 2;
        msgpack_object *bigger = value_array_new(a, room);
        if (!bigger) return false;
        if (n > 0) memcpy(bigger, array->via.array.ptr, (size_t)n * sizeof *bigger);
        array->via.array.ptr = bigger;
        h = (array_head *)bigger - 1;
    }
    array->via.array.ptr[n] = v;
    array->via.array.size = n + 1;
    h->used = n + 1;
    return true;
}
