/* The chat completions API, as OpenAI and the servers that people run themselves speak it: POST .../chat/completions.
 */
#include <string.h>

#include "apps/research/provider.h"
#include "apps/research/settings.h"

static sw_value openai_message(sw_ctx *c, const char *role, const char *content)
{
    return sw_map(c, "role", sw_str(c, role), "content", sw_str(c, content));
}

static sw_value openai_format(sw_ctx *c, sw_value schema)
{
    sw_value named = sw_map(c, "name", sw_str(c, "answer"), "strict", sw_bool(true), "schema", schema);
    return sw_map(c, "type", sw_str(c, "json_schema"), "json_schema", named);
}

static sw_request openai_request(sw_ctx *c, const model_call *call, bool streamed)
{
    const settings *s = &research_settings;
    sw_value messages =
        sw_array(c, 2, openai_message(c, "system", call->system), openai_message(c, "user", call->prompt));
    sw_value body = sw_map(c, "model", sw_str(c, s->model), "messages", messages);
    /* OpenAI's reasoning models refuse max_tokens; not every other server knows the newer name. */
    bool at_home = strncmp(s->model_url, "https://api.openai.com/", 23) == 0;
    sw_set(c, &body, at_home ? "max_completion_tokens" : "max_tokens", sw_int(call->tokens_max));
    if (!sw_is_nil(call->schema)) sw_set(c, &body, "response_format", openai_format(c, call->schema));
    if (streamed) {
        sw_set(c, &body, "stream", sw_bool(true));
        sw_set(c, &body, "stream_options", sw_map(c, "include_usage", sw_bool(true)));
    }
    const char **headers = sw_alloc(c, 3 * sizeof *headers);
    headers[0] = "Content-Type: application/json";
    if (*s->model_key) headers[1] = sw_printf(c, "Authorization: Bearer %s", s->model_key);
    return (sw_request){
        .url = sw_printf(c, "%s/chat/completions", s->model_url), .headers = headers, .body = sw_json(c, body)};
}

static const char *openai_misfit(sw_ctx *c, const char *reason)
{
    if (provider_is(reason, "stop")) return NULL;
    if (provider_is(reason, "content_filter")) return "the model's answer was withheld by its content filter";
    if (provider_is(reason, "length")) return "the model's answer was cut off at its longest length";
    return sw_printf(c, "the model stopped for an unknown reason: %s", reason ? reason : "none given");
}

static const char *openai_refusal(sw_ctx *c, sw_value said)
{
    const char *refusal = sw_cstr(c, sw_get(said, "refusal"));
    return refusal && *refusal ? sw_printf(c, "the model refused to answer: %.200s", refusal) : NULL;
}

/* The error of the whole answer or, as routers between models have it, of the one choice. NULL: none. */
static const char *openai_error(sw_ctx *c, sw_value json, sw_value choice)
{
    const char *error = provider_error(c, sw_get(json, "error"));
    if (!error) error = provider_error(c, sw_get(choice, "error"));
    return error || !provider_is(sw_cstr(c, sw_get(choice, "finish_reason")), "error") ? error : "it does not say why";
}

static model_answer openai_answer(sw_ctx *c, sw_value json)
{
    sw_value choice = sw_at(sw_get(json, "choices"), 0), said = sw_get(choice, "message"),
             usage = sw_get(json, "usage");
    const char *words = sw_cstr(c, sw_get(said, "content")), *refused = openai_refusal(c, said);
    return (model_answer){.text = words ? words : "",
                          .unfit = refused ? refused : openai_misfit(c, sw_cstr(c, sw_get(choice, "finish_reason"))),
                          .error = openai_error(c, json, choice),
                          .input_tokens = sw_as_int(sw_get(usage, "prompt_tokens"), 0),
                          .output_tokens = sw_as_int(sw_get(usage, "completion_tokens"), 0)};
}

static bool openai_is_ping(const sw_sse *event)
{
    (void)event; /* comment lines, which no reader sees */
    return false;
}

static bool openai_is_end(const sw_sse *event) { return strcmp(event->data, "[DONE]") == 0; }

static model_event openai_event(sw_ctx *c, const sw_sse *event, sw_value data)
{
    (void)event;
    sw_value choice = sw_at(sw_get(data, "choices"), 0), delta = sw_get(choice, "delta"), usage = sw_get(data, "usage");
    model_event e = {.text = sw_get(delta, "content"),
                     .error = openai_error(c, data, choice),
                     .reason = sw_cstr(c, sw_get(choice, "finish_reason")),
                     .input_tokens = sw_as_int(sw_get(usage, "prompt_tokens"), -1),
                     .output_tokens = sw_as_int(sw_get(usage, "completion_tokens"), -1)};
    const char *refused = openai_refusal(c, delta);
    if (refused) e.reason = "refusal";
    if (e.reason) e.unfit = refused ? refused : openai_misfit(c, e.reason);
    return e;
}

const provider provider_openai = {.name = "openai",
                                  .request = openai_request,
                                  .answer = openai_answer,
                                  .is_ping = openai_is_ping,
                                  .is_end = openai_is_end,
                                  .event = openai_event};
