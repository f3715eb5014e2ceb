#include "runtime/run/attempt_input.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/value.h"
#include "runtime/run/step_spec.h"
#include "runtime/stepwell.h"

enum { ARRAY16 = 0xdc, ARRAY16_HEAD = 3, FIXARRAY_HEAD = 1, FIXARRAY_MASK = 0x0f, BIN16 = 0xc5, BIN16_HEAD = 3 };
_Static_assert((int)STEP_INPUT_JOURNALED_MAX <= UINT16_MAX, "a bin16 has room for an input");

/* How many items `calls`, an array, has; *head: bytes in front of them. "" has none. */
static uint32_t calls_count(entry_text calls, size_t *head)
{
    const uint8_t *at = (const uint8_t *)calls.data;
    *head = 0;
    if (calls.len == 0) return 0;
    bool is_long = at[0] == ARRAY16;
    *head = is_long ? ARRAY16_HEAD : FIXARRAY_HEAD;
    assert(calls.len >= *head);
    return is_long ? (uint32_t)(at[1] << 8 | at[2]) : at[0] & FIXARRAY_MASK;
}

/* The item: a map with one name. The head of the input's bin is written last, by what was packed: code that changes a
 * value behind the API's back may have changed its length since `bytes` were counted. */
static bool pack_input(msgpack_sbuffer *to, msgpack_packer *pk, msgpack_object input, uint64_t bytes)
{
    const char *error = NULL;
    uint8_t head[BIN16_HEAD] = {BIN16, 0, 0};
    if (msgpack_pack_map(pk, 1) != 0) return false;
    if (bytes > STEP_INPUT_JOURNALED_MAX)
        return value_pack_text(pk, "input_bytes") && msgpack_pack_uint64(pk, bytes) == 0;
    if (!value_pack_text(pk, "input") || msgpack_sbuffer_write(to, (const char *)head, sizeof head) != 0) return false;
    size_t from = to->size;
    if (!value_pack(to, input, STEP_INPUT_JOURNALED_MAX, &error)) return false;
    size_t len = to->size - from;
    head[1] = (uint8_t)(len >> 8);
    head[2] = (uint8_t)(len & 0xff);
    memcpy(to->data + from - sizeof head, head, sizeof head);
    return true;
}

bool attempt_input_add(msgpack_sbuffer *to, entry_text *calls, msgpack_object input, uint64_t bytes)
{
    size_t head, before = to->size;
    uint32_t count = calls_count(*calls, &head);
    msgpack_packer pk;
    msgpack_packer_init(&pk, to, msgpack_sbuffer_write);
    bool ok = msgpack_pack_array(&pk, count + 1) == 0 &&
              (calls->len == head || msgpack_sbuffer_write(to, calls->data + head, calls->len - head) == 0) &&
              pack_input(to, &pk, input, bytes);
    if (ok)
        *calls = (entry_text){to->data + before, to->size - before};
    else
        to->size = before;
    return ok;
}

bool attempt_input_find(struct arena *a, entry_text calls, entry_text *input, uint64_t *left_out)
{
    const char *error = NULL;
    sw_value items;
    if (calls.len == 0) return true;
    if (!value_unpack(a, calls.data, calls.len, &items, &error)) return error != value_no_memory;
    for (size_t i = 0; i < sw_len(items); i++) {
        sw_value item = sw_at(items, i), found = sw_get(item, "input");
        if (sw_type(item) != SW_MAP) continue;
        if (found.type == MSGPACK_OBJECT_BIN) *input = (entry_text){found.via.bin.ptr, found.via.bin.size};
        *left_out = (uint64_t)sw_as_int(sw_get(item, "input_bytes"), 0);
    }
    return true;
}
