/* What is optional in *started* is found in any map that msgpack-c writes, its small pairs are copied, and bytes of any
 * kind hold nothing that lies outside them. */
#include "storage/entry_more.h"
#include "tests/harness/check.h"

enum { ROUNDS = 20000, PAIRS_MAX = 40, BYTES_MAX = 200, DEEP = 300 };

static uint32_t state = 1;

static uint32_t draw(uint32_t below)
{
    state = state * 1664525u + 1013904223u;
    return (state >> 8) % below;
}

/* ---- The plain model ---- */

typedef struct pair {
    char name[8];
    bool is_text;
    size_t from, len; /* of the text, in `bytes` */
    size_t packed;    /* bytes of the packed value */
} pair;

static char bytes[BYTES_MAX];

static void put_text(msgpack_packer *pk, pair *p)
{
    p->is_text = true;
    p->len = draw(BYTES_MAX);
    p->from = draw((uint32_t)(BYTES_MAX - p->len));
    if (draw(2)) {
        msgpack_pack_str(pk, p->len);
        msgpack_pack_str_body(pk, bytes + p->from, p->len);
    } else {
        msgpack_pack_bin(pk, p->len);
        msgpack_pack_bin_body(pk, bytes + p->from, p->len);
    }
}

static void put_value(msgpack_packer *pk, unsigned depth)
{
    pair ignored;
    uint32_t n = draw(5), kind = draw(depth > 3 ? 7 : 9);
    if (kind == 0) msgpack_pack_nil(pk);
    if (kind == 1) msgpack_pack_true(pk);
    if (kind == 2) msgpack_pack_uint64(pk, (uint64_t)draw(UINT32_MAX) << draw(33));
    if (kind == 3) msgpack_pack_int64(pk, -(int64_t)((uint64_t)draw(UINT32_MAX) << draw(31)));
    if (kind == 4) msgpack_pack_double(pk, draw(100) / 7.0);
    if (kind == 5) msgpack_pack_float(pk, 0.5f);
    if (kind == 6) {
        msgpack_pack_ext(pk, 1 + n, 3);
        msgpack_pack_ext_body(pk, bytes, 1 + n);
    }
    if (kind == 7) msgpack_pack_array(pk, n);
    if (kind == 8) msgpack_pack_map(pk, n);
    if (kind < 7) return;
    for (uint32_t i = 0; i < (kind == 8 ? 2 * n : n); i++) {
        if (draw(2))
            put_text(pk, &ignored);
        else
            put_value(pk, depth + 1);
    }
}

static size_t make_map(msgpack_sbuffer *to, pair *pairs)
{
    msgpack_packer pk;
    size_t count = draw(PAIRS_MAX);
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    msgpack_pack_map(&pk, count);
    for (size_t i = 0; i < count; i++) {
        pairs[i] = (pair){.is_text = false};
        size_t len = (size_t)snprintf(pairs[i].name, sizeof pairs[i].name, "n%zu", i);
        msgpack_pack_str(&pk, len);
        msgpack_pack_str_body(&pk, pairs[i].name, len);
        size_t before = to->size;
        if (draw(2))
            put_text(&pk, &pairs[i]);
        else
            put_value(&pk, 0);
        pairs[i].packed = to->size - before;
    }
    return count;
}

static void check_found(entry_text more, const pair *p, bool is_there)
{
    entry_text found = entry_more_find(more, p->name);
    CHECK((found.data != NULL) == (p->is_text && is_there));
    entry_text read;
    CHECK(entry_more_read(more, p->name, &read) == (p->is_text || !is_there));
    CHECK(read.data == found.data && read.len == found.len);
    if (!found.data) return;
    CHECK_INT(found.len, p->len);
    CHECK(memcmp(found.data, bytes + p->from, p->len) == 0);
}

/* A map that ends too early may have had the name. */
static void check_cut(entry_text more, size_t count)
{
    entry_text read;
    CHECK(entry_more_read(more, "none", &read) && !read.data);
    if (count > 0) CHECK(!entry_more_read((entry_text){more.data, 1 + draw((uint32_t)more.len - 1)}, "none", &read));
    CHECK(!read.data);
}

static void test_found(void)
{
    static pair pairs[PAIRS_MAX];
    for (size_t i = 0; i < sizeof bytes; i++) bytes[i] = (char)draw(256);
    for (int round = 0; round < ROUNDS; round++) {
        msgpack_sbuffer packed;
        msgpack_sbuffer_init(&packed);
        size_t count = make_map(&packed, pairs), most = draw(BYTES_MAX);
        const entry_text more = {packed.data, packed.size};
        char *copy = malloc(packed.size);
        size_t len = entry_more_copy_small(more, most, copy);
        CHECK(copy && len <= packed.size);
        CHECK_INT(entry_more_copy_small(more, most, NULL), len);
        for (size_t i = 0; i < count; i++) {
            check_found(more, &pairs[i], true);
            check_found((entry_text){copy, len}, &pairs[i], pairs[i].packed <= most);
        }
        CHECK(!entry_more_find(more, "none").data);
        check_cut(more, count);
        free(copy);
        msgpack_sbuffer_destroy(&packed);
    }
}

/* ---- Hostile bytes ---- */

static void test_hostile(void)
{
    for (int round = 0; round < ROUNDS; round++) {
        size_t len = draw(64);
        char *more = malloc(len + 1), *copy = malloc(len + 1); /* what is read outside of it a sanitizer sees */
        CHECK(more && copy);
        for (size_t i = 0; i < len; i++) more[i] = (char)(draw(3) ? draw(256) : 0x80 + draw(96));
        if (len > 0) more[0] = (char)(0x80 + draw(16));
        entry_text found = entry_more_find((entry_text){more, len}, "");
        CHECK(!found.data || (found.data >= more && found.data + found.len <= more + len));
        CHECK(entry_more_copy_small((entry_text){more, len}, draw(64), copy) <= len);
        free(more);
        free(copy);
    }
    CHECK(!entry_more_find((entry_text){NULL, 0}, "a").data);
    CHECK_INT(entry_more_copy_small((entry_text){NULL, 0}, 10, NULL), 0);
}

/* However deep a value is nested, going over it takes no stack. */
static void test_deep(void)
{
    char more[DEEP + 8] = "\x82\xa1"
                          "a";
    memset(more + 3, (char)0x91, DEEP);
    memcpy(more + 3 + DEEP,
           "\xc0\xa1"
           "b\x05",
           4);
    CHECK(!entry_more_find((entry_text){more, DEEP + 7}, "b").data); /* a number */
    CHECK_INT(entry_more_copy_small((entry_text){more, DEEP + 7}, 10, NULL), 4);
}

static const check_case cases[] = {{"texts are found, and small pairs copied", test_found},
                                   {"bytes of any kind", test_hostile},
                                   {"deep values", test_deep}};

CHECK_MAIN(cases)
