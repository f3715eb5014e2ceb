/* call_stream: a response that its handler reads as it arrives: sw_fetch_open, sw_fetch_read, sw_sse_next. A stream
 * owns its call and parser, and closes both when its context ends. */
#include <assert.h>
#include <string.h>

#include "http/client/sse.h"
#include "runtime/api/calls.h"
#include "runtime/base/clock.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/strand.h"

enum { SSE_EVENT_MAX = 4 << 20 };

struct sw_stream {
    sw_stream *next; /* of the same context */
    sw_ctx *ctx;     /* the step, or plain handler, that opened it */
    http_call *call; /* NULL once closed */
    sse_parser *sse; /* NULL until the first sw_sse_next */
    sw_response head;
    const char *url_shown;  /* of the URL, for messages */
    const char *ping_event; /* the name of events that do not end a silence; NULL: none */
    int64_t silence_ms;     /* the longest wait for an event that counts */
    int64_t waited_ms;      /* for an event, since the last one that counted */
    size_t event_max;       /* bytes */
    size_t taken;           /* bytes the caller has and the call still holds */
    const char *sse_data;   /* the piece that is being parsed; the call's */
    size_t sse_len;         /* of sse_data */
    size_t sse_at;          /* bytes of sse_data that are parsed */
};

/* Returns the innermost context, which has opened the stream, or refuses `function`. Reads nothing behind `s` before it
 * has found `s` among the context's streams: a stream is freed with its attempt. */
static sw_ctx *stream_context(const sw_stream *s, const char *function)
{
    sw_ctx *c = ctx_current();
    for (const sw_stream *open = c ? c->streams : NULL; open; open = open->next)
        if (open == s) return c;
    ctx_refuse(function, "with a stream that was not opened here: a stream ends with the attempt that opened it");
}

static void stream_close(void *arg)
{
    sw_stream *s = arg;
    if (s->call) call_close(s->ctx, s->call);
    if (s->sse) sse_parser_free(s->sse);
    s->call = NULL;
    s->sse = NULL;
}

/* Copies the beginning of a refusing response's body, which says why. The stream's reader gets these bytes too. */
static sw_bytes stream_peek(sw_stream *s)
{
    sw_ctx *c = s->ctx;
    size_t len = 0;
    const char *data;
    assert(s->call);
    assert(s->taken == 0); /* the reader gets these bytes, too */
    while ((data = http_call_data(s->call, &len)), len < CALL_EXCERPT_MAX) {
        if (http_call_state_of(s->call) >= HTTP_CALL_DONE) break; /* a body that breaks off still says why */
        if (!strand_suspend(c->strand)) ctx_raise_interrupt(c);
    }
    if (len > CALL_EXCERPT_MAX) len = CALL_EXCERPT_MAX;
    char *copy = arena_strndup(c->arena, data, len);
    return copy ? (sw_bytes){copy, len} : (sw_bytes){"", 0};
}

static SW_NORETURN void stream_fail(sw_stream *s)
{
    http_call *call = s->call;
    assert(call);
    s->call = NULL;
    call_fail(s->ctx, call);
}

sw_stream *sw_fetch_open(sw_ctx *c, const sw_request *request)
{
    call_check_context(c, "sw_fetch_open", __builtin_return_address(0));
    if (!request) ctx_fail_misuse(c, "sw_fetch_open without a request");
    sw_stream *s = sw_alloc(c, sizeof *s);
    s->ctx = c;
    s->next = c->streams;
    c->streams = s;
    s->url_shown = call_url_shown(c, request->url ? request->url : "");
    s->ping_event = request->ping_event ? sw_printf(c, "%s", request->ping_event) : NULL;
    s->silence_ms = call_silence_ms(request, true);
    s->event_max = request->response_max ? request->response_max : SSE_EVENT_MAX;
    assert(s->silence_ms > 0);
    assert(s->event_max > 0);
    sw_defer(c, stream_close, s);
    http_call *call = call_start(c, request, true);
    call_wait(c, call, HTTP_CALL_HEAD);
    assert(!s->call);
    s->call = call;
    s->head = (sw_response){
        .status = http_call_status(call), .headers = call_headers(c, http_call_headers(call)), .body = {"", 0}};
    if (!s->head.headers) ctx_fail_memory(c);
    if (s->head.status < 200 || s->head.status > 299) s->head.body = stream_peek(s);
    return s;
}

const sw_response *sw_fetch_head(const sw_stream *s)
{
    (void)stream_context(s, "sw_fetch_head");
    return &s->head;
}

static sw_bytes stream_read_piece(sw_stream *s)
{
    sw_ctx *c = s->ctx;
    if (!s->call) return (sw_bytes){"", 0};
    if (probe_on) probe_call_consume(s->call, s->taken);
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
        if (state == HTTP_CALL_FAILED) stream_fail(s);
        if (!strand_suspend(c->strand)) ctx_raise_interrupt(c);
    }
}

sw_bytes sw_fetch_read(sw_stream *s)
{
    ctx_check_wait(stream_context(s, "sw_fetch_read"), "sw_fetch_read");
    return stream_read_piece(s);
}

/* Waits for the next piece, at most for what is left of the silence. The time that the handler takes between two events
 * is not the service's silence, so that only waiting counts, until an event that counts has come. */
static sw_bytes stream_await_piece(sw_stream *s)
{
    if (!s->call) return (sw_bytes){"", 0};
    int64_t from_ms = clock_steady_ms(), left_ms = s->silence_ms - s->waited_ms;
    assert(s->waited_ms >= 0);
    http_call_await(s->call, left_ms > 0 ? left_ms : 1);
    sw_bytes piece = stream_read_piece(s);
    if (s->call) http_call_await(s->call, 0);
    s->waited_ms += clock_steady_ms() - from_ms;
    return piece;
}

bool sw_sse_next(sw_stream *s, sw_sse *event)
{
    sw_ctx *c = stream_context(s, "sw_sse_next");
    ctx_check_wait(c, "sw_sse_next");
    if (!event) ctx_fail_misuse(c, "sw_sse_next without an event to fill");
    if (!s->sse && !(s->sse = sse_parser_new(s->event_max))) sw_fail(c, "out of memory");
    for (;;) {
        assert(s->sse_at <= s->sse_len);
        if (s->sse_at == s->sse_len) {
            sw_bytes more = stream_await_piece(s);
            if (more.len == 0) return false;
            s->sse_data = more.data;
            s->sse_len = more.len;
            s->sse_at = 0;
        }
        size_t taken = 0;
        sse_event e;
        sse_result got = sse_parser_feed(s->sse, s->sse_data + s->sse_at, s->sse_len - s->sse_at, &taken, &e);
        assert(taken <= s->sse_len - s->sse_at);
        s->sse_at += taken;
        if (got == SSE_TOO_LARGE)
            sw_fail_fatal(c, "%s sent an event of more than %zu bytes (response_max)", s->url_shown, s->event_max);
        if (got != SSE_EVENT) continue;
        if (!s->ping_event || strcmp(e.event, s->ping_event) != 0) s->waited_ms = 0;
        *event = (sw_sse){.event = e.event, .data = e.data, .len = e.data_len, .id = e.id};
        return true;
    }
}

void sw_fetch_close(sw_stream *s)
{
    (void)stream_context(s, "sw_fetch_close");
    stream_close(s);
    s->sse_at = s->sse_len = 0;
}
