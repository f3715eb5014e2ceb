/* Anthropic's Messages API: POST /v1/messages. */
#include <string.h>

#include "apps/research/provider.h"
#include "apps/research/settings.h"

static sw_request anthropic_request(sw_ctx *c, const model_call *call, bool streamed)
{
    const settings *s = &research_settings;
    sw_value message = sw_map(c, "role", sw_str(c, "user"), "content", sw_str(c, call->prompt));
    sw_value body = sw_map(c, "model", sw_str(c, s->model), "max_tokens", sw_int(call->tokens_max), "system",
                           sw_str(c, call->system), "messages", sw_array(c, 1, message));
    if (!sw_is_nil(call->schema)) {
        sw_value format = sw_map(c, "type", sw_str(c, "json_schema"), "schema", call->schema);
        sw_set(c, &body, "output_config", sw_map(c, "format", format));
    }
    if (streamed) sw_set(c, &body, "stream", sw_bool(true));
    const char **headers = sw_alloc(c, 4 * sizeof *headers);
    /* The API of June 2023 takes the key in a header of its own, later ones as a bearer token. */
    bool bearer = strcmp(s->anthropic_version, "2023-06-01") != 0;
    headers[0] = sw_printf(c, bearer ? "Authorization: Bearer %s" : "x-api-key: %s", s->model_key);
    headers[1] = sw_printf(c, "anthropic-version: %s", s->anthropic_version);
    headers[2] = "Content-Type: application/json";
    return (sw_request){
        .url = sw_printf(c, "%s/v1/messages", s->model_url), .headers = headers, .body = sw_json(c, body)};
}

static const char *anthropic_misfit(sw_ctx *c, const char *reason)
{
    if (provider_is(reason, "end_turn") || provider_is(reason, "stop_sequence") || provider_is(reason, "tool_use"))
        return NULL;
    if (provider_is(reason, "refusal")) return "the model refused to answer";
    if (provider_is(reason, "model_context_window_exceeded"))
        return "the question is longer than the model's context window (--context-tokens)";
    if (provider_is(reason, "max_tokens")) return "the model's answer was cut off at its longest length";
    if (provider_is(reason, "pause_turn")) return "the model paused before it had answered";
    return sw_printf(c, "the model stopped for an unknown reason: %s", reason ? reason : "none given");
}

static model_answer anthropic_answer(sw_ctx *c, sw_value json)
{
    sw_value content = sw_get(json, "content"), usage = sw_get(json, "usage");
    sw_text all = {0};
    for (size_t i = 0; i < sw_len(content); i++) { /* blocks of other types are skipped */
        sw_value block = sw_at(content, i);
        const char *words = sw_cstr(c, sw_get(block, "text"));
        if (words && provider_is(sw_cstr(c, sw_get(block, "type")), "text")) sw_text_add(c, &all, "%s", words);
    }
    return (model_answer){.text = sw_text_str(&all),
                          .unfit = anthropic_misfit(c, sw_cstr(c, sw_get(json, "stop_reason"))),
                          .error = provider_error(c, sw_get(json, "error")),
                          .input_tokens = sw_as_int(sw_get(usage, "input_tokens"), 0),
                          .output_tokens = sw_as_int(sw_get(usage, "output_tokens"), 0)};
}

static bool anthropic_is_ping(const sw_sse *event) { return strcmp(event->event, "ping") == 0; }

static bool anthropic_is_end(const sw_sse *event) { return strcmp(event->event, "message_stop") == 0; }

static model_event anthropic_event(sw_ctx *c, const sw_sse *event, sw_value data)
{
    model_event e = {.text = sw_nil(), .input_tokens = -1, .output_tokens = -1};
    sw_value delta = sw_get(data, "delta"), usage = sw_get(data, "usage");
    if (strcmp(event->event, "error") == 0) {
        e.error = provider_error(c, sw_get(data, "error"));
        if (!e.error) e.error = "it does not say why";
    }
    if (strcmp(event->event, "content_block_delta") == 0 &&
        provider_is(sw_cstr(c, sw_get(delta, "type")), "text_delta"))
        e.text = sw_get(delta, "text");
    if (strcmp(event->event, "message_start") == 0) usage = sw_get(sw_get(data, "message"), "usage");
    if (strcmp(event->event, "message_delta") == 0) e.reason = sw_cstr(c, sw_get(delta, "stop_reason"));
    if (e.reason) e.unfit = anthropic_misfit(c, e.reason);
    e.input_tokens = sw_as_int(sw_get(usage, "input_tokens"), -1);
    e.output_tokens = sw_as_int(sw_get(usage, "output_tokens"), -1);
    return e;
}

const provider provider_anthropic = {.name = "anthropic",
                                     .request = anthropic_request,
                                     .answer = anthropic_answer,
                                     .is_ping = anthropic_is_ping,
                                     .is_end = anthropic_is_end,
                                     .event = anthropic_event};
