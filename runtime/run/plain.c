#include "runtime/run/plain.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_request.h"
#include "runtime/run/strand.h"

/* ---- Making and freeing ---- */

static plain *plain_new(home *h, const endpoint *e)
{
    plain *p = h->runs.plain_free;
    if (p)
        h->runs.plain_free = p->next_free;
    else if (!(p = malloc(sizeof *p)))
        return NULL;
    *p = (plain){.exchange = NULL};
    task_init(&p->task, h, e, NULL);
    task_set_label(&p->task);
    LIST_INSERT_HEAD(&h->runs.plain, p, in_home);
    return p;
}

static void plain_free(plain *p)
{
    home *h = p->task.home;
    assert(!p->exchange);
    LIST_REMOVE(p, in_home);
    task_free(&p->task);
    p->next_free = h->runs.plain_free;
    h->runs.plain_free = p;
}

/* ---- Its answer ---- */

static http_exchange *plain_take_exchange(plain *p)
{
    http_exchange *x = p->exchange;
    p->exchange = NULL;
    return x;
}

static void plain_reply(plain *p)
{
    size_t n = 0;
    const http_reply_header *headers = run_reply_headers(&p->task, &n);
    const run_response *r = &p->task.response;
    if (headers)
        http_reply(plain_take_exchange(p), r->status ? r->status : 204, headers, n, r->body.data, r->body.len);
    else
        problem_reply(plain_take_exchange(p), 500, "the response's headers are over the run's memory (--run-state-max)",
                      NULL);
}

/* A handler that failed, or was cut short, has not written all: its client must not take that for the whole. */
static void plain_end_pieces(plain *p, bool ok)
{
    http_exchange *x = plain_take_exchange(p);
    http_exchange_on_gone(x, NULL);
    if (ok)
        http_reply_end(x);
    else
        http_reply_abort(x);
}

static void plain_answer(plain *p, bool ok, bool unwound)
{
    if (!p->exchange) return; /* the handler has cut it */
    if (p->in_pieces)
        plain_end_pieces(p, ok);
    else if (unwound)
        problem_reply(plain_take_exchange(p), 503, "the server stopped before the handler had ended (--drain)", "1");
    else
        plain_reply(p);
}

/* ---- The handler ---- */

static sw_value call_handler(sw_ctx *c, sw_value input)
{
    c->task->endpoint->handler(c);
    return input;
}

static void plain_main(void *arg)
{
    plain *p = arg;
    task *t = &p->task;
    strand s;
    strand_enter(&s, t);
    sw_ctx c = {.kind = CTX_HANDLER,
                .strand = &s,
                .task = t,
                .arena = &t->arena,
                .path = PATH_ROOT,
                .arg = t->endpoint->options.arg,
                .label = "",
                .id = ""};
    sw_value none = {.type = MSGPACK_OBJECT_NIL};
    bool ok = ctx_call(&c, call_handler, none, &none), unwound = !ok && s.failure.kind == FAILURE_UNWIND;
    if (!ok && !unwound) {
        const char *message = task_set_problem(t, &s.failure);
        log_line(LOG_WARN, NULL, "%s failed: %s", t->endpoint->route, message);
    }
    plain_answer(p, ok, unwound);
    strand_exit(&s);
    plain_free(p);
}

static void plain_on_gone(http_exchange *x) { (void)x; /* the handler learns of it when it writes */ }

bool plain_begin(home *h, const endpoint *e, const run_input *input, http_exchange *x, run_refusal *why)
{
    bool room = slots_have_room(h);
    plain *p = room ? plain_new(h, e) : NULL;
    if (!p) {
        *why = room ? run_no_memory : run_no_room;
        return false;
    }
    bool taken = run_request_borrow(&p->task, input);
    if (!taken || !strand_start(&p->task, plain_main, p)) {
        *why = taken ? run_no_stack : run_too_large;
        plain_free(p);
        return false;
    }
    p->exchange = x;
    counter_add(&h->counters.runs_started, 1);
    http_exchange_on_gone(x, plain_on_gone);
    return true;
}

void plain_cut(plain *p)
{
    p->unwinds = true;
    task_unwind(&p->task);
}
