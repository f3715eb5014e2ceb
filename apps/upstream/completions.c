#include "apps/upstream/completions.h"

#include <assert.h>
#include <string.h>

#include "apps/upstream/completion_request.h"
#include "apps/upstream/message_answer.h"
#include "apps/upstream/sim.h"

/* One answer on its way. */
typedef struct completion {
    sim_call *call;
    const completion_request *request;
    const message_answer *said;
    const char *id;     /* "chatcmpl-..." */
    int64_t created;    /* Unix seconds */
    const char *finish; /* "stop", "length", "content_filter" */
    bool refused;       /* said as `refusal` */
} completion;

/* ---- Errors ---- */

static sw_value error_value(sw_ctx *c, const completion_problem *problem)
{
    sw_value error = sw_map(c, "message", sw_str(c, problem->message), "type", sw_str(c, problem->type), "param",
                            sw_str(c, problem->param), "code", sw_str(c, problem->code));
    return sw_map(c, "error", error);
}

static void completions_refuse(sim_call *call, completion_problem problem)
{
    sim_reply(call, problem.status, error_value(call->c, &problem));
}

static const completion_problem server_error = {
    .status = 500, .type = "server_error", .message = "The server had an error while processing your request."};
static const completion_problem overloaded = {
    .status = 503, .type = "server_error", .message = "The engine is currently overloaded, please try again later."};
static const completion_problem over_rate = {
    .status = 429, .type = "requests", .message = "Rate limit reached for requests.", .code = "rate_limit_exceeded"};

/* True if the call ended with an error instead of an answer. */
static bool completions_fail(sim_call *call, int64_t wait_ms)
{
    if (wait_ms > 0) {
        sim_retry_after(call, wait_ms);
        completions_refuse(call, over_rate);
    } else if (call->fault == FAULT_OVERLOAD) {
        completions_refuse(call, overloaded);
    } else if (call->fault == FAULT_ERROR) {
        completions_refuse(call, server_error);
    } else {
        return false;
    }
    return true;
}

/* ---- Values ---- */

static completion completion_of(sim_call *call, const completion_request *request, const message_answer *said,
                                uint64_t seed)
{
    completion a = {.call = call, .request = request, .said = said, .finish = "stop"};
    bool none = strcmp(said->stop_reason, "refusal") == 0;
    a.id = sw_printf(call->c, "chatcmpl-%016llx", (unsigned long long)seed);
    a.created = sw_now(call->c) / 1000;
    a.refused = none && seed % 2 == 0; /* two ways to say no: the model's, and the filter's */
    if (none && !a.refused) a.finish = "content_filter";
    if (strcmp(said->stop_reason, "max_tokens") == 0) a.finish = "length";
    return a;
}

static sw_value refusal_value(const completion *a)
{
    return a->refused ? sw_str(a->call->c, "I'm sorry, I can't help with that.") : sw_nil();
}

static sw_value usage_value(const completion *a)
{
    sw_ctx *c = a->call->c;
    int64_t input = a->said->input_tokens, output = a->said->output_tokens;
    return sw_map(c, "prompt_tokens", sw_int(input), "completion_tokens", sw_int(output), "total_tokens",
                  sw_int(input + output));
}

static sw_value head_value(const completion *a, const char *object, sw_value choices)
{
    sw_ctx *c = a->call->c;
    return sw_map(c, "id", sw_str(c, a->id), "object", sw_str(c, object), "created", sw_int(a->created), "model",
                  sw_str(c, a->request->asked.model), "choices", choices, "service_tier", sw_str(c, "default"),
                  "system_fingerprint", sw_nil());
}

static sw_value whole_value(const completion *a)
{
    sw_ctx *c = a->call->c;
    sw_value content = a->refused ? sw_nil() : sw_strn(c, a->said->text, a->said->text_len);
    sw_value message = sw_map(c, "role", sw_str(c, "assistant"), "content", content, "refusal", refusal_value(a),
                              "annotations", sw_array(c, 0));
    sw_value choice =
        sw_map(c, "index", sw_int(0), "message", message, "logprobs", sw_nil(), "finish_reason", sw_str(c, a->finish));
    sw_value whole = head_value(a, "chat.completion", sw_array(c, 1, choice));
    sw_set(c, &whole, "usage", usage_value(a));
    return whole;
}

/* ---- Streams ---- */

/* False once the client has gone away. */
static bool data_write(sw_ctx *c, const char *json)
{
    const char *frame = sw_printf(c, "data: %s\n\n", json);
    return sw_reply_write(c, frame, strlen(frame));
}

static bool chunk_write(const completion *a, sw_value choices, sw_value usage)
{
    sw_ctx *c = a->call->c;
    sw_value chunk = head_value(a, "chat.completion.chunk", choices);
    if (a->request->include_usage) sw_set(c, &chunk, "usage", usage);
    return data_write(c, sw_json(c, chunk).data);
}

static bool delta_write(const completion *a, sw_value delta, const char *finish)
{
    sw_ctx *c = a->call->c;
    sw_value choice =
        sw_map(c, "index", sw_int(0), "delta", delta, "logprobs", sw_nil(), "finish_reason", sw_str(c, finish));
    return chunk_write(a, sw_array(c, 1, choice), sw_nil());
}

static bool start_write(const completion *a)
{
    sw_ctx *c = a->call->c;
    sw_value delta = sw_map(c, "role", sw_str(c, "assistant"), "content", sw_str(c, ""), "refusal", sw_nil());
    return delta_write(a, delta, NULL);
}

/* The tokens before `end`, each after its time. */
static bool tokens_write(const completion *a, size_t end)
{
    sw_ctx *c = a->call->c;
    int64_t token_ms = sim_settings()->token_ms;
    for (size_t at = 0; at < end;) {
        size_t len = message_token_len(a->said->text + at, a->said->text_len - at);
        assert(len > 0);
        if (token_ms > 0) sw_sleep(c, "token", token_ms);
        if (!delta_write(a, sw_map(c, "content", sw_strn(c, a->said->text + at, len)), NULL)) return false;
        at += len;
    }
    return true;
}

static bool whole_write(const completion *a)
{
    sw_ctx *c = a->call->c;
    if (!start_write(a)) return false;
    if (a->refused && !delta_write(a, sw_map(c, "refusal", refusal_value(a)), NULL)) return false;
    if (!tokens_write(a, a->said->text_len) || !delta_write(a, sw_map(c), a->finish)) return false;
    if (a->request->include_usage && !chunk_write(a, sw_array(c, 0), usage_value(a))) return false;
    return data_write(c, "[DONE]");
}

static bool broken_write(const completion *a)
{
    sw_ctx *c = a->call->c;
    if (!start_write(a) || !tokens_write(a, a->said->text_len / 2)) return false;
    if (a->call->fault == FAULT_STREAM_ERROR) return data_write(c, sw_json(c, error_value(c, &server_error)).data);
    sim_cut(a->call);
    return true;
}

static void stream_write(const completion *a)
{
    sim_call *call = a->call;
    bool broken = call->fault == FAULT_CUT || call->fault == FAULT_STREAM_ERROR;
    sw_reply_header(call->c, "cache-control", "no-cache");
    sw_reply_open(call->c, 200, "text/event-stream; charset=utf-8");
    bool all = broken ? broken_write(a) : whole_write(a);
    sim_end(call, 200, all ? fault_name(call->fault) : "client_gone");
}

/* ---- Routes ---- */

void completions_create(sw_ctx *c)
{
    sim_call call = sim_begin(c, CALL_COMPLETIONS);
    completion_request request;
    completion_problem problem;
    sw_reply_header(c, "x-request-id", call.request_id);
    if (!completion_key_check(c, &problem) || !completion_request_read(c, &request, &problem)) {
        completions_refuse(&call, problem);
        return;
    }
    uint64_t seed = call.draw; /* of the body alone: a call that is made again gets the same answer */
    const message_request *asked = &request.asked;
    call_log_label(call.number, message_label(c, asked));
    const fault_scope scope = {.streamed = asked->stream, .structured = !sw_is_nil(asked->schema), .message = true};
    if (completions_fail(&call, sim_admit(&call, CALL_COMPLETIONS, scope))) return;
    message_answer said = message_answer_make(c, asked, seed, call.fault);
    const completion a = completion_of(&call, &request, &said, seed);
    if (asked->stream)
        stream_write(&a);
    else
        sim_reply(&call, 200, whole_value(&a));
}

void completions_models(sw_ctx *c)
{
    sim_call call = sim_begin(c, CALL_MODELS);
    completion_problem problem;
    sw_reply_header(c, "x-request-id", call.request_id);
    if (!completion_key_check(c, &problem)) {
        completions_refuse(&call, problem);
        return;
    }
    sw_value data = sw_array(c, 0);
    for (const char *const *model = completion_models(); *model; model++)
        sw_push(c, &data,
                sw_map(c, "id", sw_str(c, *model), "object", sw_str(c, "model"), "created", sw_int(1754500000),
                       "owned_by", sw_str(c, "simulator")));
    sim_reply(&call, 200, sw_map(c, "object", sw_str(c, "list"), "data", data));
}
