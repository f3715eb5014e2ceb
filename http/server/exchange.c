/* What the owner of an exchange asks about it. */
#include <assert.h>
#include <string.h>

#include "http/server/server_core.h"

const http_server *http_exchange_server(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_of(x)->server;
}

const http_request *http_exchange_request(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return &x->request;
}

const char *http_request_header(const http_request *r, const char *name)
{
    size_t len = strlen(name);
    for (size_t i = 0; i < r->header_count; i++) {
        const http_header *h = &r->headers[i];
        if (text_equals_any_case(h->name.data, h->name.len, name, len)) return h->value.data;
    }
    return NULL;
}

void http_exchange_policy(http_exchange *x, http_policy policy)
{
    assert(exchange_is_open(x));
    x->policy = policy;
}

void http_exchange_set_user(http_exchange *x, void *user)
{
    assert(exchange_is_open(x));
    x->user = user;
}

void *http_exchange_user(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return x->user;
}

void http_exchange_on_gone(http_exchange *x, void (*fn)(http_exchange *x))
{
    http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    x->on_gone = fn;
    if (fn && !x->gone_told && conn_is_closed(&c->state)) server_add_ready(c); /* the client has gone: told soon */
}

void http_exchange_on_half_closed(http_exchange *x, void (*fn)(http_exchange *x))
{
    assert(exchange_is_open(x));
    x->on_half_closed = fn;
}

void http_exchange_set_missed_note(http_exchange *x, const uint8_t note[HTTP_MISSED_NOTE_BYTES])
{
    http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    assert(c->server->options.on_missed);
    memcpy(c->missed_note, note, HTTP_MISSED_NOTE_BYTES);
    c->has_missed_note = true;
    c->reply_failed = conn_is_over(&c->state);
}

void http_exchange_set_timing(http_exchange *x, const void *about, uint64_t began_us)
{
    assert(exchange_is_open(x));
    assert(began_us > 0);
    assert(conn_of(x)->server->options.on_timed);
    x->timing = (http_timing){.about = about, .began_us = began_us};
}

bool http_exchange_gone(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_is_over(&conn_of(x)->state);
}

bool http_exchange_writable(http_exchange *x)
{
    const http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    if (c->out_len <= x->queue_max) return true;
    x->starved = true;
    return false;
}

/* Bytes that were queued under a higher limit are above this one: on_writable is due for them as well. */
void http_exchange_queue_max(http_exchange *x, size_t bytes)
{
    assert(exchange_is_open(x));
    x->queue_max = bytes;
    (void)http_exchange_writable(x);
}

bool http_exchange_flushed(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_of(x)->state.output == OUTPUT_EMPTY;
}

void http_exchange_on_writable(http_exchange *x, void (*fn)(http_exchange *x))
{
    assert(exchange_is_open(x));
    x->on_writable = fn;
}

bool http_exchange_may_open(const http_exchange *x, int fd)
{
    int most = conn_of(x)->server->options.descriptors_max;
    assert(exchange_is_open(x));
    return most <= 0 || fd < most;
}
