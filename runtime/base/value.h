/* value: msgpack_object as the one value type: copied into arenas, packed, unpacked, compared. Owns nothing: a value's
 * strings, arrays and maps lie in an arena. */
#ifndef RUNTIME_BASE_VALUE_H
#define RUNTIME_BASE_VALUE_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include "runtime/base/arena.h"

enum { VALUE_DEPTH_MAX = 128, VALUE_HASHED_BYTES = 65536 };

/* The message when malloc had no memory, which passes: no limit was the reason. Compared by address. */
extern const char value_no_memory[];
/* Returns the message for an arena that has given nothing: its limit, or value_no_memory. */
const char *value_refusal(const arena *a);

/* Copies all of v into `a`; strings become zero-terminated. False with a message: too deep, or no memory; *out is nil
 * then. */
bool value_copy(arena *a, msgpack_object v, msgpack_object *out, const char **error);

/* Appends v's msgpack bytes, at most bytes_max of them; false with a message and nothing appended. */
bool value_pack(msgpack_sbuffer *to, msgpack_object v, size_t bytes_max, const char **error);

/* Append a string. False: no memory. */
static inline bool value_pack_str(msgpack_packer *pk, const char *text, size_t len)
{
    return msgpack_pack_str(pk, len) == 0 && (len == 0 || msgpack_pack_str_body(pk, text, len) == 0);
}
static inline bool value_pack_text(msgpack_packer *pk, const char *text)
{
    return value_pack_str(pk, text, strlen(text));
}

/* True if v is nested too deep to be packed or written as JSON. */
bool value_is_too_deep(msgpack_object v);

/* Reads one value that takes up all of the bytes, and copies its strings into `a`. False with a message; *out is nil
 * then. */
bool value_unpack(arena *a, const char *data, size_t len, msgpack_object *out, const char **error);

/* Returns a hash that tells values apart fast, not against an attacker: XXH3 (64 bits, xxhash.com) over the first
 * VALUE_HASHED_BYTES of v's msgpack bytes, seeded with the number of all of them. Journals have it, so it never
 * changes. 0: v cannot be packed (too deep, no memory); never 0 else. The bytes lie in `scratch` meanwhile, behind what
 * is there; *len: how many they are; VALUE_NO_MEMORY: there was no memory. */
#define VALUE_NO_MEMORY UINT64_MAX
uint64_t value_hash(msgpack_sbuffer *scratch, msgpack_object v, uint64_t *len);

bool value_equal(msgpack_object a, msgpack_object b);

/* Returns the elements of an array that grows: room for them behind a head that tells whose they are. All of them count
 * as used until value_array_push() says otherwise. NULL: no memory. */
msgpack_object *value_array_new(arena *a, uint32_t room);
/* Appends in place if no other value sees the elements behind this array's, else to a copy. False: no memory. */
bool value_array_push(arena *a, msgpack_object *array, msgpack_object v);

#endif
