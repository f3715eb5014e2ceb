/* request: what a handler reads of its request. Owns nothing: the request lies in the task's arena, or a plain route's
 * is copied there when the handler asks for it. */
#include <assert.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/api/function.h"
#include "runtime/run/ctx.h"
#include "runtime/run/run.h"
#include "runtime/run/run_request.h"
#include "runtime/run/strand.h"

static run_request *ctx_request(sw_ctx *c, const char *function)
{
    ctx_check(c, function);
    return &c->task->request;
}

const char *sw_method(sw_ctx *c) { return ctx_request(c, "sw_method")->method; }
const char *sw_path(sw_ctx *c) { return ctx_request(c, "sw_path")->path; }

const char *sw_run_id(sw_ctx *c)
{
    ctx_check(c, "sw_run_id");
    return c->run ? c->run->id_text : "";
}

sw_bytes sw_body(sw_ctx *c)
{
    run_request *q = ctx_request(c, "sw_body");
    function_refuse(c, "sw_body", "its input is the function's second argument");
    if (!run_request_own_body(c->task)) ctx_fail_memory(c);
    return q->body;
}

const char *sw_param(sw_ctx *c, const char *name)
{
    const run_request *q = ctx_request(c, "sw_param");
    for (const run_header *p = q->params; p && name; p = p->next)
        if (strcmp(p->name, name) == 0) return p->value;
    return NULL;
}

const char *sw_query(sw_ctx *c, const char *name)
{
    const char *query = ctx_request(c, "sw_query")->query;
    if (!name) return NULL;
    char *value = arena_alloc(c->arena, strlen(query) + 1);
    if (!value) ctx_fail_memory(c);
    return uri_query(query, strlen(query), name, value) ? value : NULL;
}

/* Joins all lines called like `first` to one list (RFC 9110, 5.3): a proxy that adds its own line to X-Forwarded-For
 * must not be hidden by the line that its client sent. Cookies have a separator of their own (RFC 6265, 5.4). `bytes`:
 * of the list, separators and final zero included. */
static const char *headers_join(sw_ctx *c, const run_header *first, size_t bytes)
{
    const char *between = strcasecmp(first->name, "cookie") == 0 ? "; " : ", ";
    char *all = arena_alloc(c->arena, bytes), *to = all;
    if (!all) ctx_fail_memory(c);
    for (const run_header *h = first; h; h = h->next) {
        if (strcasecmp(h->name, first->name) != 0) continue;
        if (h != first) to = stpcpy(to, between);
        to = stpcpy(to, h->value);
    }
    assert((size_t)(to - all) < bytes);
    return all;
}

const char *sw_header(sw_ctx *c, const char *name)
{
    const run_request *q = ctx_request(c, "sw_header");
    const run_header *first = NULL;
    size_t count = 0, bytes = 1;
    if (!run_request_own_headers(c->task)) ctx_fail_memory(c);
    for (const run_header *h = q->headers; h && name; h = h->next) {
        if (strcasecmp(h->name, name) != 0) continue;
        if (count++ == 0) first = h;
        bytes += strlen(h->value) + 2;
    }
    return count == 0 ? NULL : count == 1 ? first->value : headers_join(c, first, bytes);
}

sw_value sw_body_json(sw_ctx *c)
{
    ctx_check(c, "sw_body_json");
    function_refuse(c, "sw_body_json", "its input is the function's second argument");
    sw_bytes body = sw_body(c);
    sw_value v;
    const char *message = NULL;
    if (sw_json_try(c, body.data, body.len, &v, &message)) return v;
    char *text = arena_printf(&c->task->arena, "the body is not JSON: %s", message);
    ctx_raise(c, (failure){.kind = FAILURE_FATAL,
                           .message = text ? text : "the body is not JSON",
                           .retry_after_ms = -1,
                           .status = 400});
}
