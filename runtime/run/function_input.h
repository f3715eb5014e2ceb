/* function_input: the value that the run of a function was given, as *started* has it (entry.more, "input"): a bin of
 * one msgpack value. A run that was given nothing, or nil, has none. Owns nothing. */
#ifndef RUNTIME_RUN_FUNCTION_INPUT_H
#define RUNTIME_RUN_FUNCTION_INPUT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "storage/entry.h"

/* How many pairs function_input_pack appends. */
static inline uint32_t function_input_pairs(const msgpack_object *input) { return input->type != MSGPACK_OBJECT_NIL; }
/* Appends the pair to a map of *started*. False: no memory, or nested too deep. */
bool function_input_pack(msgpack_packer *pk, const msgpack_object *input);

/* Whether the run is of a function: only then does *started* name no method. */
static inline bool started_is_of_function(const entry *started) { return started->kind && started->method.len == 0; }

/* Finds the packed input, which lies in the entry; empty: there is none. */
entry_text function_input_find(const entry *started);
/* Reads the input into `a`; nil if there is none. False with a message: it cannot be read, or there is no memory. */
bool function_input_read(arena *a, const entry *started, msgpack_object *out, const char **error);

#endif
