#include "storage/run_id.h"

#include <assert.h>
#include <endian.h>
#include <string.h>

enum { TIME_BYTES = 6, MIDDLE_BYTES = 8, STEP_BYTES = 5, SLOT_BYTE = TIME_BYTES + MIDDLE_BYTES, LOOPS_MAX = 256 };
_Static_assert(SLOT_BYTE == RUN_ID_BYTES - 2, "time, middle, slot, loop");
_Static_assert(sizeof(run_id) == RUN_ID_BYTES, "ids are keys of tables, copied as bytes");
_Static_assert(RUN_ID_BYTES == 2 * sizeof(uint64_t), "hashed and shown in two halves");
_Static_assert(RUN_ID_TEXT * 5 >= RUN_ID_BYTES * 8 && (RUN_ID_TEXT - 1) * 5 < RUN_ID_BYTES * 8, "digits of 5 bits");
_Static_assert(STEP_BYTES < MIDDLE_BYTES, "run_id_next seldom overflows the middle");

/* Crockford's base 32: no I, L, O, U. */
static const char digits[] = "0123456789ABCDEFGHJKMNPQRSTVWXYZ";
_Static_assert(sizeof digits == 32 + 1, "one for each value of 5 bits");

/* Changes the last byte to one that leads to `loop`, the nearest: so what the loop leaves of the byte stays random. */
static void run_id_set_loop(run_id *id, unsigned loop, unsigned loops)
{
    assert(loops >= 1 && loops <= LOOPS_MAX);
    assert(loop < loops);
    unsigned last = id->bytes[RUN_ID_BYTES - 1];
    last = last - last % loops + loop;
    if (last >= LOOPS_MAX) last -= loops;
    id->bytes[RUN_ID_BYTES - 1] = (uint8_t)last;
    assert(run_id_loop(id, loops) == loop);
}

run_id run_id_lowest(int64_t unix_ms)
{
    run_id id = {{0}};
    assert(unix_ms >= 0 && unix_ms < INT64_C(1) << (8 * TIME_BYTES));
    for (int i = 0; i < TIME_BYTES; i++) id.bytes[i] = (uint8_t)(unix_ms >> (40 - 8 * i));
    return id;
}

run_id run_id_make(int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops)
{
    run_id id = run_id_lowest(unix_ms);
    memcpy(id.bytes + TIME_BYTES, random, RUN_ID_BYTES - TIME_BYTES);
    id.bytes[SLOT_BYTE] = RUN_ID_SLOT_ALONE;
    run_id_set_loop(&id, loop, loops);
    return id;
}

run_id run_id_next(const run_id *last, int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops)
{
    uint64_t middle = 0, step = 0;
    run_id id = *last;
    for (int i = 0; i < MIDDLE_BYTES; i++) middle = middle << 8 | id.bytes[TIME_BYTES + i];
    for (int i = 0; i < STEP_BYTES; i++) step = step << 8 | random[i];
    if (run_id_time_ms(last) != unix_ms || middle + step + 1 < middle) {
        id = run_id_make(unix_ms, random, loop, loops);
        id.bytes[SLOT_BYTE] = last->bytes[SLOT_BYTE];
        return id;
    }
    middle += step + 1;
    for (int i = MIDDLE_BYTES - 1; i >= 0; i--, middle >>= 8) id.bytes[TIME_BYTES + i] = (uint8_t)middle;
    id.bytes[RUN_ID_BYTES - 1] = random[9];
    run_id_set_loop(&id, loop, loops);
    assert(id.bytes[SLOT_BYTE] == last->bytes[SLOT_BYTE]);
    assert(run_id_compare(&id, last) > 0);
    return id;
}

unsigned run_id_cluster_slot(const run_id *id) { return id->bytes[SLOT_BYTE]; }

void run_id_set_cluster_slot(run_id *id, unsigned slot)
{
    assert(slot <= UINT8_MAX);
    id->bytes[SLOT_BYTE] = (uint8_t)slot;
}

unsigned run_id_loop(const run_id *id, unsigned loops) { return id->bytes[RUN_ID_BYTES - 1] % loops; }

int64_t run_id_time_ms(const run_id *id)
{
    int64_t ms = 0;
    for (int i = 0; i < TIME_BYTES; i++) ms = ms << 8 | id->bytes[i];
    return ms;
}

/* The random half is hash enough; the finalizer of MurmurHash3 spreads ids that somebody chose. */
uint64_t run_id_hash(const run_id *id)
{
    uint64_t a, b;
    memcpy(&a, id->bytes, sizeof a);
    memcpy(&b, id->bytes + 8, sizeof b);
    uint64_t h = a ^ b;
    h ^= h >> 33;
    h *= 0xff51afd7ed558ccdULL;
    h ^= h >> 33;
    h *= 0xc4ceb9fe1a85ec53ULL;
    return h ^ h >> 33;
}

int run_id_compare(const run_id *a, const run_id *b) { return memcmp(a->bytes, b->bytes, RUN_ID_BYTES); }
bool run_id_advance(run_id *id)
{
    for (int i = RUN_ID_BYTES - 1; i >= 0; i--)
        if (++id->bytes[i] != 0) return true;
    return false;
}

run_id run_id_behind(const run_id *id)
{
    run_id next = *id;
    (void)run_id_advance(&next);
    return next;
}

bool run_id_equal(const run_id *a, const run_id *b) { return run_id_compare(a, b) == 0; }

/* 128 bits in 26 digits of 5: the first digit holds the top 3. */
void run_id_format(const run_id *id, char out[RUN_ID_TEXT + 1])
{
    uint64_t high, low;
    memcpy(&high, id->bytes, sizeof high);
    memcpy(&low, id->bytes + sizeof high, sizeof low);
    high = be64toh(high);
    low = be64toh(low);
    for (int i = 0; i < 12; i++) out[RUN_ID_TEXT - 1 - i] = digits[low >> (5 * i) & 31];
    out[13] = digits[(high << 4 | low >> 60) & 31];
    for (int i = 0; i < 13; i++) out[12 - i] = digits[high >> (5 * i + 1) & 31];
    out[RUN_ID_TEXT] = 0;
}

bool run_id_parse(const char *text, size_t len, run_id *out)
{
    if (len != RUN_ID_TEXT || text[0] < '0' || text[0] > '7') return false;
    unsigned __int128 n = 0;
    for (size_t i = 0; i < len; i++) {
        char c = text[i] >= 'a' && text[i] <= 'z' ? (char)(text[i] - 'a' + 'A') : text[i];
        const char *at = c ? strchr(digits, c) : NULL;
        if (!at) return false;
        n = n << 5 | (unsigned)(at - digits);
    }
    for (int i = RUN_ID_BYTES - 1; i >= 0; i--, n >>= 8) out->bytes[i] = (uint8_t)n;
    return true;
}
