#include "apps/upstream/chance.h"

#include <assert.h>
#include <string.h>

uint64_t chance_hash(uint64_t start, const void *data, size_t len)
{
    assert(data || len == 0);
    const unsigned char *bytes = data;
    uint64_t hash = start;
    for (size_t i = 0; i < len; i++) hash = (hash ^ bytes[i]) * UINT64_C(0x100000001b3);
    return hash;
}

uint64_t chance_hash_text(uint64_t start, const char *text) { return chance_hash(start, text, strlen(text)); }

/* SplitMix64's finalizer: FNV alone leaves neighbouring inputs with neighbouring outputs. */
uint64_t chance_mix(uint64_t a, uint64_t b)
{
    uint64_t z = a + UINT64_C(0x9e3779b97f4a7c15) * (b + 1);
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return z ^ (z >> 31);
}

double chance_unit(uint64_t number) { return (double)(number >> 11) * 0x1.0p-53; }
