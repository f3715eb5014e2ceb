#include "runtime/base/json_keys.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

enum {
    FEW_KEYS = 16,   /* compared each with each */
    SOME_KEYS = 256, /* sorted by key */
    RADIX = 256
};

static int compare_keys(const msgpack_object_kv *a, const msgpack_object_kv *b)
{
    uint32_t n = a->key.via.str.size, m = b->key.via.str.size;
    if (n != m) return n < m ? -1 : 1;
    return memcmp(a->key.via.str.ptr, b->key.via.str.ptr, n);
}

/* Orders by key; equal keys in the order in which they came. */
static int compare_pairs(const void *a, const void *b)
{
    const msgpack_object_kv *one = *(const msgpack_object_kv *const *)a, *two = *(const msgpack_object_kv *const *)b;
    int order = compare_keys(one, two);
    return order ? order : one < two ? -1 : one > two;
}

/* Gives the first of two equal keys the later one's value, and takes the later one's key away (nil). */
static void pair_replace(msgpack_object_kv *first, msgpack_object_kv *later)
{
    assert(first < later && first->key.type == MSGPACK_OBJECT_STR);
    first->val = later->val;
    later->key.type = MSGPACK_OBJECT_NIL;
}

static void merge_few(msgpack_object_kv *pairs, uint32_t n)
{
    for (uint32_t i = 1; i < n; i++)
        for (uint32_t j = 0; j < i; j++) {
            if (pairs[j].key.type == MSGPACK_OBJECT_NIL || compare_keys(&pairs[j], &pairs[i]) != 0) continue;
            pair_replace(&pairs[j], &pairs[i]);
            break;
        }
}

static void merge_by_sorting(msgpack_object_kv **sorted, uint32_t n)
{
    qsort(sorted, n, sizeof *sorted, compare_pairs);
    for (uint32_t first = 0, i = 1; i < n; i++) {
        if (compare_keys(sorted[first], sorted[i]) == 0)
            pair_replace(sorted[first], sorted[i]);
        else
            first = i;
    }
}

static bool merge_some(msgpack_object_kv *pairs, uint32_t n)
{
    msgpack_object_kv *sorted[SOME_KEYS];
    assert(n <= SOME_KEYS);
    for (uint32_t i = 0; i < n; i++) sorted[i] = &pairs[i];
    merge_by_sorting(sorted, n);
    return true;
}

/* ---- Many keys: sorted by hash, then only keys of one hash are compared. ---- */

typedef struct key_place {
    uint32_t hash, index;
} key_place;

/* Sorts by one byte of the hash, from one array into the other; what is equal stays in its order. */
static void places_sort_byte(const key_place *from, key_place *to, uint32_t n, int shift)
{
    uint32_t next[RADIX] = {0}, begin = 0;
    for (uint32_t i = 0; i < n; i++) next[from[i].hash >> shift & (RADIX - 1)]++;
    for (int b = 0; b < RADIX; b++) {
        uint32_t count = next[b];
        next[b] = begin;
        begin += count;
    }
    assert(begin == n);
    for (uint32_t i = 0; i < n; i++) to[next[from[i].hash >> shift & (RADIX - 1)]++] = from[i];
}

/* Merges keys of one hash, the first of which came first. One key again and again is the usual case; other keys may
 * collide by chance, or all of them because a client wants it. `spare` has room for n pointers. */
static void merge_one_hash(msgpack_object_kv *pairs, const key_place *places, uint32_t n, msgpack_object_kv **spare)
{
    uint32_t equal = 1;
    msgpack_object_kv *first = &pairs[places[0].index];
    while (equal < n && compare_keys(first, &pairs[places[equal].index]) == 0) equal++;
    for (uint32_t i = 0; i < n; i++) spare[i] = &pairs[places[i].index];
    if (equal < n)
        merge_by_sorting(spare, n);
    else
        for (uint32_t i = 1; i < n; i++) pair_replace(first, spare[i]);
}

static bool merge_many(msgpack_object_kv *pairs, uint32_t n)
{
    key_place *places = malloc(n * sizeof *places);
    void *spare = malloc(n * sizeof *places);
    _Static_assert(sizeof(key_place) >= sizeof(msgpack_object_kv *), "spare serves as pointers, too");
    if (places && spare) {
        for (uint32_t i = 0; i < n; i++)
            places[i] = (key_place){(uint32_t)XXH3_64bits(pairs[i].key.via.str.ptr, pairs[i].key.via.str.size), i};
        for (int shift = 0; shift < 32; shift += 16) {
            places_sort_byte(places, spare, n, shift);
            places_sort_byte(spare, places, n, shift + 8);
        }
        for (uint32_t i = 0, end; i < n; i = end) {
            for (end = i + 1; end < n && places[end].hash == places[i].hash;) end++;
            if (end > i + 1) merge_one_hash(pairs, places + i, end - i, spare);
        }
    }
    bool ok = places && spare;
    free(places);
    free(spare);
    return ok;
}

bool json_keys_merge(msgpack_object_kv *pairs, uint32_t *n)
{
    uint32_t left = 0;
    if (*n <= FEW_KEYS)
        merge_few(pairs, *n);
    else if (!(*n <= SOME_KEYS ? merge_some(pairs, *n) : merge_many(pairs, *n)))
        return false;
    for (uint32_t i = 0; i < *n; i++)
        if (pairs[i].key.type != MSGPACK_OBJECT_NIL) pairs[left++] = pairs[i];
    assert(left <= *n && (*n == 0 || left > 0));
    *n = left;
    return true;
}
