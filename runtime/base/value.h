/* value: msgpack_object as the one value type: copied into arenas, packed, unpacked, compared. */
#ifndef RUNTIME_BASE_VALUE_H
#define RUNTIME_BASE_VALUE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"

enum { VALUE_DEPTH_MAX = 128, VALUE_HASHED_BYTES = 65536 };

/* What an error is called that passes: there is no memory, and no limit is the reason. */
extern const char value_no_memory[];

/* Deep copy; strings become zero-terminated. False with a message: too deep, or no memory. */
bool value_copy(arena *a, msgpack_object v, msgpack_object *out, const char **error);

/* Appends v's msgpack bytes, at most bytes_max of them; false with a message and nothing appended. */
bool value_pack(msgpack_sbuffer *to, msgpack_object v, size_t bytes_max, const char **error);

/* It cannot be packed, nor written as JSON. */
bool value_is_too_deep(msgpack_object v);

/* Reads one value that takes up all of the bytes. Its strings are copied. False with a message. */
bool value_unpack(arena *a, const char *data, size_t len, msgpack_object *out, const char **error);

/* Tells values apart fast, not against an attacker: XXH3 (64 bits, xxhash.com) over the first VALUE_HASHED_BYTES of v's
 * msgpack bytes, seeded with the number of all of them. Is in journals: it never changes. 0 for what cannot be packed
 * (too deep, no memory), else never. The bytes lie in `scratch` meanwhile, behind what it holds; *len: how many they
 * are, VALUE_NO_MEMORY if there was none. */
#define VALUE_NO_MEMORY UINT64_MAX
uint64_t value_hash(msgpack_sbuffer *scratch, msgpack_object v, uint64_t *len);

bool value_equal(msgpack_object a, msgpack_object b);

/* Arrays and maps that grow: room for n elements, of which none are used, behind a header that tells appends apart. */
msgpack_object *value_array_new(arena *a, uint32_t room);
/* Appends in place when nobody appended to this very array before, else to a copy. False: no memory. */
bool value_array_push(arena *a, msgpack_object *array, msgpack_object v);

#endif
