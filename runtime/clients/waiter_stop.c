/* waiter_stop: clients of runs that are stopped, and clients that asked for a run to be cancelled, released or stopped.
 */
#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/json.h"
#include "runtime/base/problem.h"
#include "runtime/clients/waiter_core.h"
#include "runtime/run/home.h"

/* Seconds: a person has to look at the run first. */
static const char RETRY_AFTER[] = "30";

/* Says what a person should know. `detail`, of the run's entry, may be NULL or "". */
static const char *stop_detail(stop_reason why, const char *detail)
{
    assert(why != STOP_NONE);
    return detail && *detail ? detail : stop_text(why);
}

static void waiter_refuse_stopped(waiter *w, const stop_cause *why)
{
    char id[RUN_ID_TEXT + 1];
    arena a;
    assert(!w->begun);
    arena_init(&a, NULL);
    run_id_format(&w->id, id);
    const http_reply_header headers[] = {
        {"Content-Type", "application/problem+json"}, {"Retry-After", RETRY_AFTER}, {"X-Run-Id", id}};
    const char *members = arena_printf(&a, ",\"runId\":\"%s\",\"reason\":\"%s\"", id, stop_name(why->reason));
    const char *body = members ? problem_text(&a, 503, stop_detail(why->reason, why->detail), members) : NULL;
    http_reply(waiter_take_exchange(w), 503, headers, 3, (http_text){body ? body : "", body ? strlen(body) : 0});
    arena_free(&a);
}

const char *waiter_stopped_event(const waiter *w, arena *a)
{
    char id[RUN_ID_TEXT + 1];
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    sw_bytes detail;
    v.via.str.ptr = stop_detail(w->stopped, w->stop_detail);
    v.via.str.size = (uint32_t)strlen(v.via.str.ptr);
    if (!json_write(a, v, &detail)) return NULL;
    run_id_format(&w->id, id);
    return arena_printf(a, "event: stepwell.stopped\ndata: {\"runId\":\"%s\",\"reason\":\"%s\",\"detail\":%s}\n\n", id,
                        stop_name(w->stopped), detail.data);
}

static void waiter_stop_stream(waiter *w, const stop_cause *why)
{
    if (why->streamed) waiter_stream_give(w, why->streamed);
    w->stopped = why->reason;
    free(w->stop_detail);
    w->stop_detail = *why->detail ? strdup(why->detail) : NULL; /* no memory: the client is told the reason alone */
    waiter_stream_pump(w);
}

static void waiter_stop_one(waiter *w, const stop_cause *why, bool refuses)
{
    /* A former process has sent the beginning of a reply, and the rest can only be told from the journal, which is not
     * read here: the client would wait with half an event or half a body. It is cut, and asks again. */
    if (!why->streamed && !http_exchange_caught_up(w->x)) {
        http_reply_abort(waiter_take_exchange(w));
        return;
    }
    switch (w->wish.kind) {
    case WAITER_REQUEST:
        waiter_send_on(w, 303);
        return;
    case WAITER_ASYNC:
    case WAITER_WAIT: /* the run may stand still for longer than the client wants to wait */
        waiter_send_on(w, 202);
        return;
    case WAITER_OUTPUT:
        if (refuses) waiter_refuse_stopped(w, why);
        return;
    case WAITER_STREAM:
        waiter_stop_stream(w, why);
        return;
    default:
        return;
    }
}

void waiters_tell_stopped(waiter **list, const stop_cause *why, bool refuses)
{
    stop_cause told = *why;
    assert(why->reason != STOP_NONE);
    if (BUG(WRONG_REASON)) told.reason = STOP_NEWER;
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        waiter_stop_one(w, &told, refuses);
    }
}

/* How clients that steer the run are told what comes of it. */
static const struct {
    letter_kind letter;
    const char *done, *promised;
} steers[WAITER_KINDS] = {[WAITER_CANCEL] = {LETTER_CANCEL, "cancelled", "cancelling"},
                          [WAITER_RELEASE] = {LETTER_RELEASE, "released", "releasing"},
                          [WAITER_STOP] = {LETTER_STOP, "stopped", "stopping"}};

void waiters_tell_done(waiter **list, waiter_kind kind)
{
    assert(waiter_kind_steers(kind));
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == kind) waiter_send_state(w, 200, steers[kind].done);
    }
}

void waiters_deny(waiter **list, waiter_kind kind, int status, const char *detail)
{
    assert(status >= 400);
    assert(waiter_kind_steers(kind));
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == kind) problem_reply(waiter_take_exchange(w), status, detail, status == 503 ? "5" : NULL);
    }
}

void waiters_promise(waiter **list, waiter_kind kind)
{
    assert(waiter_kind_steers(kind));
    for (waiter *w = *list, *next; w; w = next) {
        next = w->next;
        if (w->wish.kind == kind) waiter_send_state(w, 202, steers[kind].promised);
    }
}

void waiter_answer_later(waiter *w)
{
    waiter_kind kind = w->wish.kind;
    assert(waiter_kind_steers(kind));
    if (slot_is_promised(w->home, &w->id, steers[kind].letter))
        waiter_send_state(w, 202, steers[kind].promised);
    else
        problem_reply(waiter_take_exchange(w), 503, "the journal could not be written in time: ask again", "5");
}
