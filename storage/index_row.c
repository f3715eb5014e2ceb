#include "storage/index_row.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "storage/row_bytes.h"

enum { FORMAT = 1, FLAG_CUT = 1, FLAG_COUNTED = 2 };

/* ---- Keys ---- */

void index_key(uint8_t key[INDEX_KEY_BYTES], index_kind kind, const run_id *id)
{
    key[0] = (uint8_t)kind;
    for (int i = 0; i < RUN_ID_BYTES; i++) key[1 + i] = (uint8_t)~id->bytes[i];
}

bool index_key_read(store_bytes key, index_kind kind, run_id *id)
{
    const uint8_t *at = key.data;
    if (key.len != INDEX_KEY_BYTES || at[0] != (uint8_t)kind) return false;
    for (int i = 0; i < RUN_ID_BYTES; i++) id->bytes[i] = (uint8_t)~at[1 + i];
    return true;
}

/* A zero behind a key leads behind that key: keys ascend as ids descend. */
store_range index_range(index_bounds *b, index_kind kind, const run_id *lo, const run_id *hi, size_t rows_max)
{
    index_key(b->from, kind, hi);
    index_key(b->to, kind, lo);
    b->from[INDEX_KEY_BYTES] = b->to[INDEX_KEY_BYTES] = 0;
    return (store_range){
        .table = INDEX_TABLE, .from = {b->from, sizeof b->from}, .to = {b->to, sizeof b->to}, .rows_max = rows_max};
}

/* ---- Numbers and texts ---- */

static bool put_bytes(msgpack_sbuffer *to, const void *data, size_t len)
{
    return len == 0 || msgpack_sbuffer_write(to, data, len) == 0;
}

static bool put_number(msgpack_sbuffer *to, uint64_t n, int bytes)
{
    uint8_t be[8];
    row_put_be(be, n, bytes);
    return put_bytes(to, be, (size_t)bytes);
}

static bool put_text(msgpack_sbuffer *to, const char *data, size_t len)
{
    assert(len <= UINT16_MAX);
    return put_number(to, len, 2) && put_bytes(to, data, len);
}

/* What is left of a row. */
typedef struct row_rest {
    const uint8_t *at;
    size_t len;
} row_rest;

/* Returns so many bytes and steps over them; NULL: there are fewer. */
static const uint8_t *take(row_rest *r, size_t len)
{
    const uint8_t *at = r->at;
    if (r->len < len) return NULL;
    r->at += len;
    r->len -= len;
    return at;
}

static bool take_number(row_rest *r, int bytes, uint64_t *n)
{
    const uint8_t *at = take(r, (size_t)bytes);
    if (at) *n = row_get_be(at, bytes);
    return at != NULL;
}

static bool take_text(row_rest *r, entry_text *t)
{
    uint64_t len;
    if (!take_number(r, 2, &len)) return false;
    t->data = (const char *)take(r, (size_t)len);
    t->len = (size_t)len;
    return t->data != NULL;
}

/* Reads what each row begins with. */
static bool take_head(row_rest *r, store_bytes row, uint64_t *flags)
{
    uint64_t format;
    *r = (row_rest){row.data, row.len};
    return take_number(r, 1, &format) && format == FORMAT && take_number(r, 1, flags);
}

static bool put_head(msgpack_sbuffer *to, unsigned flags)
{
    return put_number(to, FORMAT, 1) && put_number(to, flags, 1);
}

static bool fate_is_one(uint64_t fate) { return fate > 0 && fate <= FATES && (fate & (fate - 1)) == 0; }

/* ---- The cursor ---- */

bool index_cursor_put(msgpack_sbuffer *to, const index_cursor *c)
{
    return put_head(to, 0) && put_bytes(to, c->floor.bytes, RUN_ID_BYTES) && put_number(to, c->opening, 8);
}

bool index_cursor_read(store_bytes row, index_cursor *out)
{
    row_rest r;
    uint64_t flags;
    if (!take_head(&r, row, &flags)) return false;
    const uint8_t *id = take(&r, RUN_ID_BYTES);
    if (!id || !take_number(&r, 8, &out->opening) || r.len > 0) return false;
    memcpy(out->floor.bytes, id, RUN_ID_BYTES);
    return true;
}

/* ---- Runs ---- */

static bool put_labels(msgpack_sbuffer *to, const index_run *r)
{
    bool ok = put_number(to, r->label_count, 1);
    for (uint32_t i = 0; i < r->label_count && ok; i++)
        ok = put_text(to, r->labels[i].key.data, r->labels[i].key.len) &&
             put_text(to, r->labels[i].value.data, r->labels[i].value.len);
    return ok;
}

static bool take_labels(row_rest *r, index_run *out)
{
    uint64_t count;
    if (!take_number(r, 1, &count) || count > REMARKS_LABELS_MAX) return false;
    for (; out->label_count < count; out->label_count++) {
        run_label *l = &out->labels[out->label_count];
        if (!take_text(r, &l->key) || !take_text(r, &l->value)) return false;
    }
    return true;
}

bool index_run_put(msgpack_sbuffer *to, const index_run *r)
{
    assert(fate_is_one(r->fate));
    assert(r->function.len <= INDEX_NAME_MAX && r->version.len <= INDEX_NAME_MAX && r->error.len <= INDEX_TEXT_MAX);
    return put_head(to, r->is_cut ? FLAG_CUT : 0) && put_number(to, r->fate, 1) &&
           put_text(to, r->function.data, r->function.len) && put_text(to, r->version.data, r->version.len) &&
           put_text(to, r->error.data, r->error.len) && put_labels(to, r);
}

bool index_run_read(store_bytes row, index_run *out)
{
    row_rest r;
    uint64_t flags, fate;
    *out = (index_run){.fate = 0};
    if (!take_head(&r, row, &flags) || !take_number(&r, 1, &fate) || !fate_is_one(fate)) return false;
    if (!take_text(&r, &out->function) || !take_text(&r, &out->version) || !take_text(&r, &out->error)) return false;
    if (!take_labels(&r, out)) return false;
    out->fate = (run_fate)fate;
    out->is_cut = flags & FLAG_CUT;
    return true;
}

/* ---- Tallies ---- */

static tally_class *tally_find(const tally *t, const tally_class *of)
{
    for (size_t i = 0; i < t->count; i++) {
        tally_class *c = &t->classes[i];
        if (c->function == of->function && c->version == of->version && c->fate == of->fate) return c;
    }
    return NULL;
}

bool tally_add(tally *t, const tally_class *of, int runs)
{
    tally_class *c = tally_find(t, of);
    assert(fate_is_one(of->fate));
    if (!c) {
        if (runs <= 0) return true; /* less than none: the tally is damaged, and counts are not what lists go by */
        if (t->count == t->room) {
            size_t room = t->room * 2 + 4;
            tally_class *bigger = realloc(t->classes, room * sizeof *bigger);
            if (!bigger) return false;
            t->classes = bigger;
            t->room = room;
        }
        c = &t->classes[t->count++];
        *c = (tally_class){of->function, of->version, of->fate, 0};
    }
    int64_t sum = (int64_t)c->runs + runs;
    c->runs = sum < 0 ? 0 : sum > INT32_MAX ? INT32_MAX : (uint32_t)sum;
    return true;
}

void tally_free(tally *t)
{
    free(t->classes);
    t->classes = NULL;
    t->count = t->room = 0;
}

bool tally_put(msgpack_sbuffer *to, const tally *t)
{
    bool ok = put_head(to, t->is_counted ? FLAG_COUNTED : 0) && put_bytes(to, t->end.bytes, RUN_ID_BYTES);
    for (size_t i = 0; i < t->count && ok; i++) {
        const tally_class *c = &t->classes[i];
        ok = put_number(to, c->fate, 1) && put_number(to, c->runs, 4) &&
             put_text(to, c->function, strlen(c->function)) && put_text(to, c->version, strlen(c->version));
    }
    return ok;
}

static bool take_class(row_rest *r, text_pool *n, tally *t)
{
    uint64_t fate, runs;
    entry_text function, version;
    if (!take_number(r, 1, &fate) || !take_number(r, 4, &runs)) return false;
    if (!fate_is_one(fate) || runs > INT32_MAX) return false;
    if (!take_text(r, &function) || !take_text(r, &version)) return false;
    tally_class of = {.function = text_pool_keep(n, function.data, function.len),
                      .version = text_pool_keep(n, version.data, version.len),
                      .fate = (run_fate)fate};
    return of.function && of.version && tally_add(t, &of, (int)runs);
}

bool tally_read(store_bytes row, const run_id *first, text_pool *n, tally *out)
{
    row_rest r;
    uint64_t flags;
    *out = (tally){.first = *first};
    if (!take_head(&r, row, &flags)) return false;
    const uint8_t *end = take(&r, RUN_ID_BYTES);
    if (!end || memcmp(end, first->bytes, RUN_ID_BYTES) <= 0) return false;
    memcpy(out->end.bytes, end, RUN_ID_BYTES);
    out->is_counted = flags & FLAG_COUNTED;
    while (r.len > 0)
        if (!take_class(&r, n, out)) {
            tally_free(out);
            return false;
        }
    return true;
}
