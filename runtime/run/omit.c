#include "runtime/run/omit.h"

#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/redact.h"
#include "runtime/base/value.h"
#include "runtime/run/endpoint.h"

const char omit_no_json[] = "the body is not JSON, and parts of it may not be kept: nothing was done";

static bool omit_from_headers(const redact *omits, arena *a, run_input *input)
{
    size_t kept = 0;
    http_header *headers = arena_memdup(a, input->headers, input->header_count * sizeof *headers);
    if (!headers && input->header_count > 0) return false;
    for (size_t i = 0; i < input->header_count; i++)
        if (!redact_has_header(omits, headers[i].name.data, headers[i].name.len)) headers[kept++] = headers[i];
    input->headers = headers;
    input->header_count = kept;
    return true;
}

static omit_result omit_from_body(const redact *omits, arena *a, run_input *input)
{
    const char *message = NULL;
    sw_value v;
    sw_bytes text;
    if (input->body.len == 0 || !redact_has_json(omits)) return OMIT_DONE;
    if (!json_read(a, input->body.data, input->body.len, &v, &message))
        return message == value_no_memory ? OMIT_NO_MEMORY : OMIT_NO_JSON;
    if (!redact_take_out(omits, a, &v) || !json_write(a, v, &text)) return OMIT_NO_MEMORY;
    input->body = (http_text){text.data, text.len};
    return OMIT_DONE;
}

static omit_result omit_from_value(const redact *omits, arena *a, run_input *input)
{
    sw_value *kept = arena_alloc(a, sizeof *kept);
    if (!kept) return OMIT_NO_MEMORY;
    *kept = *input->value;
    input->value = kept;
    return redact_take_out(omits, a, kept) ? OMIT_DONE : OMIT_NO_MEMORY;
}

omit_result omit_take_out(const endpoint *e, arena *a, run_input *input)
{
    if (!e->omits) return OMIT_DONE;
    if (input->value) return omit_from_value(e->omits, a, input);
    input->target.data = redact_target_take_out(e->omits, a, input->target.data, &input->target.len);
    if (!input->target.data || !omit_from_headers(e->omits, a, input)) return OMIT_NO_MEMORY;
    return omit_from_body(e->omits, a, input);
}
