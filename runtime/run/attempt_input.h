/* attempt_input: what a step was given, in the entry of an attempt that has failed or was given up, which has no field
 * for it: an item of entry.calls (docs/internals/journal.md). For people alone: no replay reads it. */
#ifndef RUNTIME_RUN_ATTEMPT_INPUT_H
#define RUNTIME_RUN_ATTEMPT_INPUT_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "storage/entry.h"

struct arena;

/* Appends to `to` what *calls has and, behind it, the input, of which only the length (`bytes`, of its encoding) if
 * that is over STEP_INPUT_JOURNALED_MAX; *calls becomes that. False, and both are as before: there is no memory. */
bool attempt_input_add(msgpack_sbuffer *to, entry_text *calls, msgpack_object input, uint64_t bytes);

/* Fills *input with the input's msgpack bytes, in `a`, or *left_out with their number if they were too many; both are
 * left alone if `calls` says nothing of an input. False: there is no memory. */
bool attempt_input_find(struct arena *a, entry_text calls, entry_text *input, uint64_t *left_out);

#endif
