#include "runtime/clients/request_wish.h"

#include <string.h>
#include <strings.h>

#include "runtime/clients/accept.h"
#include "runtime/clients/hold.h"
#include "runtime/clients/prefer.h"
#include "runtime/clients/run_access.h"
#include "runtime/run/endpoint.h"

/* What the headers say one by one; what they mean together is known when all have been read. */
typedef struct wish_reading {
    bool accepts_events;
    prefer prefer;
} wish_reading;

static bool header_name_is(const http_header *h, const char *name) { return strcasecmp(h->name.data, name) == 0; }

_Static_assert(sizeof "accept" == sizeof "prefer", "wish_read_header has one case for both");

static void wish_read_header(request_wish *w, wish_reading *r, const http_header *h)
{
    switch (h->name.len) { /* most headers say nothing here: they are not compared with all of these names */
    case sizeof "host" - 1:
        if (!w->host && header_name_is(h, "host")) w->host = h->value.data;
        return;
    case sizeof "accept" - 1:
        if (header_name_is(h, "accept"))
            r->accepts_events |= accept_names_events(h->value.data);
        else if (header_name_is(h, "prefer"))
            prefer_read(&r->prefer, h->value.data);
        return;
    case sizeof "last-event-id" - 1:
        if (!w->last_event_id && header_name_is(h, "last-event-id")) w->last_event_id = h->value.data;
        return;
    case sizeof "idempotency-key" - 1:
        if (!header_name_is(h, "idempotency-key")) return;
        w->key = h->value;
        w->key_count++;
        return;
    default:
        return;
    }
}

static waiter_wish wish_answer(const wish_reading *r)
{
    if (r->accepts_events) return (waiter_wish){.kind = WAITER_STREAM};
    const prefer *p = &r->prefer;
    if (p->wait_ms > 0) return (waiter_wish){.kind = WAITER_WAIT, .wait_ms = p->wait_ms};
    return (waiter_wish){.kind = p->respond_async || p->wait_ms == 0 ? WAITER_ASYNC : WAITER_REQUEST};
}

request_wish request_wish_of(const http_request *q)
{
    request_wish w = {.is_head = q->method.len == 4 && memcmp(q->method.data, "HEAD", 4) == 0,
                      .scope = RUN_TOKEN_CONTROL};
    wish_reading r = {.prefer = PREFER_NOTHING};
    for (size_t i = 0; i < q->header_count; i++) wish_read_header(&w, &r, &q->headers[i]);
    w.answer = wish_answer(&r);
    w.hold_ms = hold_shows_proxy(q) ? HOLD_PROXY_MS : 0;
    return w;
}

request_wish request_wish_of_link(const http_request *q)
{
    request_wish w = request_wish_of(q);
    w.observes = true;
    w.scope = run_access_scope(q);
    w.hold_ms = hold_for(q);
    w.round = run_access_round(q);
    return w;
}

bool request_is_of_link(const http_router *routes, http_text method, http_text path)
{
    http_match m;
    const endpoint *e = http_router_find(routes, method, path, &m) == HTTP_MATCH_FOUND ? m.target : NULL;
    return e && e->kind == ENDPOINT_BUILTIN;
}
