/* What value_pack writes, value_unpack reads: every kind of value, every depth; and no bytes make it read past their
 * end. msgpack-c's own parser is the model for bytes that it can read (it stops at 32 levels). */
#include "runtime/base/arena.h"
#include "runtime/base/value.h"
#include "tests/harness/check.h"

static arena memory;
static uint64_t seed = 0x9e3779b97f4a7c15u;

static uint64_t draw(void) /* xorshift64* (Vigna 2016) */
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * 0x2545f4914f6cdd1du;
}

static msgpack_object nested(unsigned levels, bool maps, msgpack_object inside)
{
    for (unsigned i = 0; i < levels; i++) {
        msgpack_object_kv *pair = arena_alloc(&memory, sizeof *pair);
        pair->key = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
        pair->val = inside;
        inside = maps ? (msgpack_object){.type = MSGPACK_OBJECT_MAP, .via.map = {1, pair}}
                      : (msgpack_object){.type = MSGPACK_OBJECT_ARRAY, .via.array = {1, &pair->val}};
    }
    return inside;
}

/* ---- Depth ---- */

static void test_depth(void)
{
    const msgpack_object inner[] = {{.type = MSGPACK_OBJECT_NIL}, {.type = MSGPACK_OBJECT_ARRAY}};
    const char *error;
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    arena_init(&memory, NULL);
    for (unsigned levels = 0; levels <= VALUE_DEPTH_MAX + 2; levels++)
        for (unsigned i = 0; i < 4; i++) {
            msgpack_object v = nested(levels, i & 1, inner[i / 2]), copy, read;
            bytes.size = 0;
            bool packed = value_pack(&bytes, v, SIZE_MAX, &error);
            CHECK_INT(packed, levels <= VALUE_DEPTH_MAX);
            CHECK_INT(value_copy(&memory, v, &copy, &error), packed);
            if (!packed) CHECK_STR(error, "it is nested more than 128 levels deep");
            if (packed) CHECK(value_unpack(&memory, bytes.data, bytes.size, &read, &error) && value_equal(read, v));
        }
    char deeper[VALUE_DEPTH_MAX + 2];
    msgpack_object read;
    memset(deeper, 0x91, sizeof deeper);
    deeper[VALUE_DEPTH_MAX + 1] = (char)0xc0;
    CHECK(!value_unpack(&memory, deeper, sizeof deeper, &read, &error));
    CHECK_STR(error, "it is nested more than 128 levels deep");
    CHECK(value_unpack(&memory, deeper + 1, sizeof deeper - 1, &read, &error));
    arena_free(&memory);
    msgpack_sbuffer_destroy(&bytes);
}

/* ---- Against msgpack-c ---- */

/* A random value's bytes, in any of the forms that the specification has for it. */
static void put_any(msgpack_sbuffer *to, unsigned depth)
{
    static const unsigned char fixed[0xd9 - 0xc0] = {
        [0xca - 0xc0] = 4, [0xcb - 0xc0] = 8, [0xcc - 0xc0] = 1, [0xcd - 0xc0] = 2, [0xce - 0xc0] = 4,
        [0xcf - 0xc0] = 8, [0xd0 - 0xc0] = 1, [0xd1 - 0xc0] = 2, [0xd2 - 0xc0] = 4, [0xd3 - 0xc0] = 8,
        [0xd4 - 0xc0] = 2, [0xd5 - 0xc0] = 3, [0xd6 - 0xc0] = 5, [0xd7 - 0xc0] = 9, [0xd8 - 0xc0] = 17};
    unsigned char tag = (unsigned char)draw(), text[64];
    if (depth == 0 && (tag & 0xe0) == 0x80) tag = (unsigned char)(tag & 0x1f);
    if (tag == 0xc1 || (depth == 0 && tag >= 0xdc && tag <= 0xdf)) tag = 0xc0;
    for (size_t i = 0; i < sizeof text; i++) text[i] = (unsigned char)draw();
    msgpack_sbuffer_write(to, (const char *)&tag, 1);
    unsigned members = 0, len = 0, width = 0, beside = 0;
    if (tag >= 0x80 && tag <= 0x9f) members = (tag & 0x0fu) * (tag < 0x90 ? 2 : 1);
    if ((tag & 0xe0) == 0xa0) len = tag & 0x1f;
    if (tag >= 0xc4 && tag <= 0xc6) width = 1u << (tag - 0xc4);
    if (tag >= 0xc7 && tag <= 0xc9) width = 1u << (tag - 0xc7), beside = 1;
    if (tag >= 0xd9 && tag <= 0xdb) width = 1u << (tag - 0xd9);
    if (tag >= 0xdc && tag <= 0xdf) width = tag & 1 ? 4 : 2;
    if (tag >= 0xca && tag <= 0xd8) len = fixed[tag - 0xc0];
    if (width) {
        char length[4] = {0};
        unsigned n = (unsigned)(draw() % (tag >= 0xdc ? 5 : 40));
        length[width - 1] = (char)n;
        msgpack_sbuffer_write(to, length, width);
        if (tag >= 0xdc)
            members = n * (tag >= 0xde ? 2 : 1);
        else
            len = n + beside;
    }
    msgpack_sbuffer_write(to, (const char *)text, len);
    for (unsigned i = 0; i < members; i++) put_any(to, depth - 1);
}

/* Any change and any cut of the bytes: both parsers find a whole value, or neither; and ours reads no further. */
static void compare(const char *bytes, size_t len)
{
    char *exact = malloc(len ? len : 1); /* of just this size, for AddressSanitizer */
    memcpy(exact, bytes, len);
    msgpack_zone zone;
    msgpack_object theirs, ours;
    const char *error;
    size_t at = 0;
    CHECK(msgpack_zone_init(&zone, 1024));
    arena_init(&memory, NULL);
    bool good = value_unpack(&memory, exact, len, &ours, &error);
    msgpack_unpack_return got = len > 0 ? msgpack_unpack(exact, len, &at, &zone, &theirs) : MSGPACK_UNPACK_CONTINUE;
    CHECK_INT(good, got == MSGPACK_UNPACK_SUCCESS && at == len);
    if (good) {
        msgpack_sbuffer a, b;
        msgpack_sbuffer_init(&a);
        msgpack_sbuffer_init(&b);
        CHECK(value_pack(&a, ours, SIZE_MAX, &error) && value_pack(&b, theirs, SIZE_MAX, &error));
        CHECK(a.size == b.size && memcmp(a.data, b.data, a.size) == 0);
        msgpack_sbuffer_destroy(&a);
        msgpack_sbuffer_destroy(&b);
    }
    arena_free(&memory);
    msgpack_zone_destroy(&zone);
    free(exact);
}

static bool claims_much(const char *bytes, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)bytes[i] >= 0xc4) return true;
    return false;
}

static void test_model(void)
{
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    for (int i = 0; i < 20000; i++) {
        bytes.size = 0;
        put_any(&bytes, 3);
        compare(bytes.data, bytes.size);
        compare(bytes.data, draw() % (bytes.size + 1));
        size_t changed = draw() % bytes.size;
        bytes.data[changed] = (char)draw();
        /* msgpack-c takes memory for what is claimed: gigabytes */
        if (!claims_much(bytes.data, bytes.size)) compare(bytes.data, bytes.size);
    }
    msgpack_sbuffer_destroy(&bytes);
}

/* Claims of more than is there are refused before memory is taken for them. */
static void test_claims(void)
{
    static const char *const rows[] = {"\xdd\xff\xff\xff\xff", "\xdf\x7f\xff\xff\xff\xc0", "\xdc\x00\x03\xc0\xc0",
                                       "\xc6\xff\xff\xff\xff", "\xdb\x00\x00\x00\x02x",    "\xc9\xff\xff\xff\xff\x01",
                                       "\x92\x93\xc0\xc0"};
    static const size_t lengths[] = {5, 6, 5, 5, 6, 6, 4};
    msgpack_object v;
    const char *error;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        arena_init(&memory, NULL);
        arena_set_limit(&memory, 1 << 16);
        CHECK(!value_unpack(&memory, rows[i], lengths[i], &v, &error));
        CHECK_STR(error, "damaged: no msgpack value");
        arena_free(&memory);
    }
}

/* ---- Hashing ---- */

static msgpack_object text_of(char fill, uint32_t len)
{
    char *text = arena_alloc(&memory, len);
    memset(text, fill, len);
    return (msgpack_object){.type = MSGPACK_OBJECT_STR, .via.str = {len, text}};
}

/* Values of every kind and of every size class, more than is hashed of them. */
static msgpack_object of_every_kind(void)
{
    static const uint64_t numbers[] = {0,     1,     127,        128,        255,       256,
                                       65535, 65536, 4294967295, 4294967296, INT64_MAX, UINT64_MAX};
    static const size_t lengths[] = {0, 1, 2, 3, 4, 8, 15, 16, 31, 32, 255, 256, 65535, 65536};
    enum { NUMBERS = sizeof numbers / sizeof *numbers, LENGTHS = sizeof lengths / sizeof *lengths };
    msgpack_object all = {.type = MSGPACK_OBJECT_ARRAY};
    all.via.array.ptr = value_array_new(&memory, 0);
    CHECK(value_array_push(&memory, &all, text_of('a', VALUE_HASHED_BYTES)));
    for (size_t i = 0; i < NUMBERS; i++) {
        msgpack_object n = {.type = MSGPACK_OBJECT_POSITIVE_INTEGER, .via.u64 = numbers[i]};
        CHECK(value_array_push(&memory, &all, n));
        n = (msgpack_object){.type = MSGPACK_OBJECT_NEGATIVE_INTEGER, .via.i64 = -1 - (int64_t)(numbers[i] / 2)};
        CHECK(value_array_push(&memory, &all, n));
        n = (msgpack_object){.type = i % 2 ? MSGPACK_OBJECT_FLOAT32 : MSGPACK_OBJECT_FLOAT64, .via.f64 = 1.5};
        CHECK(value_array_push(&memory, &all, n));
        n = (msgpack_object){.type = i % 2 ? MSGPACK_OBJECT_NIL : MSGPACK_OBJECT_BOOLEAN};
        CHECK(value_array_push(&memory, &all, n));
    }
    for (size_t i = 0; i < LENGTHS; i++) {
        msgpack_object text = text_of('a', (uint32_t)lengths[i]), v = {.type = MSGPACK_OBJECT_BIN};
        CHECK(value_array_push(&memory, &all, text));
        v.via.bin.ptr = text.via.str.ptr;
        v.via.bin.size = text.via.str.size;
        CHECK(value_array_push(&memory, &all, v));
        v = (msgpack_object){.type = MSGPACK_OBJECT_EXT};
        v.via.ext.type = 5;
        v.via.ext.ptr = text.via.str.ptr;
        v.via.ext.size = text.via.str.size;
        CHECK(value_array_push(&memory, &all, v));
        v = (msgpack_object){.type = MSGPACK_OBJECT_ARRAY};
        v.via.array.size = (uint32_t)lengths[i];
        v.via.array.ptr = arena_zalloc(&memory, (lengths[i] + 1) * sizeof v); /* nil */
        CHECK(v.via.array.ptr && value_array_push(&memory, &all, v));
        v = (msgpack_object){.type = MSGPACK_OBJECT_MAP};
        v.via.map.size = (uint32_t)lengths[i];
        v.via.map.ptr = arena_zalloc(&memory, (lengths[i] + 1) * sizeof(msgpack_object_kv));
        CHECK(v.via.map.ptr && value_array_push(&memory, &all, v));
    }
    return all;
}

/* The hash is in journals: these are XXH3's own values for the msgpack bytes, and may never change. */
static void test_hash(void)
{
    msgpack_sbuffer scratch;
    msgpack_sbuffer_init(&scratch);
    arena_init(&memory, NULL);
    CHECK_INT(msgpack_sbuffer_write(&scratch, "in use", 6), 0);
    const msgpack_object nil = {.type = MSGPACK_OBJECT_NIL};
    uint64_t len = 0;
    CHECK(value_hash(&scratch, nil, &len) == 0x05a887e3a982274eu && len == 1);
    CHECK(value_hash(&scratch, text_of('a', 3), &len) == 0xc1a23f05b5636d1cu && len == 4);
    CHECK(value_hash(&scratch, nested(VALUE_DEPTH_MAX, false, nil), &len) != 0);
    CHECK(value_hash(&scratch, nested(VALUE_DEPTH_MAX + 1, false, nil), &len) == 0);

    /* Beyond the first 64 KiB only the length counts. */
    msgpack_object a = text_of('a', 100000), b = text_of('a', 100000), longer = text_of('a', 100001);
    ((char *)(uintptr_t)b.via.str.ptr)[99999] = 'b';
    uint64_t hash = value_hash(&scratch, a, &len);
    CHECK(hash == value_hash(&scratch, b, &len) && hash != value_hash(&scratch, longer, &len));
    CHECK(len == 100001 + 5);
    ((char *)(uintptr_t)b.via.str.ptr)[60000] = 'b';
    CHECK(hash != value_hash(&scratch, b, &len));
    CHECK(scratch.size == 6 && memcmp(scratch.data, "in use", 6) == 0);

    /* The length of what is not hashed is that of its encoding, whatever is in it. */
    msgpack_object all = of_every_kind();
    const char *error = NULL;
    CHECK(value_hash(&scratch, all, &len) == 0x82202c756cbfd3c1u);
    CHECK(value_pack(&scratch, all, SIZE_MAX, &error));
    CHECK_INT(len, scratch.size - 6);
    scratch.size = 6;
    msgpack_object pair = {.type = MSGPACK_OBJECT_ARRAY}, deep = nested(VALUE_DEPTH_MAX, false, nil);
    pair.via.array.ptr = value_array_new(&memory, 0);
    CHECK(value_array_push(&memory, &pair, a) && value_array_push(&memory, &pair, deep));
    CHECK(value_hash(&scratch, pair, &len) == 0); /* too deep, in what is only measured */
    msgpack_sbuffer_destroy(&scratch);
    arena_free(&memory);
}

/* Whoever shows what there is, and that something is missing, finds nothing that leads nowhere. */
static void test_short(void)
{
    const char *error;
    msgpack_sbuffer bytes;
    msgpack_object whole, v;
    arena own;
    size_t refused = 0;
    msgpack_sbuffer_init(&bytes);
    arena_init(&memory, NULL);
    CHECK(value_pack(&bytes, of_every_kind(), SIZE_MAX, &error));
    CHECK(value_unpack(&memory, bytes.data, bytes.size, &whole, &error));
    for (size_t limit = 64, given = 0; given < 2; limit += limit / 8) {
        given = 0;
        for (int copies = 0; copies < 2; copies++) {
            arena_init(&own, NULL);
            arena_set_limit(&own, limit);
            bool is_read =
                copies ? value_copy(&own, whole, &v, &error) : value_unpack(&own, bytes.data, bytes.size, &v, &error);
            CHECK(is_read || v.type == MSGPACK_OBJECT_NIL);
            given += is_read;
            refused += !is_read;
            arena_free(&own);
        }
    }
    CHECK(refused > 20);
    arena_free(&memory);
    msgpack_sbuffer_destroy(&bytes);
}

static const check_case cases[] = {{"what can be written can be read, at every depth", test_depth},
                                   {"every form of every type, changed and cut", test_model},
                                   {"claims of more than is there", test_claims},
                                   {"the hash of a value", test_hash},
                                   {"no memory for all of it", test_short}};

CHECK_MAIN(cases)
