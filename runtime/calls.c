/* Calls to other services: sw_fetch and its kin, on http_client. Owns nothing beyond one call. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "http/client.h"
#include "http/sse.h"
#include "runtime/loop.h"
#include "runtime/retry.h"
#include "runtime/strand.h"

enum { FETCH_TIMEOUT_MS = 60000, FETCH_BODY_MAX = 16 << 20, EXCERPT_MAX = 400, SSE_EVENT_MAX = 4 << 20 };

struct sw_stream {
    sw_ctx *ctx;     /* the step, or plain handler, that opened it */
    http_call *call; /* NULL once closed */
    sse_parser *sse; /* NULL until the first sw_sse_next */
    sw_response head;
    const char *url;
    size_t taken;  /* bytes the caller has and the call still holds */
    size_t sse_at; /* of those: parsed */
    size_t sse_len;
    const char *sse_data;
};

static void on_change(void *arg) { strand_wake(arg); }

static void check_place(sw_ctx *c, const char *what)
{
    ctx_check(c, what);
    if (!c->run->plain && c->kind != CTX_STEP)
        ctx_fail_misuse(c, "%s outside a step would be made again at every replay: call it inside sw_step", what);
}

static http_call *start(sw_ctx *c, const sw_request *q, bool streaming)
{
    int64_t timeout_ms = q->timeout_ms > 0 ? q->timeout_ms : FETCH_TIMEOUT_MS;
    http_call_options o = {.method = q->method,
                           .url = q->url,
                           .headers = q->headers,
                           .body = q->body.data,
                           .body_len = q->body.len,
                           .redirects_max = q->redirects,
                           .body_bytes_max = FETCH_BODY_MAX,
                           .streaming = streaming};
    if (streaming)
        o.idle_timeout_ms = timeout_ms;
    else
        o.timeout_ms = timeout_ms;
    if (!q->url) ctx_fail_misuse(c, "sw_fetch without a url");
    http_call *call = http_call_start(c->run->loop->client, &o, on_change, c->strand);
    if (!call) sw_fail(c, "out of memory for a call to %s", q->url);
    return call;
}

/* Not inlined: its text would lie on the stack of every call that waits. */
static SW_NORETURN __attribute__((noinline)) void fail_of_call(sw_ctx *c, http_call *call)
{
    http_call_error_kind kind = http_call_error(call);
    char text[512];
    (void)snprintf(text, sizeof text, "%s", http_call_error_text(call));
    http_call_close(call);
    if (kind == HTTP_CALL_BAD_URL || kind == HTTP_CALL_BAD_HEADER) sw_fail_fatal(c, "%s", text);
    sw_fail(c, "%s", text);
}

static void wait_state(sw_ctx *c, http_call *call, http_call_state at_least)
{
    while (http_call_state_of(call) < at_least) {
        if (strand_suspend(c->strand)) continue;
        http_call_close(call);
        ctx_raise_interrupt(c);
    }
    if (http_call_state_of(call) == HTTP_CALL_FAILED) fail_of_call(c, call);
}

static const char *const *copy_headers(sw_ctx *c, const char *const *from)
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
    check_place(c, "sw_fetch");
    http_call *call = start(c, request, false);
    wait_state(c, call, HTTP_CALL_DONE);
    size_t len = 0;
    const char *data = http_call_data(call, &len);
    sw_response r = {.status = http_call_status(call), .headers = copy_headers(c, http_call_headers(call))};
    r.body = (sw_bytes){arena_strndup(c->arena, data ? data : "", len), len};
    http_call_close(call);
    if (!r.headers || !r.body.data)
        ctx_fail_misuse(c, "the response of %s is too large for the step's memory", request->url);
    return r;
}

const char *sw_response_header(const sw_response *response, const char *name, sw_ctx *c)
{
    (void)c;
    size_t len = strlen(name);
    for (const char *const *h = response->headers; h && *h; h++) {
        if (strncasecmp(*h, name, len) != 0 || (*h)[len] != ':') continue;
        const char *value = *h + len + 1;
        while (*value == ' ' || *value == '\t') value++;
        return value;
    }
    return NULL;
}

static bool retryable(int status, const char *should_retry)
{
    if (should_retry && strcasecmp(should_retry, "true") == 0) return true;
    if (should_retry && strcasecmp(should_retry, "false") == 0) return false;
    return status == 408 || status == 409 || status == 425 || status == 429 || status >= 500;
}

void sw_response_check(sw_ctx *c, const sw_request *request, const sw_response *response)
{
    int status = response->status;
    if (status >= 200 && status < 300) return;
    int excerpt = response->body.len > EXCERPT_MAX ? EXCERPT_MAX : (int)response->body.len;
    const char *body = response->body.data ? response->body.data : "";
    if (!retryable(status, sw_response_header(response, "x-should-retry", c)))
        sw_fail_fatal(c, "%s answered %d: %.*s", request->url, status, excerpt, body);
    int64_t after_ms = retry_after_ms(sw_response_header(response, "retry-after-ms", c),
                                      sw_response_header(response, "retry-after", c), loop_now_ms());
    if (after_ms >= 0) sw_fail_after(c, after_ms, "%s answered %d: %.*s", request->url, status, excerpt, body);
    sw_fail(c, "%s answered %d: %.*s", request->url, status, excerpt, body);
}

sw_value sw_fetch_json(sw_ctx *c, const sw_request *request)
{
    sw_response r = sw_fetch(c, request);
    sw_response_check(c, request, &r);
    sw_value v;
    const char *message = NULL;
    if (!sw_json_try(c, r.body.data, r.body.len, &v, &message))
        sw_fail(c, "%s answered no JSON: %s", request->url, message);
    return v;
}

/* ---- Streaming ---- */

static void close_stream(void *arg)
{
    sw_stream *s = arg;
    if (s->call) http_call_close(s->call);
    if (s->sse) sse_parser_free(s->sse);
    s->call = NULL;
    s->sse = NULL;
}

sw_stream *sw_fetch_open(sw_ctx *c, const sw_request *request)
{
    check_place(c, "sw_fetch_open");
    sw_stream *s = sw_alloc(c, sizeof *s);
    s->ctx = c;
    s->url = sw_printf(c, "%s", request->url ? request->url : "");
    http_call *call = start(c, request, true);
    wait_state(c, call, HTTP_CALL_HEAD);
    s->call = call;
    sw_defer(c, close_stream, s);
    s->head = (sw_response){
        .status = http_call_status(call), .headers = copy_headers(c, http_call_headers(call)), .body = {"", 0}};
    if (!s->head.headers) ctx_fail_misuse(c, "out of memory");
    return s;
}

const sw_response *sw_fetch_head(const sw_stream *s) { return &s->head; }

sw_bytes sw_fetch_read(sw_stream *s)
{
    sw_ctx *c = s->ctx;
    ctx_check(c, "sw_fetch_read");
    if (!s->call) return (sw_bytes){"", 0};
    http_call_consume(s->call, s->taken);
    s->taken = 0;
    for (;;) {
        size_t len = 0;
        const char *data = http_call_data(s->call, &len);
        if (len > 0) {
            s->taken = len;
            return (sw_bytes){data, len};
        }
        http_call_state state = http_call_state_of(s->call);
        if (state == HTTP_CALL_DONE) return (sw_bytes){"", 0};
        if (state == HTTP_CALL_FAILED) sw_fail(c, "%s", http_call_error_text(s->call));
        if (!strand_suspend(c->strand)) ctx_raise_interrupt(c);
    }
}

bool sw_sse_next(sw_stream *s, sw_sse *event)
{
    sw_ctx *c = s->ctx;
    if (!s->sse && !(s->sse = sse_parser_new(SSE_EVENT_MAX))) sw_fail(c, "out of memory");
    for (;;) {
        if (s->sse_at == s->sse_len) {
            sw_bytes more = sw_fetch_read(s);
            if (more.len == 0) return false;
            s->sse_data = more.data;
            s->sse_len = more.len;
            s->sse_at = 0;
        }
        size_t taken = 0;
        sse_event e;
        sse_result got = sse_parser_feed(s->sse, s->sse_data + s->sse_at, s->sse_len - s->sse_at, &taken, &e);
        s->sse_at += taken;
        if (got == SSE_TOO_LARGE) sw_fail_fatal(c, "%s sent an event of more than %d bytes", s->url, SSE_EVENT_MAX);
        if (got != SSE_EVENT) continue;
        *event = (sw_sse){.event = e.event, .data = e.data, .len = e.data_len, .id = e.id};
        return true;
    }
}

void sw_fetch_close(sw_stream *s)
{
    ctx_check(s->ctx, "sw_fetch_close");
    close_stream(s);
    s->sse_at = s->sse_len = 0;
}
