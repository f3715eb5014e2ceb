/* Reads values from msgpack. Not with msgpack-c's parser, which stops at 32 levels, and takes memory for as many
 * members as an array claims. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/value.h"

_Static_assert(sizeof(msgpack_object_kv) == 2 * sizeof(msgpack_object), "a map's members are read as 2n objects");

/* A container whose members are being read. */
typedef struct opened {
    msgpack_object *next; /* the member to read next */
    uint64_t left;        /* members yet to be read, `next` included */
} opened;

typedef struct unpacker {
    const uint8_t *at, *end;
    arena *arena;
    uint64_t owed; /* values that the containers announce and that are yet to come: each takes a byte at least */
    const char *error;
    unsigned depth; /* containers that are open */
    opened open[VALUE_DEPTH_MAX];
} unpacker;

static bool unpack_damaged(unpacker *u)
{
    u->error = "damaged: no msgpack value";
    return false;
}

/* Reads a big-endian number of 1 to 8 bytes. */
static bool unpack_number(unpacker *u, size_t bytes, uint64_t *out)
{
    assert(bytes >= 1 && bytes <= 8);
    if ((size_t)(u->end - u->at) < bytes) return unpack_damaged(u);
    *out = 0;
    for (size_t i = 0; i < bytes; i++) *out = *out << 8 | *u->at++;
    return true;
}

static bool unpack_bytes(unpacker *u, uint64_t len, const char **to)
{
    if ((uint64_t)(u->end - u->at) < len) return unpack_damaged(u);
    *to = arena_strndup(u->arena, (const char *)u->at, (size_t)len);
    u->at += len;
    return *to != NULL;
}

static bool unpack_string(unpacker *u, uint64_t len, msgpack_object *out)
{
    out->type = MSGPACK_OBJECT_STR;
    out->via.str.size = (uint32_t)len;
    return unpack_bytes(u, len, &out->via.str.ptr);
}

static bool unpack_binary(unpacker *u, uint64_t len, msgpack_object *out)
{
    out->type = MSGPACK_OBJECT_BIN;
    out->via.bin.size = (uint32_t)len;
    return unpack_bytes(u, len, &out->via.bin.ptr);
}

static bool unpack_extension(unpacker *u, uint64_t len, msgpack_object *out)
{
    uint64_t type;
    if (!unpack_number(u, 1, &type)) return false;
    out->type = MSGPACK_OBJECT_EXT;
    out->via.ext.type = (int8_t)type;
    out->via.ext.size = (uint32_t)len;
    return unpack_bytes(u, len, &out->via.ext.ptr);
}

static bool unpack_signed(unpacker *u, size_t bytes, msgpack_object *out)
{
    uint64_t bits;
    if (!unpack_number(u, bytes, &bits)) return false;
    uint64_t sign = 1ULL << (8 * bytes - 1);
    if (bytes < 8 && (bits & sign)) bits |= ~(sign * 2 - 1);
    out->type = bits >> 63 ? MSGPACK_OBJECT_NEGATIVE_INTEGER : MSGPACK_OBJECT_POSITIVE_INTEGER;
    out->via.u64 = bits;
    return true;
}

static bool unpack_unsigned(unpacker *u, size_t bytes, msgpack_object *out)
{
    out->type = MSGPACK_OBJECT_POSITIVE_INTEGER;
    return unpack_number(u, bytes, &out->via.u64);
}

static bool unpack_float(unpacker *u, size_t bytes, msgpack_object *out)
{
    uint64_t bits;
    if (!unpack_number(u, bytes, &bits)) return false;
    out->type = bytes == 4 ? MSGPACK_OBJECT_FLOAT32 : MSGPACK_OBJECT_FLOAT64;
    _Static_assert(sizeof(float) == 4 && sizeof out->via.f64 == sizeof bits, "as msgpack has them");
    float narrow;
    uint32_t narrow_bits = (uint32_t)bits;
    memcpy(&narrow, &narrow_bits, sizeof narrow);
    memcpy(&out->via.f64, &bits, sizeof bits);
    if (bytes == 4) out->via.f64 = (double)narrow;
    return true;
}

/* Opens a container, whose members are read next. False: damaged, too deep, or (first NULL) no memory. */
static bool unpack_open_container(unpacker *u, uint64_t members, msgpack_object *first)
{
    u->owed += members;
    if (u->owed > (uint64_t)(u->end - u->at)) return unpack_damaged(u);
    if (!first) return false;
    if (members == 0) return true;
    if (u->depth == VALUE_DEPTH_MAX) {
        u->error = "it is nested more than 128 levels deep";
        return false;
    }
    u->open[u->depth++] = (opened){.next = first, .left = members};
    return true;
}

static bool unpack_array(unpacker *u, uint64_t n, msgpack_object *out)
{
    if (n > (uint64_t)(u->end - u->at)) return unpack_damaged(u);
    out->type = MSGPACK_OBJECT_ARRAY;
    out->via.array.size = (uint32_t)n;
    out->via.array.ptr = value_array_new(u->arena, (uint32_t)n);
    return unpack_open_container(u, n, out->via.array.ptr);
}

static bool unpack_map(unpacker *u, uint64_t n, msgpack_object *out)
{
    if (n > (uint64_t)(u->end - u->at) / 2) return unpack_damaged(u);
    out->type = MSGPACK_OBJECT_MAP;
    out->via.map.size = (uint32_t)n;
    out->via.map.ptr = arena_alloc(u->arena, (size_t)n * sizeof(msgpack_object_kv));
    return unpack_open_container(u, 2 * n, (msgpack_object *)out->via.map.ptr);
}

static bool unpack_of_length(unpacker *u, size_t length_bytes, msgpack_object *out,
                             bool (*take)(unpacker *u, uint64_t len, msgpack_object *out))
{
    uint64_t len;
    return unpack_number(u, length_bytes, &len) && take(u, len, out);
}

/* Reads what follows a first byte from 0xc0 to 0xdf, as in the msgpack specification ("Formats"). */
static bool unpack_tagged(unpacker *u, unsigned tag, msgpack_object *out)
{
    assert(tag >= 0xc0 && tag <= 0xdf);
    switch (tag) {
    case 0xc0:
        out->type = MSGPACK_OBJECT_NIL;
        return true;
    case 0xc2:
    case 0xc3:
        out->type = MSGPACK_OBJECT_BOOLEAN;
        out->via.boolean = (tag & 1) != 0;
        return true;
    case 0xca:
    case 0xcb:
        return unpack_float(u, 4u << (tag - 0xca), out);
    case 0xdc:
    case 0xdd:
        return unpack_of_length(u, 2u << (tag - 0xdc), out, unpack_array);
    case 0xde:
    case 0xdf:
        return unpack_of_length(u, 2u << (tag - 0xde), out, unpack_map);
    default:
        break;
    }
    if (tag >= 0xc4 && tag <= 0xc6) return unpack_of_length(u, 1u << (tag - 0xc4), out, unpack_binary);
    if (tag >= 0xc7 && tag <= 0xc9) return unpack_of_length(u, 1u << (tag - 0xc7), out, unpack_extension);
    if (tag >= 0xcc && tag <= 0xcf) return unpack_unsigned(u, 1u << (tag - 0xcc), out);
    if (tag >= 0xd0 && tag <= 0xd3) return unpack_signed(u, 1u << (tag - 0xd0), out);
    if (tag >= 0xd4 && tag <= 0xd8) return unpack_extension(u, 1u << (tag - 0xd4), out);
    return tag >= 0xd9 && tag <= 0xdb ? unpack_of_length(u, 1u << (tag - 0xd9), out, unpack_string) : unpack_damaged(u);
}

static bool unpack_next(unpacker *u, msgpack_object *out)
{
    uint64_t tag;
    if (!unpack_number(u, 1, &tag)) return false;
    if (tag <= 0x7f || tag >= 0xe0) {
        out->type = tag <= 0x7f ? MSGPACK_OBJECT_POSITIVE_INTEGER : MSGPACK_OBJECT_NEGATIVE_INTEGER;
        out->via.i64 = (int8_t)tag;
        return true;
    }
    if (tag <= 0x8f) return unpack_map(u, tag & 0x0f, out);
    if (tag <= 0x9f) return unpack_array(u, tag & 0x0f, out);
    if (tag <= 0xbf) return unpack_string(u, tag & 0x1f, out);
    return unpack_tagged(u, (unsigned)tag, out);
}

bool value_unpack(arena *a, const char *data, size_t len, msgpack_object *out, const char **error)
{
    unpacker u; /* `open` is not cleared: 2 KiB */
    u.at = (const uint8_t *)data;
    u.end = u.at + len;
    u.arena = a;
    u.owed = 0;
    u.depth = 0;
    u.error = NULL;
    bool ok = unpack_next(&u, out);
    while (ok && u.depth > 0) {
        opened *in = &u.open[u.depth - 1];
        if (in->left == 0) {
            u.depth--;
            continue;
        }
        assert(u.owed >= in->left); /* its members are among all that are to come */
        in->left--;
        u.owed--;
        ok = unpack_next(&u, in->next++);
    }
    assert(!ok || u.owed == 0);
    if (ok && u.at != u.end) ok = unpack_damaged(&u);
    if (!ok) *out = (msgpack_object){.type = MSGPACK_OBJECT_NIL}; /* some of it may point to nothing */
    *error = ok || u.error ? u.error : value_refusal(a);
    return ok;
}
