#include "apps/upstream/message_request.h"

#include <assert.h>
#include <string.h>
#include <strings.h>

static const char *const models[] = {"claude-sonnet-5-5", "claude-opus-5-5",  "claude-haiku-5-5",
                                     "claude-sonnet-5",   "claude-opus-5",    "claude-opus-4-8",
                                     "claude-sonnet-4-6", "claude-haiku-4-5", NULL};

static const char *const members[] = {"model",         "max_tokens",      "messages",     "system",
                                      "tools",         "tool_choice",     "stream",       "output_config",
                                      "metadata",      "stop_sequences",  "service_tier", "thinking",
                                      "cache_control", "container",       "diagnostics",  "inference_geo",
                                      "speed",         "user_profile_id", "workspace_id", NULL};

static const int64_t OUTPUT_TOKENS_MAX = 128000;

const char *const *message_models(void) { return models; }

static bool name_listed(const char *const *names, const char *name)
{
    for (; *names; names++)
        if (strcmp(*names, name) == 0) return true;
    return false;
}

static bool request_refused(api_problem *problem, int status, const char *type, const char *message)
{
    *problem = (api_problem){.status = status, .type = type, .message = message};
    return false;
}

static bool request_invalid(api_problem *problem, const char *message)
{
    return request_refused(problem, 400, "invalid_request_error", message);
}

/* ---- Headers ---- */

bool message_headers_check(sw_ctx *c, api_problem *problem)
{
    const char *version = sw_header(c, "anthropic-version"), *key = sw_header(c, "x-api-key");
    const char *authorization = sw_header(c, "authorization");
    const char *bearer = authorization && strncasecmp(authorization, "Bearer ", 7) == 0 ? authorization + 7 : NULL;
    if (!key && !bearer)
        return request_refused(problem, 401, "authentication_error", "x-api-key or Authorization header is required");
    if (!version) return request_invalid(problem, "anthropic-version: header is required");
    bool old = strcmp(version, "2023-06-01") == 0;
    if (!old && strcmp(version, "2026-10-21") != 0)
        return request_invalid(problem, sw_printf(c, "anthropic-version: \"%s\" is not a valid version", version));
    if (!old && !bearer)
        return request_refused(problem, 401, "authentication_error", "Authorization: Bearer header is required");
    const char *used = bearer ? bearer : key;
    /* Keys are not kept here: any will do but an empty one and those that say that they are wrong. */
    if (!*used || strncmp(used, "invalid", 7) == 0)
        return request_refused(problem, 401, "authentication_error",
                               bearer ? "invalid bearer token" : "invalid x-api-key");
    return true;
}

/* ---- Content ---- */

bool message_content_text(sw_ctx *c, sw_value content, sw_text *into)
{
    const char *plain = sw_cstr(c, content);
    if (plain) {
        sw_text_add(c, into, "%s\n", plain);
        return true;
    }
    if (sw_type(content) != SW_ARRAY) return false;
    for (size_t i = 0; i < sw_len(content); i++) {
        sw_value block = sw_at(content, i);
        const char *type = sw_cstr(c, sw_get(block, "type")), *words = sw_cstr(c, sw_get(block, "text"));
        if (!type || (strcmp(type, "text") == 0 && !words)) return false;
        if (words) sw_text_add(c, into, "%s\n", words);
    }
    return true;
}

static bool messages_read(sw_ctx *c, sw_value messages, message_request *out, api_problem *problem)
{
    if (sw_is_nil(messages)) return request_invalid(problem, "messages: Field required");
    if (sw_type(messages) != SW_ARRAY) return request_invalid(problem, "messages: Input should be a valid list");
    if (sw_len(messages) == 0) return request_invalid(problem, "messages: at least one message is required");
    sw_text user = {0};
    for (size_t i = 0; i < sw_len(messages); i++) {
        sw_value message = sw_at(messages, i);
        const char *role = sw_cstr(c, sw_get(message, "role"));
        if (!role || (strcmp(role, "user") != 0 && strcmp(role, "assistant") != 0))
            return request_invalid(problem,
                                   sw_printf(c, "messages.%zu.role: Input should be 'user' or 'assistant'", i));
        if (!message_content_text(c, sw_get(message, "content"), &user))
            return request_invalid(
                problem,
                sw_printf(c, "messages.%zu.content: Input should be a valid string or list of content blocks", i));
    }
    out->user = sw_text_str(&user);
    return true;
}

/* ---- Output ---- */

static sw_value tool_named(sw_ctx *c, sw_value tools, const char *name)
{
    for (size_t i = 0; i < sw_len(tools); i++) {
        const char *other = sw_cstr(c, sw_get(sw_at(tools, i), "name"));
        if (other && strcmp(other, name) == 0) return sw_at(tools, i);
    }
    return sw_nil();
}

static bool tools_check(sw_ctx *c, sw_value tools, api_problem *problem)
{
    for (size_t i = 0; i < sw_len(tools); i++) {
        sw_value tool = sw_at(tools, i);
        if (!sw_cstr(c, sw_get(tool, "name")))
            return request_invalid(problem, sw_printf(c, "tools.%zu.name: Field required", i));
        if (sw_type(sw_get(tool, "input_schema")) != SW_MAP)
            return request_invalid(problem, sw_printf(c, "tools.%zu.input_schema: Field required", i));
    }
    return true;
}

static bool tool_read(sw_ctx *c, sw_value body, message_request *out, api_problem *problem)
{
    sw_value tools = sw_get(body, "tools"), choice = sw_get(body, "tool_choice");
    if (!tools_check(c, tools, problem)) return false;
    const char *type = sw_cstr(c, sw_get(choice, "type"));
    if (sw_is_nil(choice)) return true;
    static const char *const types[] = {"auto", "any", "tool", "none", NULL};
    if (!type || !name_listed(types, type))
        return request_invalid(problem, "tool_choice.type: Input should be 'auto', 'any', 'tool' or 'none'");
    if (sw_len(tools) == 0 && strcmp(type, "none") != 0)
        return request_invalid(problem, "tool_choice: may only be specified while providing tools");
    if (strcmp(type, "any") == 0) out->tool = sw_cstr(c, sw_get(sw_at(tools, 0), "name"));
    if (strcmp(type, "tool") == 0) {
        out->tool = sw_cstr(c, sw_get(choice, "name"));
        if (!out->tool) return request_invalid(problem, "tool_choice.name: Field required");
        if (sw_is_nil(tool_named(c, tools, out->tool)))
            return request_invalid(problem,
                                   sw_printf(c, "tool_choice: Tool '%s' not found in provided tools", out->tool));
    }
    if (out->tool) out->schema = sw_get(tool_named(c, tools, out->tool), "input_schema");
    return true;
}

static bool format_read(sw_ctx *c, sw_value body, message_request *out, api_problem *problem)
{
    sw_value format = sw_get(sw_get(body, "output_config"), "format");
    if (sw_is_nil(format)) return true;
    const char *type = sw_cstr(c, sw_get(format, "type"));
    if (!type || strcmp(type, "json_schema") != 0)
        return request_invalid(problem, "output_config.format.type: Input should be 'json_schema'");
    if (sw_type(sw_get(format, "schema")) != SW_MAP)
        return request_invalid(problem, "output_config.format.schema: Input should be a valid dictionary");
    if (!out->tool) out->schema = sw_get(format, "schema");
    return true;
}

/* ---- The whole ---- */

static bool members_check(sw_ctx *c, sw_value body, api_problem *problem)
{
    for (size_t i = 0; i < sw_len(body); i++) {
        const char *name = sw_cstr(c, sw_key_at(body, i, NULL));
        if (name && !name_listed(members, name))
            return request_invalid(problem, sw_printf(c, "%s: Extra inputs are not permitted", name));
    }
    return true;
}

static bool numbers_read(sw_ctx *c, sw_value body, message_request *out, api_problem *problem)
{
    if (sw_is_nil(sw_get(body, "model"))) return request_invalid(problem, "model: Field required");
    out->model = sw_cstr(c, sw_get(body, "model"));
    if (!out->model) return request_invalid(problem, "model: Input should be a valid string");
    if (sw_is_nil(sw_get(body, "max_tokens"))) return request_invalid(problem, "max_tokens: Field required");
    out->max_tokens = sw_as_int(sw_get(body, "max_tokens"), -1);
    if (out->max_tokens < 1) return request_invalid(problem, "max_tokens: Input should be greater than or equal to 1");
    if (out->max_tokens > OUTPUT_TOKENS_MAX)
        return request_invalid(
            problem,
            sw_printf(c, "max_tokens: %lld > %lld, which is the maximum allowed number of output tokens for %s",
                      (long long)out->max_tokens, (long long)OUTPUT_TOKENS_MAX, out->model));
    sw_value stream = sw_get(body, "stream");
    if (!sw_is_nil(stream) && sw_type(stream) != SW_BOOL)
        return request_invalid(problem, "stream: Input should be a valid boolean");
    out->stream = sw_as_bool(stream, false);
    return true;
}

bool message_request_read(sw_ctx *c, message_request *out, api_problem *problem)
{
    sw_bytes raw = sw_body(c);
    sw_value body;
    const char *why = NULL;
    sw_text system = {0};
    *out = (message_request){.schema = sw_nil()};
    if (!sw_json_try(c, raw.data, raw.len, &body, &why))
        return request_invalid(problem, sw_printf(c, "The request body is not valid JSON: %s", why ? why : ""));
    if (sw_type(body) != SW_MAP) return request_invalid(problem, "Input should be a valid dictionary");
    if (!members_check(c, body, problem) || !numbers_read(c, body, out, problem)) return false;
    if (!messages_read(c, sw_get(body, "messages"), out, problem)) return false;
    if (!sw_is_nil(sw_get(body, "system")) && !message_content_text(c, sw_get(body, "system"), &system))
        return request_invalid(problem, "system: Input should be a valid string or list of text blocks");
    out->system = sw_text_str(&system);
    if (!tool_read(c, body, out, problem) || !format_read(c, body, out, problem)) return false;
    if (!name_listed(models, out->model))
        return request_refused(problem, 404, "not_found_error", sw_printf(c, "model: %s", out->model));
    assert(out->max_tokens >= 1 && out->user);
    return true;
}
