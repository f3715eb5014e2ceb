/* run_end: how a run's handler runs and ends: its response, or the problem instead of one, and the last entries. */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "runtime/json.h"
#include "runtime/log.h"
#include "runtime/path.h"
#include "runtime/record.h"
#include "runtime/replay_log.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run_core.h"
#include "runtime/run_request.h"
#include "runtime/strand.h"
#include "runtime/waiter.h"

/* ---- The journal's last entries ---- */

static entry_text text_of(const char *text) { return (entry_text){text, strlen(text)}; }

bool run_response_entry(run *r, entry *out)
{
    msgpack_sbuffer *scratch = &r->home->scratch;
    scratch->size = 0;
    bool packed = run_pack_headers(scratch, r->response.headers);
    *out = (entry){.kind = ENTRY_RESPONSE,
                   .at_ms = clock_wall_ms(),
                   .status = r->response.status,
                   .headers = {scratch->data, scratch->size},
                   .body = {r->response.body.data, r->response.body.len}};
    return packed;
}

static void count_outcome(run *r)
{
    counters *n = &r->home->counters;
    counter_add(r->outcome == ENTRY_SUCCEEDED   ? &n->runs_succeeded
                : r->outcome == ENTRY_CANCELLED ? &n->runs_cancelled
                                                : &n->runs_failed,
                1);
}

/* As they are in the journal; none when memory is out. */
static entry_text causes_of(run *r, const failure *f)
{
    char *bytes = f && f->cause_count ? arena_alloc(&r->arena, f->cause_count * sizeof(uint64_t)) : NULL;
    if (!bytes) return text_of("");
    for (uint32_t i = 0; i < f->cause_count; i++) {
        uint64_t path = htobe64(f->causes[i]);
        memcpy(bytes + i * sizeof path, &path, sizeof path);
    }
    return (entry_text){bytes, f->cause_count * sizeof(uint64_t)};
}

void run_record_end(run *r)
{
    entry response;
    entry ended = {.kind = ENTRY_ENDED,
                   .at_ms = clock_wall_ms(),
                   .status = (int)r->outcome,
                   .error = text_of(r->outcome_error),
                   .causes = causes_of(r, r->failure)};
    count_outcome(r);
    if (run_response_entry(r, &response) && record_append(r, &response) && record_append(r, &ended)) return;
    log_line(LOG_ERROR, r->id_text, "its response cannot be journaled: out of memory");
    run_lose(r);
}

/* ---- The handler ---- */

static sw_value call_handler(sw_ctx *c, sw_value input)
{
    c->run->endpoint->handler(c);
    return input;
}

static void set_problem(run *r, const failure *f)
{
    arena *a = &r->arena;
    arena_set_limit(a, SIZE_MAX); /* the handler is over, and may have failed because its memory was full */
    sw_bytes detail = {"\"\"", 2}, step = {"null", 4};
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    const char *message = f->message ? f->message : "failed";
    v.via.str.ptr = message;
    v.via.str.size = (uint32_t)strlen(message);
    (void)json_write(a, v, &detail);
    if (f->step) {
        v.via.str.ptr = f->step;
        v.via.str.size = (uint32_t)strlen(f->step);
        (void)json_write(a, v, &step);
    }
    int status = f->status ? f->status : 500;
    char *body = arena_printf(a,
                              "{\"type\":\"about:blank\",\"title\":\"%s\",\"status\":%d,\"detail\":%.*s,\"runId\":\"%"
                              "s\",\"step\":%.*s,\"attempts\":%d}\n",
                              http_status_text(status), status, (int)detail.len, detail.data, r->id_text, (int)step.len,
                              step.data, f->attempts);
    run_header *type = arena_alloc(a, sizeof *type);
    if (type) *type = (run_header){"Content-Type", "application/problem+json", NULL};
    r->response =
        (run_response){.status = status, .headers = type, .body = {body ? body : "", body ? strlen(body) : 0}};
    r->outcome = ENTRY_FAILED;
    r->outcome_error = message;
}

/* 410: the result will never be there. 504: it is not there in time. */
void run_end_cancelled(run *r)
{
    static const struct {
        int status;
        entry_ended outcome;
        const char *message;
    } ends[] = {
        [ENTRY_CANCEL_ASKED] = {410, ENTRY_CANCELLED, "the run was cancelled"},
        [ENTRY_CANCEL_GONE] = {410, ENTRY_CANCELLED, "the run was cancelled: its client went away"},
        [ENTRY_CANCEL_LATE] = {504, ENTRY_FAILED, "the run is over its deadline (timeout_ms of its endpoint)"},
        [ENTRY_CANCEL_STALE] = {500, ENTRY_FAILED, "the run was stopped, and not released in time (--retain-stopped)"},
    };
    bool known = r->cancel <= ENTRY_CANCEL_STALE; /* else a later version's */
    entry_cancel why = known ? r->cancel : ENTRY_CANCEL_ASKED;
    failure f = {.kind = FAILURE_FATAL, .status = ends[why].status, .message = ends[why].message};
    set_problem(r, &f);
    r->outcome = ends[why].outcome;
    log_line(LOG_INFO, r->id_text, "%s: %s", r->endpoint->route, f.message);
    run_record_end(r);
}

void run_answer_plain(run *r)
{
    http_exchange *x = r->request.exchange;
    size_t n = 0;
    if (!x) return; /* it wrote its response piece by piece, or cut it */
    const http_reply_header *headers = run_reply_headers(r, &n);
    r->request.exchange = NULL;
    if (headers)
        http_reply(x, r->response.status, headers, n, r->response.body.data, r->response.body.len);
    else
        waiter_problem(x, 500, "the response's headers are over the run's memory (--run-state-max)", NULL);
}

/* A handler that failed, or was cut short, has not written all: its client must not take that for the whole. */
static void end_pieces(run *r, bool ok)
{
    http_exchange *x = r->request.exchange;
    r->request.exchange = NULL;
    if (!x) return; /* cut by the handler */
    http_exchange_on_gone(x, NULL);
    if (ok)
        http_reply_end(x);
    else
        http_reply_abort(x);
}

void run_refuse_plain(run *r)
{
    if (r->request.exchange)
        waiter_problem(r->request.exchange, 503, "the server stopped before the handler had ended (--drain)", "1");
    r->request.exchange = NULL;
}

static void handler_ended(run *r, bool ok, const failure *f)
{
    if (r->in_pieces) end_pieces(r, ok);
    if (!ok && f->kind == FAILURE_UNWIND) {
        run_post(r, RUN_ON_UNWOUND);
        return;
    }
    if (!ok && !run_has_lost(r)) { /* else it is tried again from what is on disk */
        set_problem(r, f);
        log_line(LOG_WARN, r->plain ? NULL : r->id_text, "%s failed: %s%s%s", r->endpoint->route,
                 f->step ? f->step : "", f->step ? ": " : "", r->outcome_error);
    }
    if (r->response.status == 0) r->response.status = 204;
    r->failure = ok ? NULL : f;
    run_post(r, RUN_ON_RETURNED);
    r->failure = NULL; /* it lies in the handler's coroutine */
}

void run_main(void *arg)
{
    run *r = arg;
    strand s;
    strand_enter(&s, r);
    sw_ctx c = {
        .kind = CTX_HANDLER, .strand = &s, .run = r, .arena = &r->arena, .path = PATH_ROOT, .label = "", .id = ""};
    sw_value none = {.type = MSGPACK_OBJECT_NIL};
    bool ok = ctx_call(&c, call_handler, none, &none);
    if (ok || s.failure.kind != FAILURE_UNWIND)
        replay_log_end(&c);
    else
        replay_log_drop(&c);
    handler_ended(r, ok, &s.failure);
    strand_exit(&s);
}
