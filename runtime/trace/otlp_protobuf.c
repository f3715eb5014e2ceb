/* The wire format: https://protobuf.dev/programming-guides/encoding/. The numbers of fields are those of
 * opentelemetry/proto/trace/v1/trace.proto, common.proto, resource.proto and trace_service.proto. */
#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/trace/otlp.h"

typedef enum wire_type { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 } wire_type;

enum {
    VARINT_BYTES_MAX = 10,
    TAG_BYTES = 1,        /* of fields below 16 */
    INNER_BYTES = 2,      /* of the length of a span: padded, for its message is written before its length is known */
    OUTER_BYTES = 4,      /* of the length of what holds spans */
    NAME_BYTES_MAX = 40,  /* of an attribute's key */
    ITEM_BYTES_LEAST = 4, /* of an empty text */
    ITEM_MORE_MAX = NAME_BYTES_MAX + 16, /* what an item takes here beside its bytes in the record */
    SPAN_BYTES_MAX = SPAN_RECORD_BYTES + SPAN_RECORD_BYTES / ITEM_BYTES_LEAST * ITEM_MORE_MAX + 256
};
_Static_assert(SPAN_BYTES_MAX < 1 << 14, "two bytes tell how long a span is");

/* ---- Writing where there is room ---- */

/* Makes room for so many more bytes. NULL: no memory. */
static uint8_t *proto_reserve(msgpack_sbuffer *b, size_t bytes)
{
    if (b->alloc - b->size < bytes) {
        size_t alloc = b->alloc * 2 > b->size + bytes ? b->alloc * 2 : b->size + bytes;
        char *bigger = realloc(b->data, alloc);
        if (!bigger) return NULL;
        b->data = bigger;
        b->alloc = alloc;
    }
    return (uint8_t *)b->data + b->size;
}

static size_t varint_size(uint64_t n)
{
    size_t size = 1;
    while (n >>= 7) size++;
    return size;
}

static uint8_t *put_varint(uint8_t *to, uint64_t n)
{
    for (; n >= 0x80; n >>= 7) *to++ = (uint8_t)(n | 0x80);
    *to++ = (uint8_t)n;
    return to;
}

/* Writes a number in just so many bytes; every decoder takes the zeros at its end. */
static void put_padded(uint8_t *to, size_t bytes, size_t n)
{
    for (size_t i = 0; i < bytes; i++, n >>= 7) to[i] = (uint8_t)((n & 0x7f) | (i + 1 < bytes ? 0x80 : 0));
    assert(n == 0);
}

static uint8_t *put_tag(uint8_t *to, unsigned field, wire_type type) { return put_varint(to, field << 3 | type); }

static uint8_t *put_bytes(uint8_t *to, unsigned field, const void *data, size_t len)
{
    to = put_varint(put_tag(to, field, WIRE_BYTES), len);
    memcpy(to, data, len);
    return to + len;
}

static uint8_t *put_number(uint8_t *to, unsigned field, uint64_t n)
{
    return put_varint(put_tag(to, field, WIRE_VARINT), n);
}

static uint8_t *put_fixed64(uint8_t *to, unsigned field, uint64_t n)
{
    n = htole64(n);
    to = put_tag(to, field, WIRE_FIXED64);
    memcpy(to, &n, sizeof n);
    return to + sizeof n;
}

static uint8_t *put_fixed32(uint8_t *to, unsigned field, uint32_t n)
{
    n = htole32(n);
    to = put_tag(to, field, WIRE_FIXED32);
    memcpy(to, &n, sizeof n);
    return to + sizeof n;
}

static uint8_t *put_id(uint8_t *to, unsigned field, uint64_t id)
{
    id = htobe64(id);
    return put_bytes(to, field, &id, sizeof id);
}

/* ---- Attributes: KeyValue {key = 1, value = 2 AnyValue {string_value = 1, int_value = 3}} ---- */

static size_t value_size(const span_item *item)
{
    return TAG_BYTES + (item->is_number ? varint_size((uint64_t)item->number) : varint_size(item->len) + item->len);
}

static size_t attribute_size(size_t name_len, size_t value)
{
    return TAG_BYTES + varint_size(name_len) + name_len + TAG_BYTES + varint_size(value) + value;
}

static uint8_t *put_attribute(uint8_t *to, unsigned field, const char *name, const span_item *item)
{
    size_t name_len = strlen(name), value = value_size(item);
    to = put_varint(put_tag(to, field, WIRE_BYTES), attribute_size(name_len, value));
    to = put_bytes(to, 1, name, name_len);
    to = put_varint(put_tag(to, 2, WIRE_BYTES), value);
    return item->is_number ? put_number(to, 3, (uint64_t)item->number) : put_bytes(to, 1, item->text, item->len);
}

/* ---- Spans ---- */

/* Link {trace_id = 1, span_id = 2} */
static uint8_t *put_link(uint8_t *to, unsigned field, const trace_parent *link)
{
    const size_t ids = 2 * (TAG_BYTES + 1) + TRACE_ID_BYTES + sizeof link->span;
    to = put_varint(put_tag(to, field, WIRE_BYTES), ids);
    return put_id(put_bytes(to, 1, link->trace, TRACE_ID_BYTES), 2, link->span);
}

/* Writes what the span says: attributes, and the items that are fields of their own. *message: of its status. */
static uint8_t *put_items(uint8_t *to, const span *s, span_item *message)
{
    span_item item;
    trace_parent link;
    for (size_t at = 0; span_next(s, &at, &item);) {
        const char *name = span_key_name(item.key);
        assert(!name || strlen(name) <= NAME_BYTES_MAX);
        if (name)
            to = put_attribute(to, 9, name, &item);
        else if (item.is_number)
            continue;
        else if (item.key == SPAN_STATE)
            to = put_bytes(to, 3, item.text, item.len);
        else if (item.key == SPAN_NAME)
            to = put_bytes(to, 5, item.text, item.len);
        else if (span_item_link(&item, &link))
            to = put_link(to, 13, &link);
        else if (item.key == SPAN_MESSAGE)
            *message = item;
    }
    return s->left_out > 0 ? put_number(to, 10, s->left_out) : to;
}

static uint8_t *put_status(uint8_t *to, const span *s, const span_item *message)
{
    size_t text = message->len > 0 ? TAG_BYTES + varint_size(message->len) + message->len : 0;
    to = put_varint(put_tag(to, 15, WIRE_BYTES), text + TAG_BYTES + varint_size(s->status));
    if (text > 0) to = put_bytes(to, 2, message->text, message->len);
    return put_number(to, 3, s->status);
}

static bool put_span(msgpack_sbuffer *b, const span *s)
{
    span_item message = {.text = "", .len = 0};
    uint8_t *from = proto_reserve(b, SPAN_BYTES_MAX), *to = from;
    if (!from) return false;
    to = put_tag(to, 2, WIRE_BYTES) + INNER_BYTES;
    uint8_t *inside = to;
    to = put_bytes(to, 1, s->trace, TRACE_ID_BYTES);
    to = put_id(to, 2, s->id);
    if (s->parent) to = put_id(to, 4, s->parent);
    to = put_number(to, 6, s->kind);
    to = put_fixed64(to, 7, s->began_ns);
    to = put_fixed64(to, 8, s->ended_ns);
    to = put_items(to, s, &message);
    if (s->status) to = put_status(to, s, &message);
    to = put_fixed32(to, 16, span_flags(s));
    put_padded(inside - INNER_BYTES, INNER_BYTES, (size_t)(to - inside));
    assert(to - from <= SPAN_BYTES_MAX);
    b->size += (size_t)(to - from);
    return true;
}

/* ---- The request ---- */

/* Begins a message, whose length message_end puts before it. Returns where it begins; 0: no memory. */
static size_t message_begin(msgpack_sbuffer *b, unsigned field)
{
    uint8_t *to = proto_reserve(b, TAG_BYTES + OUTER_BYTES);
    if (!to) return 0;
    (void)put_tag(to, field, WIRE_BYTES);
    b->size += TAG_BYTES + OUTER_BYTES;
    return b->size;
}

static void message_end(msgpack_sbuffer *b, size_t from)
{
    put_padded((uint8_t *)b->data + from - OUTER_BYTES, OUTER_BYTES, b->size - from);
}

static bool put_resource(msgpack_sbuffer *b, const trace_pairs *resource)
{
    size_t from = message_begin(b, 1);
    for (size_t i = 0; from && i < resource->count; i++) {
        const trace_pair *pair = &resource->all[i];
        const span_item item = {.text = pair->value, .len = strlen(pair->value)};
        uint8_t *to = proto_reserve(b, strlen(pair->name) + item.len + 5 * VARINT_BYTES_MAX);
        if (!to) return false;
        b->size = (size_t)(put_attribute(to, 1, pair->name, &item) - (uint8_t *)b->data);
    }
    if (from) message_end(b, from);
    return from != 0;
}

static bool put_scope(msgpack_sbuffer *b)
{
    static const char name[] = "stepwell", version[] = STEPWELL_VERSION;
    size_t from = message_begin(b, 1);
    uint8_t *to = from ? proto_reserve(b, sizeof name + sizeof version + 2 * VARINT_BYTES_MAX) : NULL;
    if (!to) return false;
    to = put_bytes(put_bytes(to, 1, name, sizeof name - 1), 2, version, sizeof version - 1);
    b->size = (size_t)(to - (uint8_t *)b->data);
    message_end(b, from);
    return true;
}

bool otlp_write_protobuf(msgpack_sbuffer *to, const otlp_batch *batch)
{
    size_t resource_spans = message_begin(to, 1);
    if (!resource_spans || !put_resource(to, batch->resource)) return false;
    size_t scope_spans = message_begin(to, 2);
    bool whole = scope_spans && put_scope(to);
    for (size_t i = 0; whole && i < batch->count; i++) whole = put_span(to, batch->spans[i]);
    if (!whole) return false;
    message_end(to, scope_spans);
    message_end(to, resource_spans);
    return true;
}
