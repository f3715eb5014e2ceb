/* respond: how a handler replies, at once or, in a plain route, in pieces. Owns nothing: the response lies in the
 * task's arena. Never sends a run's response: a run's waiters get it once it is on disk. */
#include <assert.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/server/server.h"
#include "runtime/api/function.h"
#include "runtime/api/respond.h"
#include "runtime/base/json.h"
#include "runtime/run/ctx.h"
#include "runtime/run/plain.h"
#include "runtime/run/run_request.h"
#include "runtime/run/strand.h"

/* ---- Replies ---- */

static void reply_check(sw_ctx *c, int status, const char *function)
{
    ctx_check(c, function);
    const task *t = c->task;
    function_refuse(c, function, "return the result");
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "a reply inside step \"%s\": reply in the handler, after the step", c->id);
    if (t->response.status) ctx_fail_misuse(c, "a second reply: the run has answered %d already", t->response.status);
    if (!c->run && !plain_of(c->task)->exchange) ctx_fail_misuse(c, "a reply after sw_reply_open or sw_reply_abort");
    if (status < 200 || status > 599) ctx_fail_misuse(c, "%d is no status of a response: 200 to 599", status);
}

/* Headers that a response has once: of two lines some clients read the first, others the last. */
static bool header_is_single(const char *name)
{
    static const char *const single[] = {"content-type",
                                         "location",
                                         "etag",
                                         "last-modified",
                                         "retry-after",
                                         "content-location",
                                         "content-range",
                                         "expires",
                                         "age",
                                         "content-disposition",
                                         "access-control-allow-origin"};
    for (size_t i = 0; i < sizeof single / sizeof *single; i++)
        if (strcasecmp(single[i], name) == 0) return true;
    return false;
}

static run_header *reply_find_header(const task *t, const char *name)
{
    run_header *h = t->response.headers;
    while (h && strcasecmp(h->name, name) != 0) h = h->next;
    return h;
}

static void reply_add_header(sw_ctx *c, const char *name, const char *value)
{
    task *t = c->task;
    if (!name || !value || !http_header_valid(name, value))
        ctx_fail_misuse(c, "a response header may not be called \"%.40s\" or hold that value", name ? name : "");
    assert(!t->response.status); /* the response is not set yet */
    assert(!*t->response.headers_end);
    run_header *before = header_is_single(name) ? reply_find_header(t, name) : NULL;
    if (before) {
        before->value = arena_strndup(&t->arena, value, strlen(value));
        if (!before->value) ctx_fail_memory(c);
        return;
    }
    run_header *h = arena_alloc(&t->arena, sizeof *h);
    if (h)
        *h = (run_header){arena_strndup(&t->arena, name, strlen(name)), arena_strndup(&t->arena, value, strlen(value)),
                          NULL};
    if (!h || !h->name || !h->value) ctx_fail_memory(c);
    *t->response.headers_end = h;
    t->response.headers_end = &h->next;
}

/* Adds the content type, unless the handler has set one with sw_reply_header. */
static void reply_add_content_type(sw_ctx *c, const char *type)
{
    if (type && *type && !reply_find_header(c->task, "Content-Type")) reply_add_header(c, "Content-Type", type);
}

void sw_reply_header(sw_ctx *c, const char *name, const char *value)
{
    static const char *const ours[] = {"content-length", "transfer-encoding", "connection", "date",
                                       "keep-alive",     "upgrade",           NULL};
    reply_check(c, 200, "sw_reply_header");
    for (const char *const *o = ours; name && *o; o++)
        if (strcasecmp(*o, name) == 0) ctx_fail_misuse(c, "the response header %s is set by the server", name);
    reply_add_header(c, name, value);
}

/* Sets the response, whose body lies in the task's arena. */
static void reply_set(sw_ctx *c, int status, const char *content_type, sw_bytes body)
{
    reply_add_content_type(c, content_type);
    c->task->response.status = status;
    c->task->response.body = body;
}

void sw_reply(sw_ctx *c, int status, const char *content_type, const void *data, size_t len)
{
    reply_check(c, status, "sw_reply");
    task *t = c->task;
    if (!data && len > 0) ctx_fail_misuse(c, "sw_reply of %zu bytes without data", len);
    char *body = arena_strndup(&t->arena, len ? data : "", len);
    if (!body) ctx_fail_memory(c);
    reply_set(c, status, content_type, (sw_bytes){body, len});
}

void sw_reply_json(sw_ctx *c, int status, sw_value value)
{
    ctx_check(c, "sw_reply_json");
    sw_bytes json = sw_json(c, value);
    reply_check(c, status, "sw_reply_json");
    assert(c->arena == &c->task->arena); /* the text lives as long as the response */
    reply_set(c, status, "application/json", json);
}

void respond_result(sw_ctx *c, sw_value result)
{
    assert(c->kind == CTX_HANDLER);
    reply_set(c, 200, "application/json", sw_json(c, result));
}

void sw_reply_text(sw_ctx *c, int status, const char *format, ...)
{
    ctx_check(c, "sw_reply_text");
    ctx_check_format(c, "sw_reply_text", format);
    va_list args;
    va_start(args, format);
    char *text = arena_vprintf(c->arena, format, args);
    va_end(args);
    if (!text) ctx_fail_memory(c);
    sw_reply(c, status, "text/plain; charset=utf-8", text, strlen(text));
}

/* ---- Replies in pieces (plain routes) ---- */

static void reply_wake_strand(http_exchange *x) { strand_wake(http_exchange_user(x)); }

/* Returns the plain request whose response `what` writes in pieces; fails `c` in endpoints and after sw_reply_abort.
 */
static plain *plain_check_open(sw_ctx *c, const char *what)
{
    ctx_check_wait(c, what);
    if (c->run) ctx_fail_misuse(c, "%s in an endpoint: stream with sw_push_chunk, or use sw_route", what);
    if (!plain_of(c->task)->exchange) ctx_fail_misuse(c, "%s after the response was cut", what);
    return plain_of(c->task);
}

void sw_reply_open(sw_ctx *c, int status, const char *content_type)
{
    plain *p = plain_check_open(c, "sw_reply_open");
    reply_check(c, status, "sw_reply_open");
    reply_add_content_type(c, content_type);
    size_t n = 0;
    const http_reply_header *headers = run_reply_headers(c->task, &n);
    if (!headers) ctx_fail_memory(c);
    assert(!p->in_pieces);
    c->task->response.status = status;
    p->in_pieces = true;
    http_exchange_set_user(p->exchange, c->strand);
    http_exchange_on_writable(p->exchange, reply_wake_strand);
    http_exchange_on_gone(p->exchange, reply_wake_strand);
    http_reply_begin(p->exchange, status, headers, n);
}

bool sw_reply_write(sw_ctx *c, const void *data, size_t len)
{
    const plain *p = plain_check_open(c, "sw_reply_write");
    http_exchange *x = p->exchange;
    if (!p->in_pieces) ctx_fail_misuse(c, "sw_reply_write before sw_reply_open");
    if (!data && len > 0) ctx_fail_misuse(c, "sw_reply_write of %zu bytes without data", len);
    while (!http_exchange_gone(x) && !http_exchange_writable(x))
        if (!strand_suspend(c->strand)) ctx_raise_interrupt(c);
    if (http_exchange_gone(x)) return false;
    if (len > 0) http_reply_write(x, data, len);
    return true;
}

void sw_reply_abort(sw_ctx *c)
{
    plain *p = plain_check_open(c, "sw_reply_abort");
    if (!run_request_own_headers(c->task) || !run_request_own_body(c->task)) ctx_fail_memory(c);
    http_exchange *x = p->exchange;
    assert(!c->run);
    assert(x);
    p->exchange = NULL;
    http_exchange_on_gone(x, NULL);
    http_reply_abort(x);
}
