#include "apps/upstream/message_answer.h"

#include <assert.h>
#include <ctype.h>
#include <string.h>

#include "apps/upstream/generator.h"
#include "apps/upstream/prompt.h"
#include "apps/upstream/report.h"
#include "apps/upstream/schema.h"
#include "apps/upstream/sim.h"
#include "apps/upstream/text.h"

/* Brackets are tokens of their own, as they are to real models: "[12]" comes in three pieces. */
size_t message_token_len(const char *words, size_t len)
{
    size_t n = 0;
    while (n < len && isspace((unsigned char)words[n])) n++;
    if (n < len && (words[n] == '[' || words[n] == ']')) return n + 1;
    while (n < len && !isspace((unsigned char)words[n]) && words[n] != '[' && words[n] != ']') n++;
    return n;
}

static int64_t tokens_of(const char *words, size_t len)
{
    int64_t count = 0;
    for (size_t at = 0; at < len; count++) at += message_token_len(words + at, len - at);
    return count;
}

/* What is asked for, judged by the properties that the output shall have. */
static const char *purpose_of(sw_ctx *c, const message_request *r, const prompt *p)
{
    static const char *const telling[] = {"questions", "queries", "learnings", "followUps"};
    sw_value properties = sw_get(schema_plain(c, r->schema, r->schema), "properties");
    for (size_t i = 0; i < sizeof telling / sizeof telling[0]; i++)
        if (!sw_is_nil(sw_get(properties, telling[i]))) return telling[i];
    if (r->tool) return r->tool;
    if (!sw_is_nil(r->schema)) return "structured";
    return p->wants_report ? "report" : "text";
}

const char *message_label(sw_ctx *c, const message_request *r)
{
    prompt p = prompt_read(c, r->system, r->user);
    return sw_printf(c, "%s: %s", purpose_of(c, r, &p), *p.query ? p.query : p.topic);
}

/* The first half of what JSON would be: no parser takes it. */
static sw_bytes json_halved(sw_bytes json)
{
    return (sw_bytes){.data = json.data, .len = text_cut_len(json.data, json.len / 2)};
}

static sw_bytes answer_structured(sw_ctx *c, const message_request *r, const prompt *p, uint64_t seed, bool spoiled)
{
    sw_value right = generator_make(c, r->schema, p, seed);
    if (!spoiled) return sw_json(c, right);
    /* Two ways to be wrong, both seen in the field: JSON that ends early, and JSON that lacks a member. A tool's
     * input is always JSON. */
    bool truncate = !r->tool && seed % 2 == 0 && (sw_type(right) == SW_MAP || sw_type(right) == SW_ARRAY);
    return truncate ? json_halved(sw_json(c, right)) : sw_json(c, generator_make_wrong(c, r->schema, right));
}

static void answer_cut(message_answer *a, int64_t max_tokens)
{
    if (a->output_tokens <= max_tokens) return;
    size_t at = 0;
    for (int64_t n = 0; n < max_tokens; n++) at += message_token_len(a->text + at, a->text_len - at);
    a->text_len = at;
    a->output_tokens = max_tokens;
    a->stop_reason = "max_tokens";
}

static void answer_refuse(message_answer *a)
{
    a->text = "";
    a->text_len = 0;
    a->tool = NULL;
    a->output_tokens = 1;
    a->stop_reason = "refusal";
}

message_answer message_answer_make(sw_ctx *c, const message_request *r, uint64_t seed, fault_kind fault)
{
    prompt p = prompt_read(c, r->system, r->user);
    p.tokens_max = r->max_tokens;
    p.wrong_citations = sim_settings()->wrong_citations;
    message_answer a = {.tool = r->tool, .stop_reason = r->tool ? "tool_use" : "end_turn"};
    a.id = sw_printf(c, "msg_01%016llx", (unsigned long long)seed);
    a.tool_id = sw_printf(c, "toolu_01%016llx", (unsigned long long)seed);
    sw_bytes said;
    if (!sw_is_nil(r->schema)) {
        said = answer_structured(c, r, &p, seed, fault == FAULT_MALFORMED);
    } else {
        said.data = p.wants_report ? report_make(c, &p, seed) : report_short_answer(c, &p, seed);
        said.len = strlen(said.data);
    }
    a.text = said.data;
    a.text_len = said.len;
    a.input_tokens = tokens_of(r->system, strlen(r->system)) + tokens_of(r->user, strlen(r->user));
    a.output_tokens = tokens_of(a.text, a.text_len);
    answer_cut(&a, r->max_tokens);
    if (fault == FAULT_REFUSAL) answer_refuse(&a);
    assert(a.text && a.stop_reason);
    return a;
}

/* ---- As values ---- */

static sw_value usage_value(sw_ctx *c, int64_t input, int64_t output)
{
    sw_value usage = sw_map(c, "input_tokens", sw_int(input), "cache_creation_input_tokens", sw_int(0),
                            "cache_read_input_tokens", sw_int(0), "output_tokens", sw_int(output));
    sw_set(c, &usage, "service_tier", sw_str(c, "standard"));
    return usage;
}

sw_value message_stop_details(sw_ctx *c, const message_answer *a)
{
    if (strcmp(a->stop_reason, "refusal") != 0) return sw_nil();
    return sw_map(c, "type", sw_str(c, "refusal"), "category", sw_nil(), "explanation",
                  sw_str(c, "The request was declined."));
}

static sw_value content_value(sw_ctx *c, const message_answer *a)
{
    if (strcmp(a->stop_reason, "refusal") == 0) return sw_array(c, 0);
    if (!a->tool)
        return sw_array(
            c, 1,
            sw_map(c, "type", sw_str(c, "text"), "text", sw_strn(c, a->text, a->text_len), "citations", sw_nil()));
    sw_value input;
    /* Input that was cut at max_tokens is no JSON; the API then gives what it has: nothing. */
    if (!sw_json_try(c, a->text, a->text_len, &input, NULL)) input = sw_map(c);
    return sw_array(c, 1,
                    sw_map(c, "type", sw_str(c, "tool_use"), "id", sw_str(c, a->tool_id), "name", sw_str(c, a->tool),
                           "input", input, "caller", sw_map(c, "type", sw_str(c, "direct"))));
}

static sw_value message_of(sw_ctx *c, const message_request *r, const message_answer *a, sw_value content)
{
    return sw_map(c, "id", sw_str(c, a->id), "type", sw_str(c, "message"), "role", sw_str(c, "assistant"), "model",
                  sw_str(c, r->model), "content", content);
}

sw_value message_value(sw_ctx *c, const message_request *r, const message_answer *a)
{
    sw_value message = message_of(c, r, a, content_value(c, a));
    sw_set(c, &message, "stop_reason", sw_str(c, a->stop_reason));
    sw_set(c, &message, "stop_sequence", sw_nil());
    sw_set(c, &message, "stop_details", message_stop_details(c, a));
    sw_set(c, &message, "usage", usage_value(c, a->input_tokens, a->output_tokens));
    return message;
}

sw_value message_value_start(sw_ctx *c, const message_request *r, const message_answer *a)
{
    sw_value message = message_of(c, r, a, sw_array(c, 0));
    sw_set(c, &message, "stop_reason", sw_nil());
    sw_set(c, &message, "stop_sequence", sw_nil());
    sw_set(c, &message, "stop_details", sw_nil());
    sw_set(c, &message, "usage", usage_value(c, a->input_tokens, 1));
    return message;
}
