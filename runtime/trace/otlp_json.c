/* The JSON form of OTLP: ids as hexadecimal digits, numbers of 64 bits as strings, enums as numbers. */
#include <inttypes.h>
#include <stdio.h>

#include "runtime/base/json_writer.h"
#include "runtime/trace/otlp.h"

enum { NUMBER_TEXT = 24 };

static void put_long(json_writer *w, const char *name, uint64_t n, bool has_sign)
{
    char text[NUMBER_TEXT];
    (void)snprintf(text, sizeof text, has_sign ? "%" PRId64 : "%" PRIu64, n);
    json_put_text(w, name, text);
}

static void put_id(json_writer *w, const char *name, uint64_t id)
{
    char text[17];
    trace_span_write(id, text);
    json_put_text(w, name, text);
}

static void put_attribute(json_writer *w, const char *name, const span_item *item)
{
    json_open_map(w, NULL);
    json_put_text(w, "key", name);
    json_open_map(w, "value");
    if (item->is_number)
        put_long(w, "intValue", (uint64_t)item->number, true);
    else
        json_put_bytes(w, "stringValue", item->text, item->len);
    json_close_map(w);
    json_close_map(w);
}

static span_item put_named_items(json_writer *w, const span *s)
{
    span_item item, message = {.text = "", .len = 0};
    for (size_t at = 0; span_next(s, &at, &item);) {
        if (item.is_number) continue;
        if (item.key == SPAN_STATE) json_put_bytes(w, "traceState", item.text, item.len);
        if (item.key == SPAN_NAME) json_put_bytes(w, "name", item.text, item.len);
        if (item.key == SPAN_MESSAGE) message = item;
    }
    return message;
}

static void put_attributes(json_writer *w, const span *s)
{
    span_item item;
    json_open_array(w, "attributes");
    for (size_t at = 0; span_next(s, &at, &item);)
        if (span_key_name(item.key)) put_attribute(w, span_key_name(item.key), &item);
    json_close_array(w);
    if (s->left_out > 0) json_put_int(w, "droppedAttributesCount", s->left_out);
}

static void put_span_ids(json_writer *w, const uint8_t trace[TRACE_ID_BYTES], uint64_t id)
{
    char text[TRACE_ID_TEXT + 1];
    trace_id_write(trace, text);
    json_put_text(w, "traceId", text);
    put_id(w, "spanId", id);
}

static void put_links(json_writer *w, const span *s)
{
    span_item item;
    trace_parent link;
    bool has_any = false;
    for (size_t at = 0; span_next(s, &at, &item);) {
        if (!span_item_link(&item, &link)) continue;
        if (!has_any) json_open_array(w, "links");
        has_any = true;
        json_open_map(w, NULL);
        put_span_ids(w, link.trace, link.span);
        json_close_map(w);
    }
    if (has_any) json_close_array(w);
}

static void put_span(json_writer *w, const span *s)
{
    json_open_map(w, NULL);
    put_span_ids(w, s->trace, s->id);
    if (s->parent) put_id(w, "parentSpanId", s->parent);
    span_item message = put_named_items(w, s);
    json_put_int(w, "kind", s->kind);
    put_long(w, "startTimeUnixNano", s->began_ns, false);
    put_long(w, "endTimeUnixNano", s->ended_ns, false);
    put_attributes(w, s);
    put_links(w, s);
    if (s->status) {
        json_open_map(w, "status");
        if (message.len > 0) json_put_bytes(w, "message", message.text, message.len);
        json_put_int(w, "code", s->status);
        json_close_map(w);
    }
    json_put_int(w, "flags", span_flags(s));
    json_close_map(w);
}

static void put_resource(json_writer *w, const trace_pairs *resource)
{
    json_open_map(w, "resource");
    json_open_array(w, "attributes");
    for (size_t i = 0; i < resource->count; i++) {
        const span_item item = {.text = resource->all[i].value, .len = strlen(resource->all[i].value)};
        put_attribute(w, resource->all[i].name, &item);
    }
    json_close_array(w);
    json_close_map(w);
}

static void put_scope_spans(json_writer *w, const otlp_batch *batch)
{
    json_open_map(w, NULL);
    json_open_map(w, "scope");
    json_put_text(w, "name", "stepwell");
    json_put_text(w, "version", STEPWELL_VERSION);
    json_close_map(w);
    json_open_array(w, "spans");
    for (size_t i = 0; i < batch->count; i++) put_span(w, batch->spans[i]);
    json_close_array(w);
    json_close_map(w);
}

bool otlp_write_json(msgpack_sbuffer *to, const otlp_batch *batch)
{
    json_writer w;
    json_writer_init(&w, NULL);
    json_open_map(&w, NULL);
    json_open_array(&w, "resourceSpans");
    json_open_map(&w, NULL);
    put_resource(&w, batch->resource);
    json_open_array(&w, "scopeSpans");
    put_scope_spans(&w, batch);
    json_close_array(&w);
    json_close_map(&w);
    json_close_array(&w);
    json_close_map(&w);
    bool whole = !w.is_short && msgpack_sbuffer_write(to, w.out.data, w.out.size) == 0;
    json_writer_free(&w);
    return whole;
}
