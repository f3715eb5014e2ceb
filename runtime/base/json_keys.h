/* json_keys: makes each key of a map that was read occur once. Owns nothing, has no state. */
#ifndef RUNTIME_BASE_JSON_KEYS_H
#define RUNTIME_BASE_JSON_KEYS_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

/* Leaves of equal keys (strings all) the first, with the last one's value, and sets *n to how many are left. Takes
 * n log n, whatever keys a client has chosen. False: out of memory. */
bool json_keys_merge(msgpack_object_kv *pairs, uint32_t *n);

#endif
