#include "apps/upstream/completion_request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

enum { TOKENS_DEFAULT = 4096 };

static const char *const models[] = {"gpt-5", "gpt-5-mini", "gpt-4.1", "local-model", NULL};

static const char *const members[] = {"model",
                                      "messages",
                                      "max_tokens",
                                      "max_completion_tokens",
                                      "stream",
                                      "stream_options",
                                      "response_format",
                                      "temperature",
                                      "top_p",
                                      "n",
                                      "seed",
                                      "stop",
                                      "user",
                                      "metadata",
                                      "store",
                                      "reasoning_effort",
                                      "verbosity",
                                      "presence_penalty",
                                      "frequency_penalty",
                                      "service_tier",
                                      "prompt_cache_key",
                                      "safety_identifier",
                                      NULL};

const char *const *completion_models(void) { return models; }

static bool name_listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static bool completion_invalid(completion_problem *problem, const char *param, const char *code, const char *message)
{
    *problem = (completion_problem){
        .status = 400, .type = "invalid_request_error", .message = message, .param = param, .code = code};
    return false;
}

bool completion_key_check(sw_ctx *c, completion_problem *problem)
{
    const char *authorization = sw_header(c, "authorization");
    const char *key = authorization && strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : "";
    /* Keys are not kept here: any will do but an empty one and those that say that they are wrong. */
    if (*key && strncmp(key, "invalid", 7) != 0) return true;
    *problem = (completion_problem){.status = 401, .type = "invalid_request_error"};
    problem->message = *key ? "Incorrect API key provided." : "You didn't provide an API key.";
    problem->code = *key ? "invalid_api_key" : NULL;
    return false;
}

/* ---- Messages ---- */

static bool messages_read(sw_ctx *c, sw_value messages, message_request *out, completion_problem *problem)
{
    static const char *const roles[] = {"developer", "system", "user", "assistant", "tool", "function", NULL};
    sw_text user = {0}, system = {0};
    if (sw_is_nil(messages))
        return completion_invalid(problem, "messages", "missing_required_parameter",
                                  "Missing required parameter: 'messages'.");
    if (sw_type(messages) != SW_ARRAY || sw_len(messages) == 0)
        return completion_invalid(problem, "messages", "invalid_type",
                                  "Invalid 'messages': expected an array with messages.");
    for (size_t i = 0; i < sw_len(messages); i++) {
        sw_value message = sw_at(messages, i);
        const char *role = sw_cstr(c, sw_get(message, "role"));
        if (!role || !name_listed(roles, role))
            return completion_invalid(problem, sw_printf(c, "messages[%zu].role", i), "invalid_value",
                                      sw_printf(c, "Invalid value for 'messages[%zu].role'.", i));
        bool instructs = strcmp(role, "system") == 0 || strcmp(role, "developer") == 0;
        if (!message_content_text(c, sw_get(message, "content"), instructs ? &system : &user))
            return completion_invalid(problem, sw_printf(c, "messages[%zu].content", i), "invalid_type",
                                      sw_printf(c, "Invalid type for 'messages[%zu].content'.", i));
    }
    out->system = sw_text_str(&system);
    out->user = sw_text_str(&user);
    return true;
}

/* ---- Structured output ---- */

/* NULL, or where a strict schema is not strict: every object says all of its members, and no others. */
static const char *schema_laxity(sw_ctx *c, sw_value schema, const char *where)
{
    sw_value properties = sw_get(schema, "properties"), items = sw_get(schema, "items");
    size_t count = sw_type(properties) == SW_MAP ? sw_len(properties) : 0;
    const char *type = sw_cstr(c, sw_get(schema, "type")), *found = NULL;
    if (type && strcmp(type, "object") == 0 && sw_as_bool(sw_get(schema, "additionalProperties"), true))
        return sw_printf(c, "In context=(%s), 'additionalProperties' is required to be supplied and to be false.",
                         where);
    if (sw_len(sw_get(schema, "required")) != count)
        return sw_printf(c, "In context=(%s), 'required' must include every key in properties.", where);
    for (size_t i = 0; i < count && !found; i++) {
        sw_value property;
        const char *name = sw_cstr(c, sw_key_at(properties, i, &property));
        found = schema_laxity(c, property, sw_printf(c, "%s'properties', '%s', ", where, name));
    }
    return found || sw_is_nil(items) ? found : schema_laxity(c, items, sw_printf(c, "%s'items', ", where));
}

static bool format_read(sw_ctx *c, sw_value format, message_request *out, completion_problem *problem)
{
    static const char *const types[] = {"text", "json_object", "json_schema", NULL};
    if (sw_is_nil(format)) return true;
    const char *type = sw_cstr(c, sw_get(format, "type"));
    if (!type || !name_listed(types, type))
        return completion_invalid(problem, "response_format.type", "invalid_value",
                                  "Invalid value for 'response_format.type'.");
    if (strcmp(type, "text") == 0) return true;
    out->schema = sw_map(c, "type", sw_str(c, "object"));
    if (strcmp(type, "json_object") == 0) return true;
    sw_value named = sw_get(format, "json_schema");
    const char *name = sw_cstr(c, sw_get(named, "name"));
    out->schema = sw_get(named, "schema");
    if (!name || !*name)
        return completion_invalid(problem, "response_format.json_schema.name", "missing_required_parameter",
                                  "Missing required parameter: 'response_format.json_schema.name'.");
    if (sw_type(out->schema) != SW_MAP)
        return completion_invalid(problem, "response_format.json_schema.schema", "missing_required_parameter",
                                  "Missing required parameter: 'response_format.json_schema.schema'.");
    const char *lax = sw_as_bool(sw_get(named, "strict"), false) ? schema_laxity(c, out->schema, "") : NULL;
    if (lax)
        return completion_invalid(problem, "response_format", NULL,
                                  sw_printf(c, "Invalid schema for response_format '%s': %s", name, lax));
    return true;
}

/* ---- The whole ---- */

static bool limit_read(sw_ctx *c, sw_value body, message_request *out, completion_problem *problem)
{
    static const char *const names[] = {"max_completion_tokens", "max_tokens"};
    out->max_tokens = TOKENS_DEFAULT;
    for (size_t i = 0; i < 2; i++) {
        sw_value given = sw_get(body, names[i]);
        if (sw_is_nil(given)) continue;
        out->max_tokens = sw_as_int(given, -1);
        if (out->max_tokens < 1)
            return completion_invalid(
                problem, names[i], "integer_below_min_value",
                sw_printf(c, "Invalid '%s': integer below minimum value. Expected a value >= 1.", names[i]));
    }
    return true;
}

static bool stream_read(sw_value body, completion_request *out, completion_problem *problem)
{
    sw_value stream = sw_get(body, "stream"), options = sw_get(body, "stream_options");
    if (!sw_is_nil(stream) && sw_type(stream) != SW_BOOL)
        return completion_invalid(problem, "stream", "invalid_type", "Invalid type for 'stream': expected a boolean.");
    out->asked.stream = sw_as_bool(stream, false);
    if (!sw_is_nil(options) && !out->asked.stream)
        return completion_invalid(problem, "stream_options", NULL,
                                  "The 'stream_options' parameter is only allowed when 'stream' is enabled.");
    out->include_usage = sw_as_bool(sw_get(options, "include_usage"), false);
    return true;
}

static bool members_check(sw_ctx *c, sw_value body, completion_problem *problem)
{
    for (size_t i = 0; i < sw_len(body); i++) {
        const char *name = sw_cstr(c, sw_key_at(body, i, NULL));
        if (name && !name_listed(members, name))
            return completion_invalid(problem, name, "unknown_parameter",
                                      sw_printf(c, "Unknown parameter: '%s'.", name));
    }
    if (sw_as_int(sw_get(body, "n"), 1) != 1)
        return completion_invalid(problem, "n", "unsupported_value", "The simulator gives one choice: 'n' must be 1.");
    return true;
}

bool completion_request_read(sw_ctx *c, completion_request *out, completion_problem *problem)
{
    sw_bytes raw = sw_body(c);
    sw_value body;
    message_request *asked = &out->asked;
    *out = (completion_request){.asked = {.schema = sw_nil()}};
    if (!sw_json_try(c, raw.data, raw.len, &body, NULL) || sw_type(body) != SW_MAP)
        return completion_invalid(problem, NULL, NULL, "We could not parse the JSON body of your request.");
    asked->model = sw_cstr(c, sw_get(body, "model"));
    if (!asked->model) return completion_invalid(problem, NULL, NULL, "you must provide a model parameter");
    if (!members_check(c, body, problem) || !messages_read(c, sw_get(body, "messages"), asked, problem) ||
        !limit_read(c, body, asked, problem) || !stream_read(body, out, problem) ||
        !format_read(c, sw_get(body, "response_format"), asked, problem))
        return false;
    if (!name_listed(models, asked->model)) {
        (void)completion_invalid(
            problem, NULL, "model_not_found",
            sw_printf(c, "The model `%s` does not exist or you do not have access to it.", asked->model));
        problem->status = 404;
        return false;
    }
    assert(asked->max_tokens >= 1 && asked->user);
    return true;
}
