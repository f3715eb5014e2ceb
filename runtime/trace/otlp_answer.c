/* ExportTraceServiceResponse {partial_success = 1 {rejected_spans = 1, error_message = 2}}, in protobuf or in JSON, as
 * far as it has come: a collector may say anything. */
#include <stdlib.h>
#include <string.h>

#include "runtime/base/json_reader.h"
#include "runtime/base/utf8.h"
#include "runtime/stepwell.h"
#include "runtime/trace/otlp.h"

static void refusal_say(otlp_refusal *out, const char *text, size_t len)
{
    size_t n = len < sizeof out->message ? len : utf8_whole(text, sizeof out->message - 1);
    memcpy(out->message, text, n);
    out->message[n] = 0;
}

/* ---- Protobuf ---- */

/* What is left of a message. */
typedef struct proto_input {
    const uint8_t *at, *end;
} proto_input;

/* One field: a number, or bytes. */
typedef struct proto_field {
    uint64_t key, number; /* number: of a varint, or how many bytes there are */
    const uint8_t *bytes; /* NULL: it is no bytes */
} proto_field;

static bool take_varint(proto_input *in, uint64_t *out)
{
    *out = 0;
    for (unsigned shift = 0; in->at < in->end && shift < 64; shift += 7) {
        const uint8_t byte = *in->at++;
        *out |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80) return true;
    }
    return false;
}

/* False: there is no more, or what is there is no field. Bytes that have not come whole are cut. */
static bool take_field(proto_input *in, proto_field *out)
{
    enum { WIRE_VARINT = 0, WIRE_FIXED64 = 1, WIRE_BYTES = 2, WIRE_FIXED32 = 5 };
    *out = (proto_field){.bytes = NULL};
    if (!take_varint(in, &out->key)) return false;
    const unsigned wire = out->key & 7;
    out->key >>= 3;
    if (wire == WIRE_VARINT) return take_varint(in, &out->number);
    if (wire != WIRE_FIXED64 && wire != WIRE_BYTES && wire != WIRE_FIXED32) return false;
    out->number = wire == WIRE_FIXED64 ? 8 : 4;
    if (wire == WIRE_BYTES && !take_varint(in, &out->number)) return false;
    const uint64_t left = (uint64_t)(in->end - in->at);
    if (out->number > left) out->number = left;
    out->bytes = in->at;
    in->at += out->number;
    return true;
}

static void read_protobuf(otlp_refusal *out, proto_input in)
{
    proto_field f, inner;
    while (take_field(&in, &f)) {
        if (f.key != 1 || !f.bytes) continue;
        proto_input partial = {f.bytes, f.bytes + f.number};
        while (take_field(&partial, &inner)) {
            if (inner.key == 1 && !inner.bytes) out->spans = inner.number;
            if (inner.key == 2 && inner.bytes) refusal_say(out, (const char *)inner.bytes, inner.number);
        }
    }
}

/* ---- JSON, whose numbers of 64 bits are texts ---- */

static uint64_t read_number(sw_value v)
{
    return sw_type(v) == SW_STRING ? strtoull(v.via.str.ptr, NULL, 10) : (uint64_t)sw_as_int(v, 0);
}

static void read_json(otlp_refusal *out, const char *data, size_t len)
{
    arena a;
    sw_value answer;
    const char *ignored;
    arena_init(&a, NULL);
    if (json_read(&a, data, len, &answer, &ignored)) {
        const sw_value partial = sw_get(answer, "partialSuccess"), message = sw_get(partial, "errorMessage");
        out->spans = read_number(sw_get(partial, "rejectedSpans"));
        if (sw_type(message) == SW_STRING) refusal_say(out, message.via.str.ptr, sw_len(message));
    }
    arena_free(&a);
}

void otlp_read_answer(otlp_refusal *out, const char *data, size_t len, bool is_json)
{
    *out = (otlp_refusal){.spans = 0};
    if (is_json)
        read_json(out, data, len);
    else
        read_protobuf(out, (proto_input){(const uint8_t *)data, (const uint8_t *)data + len});
    if (out->spans > INT64_MAX) out->spans = 0; /* a negative one */
}
