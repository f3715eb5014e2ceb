#include "storage/entry.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

/* The order of fields on disk, for encoding and decoding. A kind's row may grow at its end: readers ignore fields that
 * they do not know and take missing ones as empty. */
typedef enum field_type {
    FIELD_NONE,
    FIELD_U64,
    FIELD_U32,
    FIELD_I64,
    FIELD_INT,
    FIELD_BOOL,
    FIELD_STR,
    FIELD_BIN
} field_type;

typedef struct field {
    field_type type;
    size_t offset; /* in entry */
} field;

enum {
    FIELDS_MAX = 14,
    KINDS_END = ENTRY_REOPENED + 1, /* of those below ENTRY_PASSABLE */
    PASSABLE_END = ENTRY_UNASKED + 1
};
_Static_assert(FIELDS_MAX + 1 <= 15, "0.1.0 reads arrays of at most 15 items (msgpack's fixarray)");
_Static_assert((int)KINDS_END <= (int)ENTRY_PASSABLE, "the kinds that a reader has to know come first");
_Static_assert(sizeof(int) == sizeof(int32_t), "item_fits checks a field of type INT against 32 bits");
_Static_assert(sizeof(int64_t) == sizeof(uint64_t), "entry_put_field writes both by their bits");

const char entry_newer[] = "an entry of a kind that this version does not know: a newer version wrote this journal";

/* Versions of clang-format differ in how they break this line. */
/* clang-format off */
#define F(type, member) {FIELD_##type, offsetof(entry, member)}
/* clang-format on */
static const field layout[KINDS_END][FIELDS_MAX] = {
    [ENTRY_STARTED] = {F(I64, at_ms), F(STR, function), F(STR, version), F(STR, method), F(STR, target), F(STR, owner),
                       F(U64, epoch), F(BIN, params), F(BIN, headers), F(BIN, body), F(I64, due_ms), F(BIN, more)},
    [ENTRY_STEP_DONE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U32, attempt), F(I64, at_ms),
                         F(I64, duration_ms), F(BIN, input), F(BIN, value), F(U64, branch), F(U32, began),
                         F(U64, input_hash), F(U64, epoch), F(BIN, calls), F(U64, input_bytes)},
    [ENTRY_STEP_FAILED] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U32, attempt), F(I64, at_ms),
                           F(I64, duration_ms), F(STR, error), F(BOOL, fatal), F(I64, due_ms), F(U64, branch),
                           F(U32, began), F(U64, input_hash), F(U64, epoch), F(BIN, calls)},
    [ENTRY_SLEEP] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(I64, due_ms), F(U64, branch),
                     F(U32, began), F(U64, epoch), F(BOOL, absolute)},
    [ENTRY_VALUE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(BIN, value), F(I64, at_ms)},
    [ENTRY_CHUNK] = {F(U64, path), F(STR, id), F(U32, occurrence), F(BIN, value), F(I64, at_ms)},
    [ENTRY_RESPONSE] = {F(I64, at_ms), F(INT, status), F(BIN, headers), F(BIN, body)},
    [ENTRY_ENDED] = {F(I64, at_ms), F(INT, status), F(STR, error), F(BIN, causes), F(BIN, remarks), F(BIN, value)},
    [ENTRY_ROLLBACK] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms)},
    [ENTRY_CANCEL] = {F(I64, at_ms), F(INT, status), F(STR, error)},
    [ENTRY_STOPPED] = {F(I64, at_ms), F(INT, status), F(STR, error), F(U64, path), F(U64, epoch), F(BIN, causes),
                       F(STR, by)},
    [ENTRY_RELEASED] = {F(I64, at_ms), F(STR, error), F(U64, epoch)},
    [ENTRY_WAIT] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(I64, due_ms), F(U64, branch),
                    F(U32, began), F(U64, epoch), F(BOOL, absolute), F(STR, signal), F(U64, question)},
    [ENTRY_SIGNAL] = {F(STR, signal), F(BIN, letter), F(BIN, value), F(STR, by), F(I64, at_ms)},
    [ENTRY_TAKEN] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                     F(BIN, letter), F(U64, question)},
    [ENTRY_TIMED_OUT] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                         F(U64, question)},
    [ENTRY_WON] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                   F(U64, winner), F(U32, member), F(BIN, causes)},
    [ENTRY_ABANDONED] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U32, attempt), F(I64, at_ms),
                         F(I64, duration_ms), F(U64, branch), F(U32, began), F(BIN, calls), F(U64, question)},
    [ENTRY_CALLED] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                      F(BIN, child), F(STR, function), F(BIN, input), F(U32, attempt), F(BOOL, detached),
                      F(I64, due_ms), F(I64, begins_ms), F(I64, duration_ms)},
    [ENTRY_RETURNED] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                        F(BIN, child), F(INT, status), F(BIN, value), F(STR, error)},
    [ENTRY_SENT] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(U64, branch), F(U32, began),
                    F(STR, target), F(STR, signal), F(BIN, letter), F(BIN, value), F(BOOL, answer)},
    [ENTRY_PATCH] = {F(U64, path), F(STR, id), F(BOOL, answer), F(I64, at_ms)},
    [ENTRY_REOPENED] = {F(I64, at_ms), F(U32, attempt), F(I64, due_ms), F(STR, error), F(BIN, causes), F(U64, epoch),
                        F(U32, asked)},
};
static const field passable[PASSABLE_END - ENTRY_PASSABLE][FIELDS_MAX] = {
    [ENTRY_BRANCH - ENTRY_PASSABLE] = {F(U64, path), F(U64, branch), F(STR, id), F(U32, occurrence), F(U32, began)},
    [ENTRY_CRASHED -
        ENTRY_PASSABLE] = {F(U64, path), F(STR, id), F(U32, attempt), F(INT, status), F(I64, at_ms), F(U64, epoch)},
    [ENTRY_LABEL -
        ENTRY_PASSABLE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U32, attempt), F(STR, value), F(I64, at_ms)},
    [ENTRY_STATUS - ENTRY_PASSABLE] = {F(U64, path), F(U32, occurrence), F(U32, attempt), F(BIN, value), F(I64, at_ms)},
    [ENTRY_USAGE - ENTRY_PASSABLE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U32, attempt), F(I64, at_ms),
                                      F(I64, used[ENTRY_INPUT_TOKENS]), F(I64, used[ENTRY_OUTPUT_TOKENS]),
                                      F(I64, used[ENTRY_UNITS]), F(I64, used_sum[ENTRY_INPUT_TOKENS]),
                                      F(I64, used_sum[ENTRY_OUTPUT_TOKENS]), F(I64, used_sum[ENTRY_UNITS])},
    [ENTRY_DIFFERS - ENTRY_PASSABLE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(U64, input_hash), F(I64, at_ms),
                                        F(STR, version)},
    [ENTRY_UNASKED - ENTRY_PASSABLE] = {F(U64, path), F(STR, id), F(U32, occurrence), F(I64, at_ms), F(STR, version)},
};

/* NULL: a kind that this version does not know. */
static const field *fields_of(uint64_t kind)
{
    bool is_passable = kind >= ENTRY_PASSABLE;
    if (kind < ENTRY_STARTED || kind >= PASSABLE_END || (!is_passable && kind >= KINDS_END)) return NULL;
    const field *fields = is_passable ? passable[kind - ENTRY_PASSABLE] : layout[kind];
    return fields->type == FIELD_NONE ? NULL : fields; /* NULL: the number is reserved */
}

/* ---- Writing ---- */

static int pack_text(msgpack_packer *pk, field_type type, const entry_text *t)
{
    assert(type == FIELD_STR || type == FIELD_BIN);
    assert(t->data || t->len == 0);
    if (t->len > UINT32_MAX) return -1;
    int rc = type == FIELD_STR ? msgpack_pack_str(pk, t->len) : msgpack_pack_bin(pk, t->len);
    if (rc != 0 || t->len == 0) return rc;
    return type == FIELD_STR ? msgpack_pack_str_body(pk, t->data, t->len) : msgpack_pack_bin_body(pk, t->data, t->len);
}

static int pack_field(msgpack_packer *pk, const field *f, const entry *e)
{
    const void *at = (const char *)e + f->offset;
    switch (f->type) {
    case FIELD_U64:
        return msgpack_pack_uint64(pk, *(const uint64_t *)at);
    case FIELD_U32:
        return msgpack_pack_uint32(pk, *(const uint32_t *)at);
    case FIELD_I64:
        return msgpack_pack_int64(pk, *(const int64_t *)at);
    case FIELD_INT:
        return msgpack_pack_int(pk, *(const int *)at);
    case FIELD_BOOL:
        return *(const bool *)at ? msgpack_pack_true(pk) : msgpack_pack_false(pk);
    case FIELD_STR:
    case FIELD_BIN:
        return pack_text(pk, f->type, at);
    case FIELD_NONE:
        break;
    }
    return -1;
}

static size_t field_count(const field *fields)
{
    size_t n = 0;
    while (n < FIELDS_MAX && fields[n].type != FIELD_NONE) n++;
    return n;
}

int entry_encode(msgpack_sbuffer *to, const entry *e)
{
    const field *fields = fields_of(e->kind);
    assert(fields);
    size_t n = field_count(fields), before = to->size;
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    int rc = msgpack_pack_array(&pk, n + 1);
    if (rc == 0) rc = msgpack_pack_int(&pk, (int)e->kind);
    for (size_t i = 0; i < n && rc == 0; i++) rc = pack_field(&pk, &fields[i], e);
    if (rc != 0) to->size = before;
    assert(rc != 0 || to->size > before);
    return rc == 0 ? 0 : -1;
}

/* ---- Reading: only the msgpack types that entries are made of. Nothing is allocated, whatever lengths are claimed
 * ---- */

typedef struct cursor {
    const uint8_t *at, *end;
} cursor;

typedef struct item {
    enum { ITEM_NUMBER, ITEM_BOOL, ITEM_STR, ITEM_BIN } type;
    uint64_t bits; /* numbers: two's complement when `negative` */
    bool negative;
    entry_text text;
} item;

static bool cursor_take_big_endian(cursor *c, size_t bytes, uint64_t *out)
{
    assert(bytes <= sizeof *out);
    assert(c->at <= c->end);
    if ((size_t)(c->end - c->at) < bytes) return false;
    *out = 0;
    for (size_t i = 0; i < bytes; i++) *out = *out << 8 | *c->at++;
    return true;
}

static bool cursor_take_text(cursor *c, item *out, int type, uint64_t len)
{
    assert(type == ITEM_STR || type == ITEM_BIN);
    if ((uint64_t)(c->end - c->at) < len) return false;
    *out = (item){.type = type, .text = {(const char *)c->at, (size_t)len}};
    c->at += len;
    return true;
}

static bool cursor_take_signed(cursor *c, size_t bytes, item *out)
{
    if (!cursor_take_big_endian(c, bytes, &out->bits)) return false;
    uint64_t sign = 1ULL << (8 * bytes - 1);
    if (bytes < 8 && (out->bits & sign)) out->bits |= ~(sign * 2 - 1);
    out->negative = (out->bits >> 63) != 0;
    return true;
}

/* Takes one item by its first byte, see the msgpack specification. False: it is cut off, or of another type. */
static bool cursor_take_item(cursor *c, item *out)
{
    uint64_t tag, len = 0;
    if (!cursor_take_big_endian(c, 1, &tag)) return false;
    *out = (item){.type = ITEM_NUMBER, .bits = tag};
    if (tag <= 0x7f) return true;
    if (tag >= 0xe0) {
        out->bits = tag | ~0xffULL;
        out->negative = true;
        return true;
    }
    if ((tag & 0xe0) == 0xa0) return cursor_take_text(c, out, ITEM_STR, tag & 0x1f);
    switch (tag) {
    case 0xc2:
    case 0xc3:
        *out = (item){.type = ITEM_BOOL, .bits = tag & 1};
        return true;
    case 0xc4:
    case 0xc5:
    case 0xc6:
        return cursor_take_big_endian(c, 1U << (tag - 0xc4), &len) && cursor_take_text(c, out, ITEM_BIN, len);
    case 0xcc:
    case 0xcd:
    case 0xce:
    case 0xcf:
        return cursor_take_big_endian(c, 1U << (tag - 0xcc), &out->bits);
    case 0xd0:
    case 0xd1:
    case 0xd2:
    case 0xd3:
        return cursor_take_signed(c, 1U << (tag - 0xd0), out);
    case 0xd9:
    case 0xda:
    case 0xdb:
        return cursor_take_big_endian(c, 1U << (tag - 0xd9), &len) && cursor_take_text(c, out, ITEM_STR, len);
    default:
        return false;
    }
}

static bool item_fits(field_type type, const item *i)
{
    if (i->type != ITEM_NUMBER) return false;
    switch (type) {
    case FIELD_U64:
        return !i->negative;
    case FIELD_U32:
        return !i->negative && i->bits <= UINT32_MAX;
    case FIELD_I64:
        return i->negative || i->bits <= INT64_MAX;
    default:
        return i->negative ? (int64_t)i->bits >= INT32_MIN : i->bits <= INT32_MAX;
    }
}

static bool entry_put_field(const field *f, const item *i, entry *out)
{
    void *at = (char *)out + f->offset;
    switch (f->type) {
    case FIELD_STR:
    case FIELD_BIN:
        if (i->type != (f->type == FIELD_STR ? ITEM_STR : ITEM_BIN)) return false;
        *(entry_text *)at = i->text;
        return true;
    case FIELD_BOOL:
        if (i->type != ITEM_BOOL) return false;
        *(bool *)at = i->bits != 0;
        return true;
    case FIELD_NONE:
        return true; /* a later version of this program wrote more fields */
    default:
        break;
    }
    if (!item_fits(f->type, i)) return false;
    if (f->type == FIELD_U32)
        *(uint32_t *)at = (uint32_t)i->bits;
    else if (f->type == FIELD_INT)
        *(int *)at = (int)(int64_t)i->bits;
    else
        *(uint64_t *)at = i->bits; /* also int64_t: the same bits */
    return true;
}

/* Takes the array's head, a fixarray or array16: how many items follow. */
static bool cursor_take_array(cursor *c, uint64_t *items)
{
    uint64_t tag;
    if (!cursor_take_big_endian(c, 1, &tag)) return false;
    *items = tag & 0x0f;
    return (tag & 0xf0) == 0x90 || (tag == 0xdc && cursor_take_big_endian(c, 2, items));
}

uint64_t entry_cause(const entry *e, size_t i)
{
    uint64_t path;
    assert(i < entry_cause_count(e));
    memcpy(&path, e->causes.data + i * sizeof path, sizeof path);
    return be64toh(path);
}

bool entry_has_cause(const entry *e, uint64_t path)
{
    for (size_t i = 0; i < entry_cause_count(e); i++)
        if (entry_cause(e, i) == path) return true;
    return false;
}

size_t entry_decode(const char *data, size_t len, entry *out, const char **error)
{
    static const field none = {FIELD_NONE, 0};
    cursor c = {(const uint8_t *)data, (const uint8_t *)data + len};
    uint64_t n;
    item i;
    *out = (entry){.kind = ENTRY_STARTED};
    *error = "not an entry";
    if (!cursor_take_array(&c, &n) || n == 0) return 0;
    if (!cursor_take_item(&c, &i) || i.type != ITEM_NUMBER || i.negative || i.bits == 0 || i.bits > INT32_MAX) return 0;
    const field *fields = fields_of(i.bits);
    *error = entry_newer;
    if (!fields && i.bits < ENTRY_PASSABLE) return 0;
    out->kind = (entry_kind)i.bits;
    *error = "a damaged entry";
    for (size_t f = 0; f + 1 < n; f++)
        if (!cursor_take_item(&c, &i) || !entry_put_field(fields && f < FIELDS_MAX ? &fields[f] : &none, &i, out))
            return 0;
    *error = NULL;
    assert(c.at > (const uint8_t *)data && c.at <= c.end);
    return (size_t)(c.at - (const uint8_t *)data);
}
