#include "runtime/api/calls.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "runtime/base/retry.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/home.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

enum {
    FETCH_TIMEOUT_MS = 60000,
    STREAM_TIMEOUT_MS = 3600000,
    STREAM_SILENCE_MS = 60000,
    FETCH_BODY_MAX = 16 << 20,
};

_Static_assert(HTTP_CALL_RUNNING < HTTP_CALL_HEAD, "states of a call are compared: they only go up");
_Static_assert(HTTP_CALL_HEAD < HTTP_CALL_DONE, "states of a call are compared: they only go up");
_Static_assert(HTTP_CALL_DONE < HTTP_CALL_FAILED, "states of a call are compared: they only go up");

static void call_wake_strand(void *arg) { strand_wake(arg); }

const char *call_url_shown(sw_ctx *c, const char *url)
{
    http_shown_url shown = http_url_shown(url);
    return sw_printf(c, "%.*s%.*s", shown.scheme_len, shown.scheme, shown.host_path_len, shown.host_path);
}

void call_check_context(sw_ctx *c, const char *what, const void *caller)
{
    ctx_check_wait(c, what);
    if (!c->run || c->kind == CTX_STEP) return;
    if (probe_on) probe_misuse(c, what, caller);
    ctx_fail_misuse(c, "%s outside a step would be made again at every replay: call it inside sw_step", what);
}

int64_t call_silence_ms(const sw_request *q, bool streaming)
{
    if (q->silence_ms > 0) return q->silence_ms;
    return streaming ? STREAM_SILENCE_MS : 0;
}

http_call *call_start(sw_ctx *c, const sw_request *q, bool streaming)
{
    int64_t timeout_ms = q->timeout_ms > 0 ? q->timeout_ms : streaming ? STREAM_TIMEOUT_MS : FETCH_TIMEOUT_MS;
    if (timeout_ms > INT32_MAX) timeout_ms = INT32_MAX; /* 24 days: the most that curl takes */
    assert(timeout_ms > 0);
    http_call_options o = {.method = q->method,
                           .url = q->url,
                           .headers = q->headers,
                           .body = q->body.data,
                           .body_len = q->body.len,
                           .redirects_max = q->redirects,
                           .timeout_ms = timeout_ms,
                           .silence_ms = call_silence_ms(q, streaming),
                           .public_only = q->allow == SW_PUBLIC,
                           .body_bytes_max = q->response_max ? q->response_max : FETCH_BODY_MAX,
                           .streaming = streaming};
    if (q->allow != SW_ANYWHERE && q->allow != SW_PUBLIC) ctx_fail_misuse(c, "sw_request.allow is no sw_reach");
    if (!q->url) ctx_fail_misuse(c, "sw_fetch without a url");
    const traced_call traced = {.url = q->url, .headers = q->headers, .span = call_span_next(c)};
    if (c->task->trace && !run_trace_headers(c, &traced, &o.headers)) ctx_fail_memory(c);
    http_call *call = probe_on ? probe_call(c, &o, call_wake_strand, c->strand)
                               : http_call_start(c->task->home->client, &o, call_wake_strand, c->strand);
    if (!call) sw_fail(c, "out of memory for a call to %s", call_url_shown(c, q->url));
    if (c->kind == CTX_STEP) call_notes_begin(&c->calls, c->arena, call, http_call_method(&o), q->url);
    if (c->task->trace) call_span_begin(c, call, http_call_method(&o), q->url);
    return call;
}

void call_close(sw_ctx *c, http_call *call)
{
    if (c->kind == CTX_STEP) call_notes_end(&c->calls, call);
    if (c->call_spans) call_span_end(c, call);
    durations_add_call(c->task->home, call);
    if (probe_on) probe_call_close(call);
    http_call_close(call);
}

/* Not inlined: `text` would lie on the stack of every call that waits. */
__attribute__((noinline)) void call_fail(sw_ctx *c, http_call *call)
{
    http_call_error_kind kind = http_call_error(call);
    char text[512];
    assert(http_call_state_of(call) == HTTP_CALL_FAILED);
    assert(kind != HTTP_CALL_OK);
    (void)snprintf(text, sizeof text, "%s", http_call_error_text(call));
    call_close(c, call);
    if (http_call_error_fate(kind) == HTTP_FATE_FATAL) sw_fail_fatal(c, "%s", text);
    sw_fail(c, "%s", text);
}

void call_wait(sw_ctx *c, http_call *call, http_call_state at_least)
{
    assert(at_least > HTTP_CALL_RUNNING);
    assert(at_least < HTTP_CALL_FAILED);
    while (http_call_state_of(call) < at_least) {
        if (strand_suspend(c->strand)) continue;
        call_close(c, call);
        ctx_raise_interrupt(c);
    }
    if (http_call_state_of(call) != HTTP_CALL_FAILED) return;
    /* A body that breaks off right behind its head fails where the reader comes to its end, as a later break does. */
    if (at_least > HTTP_CALL_HEAD || !http_call_answered(call)) call_fail(c, call);
}

const char *const *call_headers(sw_ctx *c, const char *const *from)
{
    size_t n = 0;
    while (from && from[n]) n++;
    const char **to = arena_alloc(c->arena, (n + 1) * sizeof *to);
    for (size_t i = 0; i < n && to; i++) {
        to[i] = arena_strndup(c->arena, from[i], strlen(from[i]));
        if (!to[i]) return NULL;
    }
    if (to) to[n] = NULL;
    return to;
}

sw_response sw_fetch(sw_ctx *c, const sw_request *request)
{
    call_check_context(c, "sw_fetch", __builtin_return_address(0));
    if (!request) ctx_fail_misuse(c, "sw_fetch without a request");
    http_call *call = call_start(c, request, false);
    call_wait(c, call, HTTP_CALL_DONE);
    assert(http_call_state_of(call) == HTTP_CALL_DONE);
    size_t len = 0;
    const char *data = http_call_data(call, &len);
    sw_response r = {.status = http_call_status(call), .headers = call_headers(c, http_call_headers(call))};
    r.body = (sw_bytes){arena_strndup(c->arena, data ? data : "", len), len};
    call_close(c, call);
    if (!r.headers || !r.body.data) ctx_fail_memory(c);
    return r;
}

const char *sw_response_header(const sw_response *response, const char *name, sw_ctx *c)
{
    (void)c;
    if (!response || !name) return NULL;
    for (const char *const *h = response->headers; h && *h; h++)
        if (header_is(*h, name)) return header_value(*h);
    return NULL;
}

static bool status_is_retryable(int status, const char *should_retry)
{
    if (should_retry && strcasecmp(should_retry, "true") == 0) return true;
    if (should_retry && strcasecmp(should_retry, "false") == 0) return false;
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

/* Fails `c` for a response's status, with the wait that the service asked for in f.retry_after_ms. */
static SW_NORETURN void call_fail_answered(sw_ctx *c, failure f, const char *message)
{
    const char *text = arena_strndup(&c->task->arena, message, strlen(message));
    assert(f.kind == FAILURE_FATAL || f.kind == FAILURE_RETRY);
    f.message = text ? text : "out of memory";
    f.retry_lengthens = true;
    ctx_raise(c, f);
}

void sw_response_check(sw_ctx *c, const sw_request *request, const sw_response *response)
{
    ctx_check(c, "sw_response_check");
    if (!request || !response) ctx_fail_misuse(c, "sw_response_check without a %s", request ? "response" : "request");
    int status = response->status;
    if (status >= 200 && status < 300) return;
    int excerpt = response->body.len > CALL_EXCERPT_MAX ? CALL_EXCERPT_MAX : (int)response->body.len;
    const char *body = response->body.data ? response->body.data : "";
    const char *text = sw_printf(c, "%s answered %d: %.*s", call_url_shown(c, request->url ? request->url : ""), status,
                                 excerpt, body);
    failure f = {.kind = FAILURE_FATAL, .retry_after_ms = -1, .answered = status};
    if (status_is_retryable(status, sw_response_header(response, "x-should-retry", c))) {
        f.kind = FAILURE_RETRY;
        f.retry_after_ms = retry_after_ms(sw_response_header(response, "retry-after-ms", c),
                                          sw_response_header(response, "retry-after", c), clock_wall_ms());
    }
    call_fail_answered(c, f, text);
}

static bool body_is_blank(sw_bytes b)
{
    size_t i = 0;
    while (i < b.len && strchr(" \t\r\n", b.data[i]) && b.data[i]) i++;
    return i == b.len;
}

sw_value sw_fetch_json(sw_ctx *c, const sw_request *request)
{
    call_check_context(c, "sw_fetch_json", __builtin_return_address(0));
    if (!request) ctx_fail_misuse(c, "sw_fetch_json without a request");
    sw_response r = sw_fetch(c, request);
    sw_response_check(c, request, &r);
    if (body_is_blank(r.body)) return sw_nil(); /* 204, 205, HEAD: done, without a body */
    sw_value v;
    const char *message = NULL, *url = call_url_shown(c, request->url);
    if (sw_json_try(c, r.body.data, r.body.len, &v, &message)) return v;
    if (request->retry_bad_json) sw_fail(c, "%s answered %d without JSON: %s", url, r.status, message);
    sw_fail_fatal(c, "%s answered %d without JSON: %s", url, r.status, message);
}
