/* Connections that change servers: between loops, each with a server of its own. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server/server_core.h"

/* Headers about the body's framing, which is written anew, and Expect, which has been obeyed. */
static bool header_is_framing(const http_text *name)
{
    return text_equals_any_case(name->data, name->len, "Content-Length", 14) ||
           text_equals_any_case(name->data, name->len, "Transfer-Encoding", 17) ||
           text_equals_any_case(name->data, name->len, "Expect", 6);
}

static size_t request_text_bytes_max(const http_request *r, http_text line_target, size_t body_len, size_t rest)
{
    size_t size = r->method.len + line_target.len + body_len + rest + 64;
    for (size_t i = 0; i < r->header_count; i++) size += r->headers[i].name.len + r->headers[i].value.len + 4;
    return size;
}

/* Writes no header longer than it came, so that a head within the limits is within them again: no space behind the
 * colon, and an empty Host where the target overrides it, because the next parser will override Host too. */
static char *request_put_header(char *to, const http_conn *c, const http_header *h)
{
    bool is_overridden = c->parser.authority.len > 0 && text_equals_any_case(h->name.data, h->name.len, "Host", 4);
    to = text_put(to, h->name.data, h->name.len);
    to = text_put(to, ":", 1);
    if (!is_overridden) to = text_put(to, h->value.data, h->value.len);
    return text_put(to, "\r\n", 2);
}

char *conn_copy_request(const http_conn *c, http_text body, size_t *len)
{
    const http_request *r = &c->exchange.request;
    http_text target = c->parser.target; /* as it came: with its host */
    assert(exchange_is_open(&c->exchange));
    assert(c->bytes.at <= c->bytes.end);
    size_t rest = c->bytes.end - c->bytes.at;
    char *all = malloc(request_text_bytes_max(r, target, body.len, rest)), *to = all;
    if (!all) return NULL;
    to = text_put(to, r->method.data, r->method.len);
    to = text_put(to, " ", 1);
    to = text_put(to, target.data, target.len);
    to = text_put(to, c->parser.http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n", 11);
    for (size_t i = 0; i < r->header_count; i++) {
        if (!header_is_framing(&r->headers[i].name)) to = request_put_header(to, c, &r->headers[i]);
    }
    if (body.len > 0) to += sprintf(to, "Content-Length:%zu\r\n", body.len);
    to = text_put(to, "\r\n", 2);
    to = text_put(to, body.data, body.len);
    char *behind = to;
    to = text_put(to, c->bytes.data + c->bytes.at, rest);
    if (c->has_displaced && rest > 0) *behind = c->displaced;
    *len = (size_t)(to - all);
    assert(*len <= request_text_bytes_max(r, target, body.len, rest));
    return all;
}

bool http_exchange_sent(http_exchange *x)
{
    http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    conn_flush(c);
    return c->out_len == 0;
}

/* Copies the unsent bytes; out->unsent is malloc'd. False: no memory. */
static bool conn_copy_unsent(const http_conn *c, http_moving *out)
{
    out->unsent = NULL;
    out->unsent_len = c->out_len;
    if (c->out_len == 0) return true;
    out->unsent = malloc(c->out_len);
    if (out->unsent) memcpy(out->unsent, c->out + c->out_start, c->out_len);
    return out->unsent != NULL;
}

bool http_exchange_detach(http_exchange *x, http_moving *out)
{
    http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    assert(!conn_kept(c));
    conn_flush(c);
    if (!conn_may_move(&c->state) || !conn_copy_unsent(c, out)) return false;
    out->bytes = conn_copy_request(c, x->request.body, &out->len);
    if (!out->bytes) {
        free(out->unsent);
        return false;
    }
    conn_out_free(c);
    conn_post(&c->state, EVENT_LEAVE);
    assert(c->server->exchanges > 0);
    c->server->exchanges--;
    /* The descriptor itself moves: a second one could not be had where all are in use. */
    out->fd = c->fd;
    c->fd = -1;
    conn_close(c);
    return true;
}

bool http_server_adopt(http_server *server, const http_moving *moving)
{
    conn_past past = {.unsent = {moving->unsent, moving->unsent_len}, .bytes = {moving->bytes, moving->len}};
    socklen_t peer_len = sizeof(past.peer);
    if (server->stopping || getpeername(moving->fd, (struct sockaddr *)&past.peer, &peer_len) != 0) {
        close(moving->fd);
        return false;
    }
    return conn_adopt(server, moving->fd, &past);
}
