#include "runtime/run/run_span.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/base/redact.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"
#include "runtime/trace/trace_ids.h"
#include "runtime/trace/tracer.h"

enum { NS_IN_MS = 1000000, CODE_TEXT = 16 };

static bool task_exports(const task *t) { return t->trace && t->trace->has_spans && t->trace->is_sampled; }

static tracer *task_tracer(const task *t) { return t->home->app->tracer; }

/* Which span of a task it is. */
typedef struct span_place {
    span_kind kind;
    uint64_t id;
    uint64_t began_ns; /* 0: now */
} span_place;

/* Fills what all spans of the task's trace have. */
static void span_fill(span *p, const task *t, const span_place *place)
{
    const task_trace *trace = t->trace;
    p->kind = (uint8_t)place->kind;
    p->id = place->id;
    p->parent = trace->span;
    memcpy(p->trace, task_trace_id(t->trace), TRACE_ID_BYTES);
    p->began_ns = place->began_ns ? place->began_ns : span_now_ns();
    p->began_us = clock_steady_us();
    if (t->run) span_put_bytes(p, SPAN_RUN, t->run->id_text, RUN_ID_TEXT);
}

/* Sets when a span began that has been filled now. */
static void span_begin_at(span *p, uint64_t began_us)
{
    assert(began_us > 0 && began_us <= p->began_us);
    p->began_ns -= (p->began_us - began_us) * 1000;
    p->began_us = began_us;
}

/* ---- Requests ---- */

/* Returns when the request began, Unix ns. What a journal says of it is CLOCK_SET_MS off at most. */
static uint64_t request_began_ns(const task *t)
{
    const run *r = t->run;
    if (!r || !r->replay) return span_now_ns();
    const entry *reopened = replay_reopened(r->replay);
    return (uint64_t)(reopened ? reopened->at_ms : r->started_ms) * NS_IN_MS;
}

static void span_put_request(span *p, const task *t)
{
    span_put_text(p, SPAN_HTTP_METHOD, t->request.method);
    span_put_text(p, SPAN_HTTP_ROUTE, strchr(t->endpoint->route, '/'));
    if (t->request.target) span_put_bytes(p, SPAN_URL_PATH, t->request.target, strcspn(t->request.target, "?"));
}

/* Fills what a request, or the run of a function, says at its beginning. A run that was reopened hangs on what it was
 * before. */
static void request_span_fill(span *p, const task *t)
{
    const bool has_request = !t->endpoint->function;
    const run *r = t->run;
    task_trace *trace = t->trace;
    if (trace->began_ns == 0) trace->began_ns = request_began_ns(t);
    span_fill(p, t, &(span_place){has_request ? SPAN_SERVER : SPAN_INTERNAL, trace->span, trace->began_ns});
    p->is_request = true;
    p->parent = trace->caller.span;
    if (trace->generation > 0) p->parent = trace_span_id(trace->subject, &(trace_place){.path = PATH_ROOT});
    if (r) memcpy(p->run, r->id.bytes, sizeof p->run);
    span_put_text(p, SPAN_NAME, t->endpoint->route);
    if (has_request) span_put_request(p, t);
    span_put_text(p, SPAN_STATE, trace->state);
    if (trace->link && trace->generation == 0) span_put_link(p, trace->link);
}

void request_span_begin(task *t)
{
    task_trace *trace = t->trace;
    if (!task_exports(t)) return;
    span *p = spool_begin(task_tracer(t)->spool);
    if (!p) { /* it gets its record when it ends */
        if (trace->began_ns == 0) trace->began_ns = request_began_ns(t);
        return;
    }
    request_span_fill(p, t);
    trace->record = p;
    trace->record_len = p->len;
    spool_keep(task_tracer(t)->spool, p);
}

void request_span_durable(run *r)
{
    if (r->task.trace->record && !r->task.trace->is_held) request_span_drop(&r->task);
}

void request_span_drop(task *t)
{
    task_trace *trace = t->trace;
    if (!trace || !trace->record) return;
    spool_drop(task_tracer(t)->spool, trace->record);
    trace->record = NULL;
    trace->is_held = false;
}

static void span_put_status(span *p, int status)
{
    if (status > 0) span_put_number(p, SPAN_HTTP_STATUS, status);
}

/* `message` may quote what is to be hidden; NULL: there is none. */
static void task_span_fail(const task *t, span *p, const char *type, const char *message)
{
    char shown[SPAN_TEXT_MAX + 1];
    const redact *hides = t->home->app->redact;
    if (hides && message) (void)redact_text(hides, (http_text){message, strlen(message)}, shown, sizeof shown);
    span_fail(p, type, hides && message ? shown : message);
}

/* Only 5xx are the server's failure. */
static void request_span_fail(const task *t, span *p, int status, const char *message)
{
    char code[CODE_TEXT];
    if (status < 500) return;
    (void)snprintf(code, sizeof code, "%d", status);
    task_span_fail(t, p, code, message);
}

static const char *run_outcome_name(const run *r)
{
    if (r->is_rejected) return "rejected";
    switch (r->outcome) {
    case ENTRY_SUCCEEDED:
        return "succeeded";
    case ENTRY_CANCELLED:
        return "cancelled";
    default:
        return "failed";
    }
}

/* Of a span that began in another process, or without a record. */
static void span_end_by_wall(span *p)
{
    p->ended_ns = span_now_ns();
    if (p->ended_ns < p->began_ns) p->ended_ns = p->began_ns; /* the clock was set back */
}

static void request_span_say_end(span *p, const run *r)
{
    span_put_text(p, SPAN_RUN_OUTCOME, run_outcome_name(r)); /* before the message, which may be long */
    int status = r->task.response.status ? r->task.response.status : 204;
    if (!r->task.endpoint->function) span_put_status(p, status);
    request_span_fail(&r->task, p, status, r->outcome_error);
    span_end_by_wall(p);
}

void request_span_hold(run *r)
{
    task_trace *trace = r->task.trace;
    if (!task_exports(&r->task) || run_has_lost(r)) return;
    if (!trace->record) request_span_begin(&r->task);
    span *p = trace->record;
    if (!p) return;
    p->len = trace->record_len; /* a response that a cancel has replaced said something else */
    p->status = SPAN_UNSET;
    request_span_say_end(p, r);
    spool_hold(p);
    trace->is_held = true;
}

void request_span_end(run *r)
{
    task_trace *trace = r->task.trace;
    if (!task_exports(&r->task)) return;
    tracer *out = task_tracer(&r->task);
    if (r->replay) tracer_forget_former(out, r->id.bytes);
    span *p = trace->record;
    if (!p && (p = spool_begin_ended(out->spool))) {
        request_span_fill(p, &r->task);
        request_span_say_end(p, r);
    }
    trace->record = NULL;
    if (p) tracer_ready(out, p);
}

void plain_span_end(task *t, const plain_answered *is)
{
    if (!task_exports(t)) return;
    span *p = t->trace->record;
    t->trace->record = NULL;
    if (!p && (p = spool_begin_ended(task_tracer(t)->spool))) request_span_fill(p, t);
    if (!p) return;
    span_put_status(p, is->status);
    if (is->status)
        request_span_fail(t, p, is->status, is->problem);
    else if (is->problem)
        task_span_fail(t, p, "cut", is->problem);
    else
        span_put_text(p, SPAN_ERROR_TYPE, "cut");
    span_end_by_wall(p);
    tracer_ready(task_tracer(t), p);
}

/* ---- Attempts ---- */

static trace_place task_place(const task *t, uint64_t path)
{
    const store *journals = t->home->store;
    return (trace_place){.path = path,
                         .generation = t->trace->generation,
                         .execution = t->trace->execution,
                         .epoch = journals && t->run ? store_epoch(journals) : 0};
}

/* Fills what the spans of an attempt have in common with its waits. */
static void attempt_span_fill(span *p, const sw_ctx *c)
{
    char path[17];
    trace_span_write(c->path, path);
    span_fill(p, c->task, &(span_place){SPAN_INTERNAL, c->span, 0});
    span_put_text(p, SPAN_NAME, c->id);
    span_put_text(p, SPAN_STEP, c->id);
    span_put_text(p, SPAN_STEP_PATH, path);
    span_put_number(p, SPAN_ATTEMPT, c->attempt);
    span_put_text(p, SPAN_BRANCH, c->branch_label);
    span_put_number(p, SPAN_EPOCH, (int64_t)store_epoch(c->task->home->store));
}

void attempt_span_begin(sw_ctx *c)
{
    task *t = c->task;
    assert(c->kind == CTX_STEP);
    if (!t->trace->has_spans) return;
    trace_place place = task_place(t, c->path);
    place.attempt = (uint32_t)c->attempt;
    c->span = trace_span_id(t->trace->subject, &place);
    if (!t->trace->is_sampled) return;
    spool *s = task_tracer(t)->spool;
    c->record = spool_begin(s);
    if (!c->record) c->span_began_us = clock_steady_us();
    if (!c->record) return;
    attempt_span_fill(c->record, c);
    spool_keep(s, c->record);
}

/* Makes the span of an attempt that found no record when it began. NULL: there is none now either. */
static span *attempt_span_late(sw_ctx *c)
{
    span *p = spool_begin_ended(task_tracer(c->task)->spool);
    if (!p) return NULL;
    attempt_span_fill(p, c);
    span_begin_at(p, c->span_began_us);
    return p;
}

static void span_say_failure(const task *t, span *p, const failure *f)
{
    char code[CODE_TEXT];
    (void)snprintf(code, sizeof code, "%d", f->answered);
    switch (f->kind) {
    case FAILURE_NONE:
        return;
    case FAILURE_UNWIND: /* a drain, a cancel or a stop: nothing is wrong with the attempt */
        span_put_text(p, SPAN_ERROR_TYPE, "cut");
        return;
    case FAILURE_RETRY:
        task_span_fail(t, p, f->answered ? code : "retry", f->message);
        return;
    case FAILURE_FATAL:
        task_span_fail(t, p, f->answered ? code : "fatal", f->message);
        return;
    }
}

/* In the context's arena. */
struct attempt_usage {
    sw_usage_of sum;
};

static void usage_add(int64_t *sum, int64_t more)
{
    if (more > 0) *sum = *sum > INT64_MAX - more ? INT64_MAX : *sum + more;
}

void attempt_span_usage(sw_ctx *c, const sw_usage_of *of)
{
    if (c->kind != CTX_STEP || !task_exports(c->task)) return;
    if (!c->usage) c->usage = arena_zalloc(c->arena, sizeof *c->usage);
    if (!c->usage) return; /* the journal has it */
    sw_usage_of *sum = &c->usage->sum;
    const char *model = of->model ? arena_strndup(c->arena, of->model, strlen(of->model)) : NULL;
    if (model) sum->model = model;
    usage_add(&sum->input_tokens, of->input_tokens);
    usage_add(&sum->output_tokens, of->output_tokens);
    usage_add(&sum->units, of->units);
}

static void span_say_usage(span *p, const sw_usage_of *sum)
{
    span_put_text(p, SPAN_USAGE_MODEL, sum->model);
    if (sum->input_tokens) span_put_number(p, SPAN_USAGE_INPUT, sum->input_tokens);
    if (sum->output_tokens) span_put_number(p, SPAN_USAGE_OUTPUT, sum->output_tokens);
    if (sum->units) span_put_number(p, SPAN_USAGE_UNITS, sum->units);
}

void attempt_span_end(sw_ctx *c, const failure *f)
{
    if (!task_exports(c->task)) return;
    span *p = c->record ? c->record : attempt_span_late(c);
    c->record = NULL;
    if (!p) return;
    if (c->usage) span_say_usage(p, &c->usage->sum);
    if (f) span_say_failure(c->task, p, f);
    span_end_now(p);
    tracer_ready(task_tracer(c->task), p);
}

/* ---- Calls ---- */

/* A call that is open; in the context's arena. */
struct call_span {
    struct call_span *next;
    const http_call *call; /* NULL: it has ended */
    span *record;          /* NULL: there was none when it began, and it gets one when it ends, by the rest: */
    uint64_t id, parent;
    uint64_t began_us; /* steady */
    const char *method, *url;
};

uint64_t call_span_next(sw_ctx *c)
{
    const task_trace *trace = c->task->trace;
    if (!trace || !trace->has_spans) return 0;
    trace_place place = task_place(c->task, c->path);
    place.attempt = (uint32_t)c->attempt;
    place.call = c->call_count + 1;
    return trace_span_id(trace->subject, &place);
}

/* Says where the call goes, without what may be secret: user, password, query. */
static void call_span_say_url(span *p, const char *url)
{
    char full[SPAN_TEXT_MAX + 1];
    const http_shown_url shown = http_url_shown(url);
    if (shown.scheme_len == 0) return;
    const char *host = shown.host_path, *end = host + shown.host_len;
    const char *colon = host[0] == '[' ? memchr(host, ']', (size_t)shown.host_len) : host;
    colon = colon ? memchr(colon, ':', (size_t)(end - colon)) : NULL;
    (void)snprintf(full, sizeof full, "%.*s%.*s", shown.scheme_len, shown.scheme, shown.host_path_len, shown.host_path);
    span_put_text(p, SPAN_URL_FULL, full);
    span_put_bytes(p, SPAN_SERVER_ADDRESS, host, (size_t)((colon ? colon : end) - host));
    const bool is_tls = shown.scheme_len > 4 && (shown.scheme[4] | 0x20) == 's';
    span_put_number(p, SPAN_SERVER_PORT, colon ? atoi(colon + 1) : is_tls ? 443 : 80);
}

/* Fills what a call says at its beginning. */
static void call_span_fill(span *p, const task *t, const struct call_span *open)
{
    span_fill(p, t, &(span_place){SPAN_CLIENT, open->id, 0});
    if (open->parent) p->parent = open->parent;
    span_put_text(p, SPAN_NAME, open->method);
    span_put_text(p, SPAN_HTTP_METHOD, open->method);
    call_span_say_url(p, open->url);
}

/* Keeps what is to be said of a call that found no record. False: no memory. */
static bool call_span_put_off(sw_ctx *c, struct call_span *open)
{
    open->method = arena_strndup(c->arena, open->method, strlen(open->method));
    open->url = arena_strndup(c->arena, open->url, strlen(open->url));
    return open->method && open->url;
}

void call_span_begin(sw_ctx *c, const http_call *call, const char *method, const char *url)
{
    struct call_span it = {
        .next = c->call_spans, .call = call, .id = call_span_next(c), .parent = c->span, .method = method, .url = url};
    c->call_count++;
    if (!task_exports(c->task)) return;
    it.began_us = clock_steady_us();
    spool *s = task_tracer(c->task)->spool;
    struct call_span *open = arena_memdup(c->arena, &it, sizeof it);
    span *p = open ? spool_begin(s) : NULL;
    if (!open || (!p && !call_span_put_off(c, open))) {
        spool_count_dropped(s);
        return;
    }
    c->call_spans = open;
    open->record = p;
    if (!p) return;
    call_span_fill(p, c->task, open);
    spool_keep(s, p);
}

/* Makes the span of a call that found no record when it began. NULL: there is none now either. */
static span *call_span_late(const sw_ctx *c, const struct call_span *open)
{
    span *p = spool_begin_ended(task_tracer(c->task)->spool);
    if (!p) return NULL;
    call_span_fill(p, c->task, open);
    span_begin_at(p, open->began_us);
    return p;
}

static void call_span_say_answer(const task *t, span *p, const http_call *call)
{
    char code[CODE_TEXT];
    const int status = http_call_answered(call) ? http_call_status(call) : 0;
    span_put_status(p, status);
    span_put_number(p, SPAN_HTTP_RESPONSE_BYTES, (int64_t)http_call_received(call));
    if (http_call_state_of(call) < HTTP_CALL_DONE) {
        span_put_text(p, SPAN_ERROR_TYPE, "cut");
    } else if (http_call_error(call) != HTTP_CALL_OK) {
        task_span_fail(t, p, http_call_error_name(http_call_error(call)), http_call_error_text(call));
    } else if (status >= 400) {
        (void)snprintf(code, sizeof code, "%d", status);
        span_fail(p, code, NULL);
    }
}

void call_span_end(sw_ctx *c, const http_call *call)
{
    struct call_span *open = c->call_spans;
    while (open && open->call != call) open = open->next;
    if (!open) return;
    open->call = NULL;
    span *p = open->record ? open->record : call_span_late(c, open);
    if (!p) return;
    call_span_say_answer(c->task, p, call);
    span_end_now(p);
    tracer_ready(task_tracer(c->task), p);
}

/* ---- Waits ---- */

/* Whether an execution before this one has told of a wait that was over when this one came to it: that one lived then,
 * and so went on. */
static bool wait_was_told(const run *r, const clock_wait *until)
{
    if (!r->replay) return false;
    const int64_t alive_ms = spool_former_alive_ms(task_tracer(&r->task)->spool), last_ms = replay_last_ms(r->replay);
    return until->due_ms <= (alive_ms > last_ms ? alive_ms : last_ms);
}

static void wait_span_add(const run *r, const wait_span *w, int64_t from_ms)
{
    const task *t = &r->task;
    span *p = spool_begin_ended(task_tracer(t)->spool);
    if (!p) return;
    char name[SPAN_TEXT_MAX + 1];
    trace_place place = task_place(t, w->path);
    place.attempt = w->attempt;
    place.kind = 1;
    const uint64_t id = trace_span_id(t->trace->subject, &place);
    span_fill(p, t, &(span_place){SPAN_INTERNAL, id, (uint64_t)from_ms * NS_IN_MS});
    span_end_by_wall(p);
    (void)snprintf(name, sizeof name, "%s %s", w->name, w->id);
    span_put_text(p, SPAN_NAME, name);
    span_put_text(p, SPAN_WAIT, w->name);
    span_put_text(p, SPAN_STEP, w->id);
    if (w->attempt) span_put_number(p, SPAN_ATTEMPT, w->attempt);
    tracer_ready(task_tracer(t), p);
}

bool wait_span_sleep(strand *s, const wait_span *w, const clock_wait *until)
{
    run *r = s->run;
    if (!task_exports(&r->task)) return strand_sleep_until(s, until, STRAND_SLEEP_DURABLE);
    const int64_t from_ms = w->from_ms ? w->from_ms : clock_wall_ms();
    const bool is_told = clock_left_ms(until) <= 0 && wait_was_told(r, until);
    if (!strand_sleep_until(s, until, STRAND_SLEEP_DURABLE)) return false;
    if (!is_told) wait_span_add(r, w, from_ms);
    return true;
}

void wait_span_over(const run *r, const wait_span *w)
{
    if (task_exports(&r->task)) wait_span_add(r, w, w->from_ms ? w->from_ms : clock_wall_ms());
}

void wait_span_slept(const run *r, const wait_span *w, const clock_wait *until)
{
    if (task_exports(&r->task) && !wait_was_told(r, until)) wait_span_add(r, w, w->from_ms);
}
