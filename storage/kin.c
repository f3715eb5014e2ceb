#include "storage/kin.h"

#include <assert.h>
#include <string.h>

/* The other run's id is complemented, so that its newest comes first. */
static void kin_key(uint8_t key[KIN_KEY_BYTES], const run_id *of, unsigned tie, const run_id *other)
{
    memcpy(key, of->bytes, RUN_ID_BYTES);
    key[RUN_ID_BYTES] = (uint8_t)tie;
    for (int i = 0; i < RUN_ID_BYTES; i++) key[RUN_ID_BYTES + 1 + i] = (uint8_t)~other->bytes[i];
}

/* 1 and 2, 3 and 4, ... are the two sides of a pair. */
static unsigned tie_of_other(unsigned tie) { return tie % 2 == 1 ? tie + 1 : tie - 1; }

void kin_pair_fill(kin_pair *p, const run_id *of, kin_tie tie, const run_id *other)
{
    assert(!run_id_equal(of, other));
    kin_key(p->keys[0], of, tie, other);
    kin_key(p->keys[1], other, tie_of_other(tie), of);
    for (int i = 0; i < 2; i++)
        p->rows[i] = (store_row){.next = i == 0 ? &p->rows[1] : NULL,
                                 .op = STORE_ROW_PUT,
                                 .table = KIN_TABLE,
                                 .key = {p->keys[i], KIN_KEY_BYTES}};
}

/* A zero behind a key leads behind that key. */
store_range kin_range(kin_bounds *b, const run_id *of, kin_tie tie, const run_id *before, size_t rows_max)
{
    static const run_id none = {{0}};
    enum { PREFIX = RUN_ID_BYTES + 1 };
    kin_key(b->from, of, tie, before ? before : &none);
    kin_key(b->to, of, (unsigned)tie + 1, &none);
    b->from[KIN_KEY_BYTES] = 0;
    return (store_range){.table = KIN_TABLE,
                         .from = {b->from, before ? sizeof b->from : (size_t)PREFIX},
                         .to = {b->to, PREFIX},
                         .rows_max = rows_max};
}

static bool key_is_whole(store_bytes key)
{
    return key.len == KIN_KEY_BYTES && ((const uint8_t *)key.data)[RUN_ID_BYTES] > 0;
}

bool kin_key_read(store_bytes key, run_id *other)
{
    const uint8_t *at = key.data;
    if (!key_is_whole(key)) return false;
    for (int i = 0; i < RUN_ID_BYTES; i++) other->bytes[i] = (uint8_t)~at[RUN_ID_BYTES + 1 + i];
    return true;
}

bool kin_key_turn(store_bytes key, uint8_t out[KIN_KEY_BYTES])
{
    run_id of, other;
    if (!kin_key_read(key, &other)) return false;
    memcpy(of.bytes, key.data, RUN_ID_BYTES);
    kin_key(out, &other, tie_of_other(((const uint8_t *)key.data)[RUN_ID_BYTES]), &of);
    return true;
}
