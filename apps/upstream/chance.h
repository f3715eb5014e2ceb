/* chance: numbers that look random and depend on nothing but their inputs, so that every answer of the simulator can be
 * had again. Owns no state. */
#ifndef UPSTREAM_CHANCE_H
#define UPSTREAM_CHANCE_H

#include <stddef.h>
#include <stdint.h>

/* FNV-1a, 64 bits; `start` is CHANCE_START or the hash of what comes before. */
#define CHANCE_START UINT64_C(0xcbf29ce484222325)
uint64_t chance_hash(uint64_t start, const void *data, size_t len);
uint64_t chance_hash_text(uint64_t start, const char *text);

uint64_t chance_mix(uint64_t a, uint64_t b); /* both, well stirred */
double chance_unit(uint64_t number);         /* 0 <= x < 1 */

#endif
