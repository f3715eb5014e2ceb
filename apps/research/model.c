#include "apps/research/model.h"

#include <string.h>

#include "apps/research/schema.h"
#include "apps/research/settings.h"

enum {
    ANSWER_TOKENS_MAX = 8192,
    REPORT_TOKENS_MAX = 16384,
    ANSWER_TIMEOUT_MS = 180000,
    SILENCE_TIMEOUT_MS = 60000,
    PINGS_TIMEOUT_MS = 180000 /* a stream that says nothing but that it is there */
};

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

/* Returns only when the answer is complete. Any other was paid for, and the next one would be as incomplete. */
static void check_stop(sw_ctx *c, const char *reason)
{
    if (is(reason, "end_turn") || is(reason, "stop_sequence") || is(reason, "tool_use")) return;
    if (is(reason, "refusal")) sw_fail_fatal(c, "the model refused to answer");
    if (is(reason, "model_context_window_exceeded"))
        sw_fail_fatal(c, "the question is longer than the model's context window");
    if (is(reason, "max_tokens")) sw_fail_fatal(c, "the model's answer was cut off at its longest length");
    if (is(reason, "pause_turn")) sw_fail_fatal(c, "the model paused before it had answered");
    sw_fail_fatal(c, "the model stopped for an unknown reason: %s", reason ? reason : "none given");
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

/* NULL, or why the answer's text is of no use; else *value is what it holds. */
static const char *answer_misfit(sw_ctx *c, sw_value answer, sw_value schema, sw_value *value)
{
    const char *text = text_of(c, answer), *message;
    if (!sw_json_try(c, text, strlen(text), value, &message)) return sw_printf(c, "it is not JSON: %s", message);
    const char *misfit = schema_misfit(c, schema, *value);
    return misfit ? sw_printf(c, "it does not fit its schema: %s", misfit) : NULL;
}

sw_value model_ask(sw_ctx *c, const char *system, const char *prompt, sw_value schema)
{
    sw_value body = make_body(c, system, prompt, ANSWER_TOKENS_MAX), value;
    sw_value format = sw_map(c, "type", sw_str(c, "json_schema"), "schema", schema, NULL);
    sw_set(c, &body, "output_config", sw_map(c, "format", format, NULL));
    sw_request request = make_request(c, body);
    request.timeout_ms = ANSWER_TIMEOUT_MS;
    const char *misfit = NULL;
    for (int asked = 0; asked < 2; asked++) { /* each answer is paid for: a second one, not five */
        sw_value answer = sw_fetch_json(c, &request);
        check_stop(c, sw_cstr(c, sw_get(answer, "stop_reason")));
        misfit = answer_misfit(c, answer, schema, &value);
        if (!misfit) return value;
    }
    sw_fail_fatal(c, "the model's answer is of no use, and was not when it was asked for before: %s", misfit);
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

/* What has been streamed is taken back only with the attempt: so the second try is the next attempt. */
static sw_value event_data(sw_ctx *c, const sw_sse *event)
{
    sw_value data;
    const char *message;
    if (sw_json_try(c, event->data, event->len, &data, &message)) return data;
    if (sw_attempt(c) > 1) sw_fail_fatal(c, "the model's stream is not JSON: %s", message);
    sw_fail(c, "the model's stream is not JSON: %s", message);
}

/* Reads events up to message_stop; returns the stop reason. */
static const char *read_events(sw_ctx *c, sw_stream *s, growing *text)
{
    const char *reason = NULL;
    int64_t heard_ms = sw_now(c);
    sw_sse event;
    while (sw_sse_next(s, &event)) {
        if (is(event.event, "message_stop")) return reason;
        if (is(event.event, "ping")) {
            if (sw_now(c) - heard_ms > PINGS_TIMEOUT_MS)
                sw_fail(c, "the model has only pinged for %d s", PINGS_TIMEOUT_MS / 1000);
            continue;
        }
        heard_ms = sw_now(c);
        sw_value data = event_data(c, &event);
        if (is(event.event, "error")) fail_of_event(c, data);
        if (is(event.event, "content_block_delta")) take_delta(c, sw_get(data, "delta"), text);
        const char *stop = sw_cstr(c, sw_get(sw_get(data, "delta"), "stop_reason"));
        if (is(event.event, "message_delta") && stop) reason = stop;
    }
    sw_fail(c, "the model's stream ended before its message did");
}

static growing write_once(sw_ctx *c, const sw_request *request)
{
    sw_stream *s = sw_fetch_open(c, request);
    sw_response_check(c, request, sw_fetch_head(s));
    growing text = {.data = sw_alloc(c, 1024), .room = 1024};
    check_stop(c, read_events(c, s, &text));
    sw_fetch_close(s);
    return text;
}

sw_value model_write(sw_ctx *c, const char *system, const char *prompt)
{
    sw_value body = make_body(c, system, prompt, REPORT_TOKENS_MAX);
    sw_set(c, &body, "stream", sw_bool(true));
    sw_request request = make_request(c, body);
    request.timeout_ms = SILENCE_TIMEOUT_MS;
    growing text = write_once(c, &request);
    if (text.len == 0) text = write_once(c, &request);
    if (text.len == 0) sw_fail_fatal(c, "the model wrote nothing, twice");
    return sw_strn(c, text.data, text.len);
}
