#include "runtime/clients/door.h"

#include <assert.h>
#include <stdio.h>

#include "runtime/base/arena.h"
#include "runtime/base/problem.h"
#include "runtime/clients/waiter.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/omit.h"
#include "runtime/run/plain.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/run_input.h"
#include "runtime/run/settings.h"

static run_input door_input_of(const http_request *q, const http_match *m)
{
    return (run_input){.method = q->method,
                       .target = q->target,
                       .headers = q->headers,
                       .header_count = q->header_count,
                       .params = m->params,
                       .param_count = m->param_count,
                       .body = q->body};
}

static void door_refuse(home *h, http_exchange *x, const run_refusal *why)
{
    counter_add(&h->counters.requests_refused, 1);
    problem_reply(x, why->retry_after_s ? 503 : 413, why->text, why->retry_after_s);
}

bool door_admits(home *h, http_exchange *x, const endpoint *e)
{
    char retry_after[16], why[96];
    if (!settings_are_known(h->app->settings)) {
        door_refuse(h, x, &(run_refusal){settings_unknown, "5"});
        return false;
    }
    uint32_t stopped_s = endpoint_stopped_s(e);
    if (stopped_s == 0) return true;
    (void)snprintf(retry_after, sizeof retry_after, "%u", stopped_s);
    counter_add(&h->counters.requests_refused, 1);
    (void)snprintf(why, sizeof why, "an operator has stopped this %s: nothing was done, ask again later",
                   e->function ? "function" : "endpoint");
    problem_reply(x, 503, why, retry_after);
    return false;
}

/* Whether an EventSource that lost its connection asks its URL again: it says so with the last id that it has. */
static bool wish_reads_again(const request_wish *w)
{
    return w->answer.kind == WAITER_STREAM && w->last_event_id && *w->last_event_id;
}

/* Lets the handler begin at once. Not on a coroutine: a handler whose reply has let this request in goes on first. */
static void door_call_handlers(home *h)
{
    if (!coro_current()) sched_run(&h->sched, 0);
}

run *door_begin(home *h, http_exchange *x, const http_match *m, const request_wish *w, run_key *key)
{
    assert(m->result == HTTP_MATCH_FOUND);
    if (wish_reads_again(w)) {
        problem_reply(x, 409, "a stream is resumed at its streamUrl: this would start the work a second time", NULL);
        return NULL;
    }
    if (!door_admits(h, x, m->target)) return NULL;
    const run_input input = door_input_of(http_exchange_request(x), m);
    return door_begin_work(h, x, &(door_work){.endpoint = m->target, .input = &input, .key = key}, w);
}

/* Takes out of the input what its endpoint leaves out. False: the exchange has its answer. */
static bool door_take_out(home *h, http_exchange *x, const endpoint *e, arena *a, run_input *input)
{
    switch (omit_take_out(e, a, input)) {
    case OMIT_DONE:
        return true;
    case OMIT_NO_JSON:
        problem_reply(x, 400, omit_no_json, NULL);
        return false;
    default:
        door_refuse(h, x, &(run_refusal){"out of memory", "5"});
        return false;
    }
}

/* Begins the run of a request from which what its endpoint leaves out has been taken. */
static run *door_begin_run(home *h, http_exchange *x, const door_work *work, const request_wish *w)
{
    const run_origin origin = {.key = work->key, .by = work->by};
    run_refusal why = {"out of memory", "5"};
    waiter *client = waiter_new(h, w);
    run *r = client ? run_begin(h, work->endpoint, work->input, &origin, &why) : NULL;
    if (!r) {
        if (client) waiter_give_up(client);
        door_refuse(h, x, &why);
        return NULL;
    }
    waiter_join(client, &r->waiters, x, &r->id);
    door_call_handlers(h);
    return r;
}

run *door_begin_work(home *h, http_exchange *x, const door_work *work, const request_wish *w)
{
    if (!work->endpoint->omits) return door_begin_run(h, x, work, w);
    run *r = NULL;
    run_input input = *work->input;
    door_work kept = *work;
    arena a;
    arena_init(&a, h->arenas);
    kept.input = &input;
    if (door_take_out(h, x, work->endpoint, &a, &input)) r = door_begin_run(h, x, &kept, w);
    arena_free(&a);
    return r;
}

void door_begin_plain(home *h, http_exchange *x, const http_match *m)
{
    assert(m->result == HTTP_MATCH_FOUND);
    if (!door_admits(h, x, m->target)) return;
    const run_input input = door_input_of(http_exchange_request(x), m);
    run_refusal why;
    if (plain_begin(h, m->target, &input, x, &why))
        door_call_handlers(h);
    else
        door_refuse(h, x, &why);
}
