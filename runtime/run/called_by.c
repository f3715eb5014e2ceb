#include "runtime/run/called_by.h"

#include <string.h>

#include "runtime/base/value.h"
#include "storage/entry_more.h"
#include "storage/row_bytes.h"

/* On disk: docs/internals/journal.md. */
static const char CALLED_BY[] = "called_by";
enum { NUMBER_AT = RUN_ID_BYTES, DEPTH_AT = NUMBER_AT + 4, BEGINS_AT = DEPTH_AT + 4, GENERATION_AT = BEGINS_AT + 8 };
enum { BYTES = GENERATION_AT + 4 };

bool called_by_read(const entry *started, called_by *out)
{
    entry_text t;
    *out = (called_by){.depth = 0};
    if (!entry_more_read(started->more, CALLED_BY, &t)) return false;
    if (!t.data) return true;
    if (t.len < BYTES) return false;
    const uint8_t *from = (const uint8_t *)t.data;
    memcpy(out->parent.bytes, t.data, RUN_ID_BYTES);
    out->number = (uint32_t)row_get_be(from + NUMBER_AT, 4);
    out->depth = (uint32_t)row_get_be(from + DEPTH_AT, 4);
    out->begins_ms = (int64_t)row_get_be(from + BEGINS_AT, 8);
    out->generation = (uint32_t)row_get_be(from + GENERATION_AT, 4);
    return true;
}

bool called_by_pack(msgpack_packer *pk, const called_by *by)
{
    uint8_t bytes[BYTES];
    memcpy(bytes, by->parent.bytes, RUN_ID_BYTES);
    row_put_be(bytes + NUMBER_AT, by->number, 4);
    row_put_be(bytes + DEPTH_AT, by->depth, 4);
    row_put_be(bytes + BEGINS_AT, (uint64_t)by->begins_ms, 8);
    row_put_be(bytes + GENERATION_AT, by->generation, 4);
    return value_pack_text(pk, CALLED_BY) && msgpack_pack_bin(pk, sizeof bytes) == 0 &&
           msgpack_pack_bin_body(pk, bytes, sizeof bytes) == 0;
}
