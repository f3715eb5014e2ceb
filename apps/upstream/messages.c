#include "apps/upstream/messages.h"

#include <assert.h>

#include "apps/upstream/chance.h"
#include "apps/upstream/message_answer.h"
#include "apps/upstream/message_request.h"
#include "apps/upstream/message_stream.h"
#include "apps/upstream/sim.h"

static void messages_refuse(sim_call *call, api_problem problem)
{
    sw_ctx *c = call->c;
    sw_value error = sw_map(c, "type", sw_str(c, problem.type), "message", sw_str(c, problem.message));
    sim_reply(call, problem.status,
              sw_map(c, "type", sw_str(c, "error"), "error", error, "request_id", sw_str(c, call->request_id)));
}

static void messages_refuse_over_rate(sim_call *call, int64_t wait_ms)
{
    sim_retry_after(call, wait_ms);
    messages_refuse(call, (api_problem){.status = 429,
                                        .type = "rate_limit_error",
                                        .message = "Number of requests has exceeded your per-second rate limit"});
}

/* True if the call ended with an error instead of a message. */
static bool messages_fail(sim_call *call)
{
    if (call->fault == FAULT_OVERLOAD)
        messages_refuse(call, (api_problem){.status = 529, .type = "overloaded_error", .message = "Overloaded"});
    else if (call->fault == FAULT_ERROR)
        messages_refuse(call, (api_problem){.status = 500, .type = "api_error", .message = "Internal server error"});
    else
        return false;
    return true;
}

void messages_create(sw_ctx *c)
{
    sim_call call = sim_begin(c, CALL_MESSAGES);
    message_request request;
    api_problem problem;
    sw_reply_header(c, "request-id", call.request_id);
    if (!message_headers_check(c, &problem) || !message_request_read(c, &request, &problem)) {
        messages_refuse(&call, problem);
        return;
    }
    /* The words come from the body alone: a call that is made again gets the same answer. */
    uint64_t seed = call.draw;
    call_log_label(call.number, message_label(c, &request));
    int64_t wait_ms =
        sim_admit(&call, CALL_MESSAGES,
                  (fault_scope){.streamed = request.stream, .structured = !sw_is_nil(request.schema), .message = true});
    if (wait_ms > 0) {
        messages_refuse_over_rate(&call, wait_ms);
        return;
    }
    if (messages_fail(&call)) return;
    message_answer answer = message_answer_make(c, &request, seed, call.fault);
    if (request.stream)
        message_stream_write(&call, &request, &answer);
    else
        sim_reply(&call, 200, message_value(c, &request, &answer));
}

void messages_models(sw_ctx *c)
{
    sim_call call = sim_begin(c, CALL_MODELS);
    api_problem problem;
    sw_reply_header(c, "request-id", call.request_id);
    if (!message_headers_check(c, &problem)) {
        messages_refuse(&call, problem);
        return;
    }
    sw_value data = sw_array(c, 0);
    const char *const *models = message_models();
    for (size_t i = 0; models[i]; i++)
        sw_push(c, &data,
                sw_map(c, "type", sw_str(c, "model"), "id", sw_str(c, models[i]), "display_name", sw_str(c, models[i]),
                       "created_at", sw_str(c, "2026-10-21T00:00:00Z")));
    sw_value first = sw_get(sw_at(data, 0), "id"), last = sw_get(sw_at(data, sw_len(data) - 1), "id");
    sim_reply(&call, 200, sw_map(c, "data", data, "has_more", sw_bool(false), "first_id", first, "last_id", last));
}
