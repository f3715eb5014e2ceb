#include "apps/upstream/message_stream.h"

#include <assert.h>
#include <string.h>

/* False once the client has gone away. */
static bool event_write(sw_ctx *c, const char *name, const char *json)
{
    const char *frame = sw_printf(c, "event: %s\ndata: %s\n\n", name, json);
    return sw_reply_write(c, frame, strlen(frame));
}

static bool event_write_value(sw_ctx *c, const char *name, sw_value data)
{
    return event_write(c, name, sw_json(c, data).data);
}

static bool start_write(sw_ctx *c, const message_request *r, const message_answer *a)
{
    sw_value start = sw_map(c, "type", sw_str(c, "message_start"), "message", message_value_start(c, r, a));
    return event_write_value(c, "message_start", start);
}

static bool block_start_write(sw_ctx *c, const message_answer *a)
{
    sw_value block =
        a->tool ? sw_map(c, "type", sw_str(c, "tool_use"), "id", sw_str(c, a->tool_id), "name", sw_str(c, a->tool),
                         "input", sw_map(c), "caller", sw_map(c, "type", sw_str(c, "direct")))
                : sw_map(c, "type", sw_str(c, "text"), "text", sw_str(c, ""));
    sw_value start = sw_map(c, "type", sw_str(c, "content_block_start"), "index", sw_int(0), "content_block", block);
    return event_write_value(c, "content_block_start", start) && event_write(c, "ping", "{\"type\":\"ping\"}");
}

static bool delta_write(sw_ctx *c, const message_answer *a, const char *token, size_t len)
{
    const char *json = sw_json(c, sw_strn(c, token, len)).data;
    const char *format_type = a->tool ? "input_json_delta" : "text_delta";
    const char *format_member = a->tool ? "partial_json" : "text";
    return event_write(c, "content_block_delta",
                       sw_printf(c,
                                 "{\"type\":\"content_block_delta\",\"index\":0,\"delta\":{\"type\":\"%s\",\"%s\":%s}}",
                                 format_type, format_member, json));
}

static bool end_write(sw_ctx *c, const message_answer *a)
{
    sw_value delta = sw_map(c, "stop_reason", sw_str(c, a->stop_reason), "stop_sequence", sw_nil(), "stop_details",
                            message_stop_details(c, a));
    sw_value usage = sw_map(c, "output_tokens", sw_int(a->output_tokens));
    sw_value last = sw_map(c, "type", sw_str(c, "message_delta"), "delta", delta, "usage", usage);
    return event_write_value(c, "message_delta", last) && event_write(c, "message_stop", "{\"type\":\"message_stop\"}");
}

/* The tokens before `end`, each after its time. */
static bool tokens_write(sw_ctx *c, const message_answer *a, size_t end)
{
    int64_t token_ms = sim_settings()->token_ms;
    for (size_t at = 0; at < end;) {
        size_t len = message_token_len(a->text + at, a->text_len - at);
        assert(len > 0);
        if (token_ms > 0) sw_sleep(c, "token", token_ms);
        if (!delta_write(c, a, a->text + at, len)) return false;
        at += len;
    }
    return true;
}

static bool whole_write(sw_ctx *c, const message_request *r, const message_answer *a)
{
    if (!start_write(c, r, a)) return false;
    if (strcmp(a->stop_reason, "refusal") == 0) return end_write(c, a);
    return block_start_write(c, a) && tokens_write(c, a, a->text_len) &&
           event_write(c, "content_block_stop", "{\"type\":\"content_block_stop\",\"index\":0}") && end_write(c, a);
}

static bool broken_write(sim_call *call, const message_request *r, const message_answer *a)
{
    sw_ctx *c = call->c;
    if (!start_write(c, r, a) || !block_start_write(c, a) || !tokens_write(c, a, a->text_len / 2)) return false;
    if (call->fault == FAULT_CUT) {
        sim_cut(call);
        return true;
    }
    assert(call->fault == FAULT_STREAM_ERROR);
    sw_value error = sw_map(c, "type", sw_str(c, "overloaded_error"), "message", sw_str(c, "Overloaded"));
    return event_write_value(
        c, "error", sw_map(c, "type", sw_str(c, "error"), "error", error, "request_id", sw_str(c, call->request_id)));
}

void message_stream_write(sim_call *call, const message_request *r, const message_answer *a)
{
    sw_ctx *c = call->c;
    bool broken = call->fault == FAULT_CUT || call->fault == FAULT_STREAM_ERROR;
    sw_reply_header(c, "cache-control", "no-cache");
    sw_reply_open(c, 200, "text/event-stream; charset=utf-8");
    bool all = broken ? broken_write(call, r, a) : whole_write(c, r, a);
    sim_end(call, 200, all ? fault_name(call->fault) : "client_gone");
}
