#include "runtime/run/plain.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/problem.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_request.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
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
    assert(!p->exchange); /* it is answered, or cut */
    assert(!p->task.run);
    LIST_REMOVE(p, in_home);
    task_free(&p->task);
    p->next_free = h->runs.plain_free;
    h->runs.plain_free = p;
}

/* ---- The answer ---- */

typedef enum plain_end {
    PLAIN_RETURNED,
    PLAIN_FAILED, /* the response is a problem */
    PLAIN_UNWOUND /* --drain was over */
} plain_end;

static http_exchange *plain_take_exchange(plain *p)
{
    http_exchange *x = p->exchange;
    assert(x);
    p->exchange = NULL;
    return x;
}

static plain_answered plain_refuse(plain *p, int status, const char *problem, const char *retry_after)
{
    problem_reply(plain_take_exchange(p), status, problem, retry_after);
    return (plain_answered){status, problem};
}

static plain_answered plain_reply(plain *p, const char *problem)
{
    size_t n = 0;
    const http_reply_header *headers = run_reply_headers(&p->task, &n);
    const run_response *r = &p->task.response;
    if (!headers)
        return plain_refuse(p, 500, "the response's headers are over the run's memory (--run-state-max)", NULL);
    const plain_answered is = {r->status ? r->status : 204, problem};
    http_reply(plain_take_exchange(p), is.status, headers, n, (http_text){r->body.data, r->body.len});
    return is;
}

/* Ends a response in pieces. A handler that failed or was unwound has not written all of it, and its client must not
 * take that part for the whole: the connection is cut. */
static plain_answered plain_end_pieces(plain *p, plain_end how, const char *problem)
{
    http_exchange *x = plain_take_exchange(p);
    http_exchange_on_gone(x, NULL);
    if (how == PLAIN_RETURNED) {
        http_reply_end(x);
        return (plain_answered){.status = p->task.response.status};
    }
    http_reply_abort(x);
    return (plain_answered){.problem = problem};
}

/* `problem`: why the handler failed; NULL: it did not. */
static plain_answered plain_answer(plain *p, plain_end how, const char *problem)
{
    if (!p->exchange) return (plain_answered){.problem = problem}; /* the handler has cut the exchange */
    if (p->in_pieces) return plain_end_pieces(p, how, problem);
    if (how == PLAIN_UNWOUND)
        return plain_refuse(p, 503, "the server stopped before the handler had ended (--drain)", "1");
    return plain_reply(p, problem);
}

/* ---- The handler ---- */

static void plain_main(void *arg)
{
    plain *p = arg;
    task *t = &p->task;
    strand s;
    strand_enter(&s, t);
    sw_ctx c;
    plain_end how = PLAIN_RETURNED;
    if (!ctx_call_handler(&c, &s)) how = s.failure.kind == FAILURE_UNWIND ? PLAIN_UNWOUND : PLAIN_FAILED;
    const char *problem = how == PLAIN_FAILED ? task_set_problem(t, &s.failure) : NULL;
    if (problem) task_log(t, LOG_WARN, "%s failed: %s", t->endpoint->route, problem);
    const plain_answered is = plain_answer(p, how, problem);
    if (t->trace) plain_span_end(t, &is);
    assert(t->strand_count == 1); /* a plain request has no groups */
    strand_exit(&s);
    plain_free(p);
}

static void plain_on_gone(http_exchange *x)
{
    (void)x; /* the handler learns that its client has gone when it writes */
}

bool plain_begin(home *h, const endpoint *e, const run_input *input, http_exchange *x, run_refusal *why)
{
    assert(e->kind == ENDPOINT_PLAIN);
    assert(x);
    bool room = slots_have_room(h);
    plain *p = room ? plain_new(h, e) : NULL;
    if (!p) {
        *why = room ? run_no_memory : run_no_room;
        return false;
    }
    bool taken = run_request_borrow(&p->task, input) && run_trace_begin(&p->task, input);
    if (!taken || !strand_start(&p->task, plain_main, p)) {
        *why = taken ? run_no_stack : p->task.arena.is_out ? run_no_memory : run_too_large;
        plain_free(p);
        return false;
    }
    p->exchange = x;
    if (p->task.trace) request_span_begin(&p->task);
    counter_add(&h->counters.runs_started, 1);
    http_exchange_on_gone(x, plain_on_gone);
    return true;
}

void plain_cut(plain *p)
{
    p->unwinds = true;
    task_unwind(&p->task);
}
