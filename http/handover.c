/* Connections that change servers: between loops, each with a server of its own. */
#include <assert.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server_core.h"
#include "http/token.h"

/* Headers about the body's framing, which is written anew, or already acted upon. */
static bool is_framing(const http_text *name)
{
    return text_equals(name->data, name->len, "Content-Length", 14) ||
           text_equals(name->data, name->len, "Transfer-Encoding", 17) ||
           text_equals(name->data, name->len, "Expect", 6);
}

static char *put(char *to, const void *data, size_t len)
{
    if (len > 0) memcpy(to, data, len);
    return to + len;
}

static size_t size_of(const http_request *r, size_t body_len, size_t rest)
{
    size_t size = r->method.len + r->target.len + body_len + rest + 64;
    for (size_t i = 0; i < r->header_count; i++) size += r->headers[i].name.len + r->headers[i].value.len + 4;
    return size;
}

char *handover_request(const http_conn *c, http_text body, size_t *len)
{
    const http_request *r = &c->exchange.request;
    size_t rest = c->bytes.end - c->bytes.at;
    char *all = malloc(size_of(r, body.len, rest)), *to = all;
    if (!all) return NULL;
    to = put(to, r->method.data, r->method.len);
    to = put(to, " ", 1);
    to = put(to, r->target.data, r->target.len);
    to = put(to, c->parser.http11 ? " HTTP/1.1\r\n" : " HTTP/1.0\r\n", 11);
    for (size_t i = 0; i < r->header_count; i++) {
        const http_header *h = &r->headers[i];
        if (is_framing(&h->name)) continue;
        to = put(to, h->name.data, h->name.len);
        to = put(to, ": ", 2);
        to = put(to, h->value.data, h->value.len);
        to = put(to, "\r\n", 2);
    }
    if (body.len > 0) to += sprintf(to, "Content-Length: %zu\r\n", body.len);
    to = put(to, "\r\n", 2);
    to = put(to, body.data, body.len);
    char *behind = to;
    to = put(to, c->bytes.data + c->bytes.at, rest);
    if (c->has_displaced && rest > 0) *behind = c->displaced;
    *len = (size_t)(to - all);
    assert(*len <= size_of(r, body.len, rest));
    return all;
}

int http_exchange_detach(http_exchange *x, char **bytes, size_t *len)
{
    http_conn *c = conn_of(x);
    assert(x->stage != EXCHANGE_NONE && !conn_kept(c));
    if (x->stage != EXCHANGE_OPEN || c->state != CONN_ANSWERING || c->broken || c->out_len > 0) return -1;
    int fd = fcntl(c->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0) return -1;
    *bytes = handover_request(c, x->request.body, len);
    if (!*bytes) {
        close(fd);
        return -1;
    }
    x->on_gone = NULL;
    x->stage = EXCHANGE_NONE;
    c->server->exchanges--;
    conn_close(c);
    return fd;
}

bool http_server_adopt(http_server *server, int fd, const char *bytes, size_t len)
{
    struct sockaddr_storage peer = {0};
    socklen_t peer_len = sizeof(peer);
    if (server->stopping || getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0) {
        close(fd);
        return false;
    }
    return conn_adopt(server, fd, &peer, bytes, len, 0, 0);
}
