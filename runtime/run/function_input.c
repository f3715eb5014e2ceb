#include "runtime/run/function_input.h"

#include "runtime/base/value.h"
#include "storage/entry_more.h"

static const char INPUT[] = "input"; /* on disk: docs/internals/journal.md */

bool function_input_pack(msgpack_packer *pk, const msgpack_object *input)
{
    msgpack_sbuffer packed; /* apart: its length comes first */
    const char *ignored = NULL;
    if (function_input_pairs(input) == 0) return true;
    msgpack_sbuffer_init(&packed);
    bool ok = value_pack(&packed, *input, SIZE_MAX, &ignored) && value_pack_text(pk, INPUT) &&
              msgpack_pack_bin(pk, packed.size) == 0 && msgpack_pack_bin_body(pk, packed.data, packed.size) == 0;
    msgpack_sbuffer_destroy(&packed);
    return ok;
}

entry_text function_input_find(const entry *started) { return entry_more_find(started->more, INPUT); }

bool function_input_read(arena *a, const entry *started, msgpack_object *out, const char **error)
{
    entry_text packed;
    *out = (msgpack_object){.type = MSGPACK_OBJECT_NIL};
    if (!entry_more_read(started->more, INPUT, &packed)) {
        *error = "the input is damaged";
        return false;
    }
    return !packed.data || value_unpack(a, packed.data, packed.len, out, error);
}
