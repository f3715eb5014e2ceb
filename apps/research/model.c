#include "apps/research/model.h"

#include <string.h>

#include "apps/research/provider.h"
#include "apps/research/schema.h"
#include "apps/research/settings.h"
#include "apps/research/usage.h"

enum {
    ANSWER_TOKENS_MAX = 8192,
    REPORT_TOKENS_MAX = 16384,
    SCHEMA_TOKENS = 1000, /* of the schema, and of what surrounds the texts of a request */
    ANSWER_TIMEOUT_MS = 180000,
    REPORT_TIMEOUT_MS = 1200000,
    SILENCE_MAX_MS = 120000 /* of a stream: pings are silence */
};

static const provider *model_api(void) { return research_settings.openai ? &provider_openai : &provider_anthropic; }

const char *model_provider(void) { return model_api()->name; }

bool provider_is(const char *text, const char *what) { return text && strcmp(text, what) == 0; }

const char *provider_error(sw_ctx *c, sw_value error)
{
    if (sw_is_nil(error)) return NULL;
    const char *message = sw_cstr(c, sw_get(error, "message")), *type = sw_cstr(c, sw_get(error, "type"));
    if (!message) message = sw_cstr(c, error);
    if (!message) return "an error without a message";
    return type ? sw_printf(c, "%s: %s", type, message) : message;
}

/* ---- Room ---- */

static int64_t model_room(int64_t most)
{
    int64_t quarter = research_settings.context_tokens / 4;
    return quarter < most ? quarter : most;
}

int64_t model_answer_room(void) { return model_room(ANSWER_TOKENS_MAX); }

int64_t model_report_room(void) { return model_room(REPORT_TOKENS_MAX); }

int64_t model_prompt_room(int64_t answer_tokens)
{
    return research_settings.context_tokens - answer_tokens - SCHEMA_TOKENS;
}

/* ---- What it used, for whoever pays ---- */

static void model_tell_usage(sw_ctx *c, int64_t input_tokens, int64_t output_tokens)
{
    if (input_tokens <= 0 && output_tokens <= 0) return;
    const sw_usage_of used = {research_settings.model, input_tokens, output_tokens, 0};
    sw_usage(c, &used);
}

/* ---- Answers ---- */

/* The JSON in an answer: models put fences or a sentence round it. */
static sw_bytes answer_json(const char *text)
{
    const char *from = strchr(text, '{'), *to = strrchr(text, '}');
    if (!from || !to || to < from) return (sw_bytes){text, strlen(text)};
    return (sw_bytes){from, (size_t)(to - from) + 1};
}

/* NULL, or why the answer's text is of no use; else *value is what it holds. */
static const char *answer_misfit(sw_ctx *c, const char *text, sw_value schema, sw_value *value)
{
    const char *message;
    sw_bytes json = answer_json(text);
    if (!sw_json_try(c, json.data, json.len, value, &message)) return sw_printf(c, "it is not JSON: %s", message);
    const char *misfit = schema_misfit(c, schema, *value);
    return misfit ? sw_printf(c, "it does not fit its schema: %s", misfit) : NULL;
}

sw_value model_ask(sw_ctx *c, const char *system, const char *prompt, sw_value schema, sw_value *usage)
{
    model_call call = {.system = system, .prompt = prompt, .schema = schema, .tokens_max = model_answer_room()};
    sw_request request = model_api()->request(c, &call, false);
    request.timeout_ms = ANSWER_TIMEOUT_MS;
    const char *misfit = NULL;
    for (int asked = 0; asked < 2; asked++) { /* each answer is paid for: a second one, not five */
        sw_value value;
        model_answer answer = model_api()->answer(c, sw_fetch_json(c, &request));
        model_tell_usage(c, answer.input_tokens, answer.output_tokens);
        if (answer.error) sw_fail(c, "the model's service answered 200 with an error: %.300s", answer.error);
        usage_add(c, usage, usage_of_model(c, answer.input_tokens, answer.output_tokens));
        if (answer.unfit) sw_fail_fatal(c, "%s", answer.unfit);
        misfit = answer_misfit(c, answer.text, schema, &value);
        if (!misfit) return value;
    }
    sw_fail_fatal(c, "the model's answer is of no use, and was not when it was asked for before: %s", misfit);
}

/* ---- Streams ---- */

/* What one stream has brought. */
typedef struct writing {
    model_sink sink;
    size_t bytes;
    bool stopped; /* the model has said why it stopped */
    int64_t input_tokens, output_tokens;
} writing;

/* The JSON of an event. A stream that is none is asked for once more, by the next attempt: what has been streamed to
 * the client is taken back only with the attempt. */
static sw_value writing_read_data(sw_ctx *c, const sw_sse *event)
{
    sw_value data;
    const char *message;
    if (sw_json_try(c, event->data, event->len, &data, &message)) return data;
    if (sw_attempt(c) > 1) sw_fail_fatal(c, "the model's stream is not JSON: %s", message);
    sw_fail(c, "the model's stream is not JSON: %s", message);
}

/* Usage is told as it comes: a stream that breaks off is paid for up to there. An event says what the whole answer has
 * used so far. */
static void writing_take_usage(sw_ctx *c, writing *w, const model_event *e)
{
    int64_t input = e->input_tokens > w->input_tokens ? e->input_tokens : w->input_tokens;
    int64_t output = e->output_tokens > w->output_tokens ? e->output_tokens : w->output_tokens;
    model_tell_usage(c, input - w->input_tokens, output - w->output_tokens);
    w->input_tokens = input;
    w->output_tokens = output;
}

static void writing_take_event(sw_ctx *c, const sw_sse *sse, writing *w)
{
    model_event e = model_api()->event(c, sse, writing_read_data(c, sse));
    writing_take_usage(c, w, &e);
    if (e.error) sw_fail(c, "the model's stream broke off: %s", e.error);
    if (sw_type(e.text) == SW_STRING && sw_len(e.text) > 0) {
        w->bytes += sw_len(e.text);
        w->sink.take(w->sink.arg, sw_cstr(c, e.text), sw_len(e.text));
    }
    if (e.unfit) sw_fail_fatal(c, "%s", e.unfit);
    if (e.reason) w->stopped = true;
}

static void writing_read_events(sw_ctx *c, sw_stream *s, writing *w)
{
    sw_sse event;
    while (sw_sse_next(s, &event) && !model_api()->is_end(&event))
        if (!model_api()->is_ping(&event)) writing_take_event(c, &event, w);
    if (!w->stopped) sw_fail(c, "the model's stream ended before its message did");
}

static writing write_once(sw_ctx *c, const sw_request *request, model_sink sink)
{
    sw_stream *s = sw_fetch_open(c, request);
    sw_response_check(c, request, sw_fetch_head(s));
    writing w = {.sink = sink};
    writing_read_events(c, s, &w);
    sw_fetch_close(s);
    return w;
}

size_t model_write(sw_ctx *c, const char *system, const char *prompt, model_sink sink, sw_value *usage)
{
    model_call call = {.system = system, .prompt = prompt, .schema = sw_nil(), .tokens_max = model_report_room()};
    sw_request request = model_api()->request(c, &call, true);
    request.timeout_ms = REPORT_TIMEOUT_MS;
    request.silence_ms = SILENCE_MAX_MS;
    request.ping_event = "ping";
    for (int asked = 0; asked < 2; asked++) {
        writing w = write_once(c, &request, sink);
        usage_add(c, usage, usage_of_model(c, w.input_tokens, w.output_tokens));
        if (w.bytes > 0) return w.bytes;
    }
    sw_fail_fatal(c, "the model wrote nothing, twice");
}
