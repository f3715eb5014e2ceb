#include "runtime/base/value.h"

#include <assert.h>
#include <stdint.h>
#include <string.h>
#include <xxhash.h>

const char value_no_memory[] = "out of memory";
static const char over_limit[] = "the memory of the run is over its limit";

const char *value_refusal(const arena *a) { return a->over ? over_limit : value_no_memory; }

/* ---- Copying ---- */

static bool value_copy_deep(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error);

static bool value_copy_bytes(arena *a, const char *data, uint32_t len, const char **to)
{
    *to = arena_strndup(a, data, len);
    return *to != NULL;
}

static bool value_copy_array(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    uint32_t n = v.via.array.size;
    out->via.array.ptr = value_array_new(a, n);
    if (!out->via.array.ptr) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!value_copy_deep(a, v.via.array.ptr[i], &out->via.array.ptr[i], depth + 1, error)) return false;
    return true;
}

static bool value_copy_map(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    uint32_t n = v.via.map.size;
    out->via.map.ptr = arena_alloc(a, (size_t)n * sizeof(msgpack_object_kv));
    if (!out->via.map.ptr) return false;
    for (uint32_t i = 0; i < n; i++)
        if (!value_copy_deep(a, v.via.map.ptr[i].key, &out->via.map.ptr[i].key, depth + 1, error) ||
            !value_copy_deep(a, v.via.map.ptr[i].val, &out->via.map.ptr[i].val, depth + 1, error))
            return false;
    return true;
}

static bool value_copy_deep(arena *a, msgpack_object v, msgpack_object *out, unsigned depth, const char **error)
{
    *out = v;
    if (depth > VALUE_DEPTH_MAX) {
        *error = "it is nested more than 128 levels deep";
        return false;
    }
    switch (v.type) {
    case MSGPACK_OBJECT_STR:
        return value_copy_bytes(a, v.via.str.ptr, v.via.str.size, &out->via.str.ptr);
    case MSGPACK_OBJECT_BIN:
        return value_copy_bytes(a, v.via.bin.ptr, v.via.bin.size, &out->via.bin.ptr);
    case MSGPACK_OBJECT_EXT:
        return value_copy_bytes(a, v.via.ext.ptr, v.via.ext.size, &out->via.ext.ptr);
    case MSGPACK_OBJECT_ARRAY:
        return value_copy_array(a, v, out, depth, error);
    case MSGPACK_OBJECT_MAP:
        return value_copy_map(a, v, out, depth, error);
    default:
        return true;
    }
}

bool value_copy(arena *a, msgpack_object v, msgpack_object *out, const char **error)
{
    *error = NULL;
    bool ok = value_copy_deep(a, v, out, 0, error);
    if (!ok) *out = (msgpack_object){.type = MSGPACK_OBJECT_NIL}; /* some of it may point to nothing */
    if (!ok && !*error) *error = value_refusal(a);
    return ok;
}

/* ---- Packing ---- */

typedef struct bounded {
    msgpack_sbuffer *to;
    size_t end; /* to->size may not pass it */
    bool is_short;
} bounded;

static int pack_write_bounded(void *data, const char *bytes, size_t len)
{
    bounded *b = data;
    assert(b->to->size <= b->end);
    if (len > b->end - b->to->size) return -1;
    b->is_short = msgpack_sbuffer_write(b->to, bytes, len) != 0;
    return b->is_short ? -1 : 0;
}

static bool pack_value(msgpack_packer *pk, const msgpack_object *v, unsigned depth, const char **error)
{
    if (depth > VALUE_DEPTH_MAX) {
        *error = "it is nested more than 128 levels deep";
        return false;
    }
    switch (v->type) {
    case MSGPACK_OBJECT_ARRAY:
        if (msgpack_pack_array(pk, v->via.array.size) != 0) return false;
        for (uint32_t i = 0; i < v->via.array.size; i++)
            if (!pack_value(pk, &v->via.array.ptr[i], depth + 1, error)) return false;
        return true;
    case MSGPACK_OBJECT_MAP:
        if (msgpack_pack_map(pk, v->via.map.size) != 0) return false;
        for (uint32_t i = 0; i < v->via.map.size; i++)
            if (!pack_value(pk, &v->via.map.ptr[i].key, depth + 1, error) ||
                !pack_value(pk, &v->via.map.ptr[i].val, depth + 1, error))
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
    bounded b = {.to = to, .end = bytes_max > SIZE_MAX - before ? SIZE_MAX : before + bytes_max};
    msgpack_packer pk;
    msgpack_packer_init(&pk, &b, pack_write_bounded);
    *error = "it is too large";
    if (pack_value(&pk, &v, 0, error)) return true;
    if (b.is_short) *error = value_no_memory;
    assert(*error && to->size >= before);
    to->size = before;
    return false;
}

/* ---- Measuring: how long an encoding is, without making it ---- */

static uint64_t packed_number_bytes(const msgpack_object *v)
{
    uint64_t n = v->via.u64;
    if (v->type == MSGPACK_OBJECT_NEGATIVE_INTEGER) {
        if (v->via.i64 >= -32) return 1;
        n = ~n; /* -1 - n: positive, and takes as many bytes as the negative number */
        return n <= INT8_MAX ? 2 : n <= INT16_MAX ? 3 : n <= INT32_MAX ? 5 : 9;
    }
    return n <= 0x7f ? 1 : n <= UINT8_MAX ? 2 : n <= UINT16_MAX ? 3 : n <= UINT32_MAX ? 5 : 9;
}

static uint64_t packed_container_head(uint32_t members) { return members <= 15 ? 1 : members <= UINT16_MAX ? 3 : 5; }
static uint64_t packed_binary_head(uint32_t len) { return len <= UINT8_MAX ? 2 : len <= UINT16_MAX ? 3 : 5; }

static uint64_t packed_extension_head(uint32_t len)
{
    bool fixed = len == 1 || len == 2 || len == 4 || len == 8 || len == 16;
    return fixed ? 2 : packed_binary_head(len) + 1;
}

/* Adds the packed size of *v to *bytes. False: pack_value() would fail. */
static bool packed_measure(const msgpack_object *v, unsigned depth, uint64_t *bytes)
{
    if (depth > VALUE_DEPTH_MAX) return false;
    bool ok = true;
    switch (v->type) {
    case MSGPACK_OBJECT_ARRAY:
        *bytes += packed_container_head(v->via.array.size);
        for (uint32_t i = 0; i < v->via.array.size && ok; i++)
            ok = packed_measure(&v->via.array.ptr[i], depth + 1, bytes);
        return ok;
    case MSGPACK_OBJECT_MAP:
        *bytes += packed_container_head(v->via.map.size);
        for (uint32_t i = 0; i < v->via.map.size && ok; i++)
            ok = packed_measure(&v->via.map.ptr[i].key, depth + 1, bytes) &&
                 packed_measure(&v->via.map.ptr[i].val, depth + 1, bytes);
        return ok;
    case MSGPACK_OBJECT_NIL:
    case MSGPACK_OBJECT_BOOLEAN:
        *bytes += 1;
        return true;
    case MSGPACK_OBJECT_POSITIVE_INTEGER:
    case MSGPACK_OBJECT_NEGATIVE_INTEGER:
        *bytes += packed_number_bytes(v);
        return true;
    case MSGPACK_OBJECT_FLOAT32:
        *bytes += 5;
        return true;
    case MSGPACK_OBJECT_FLOAT64:
        *bytes += 9;
        return true;
    case MSGPACK_OBJECT_STR:
        *bytes += v->via.str.size <= 31 ? 1 : packed_binary_head(v->via.str.size);
        *bytes += v->via.str.size;
        return true;
    case MSGPACK_OBJECT_BIN:
        *bytes += packed_binary_head(v->via.bin.size) + v->via.bin.size;
        return true;
    case MSGPACK_OBJECT_EXT:
        *bytes += packed_extension_head(v->via.ext.size) + v->via.ext.size;
        return true;
    }
    return false;
}

bool value_is_too_deep(msgpack_object v) { return !packed_measure(&v, 0, &(uint64_t){0}); }

/* ---- Hashing ---- */

typedef struct sampled {
    msgpack_sbuffer *to; /* takes at most VALUE_HASHED_BYTES, behind `before` */
    size_t before;
    bool full, is_short;
} sampled;

/* Fails once the sample is full: the rest is measured, which is ten times as fast. */
static int hash_write_sampled(void *data, const char *bytes, size_t len)
{
    sampled *s = data;
    assert(!s->full && s->to->size >= s->before);
    assert(s->to->size - s->before <= VALUE_HASHED_BYTES);
    size_t room = VALUE_HASHED_BYTES - (s->to->size - s->before);
    s->is_short = msgpack_sbuffer_write(s->to, bytes, len < room ? len : room) != 0;
    if (s->is_short) return -1;
    s->full = len > room;
    return s->full ? -1 : 0;
}

uint64_t value_hash(msgpack_sbuffer *scratch, msgpack_object v, uint64_t *len)
{
    sampled s = {.to = scratch, .before = scratch->size};
    const char *ignored = NULL;
    msgpack_packer pk;
    msgpack_packer_init(&pk, &s, hash_write_sampled);
    uint64_t hash = 0;
    bool ok = pack_value(&pk, &v, 0, &ignored);
    *len = scratch->size - s.before;
    if (s.full) {
        *len = 0;
        ok = packed_measure(&v, 0, len);
    }
    if (ok) {
        hash = XXH3_64bits_withSeed(scratch->data + s.before, scratch->size - s.before, *len);
        if (hash == 0) hash = 1;
    }
    assert(!ok || hash != 0);
    if (s.is_short) *len = VALUE_NO_MEMORY;
    scratch->size = s.before;
    return hash;
}

/* ---- Comparing ---- */

bool value_equal(msgpack_object a, msgpack_object b) { return msgpack_object_equal(a, b); }

/* ---- Growing arrays ---- */

typedef struct array_head {
    uint32_t magic; /* ARRAY_MAGIC: the elements came from value_array_new() */
    uint32_t room;
    uint32_t used; /* elements that some value sees already */
    const arena *owner;
} array_head;

_Static_assert(sizeof(array_head) % _Alignof(msgpack_object) == 0, "elements lie right behind the head");

static const uint32_t ARRAY_MAGIC = 0x57e94e11u;

msgpack_object *value_array_new(arena *a, uint32_t room)
{
    array_head *h = arena_alloc(a, sizeof *h + (size_t)room * sizeof(msgpack_object));
    if (!h) return NULL;
    *h = (array_head){.magic = ARRAY_MAGIC, .room = room, .used = room, .owner = a->heir ? a->heir : a};
    return (msgpack_object *)(h + 1);
}

bool value_array_push(arena *a, msgpack_object *array, msgpack_object v)
{
    assert(array->type == MSGPACK_OBJECT_ARRAY);
    uint32_t n = array->via.array.size;
    array_head *h = array->via.array.ptr ? (array_head *)array->via.array.ptr - 1 : NULL;
    if (n == UINT32_MAX) return false;
    if (!h || h->magic != ARRAY_MAGIC || h->owner != a || h->used != n || h->room == n) {
        uint32_t room = n < 4 ? 8 : n > UINT32_MAX / 2 ? UINT32_MAX : n * 2;
        msgpack_object *bigger = value_array_new(a, room);
        if (!bigger) return false;
        if (n > 0) memcpy(bigger, array->via.array.ptr, (size_t)n * sizeof *bigger);
        array->via.array.ptr = bigger;
        h = (array_head *)bigger - 1;
    }
    assert(n < h->room);
    array->via.array.ptr[n] = v;
    array->via.array.size = n + 1;
    h->used = n + 1;
    return true;
}
