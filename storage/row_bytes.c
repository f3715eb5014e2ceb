#include "storage/row_bytes.h"

#include <assert.h>
#include <string.h>

_Static_assert(ROW_SEGMENT_KEY_BYTES == sizeof(run_id) + sizeof(uint32_t), "run and sequence number");
_Static_assert((int)BACKEND_EXPIRY_BYTES == 1 + (int)ROW_DUE_BYTES + (int)RUN_ID_BYTES, "kind, time, run");

void row_put_be(uint8_t *to, uint64_t n, int bytes)
{
    assert(bytes > 0 && bytes <= 8);
    for (int i = 0; i < bytes; i++) to[i] = (uint8_t)(n >> (8 * (bytes - 1 - i)));
}

uint64_t row_get_be(const uint8_t *from, int bytes)
{
    uint64_t n = 0;
    assert(bytes > 0 && bytes <= 8);
    for (int i = 0; i < bytes; i++) n = n << 8 | from[i];
    return n;
}

void row_segment_key(uint8_t key[ROW_SEGMENT_KEY_BYTES], const run_id *id, uint32_t seq)
{
    memcpy(key, id->bytes, RUN_ID_BYTES);
    row_put_be(key + RUN_ID_BYTES, seq, 4);
}

uint32_t row_segment_seq(const uint8_t key[ROW_SEGMENT_KEY_BYTES])
{
    return (uint32_t)row_get_be(key + RUN_ID_BYTES, 4);
}

void row_expiry_key(uint8_t key[BACKEND_EXPIRY_BYTES], const store_segment *s, int64_t ended_ms)
{
    bool own = s->retain_ms >= 0;
    int64_t at_ms = ended_ms;
    assert(s->live == STORE_LIVE_CLEAR);
    if (own) at_ms = s->retain_ms < INT64_MAX - ended_ms ? ended_ms + s->retain_ms : INT64_MAX;
    assert(at_ms >= ended_ms);
    key[0] = own ? BACKEND_EXPIRY_OWN : BACKEND_EXPIRY_STORE;
    row_put_be(key + 1, (uint64_t)at_ms, ROW_DUE_BYTES);
    memcpy(key + 1 + ROW_DUE_BYTES, s->run.bytes, RUN_ID_BYTES);
}

int64_t row_expiry_ms(const uint8_t key[BACKEND_EXPIRY_BYTES]) { return (int64_t)row_get_be(key + 1, ROW_DUE_BYTES); }

run_id row_expiry_run(const uint8_t key[BACKEND_EXPIRY_BYTES])
{
    run_id id;
    memcpy(id.bytes, key + 1 + ROW_DUE_BYTES, RUN_ID_BYTES);
    return id;
}
