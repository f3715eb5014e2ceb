#include "storage/entry_more.h"

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

/* What follows a value's first byte: bytes of its own, and members, which are values. */
typedef struct head {
    uint64_t bytes, members;
    bool is_text; /* or binary: the bytes are what it says */
} head;

/* What stands behind a first byte from 0xc0 to 0xdf, as in the msgpack specification ("Formats"): bytes of the value,
 * or those of the number that says how many follow. */
typedef enum tag_kind { TAG_BAD, TAG_PLAIN, TAG_TEXT, TAG_EXTENSION, TAG_ARRAY, TAG_MAP } tag_kind;
typedef struct tag {
    uint8_t kind, bytes;
} tag;
static const tag tags[32] = {
    {TAG_PLAIN, 0},     {TAG_BAD, 0},       {TAG_PLAIN, 0},     {TAG_PLAIN, 0}, /* nil, -, false, true */
    {TAG_TEXT, 1},      {TAG_TEXT, 2},      {TAG_TEXT, 4},                      /* bin */
    {TAG_EXTENSION, 1}, {TAG_EXTENSION, 2}, {TAG_EXTENSION, 4},                 /* ext */
    {TAG_PLAIN, 4},     {TAG_PLAIN, 8},                                         /* float */
    {TAG_PLAIN, 1},     {TAG_PLAIN, 2},     {TAG_PLAIN, 4},     {TAG_PLAIN, 8}, /* uint */
    {TAG_PLAIN, 1},     {TAG_PLAIN, 2},     {TAG_PLAIN, 4},     {TAG_PLAIN, 8}, /* int */
    {TAG_PLAIN, 2},     {TAG_PLAIN, 3},     {TAG_PLAIN, 5},     {TAG_PLAIN, 9}, /* fixext 1 to 8 */
    {TAG_PLAIN, 17},                                                            /* fixext 16 */
    {TAG_TEXT, 1},      {TAG_TEXT, 2},      {TAG_TEXT, 4},                      /* str */
    {TAG_ARRAY, 2},     {TAG_ARRAY, 4},     {TAG_MAP, 2},       {TAG_MAP, 4}};

/* Reads a big-endian number of 0 to 8 bytes. */
static bool take_number(cursor *c, size_t bytes, uint64_t *out)
{
    assert(c->at <= c->end);
    if ((size_t)(c->end - c->at) < bytes) return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++) *out = *out << 8 | *c->at++;
    return true;
}

static bool take_tagged(cursor *c, tag t, head *out)
{
    uint64_t n = t.bytes;
    if (t.kind == TAG_BAD || (t.kind != TAG_PLAIN && !take_number(c, t.bytes, &n))) return false;
    out->is_text = t.kind == TAG_TEXT;
    if (t.kind == TAG_ARRAY || t.kind == TAG_MAP)
        out->members = t.kind == TAG_MAP ? 2 * n : n;
    else
        out->bytes = t.kind == TAG_EXTENSION ? n + 1 : n;
    return true;
}

static bool take_head(cursor *c, head *out)
{
    uint64_t first;
    *out = (head){.bytes = 0};
    if (!take_number(c, 1, &first)) return false;
    if (first <= 0x7f || first >= 0xe0) return true;
    if (first >= 0xc0) return take_tagged(c, tags[first - 0xc0], out);
    out->is_text = first >= 0xa0;
    if (first >= 0xa0)
        out->bytes = first & 0x1f;
    else
        out->members = first <= 0x8f ? 2 * (first & 0x0f) : first & 0x0f;
    return true;
}

/* Goes over one value; *of is its head. False: the bytes end before it does. */
static bool take_value(cursor *c, head *of)
{
    head h;
    if (!take_head(c, of)) return false;
    uint64_t left = of->members;
    for (h = *of;; left += h.members) {
        if ((uint64_t)(c->end - c->at) < h.bytes) return false;
        c->at += h.bytes;
        if (left == 0) return true;
        if (left > (uint64_t)(c->end - c->at) || !take_head(c, &h)) return false; /* each takes a byte at least */
        left--;
    }
}

/* One name and its value. */
typedef struct pair {
    entry_text name;
    head of;           /* the value's */
    const uint8_t *at; /* where the name begins, packed */
    entry_text value;  /* packed */
} pair;

static bool take_pair(cursor *c, pair *out)
{
    head name;
    out->at = c->at;
    if (!take_value(c, &name) || !name.is_text) return false;
    out->name = (entry_text){(const char *)c->at - name.bytes, (size_t)name.bytes};
    const uint8_t *from = c->at;
    if (!take_value(c, &out->of)) return false;
    out->value = (entry_text){(const char *)from, (size_t)(c->at - from)};
    return true;
}

static entry_text pair_text(const pair *p)
{
    assert(p->of.is_text);
    return (entry_text){p->value.data + p->value.len - p->of.bytes, (size_t)p->of.bytes};
}

/* *pairs: how many follow. False: it is no map, and none follow. */
static bool take_map(cursor *c, entry_text more, uint64_t *pairs)
{
    head map;
    *c = (cursor){(const uint8_t *)more.data, (const uint8_t *)more.data + more.len};
    bool is_map = more.len > 0 && ((*c->at & 0xf0) == 0x80 || *c->at >= 0xde) && *c->at <= 0xdf;
    is_map = is_map && take_head(c, &map);
    *pairs = is_map ? map.members / 2 : 0;
    return is_map;
}

entry_text entry_more_find(entry_text more, const char *name)
{
    cursor c;
    pair p;
    uint64_t left;
    for ((void)take_map(&c, more, &left); left > 0 && take_pair(&c, &p); left--)
        if (entry_text_is(p.name, name) && p.of.is_text) return pair_text(&p);
    return (entry_text){NULL, 0};
}

bool entry_more_read(entry_text more, const char *name, entry_text *out)
{
    cursor c;
    pair p;
    uint64_t left;
    *out = (entry_text){NULL, 0};
    if (more.len == 0) return true;
    if (!take_map(&c, more, &left)) return false;
    for (; left > 0 && take_pair(&c, &p); left--) {
        if (!entry_text_is(p.name, name)) continue;
        if (p.of.is_text) *out = pair_text(&p);
        return p.of.is_text;
    }
    return left == 0;
}

/* How many pairs are small, and how many bytes they take. */
static uint64_t count_small(entry_text more, size_t value_max, size_t *bytes)
{
    cursor c;
    pair p;
    uint64_t count = 0;
    *bytes = 0;
    uint64_t left;
    for ((void)take_map(&c, more, &left); left > 0 && take_pair(&c, &p); left--) {
        if (p.value.len > value_max) continue;
        *bytes += (size_t)(c.at - p.at);
        count++;
    }
    return count;
}

/* The head of a map, in the shortest form. */
static size_t write_map_head(uint64_t pairs, uint8_t *to)
{
    size_t bytes = pairs <= 0x0f ? 0 : pairs <= UINT16_MAX ? 2 : 4;
    to[0] = (uint8_t)(bytes == 0 ? 0x80 | pairs : bytes == 2 ? 0xde : 0xdf);
    for (size_t i = 0; i < bytes; i++) to[1 + i] = (uint8_t)(pairs >> (8 * (bytes - 1 - i)));
    return 1 + bytes;
}

size_t entry_more_copy_small(entry_text more, size_t value_max, char *to)
{
    cursor c;
    pair p;
    size_t bytes;
    uint8_t head_bytes[5];
    uint64_t count = count_small(more, value_max, &bytes);
    size_t len = count > 0 ? write_map_head(count, head_bytes) : 0;
    if (!to || count == 0) return count > 0 ? len + bytes : 0;
    memcpy(to, head_bytes, len);
    uint64_t left;
    for ((void)take_map(&c, more, &left); left > 0 && take_pair(&c, &p); left--) {
        if (p.value.len > value_max) continue;
        memcpy(to + len, p.at, (size_t)(c.at - p.at));
        len += (size_t)(c.at - p.at);
    }
    return len;
}
