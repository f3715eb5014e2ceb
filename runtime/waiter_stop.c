/* waiter_stop: clients of runs that are stopped, and those who want them to go on. */
#include <assert.h>
#include <stdio.h>

#include "runtime/base/problem.h"
#include "runtime/run/home.h"
#include "runtime/waiter_core.h"

/* Somebody has to look at the run: seconds. */
static const char RETRY_AFTER[] = "30";

static void refuse_stopped(waiter *w, stop_reason why)
{
    char id[RUN_ID_TEXT + 1], body[512];
    run_id_format(&w->id, id);
    const http_reply_header headers[] = {
        {"Content-Type", "application/problem+json"}, {"Retry-After", RETRY_AFTER}, {"X-Run-Id", id}};
    int n = snprintf(body, sizeof body,
                     "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":503,\"detail\":\"%s\",\"runId\":\"%s\","
                     "\"reason\":\"%s\"}\n",
                     http_status_text(503), stop_text(why), id, stop_name(why));
    assert(n > 0 && (size_t)n < sizeof body);
    http_reply(waiter_take_exchange(w), 503, headers, 3, body, (size_t)n);
}

static void stop_one(waiter *w, stop_reason why, frames *f)
{
    /* A former process has sent the beginning of what only the journal can tell: the client asks again when it is cut,
     * and would else wait with half an event or half a body. */
    if (!f && !http_exchange_caught_up(w->x)) {
        http_reply_abort(waiter_take_exchange(w));
        return;
    }
    switch (w->wish.kind) {
    case WAITER_REQUEST:
        waiter_send_on(w, 303);
        return;
    case WAITER_ASYNC:
        waiter_send_on(w, 202);
        return;
    case WAITER_OUTPUT:
        if (stop_refuses(why)) refuse_stopped(w, why);
        return;
    case WAITER_STREAM:
        if (f) waiter_stream_give(w, f);
        w->stopped = why;
        waiter_stream_pump(w);
        return;
    default:
        return;
    }
}

void waiter_stopped(waiter **list, stop_reason why, frames *f)
{
    assert(why != STOP_NONE);
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        stop_one(w, why, f);
    }
}

void waiter_released(waiter **list)
{
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == WAITER_RELEASE) waiter_send_state(w, 200, "released");
    }
}

void waiter_deny(waiter **list, waiter_kind kind, int status, const char *detail)
{
    assert(kind == WAITER_CANCEL || kind == WAITER_RELEASE);
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == kind) problem_reply(waiter_take_exchange(w), status, detail, status == 503 ? "5" : NULL);
    }
}

void waiter_promise(waiter **list, waiter_kind kind)
{
    assert(kind == WAITER_CANCEL || kind == WAITER_RELEASE);
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == kind) waiter_send_state(w, 202, kind == WAITER_CANCEL ? "cancelling" : "releasing");
    }
}

/* Somebody who wants a run cancelled or released, and has waited for long enough. */
void waiter_answer_later(waiter *w)
{
    bool cancels = w->wish.kind == WAITER_CANCEL;
    if (slot_is_promised(w->home, &w->id, cancels ? LETTER_CANCEL : LETTER_RELEASE))
        waiter_send_state(w, 202, cancels ? "cancelling" : "releasing");
    else
        problem_reply(waiter_take_exchange(w), 503, "the journal could not be written in time: ask again", "5");
}
