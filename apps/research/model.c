#include "apps/research/model.h"

#include <string.h>

#include "apps/research/schema.h"
#include "apps/research/settings.h"

enum { ANSWER_TOKENS_MAX = 8192, REPORT_TOKENS_MAX = 16384, ANSWER_TIMEOUT_MS = 180000, SILENCE_TIMEOUT_MS = 60000 };

/* ---- Requests ---- */

static sw_request make_request(sw_ctx *c, sw_value body)
{
    const settings *s = &research_settings;
    const char **headers = sw_alloc(c, 4 * sizeof *headers);
    /* The version of June 2023 takes the key in a header of its own. */
    bool bearer = strcmp(s->anthropic_version, "2023-06-01") != 0;
    headers[0] = bearer ? sw_printf(c, "Authorization: Bearer %s", s->anthropic_key)
                        : sw_printf(c, "x-api-key: %s", s->anthropic_key);
    headers[1] = sw_printf(c, "anthropic-version: %s", s->anthropic_version);
    headers[2] = "Content-Type: application/json";
    return (sw_request){
        .url = sw_printf(c, "%s/v1/messages", s->anthropic_url), .headers = headers, .body = sw_json(c, body)};
}

static sw_value make_body(sw_ctx *c, const char *system, const char *prompt, int64_t tokens_max)
{
    sw_value message = sw_map(c, "role", sw_str(c, "user"), "content", sw_str(c, prompt), NULL);
    return sw_map(c, "model", sw_str(c, research_settings.anthropic_model), "max_tokens", sw_int(tokens_max), "system",
                  sw_str(c, system), "messages", sw_array(c, 1, message), NULL);
}

/* ---- Answers ---- */

static bool is(const char *text, const char *what) { return text && strcmp(text, what) == 0; }

/* Returns only when the answer is complete. */
static void check_stop(sw_ctx *c, const char *reason)
{
    if (is(reason, "end_turn") || is(reason, "stop_sequence") || is(reason, "tool_use")) return;
    if (is(reason, "refusal")) sw_fail_fatal(c, "the model refused to answer");
    if (is(reason, "model_context_window_exceeded"))
        sw_fail_fatal(c, "the question is longer than the model's context window");
    if (is(reason, "max_tokens")) sw_fail(c, "the model's answer was cut off at its longest length");
    if (is(reason, "pause_turn")) sw_fail(c, "the model paused before it had answered");
    sw_fail(c, "the model stopped for an unknown reason: %s", reason ? reason : "none given");
}

static const char *text_of(sw_ctx *c, sw_value answer)
{
    sw_value content = sw_get(answer, "content");
    const char *all = "";
    for (size_t i = 0; i < sw_len(content); i++) {
        sw_value block = sw_at(content, i);
        const char *text = sw_cstr(c, sw_get(block, "text"));
        if (is(sw_cstr(c, sw_get(block, "type")), "text") && text) all = *all ? sw_printf(c, "%s%s", all, text) : text;
    }
    return all;
}

sw_value model_ask(sw_ctx *c, const char *system, const char *prompt, sw_value schema)
{
    sw_value body = make_body(c, system, prompt, ANSWER_TOKENS_MAX), value;
    sw_value format = sw_map(c, "type", sw_str(c, "json_schema"), "schema", schema, NULL);
    sw_set(c, &body, "output_config", sw_map(c, "format", format, NULL));
    sw_request request = make_request(c, body);
    request.timeout_ms = ANSWER_TIMEOUT_MS;
    sw_value answer = sw_fetch_json(c, &request);
    check_stop(c, sw_cstr(c, sw_get(answer, "stop_reason")));
    const char *text = text_of(c, answer), *message;
    if (!sw_json_try(c, text, strlen(text), &value, &message))
        sw_fail(c, "the model's answer is not JSON: %s", message);
    const char *misfit = schema_misfit(c, schema, value);
    if (misfit) sw_fail(c, "the model's answer does not fit its schema: %s", misfit);
    return value;
}

/* ---- Streams ---- */

/* A text that grows by tokens, doubling its room. */
typedef struct growing {
    char *data;
    size_t len, room;
} growing;

static void grow(sw_ctx *c, growing *g, const char *more, size_t len)
{
    if (g->len + len + 1 > g->room) {
        size_t room = (g->len + len + 1) * 2;
        char *bigger = sw_alloc(c, room);
        if (g->len > 0) memcpy(bigger, g->data, g->len);
        g->data = bigger;
        g->room = room;
    }
    memcpy(g->data + g->len, more, len);
    g->len += len;
}

static void take_delta(sw_ctx *c, sw_value delta, growing *text)
{
    sw_value piece = sw_get(delta, "text");
    if (!is(sw_cstr(c, sw_get(delta, "type")), "text_delta") || sw_len(piece) == 0) return;
    grow(c, text, sw_cstr(c, piece), sw_len(piece));
    sw_push_chunk(c, sw_map(c, "type", sw_str(c, "token"), "text", piece, NULL));
}

static void fail_of_event(sw_ctx *c, sw_value data)
{
    sw_value error = sw_get(data, "error");
    const char *type = sw_cstr(c, sw_get(error, "type")), *message = sw_cstr(c, sw_get(error, "message"));
    sw_fail(c, "the model's stream broke off: %s: %s", type ? type : "error", message ? message : "");
}

/* Reads events up to message_stop; returns the stop reason. */
static const char *read_events(sw_ctx *c, sw_stream *s, growing *text)
{
    const char *reason = NULL;
    sw_sse event;
    while (sw_sse_next(s, &event)) {
        if (is(event.event, "message_stop")) return reason;
        if (is(event.event, "ping")) continue;
        sw_value data;
        const char *message;
        if (!sw_json_try(c, event.data, event.len, &data, &message))
            sw_fail(c, "the model's stream is not JSON: %s", message);
        if (is(event.event, "error")) fail_of_event(c, data);
        if (is(event.event, "content_block_delta")) take_delta(c, sw_get(data, "delta"), text);
        const char *stop = sw_cstr(c, sw_get(sw_get(data, "delta"), "stop_reason"));
        if (is(event.event, "message_delta") && stop) reason = stop;
    }
    sw_fail(c, "the model's stream ended before its message did");
}

sw_value model_write(sw_ctx *c, const char *system, const char *prompt)
{
    sw_value body = make_body(c, system, prompt, REPORT_TOKENS_MAX);
    sw_set(c, &body, "stream", sw_bool(true));
    sw_request request = make_request(c, body);
    request.timeout_ms = SILENCE_TIMEOUT_MS;
    sw_stream *s = sw_fetch_open(c, &request);
    sw_response response = *sw_fetch_head(s);
    if (response.status != 200) {
        response.body = sw_fetch_read(s);
        sw_response_check(c, &request, &response);
        sw_fail(c, "the model answered with status %d", response.status);
    }
    growing text = {.data = sw_alloc(c, 1024), .room = 1024};
    check_stop(c, read_events(c, s, &text));
    if (text.len == 0) sw_fail(c, "the model wrote nothing");
    return sw_strn(c, text.data, text.len);
}
