/* Connections that outlive the process: a holder, another process, has a second descriptor of them. */
#include <assert.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server/position.h"
#include "http/server/server_core.h"

bool conn_release(http_conn *c)
{
    http_server *s = c->server;
    if (!conn_kept(c)) return true;
    assert(c->keep_key != 0);
    if (!s->options.on_release(s->options.arg, c->keep_key)) return false;
    c->keep_key = 0;
    conn_post(&c->state, EVENT_RELEASE);
    return true;
}

void conn_end_kept(http_conn *c, conn_ending ending)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    http_server *s = c->server;
    assert(conn_kept(c) && c->keep_key != 0);
    assert(ending != ENDING_PASSED);
    if (ending == ENDING_RESET)
        (void)connect(c->fd, &nowhere, sizeof(nowhere)); /* resets now; fails, like shutdown(), if the client did */
    else
        (void)shutdown(c->fd, SHUT_RDWR);
    s->options.on_ended(s->options.arg, c->keep_key);
}

bool conn_skip(http_conn *c, struct iovec *parts, size_t count)
{
    size_t left = 0;
    assert(c->state.output == OUTPUT_SKIPPING && c->skip > 0);
    for (size_t i = 0; i < count; i++) {
        size_t n = parts[i].iov_len < c->skip ? parts[i].iov_len : (size_t)c->skip;
        parts[i].iov_base = (char *)parts[i].iov_base + n;
        parts[i].iov_len -= n;
        c->skip -= n;
        left += parts[i].iov_len;
    }
    assert(left == 0 || c->skip == 0); /* what a former process has not sent lies behind all that it has */
    if (c->skip == 0) conn_post(&c->state, EVENT_CAUGHT_UP);
    return left > 0;
}

void conn_keep_reply(http_conn *c, http_text data, bool body_follows)
{
    http_server *s = c->server;
    const http_kept_reply reply = {data, .body_follows = body_follows, .is_persistent = c->is_persistent};
    assert(conn_kept(c) && c->keep_key != 0);
    assert(!conn_has_unsent(&c->state)); /* else the kernel's position would be another reply's */
    s->options.on_kept_reply(s->options.arg, c->keep_key, &reply);
}

bool http_exchange_can_keep(const http_exchange *x, http_kept *out)
{
    const http_conn *c = conn_of(x);
    assert(exchange_is_open(x));
    assert(!conn_kept(c));
    if (!conn_may_keep(&c->state)) return false;
    *out = (http_kept){.fd = c->fd, .unsent = {c->out_len > 0 ? c->out + c->out_start : "", c->out_len}};
    if (!position_get(c->fd, &out->position)) return false;
    out->bytes = conn_copy_request(c, (http_text){"", 0}, &out->len);
    return out->bytes != NULL;
}

bool http_exchange_half_closed(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_of(x)->state.input == INPUT_ENDED;
}

void http_exchange_keep(http_exchange *x, uint64_t key)
{
    http_conn *c = conn_of(x);
    assert(conn_may_keep(&c->state));
    assert(key != 0 && c->keep_key == 0);
    c->keep_key = key;
    conn_post(&c->state, EVENT_KEEP);
    server_add_ready(c); /* its end is watched for from now on, instead of reading */
}

bool http_exchange_kept(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_kept(conn_of(x));
}

bool http_exchange_caught_up(const http_exchange *x)
{
    assert(exchange_is_open(x));
    return conn_of(x)->state.output != OUTPUT_SKIPPING;
}

bool http_exchange_unkeep(http_exchange *x)
{
    http_conn *c = conn_of(x);
    if (!http_exchange_caught_up(x)) return false;
    if (!conn_is_closed(&c->state)) server_add_ready(c);
    return conn_release(c);
}

static void fd_reset_and_close(int fd)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof(now));
    close(fd);
}

http_adopted http_server_adopt_kept(http_server *server, const http_kept *kept, uint64_t key, bool replying)
{
    assert(key != 0 && kept->fd >= 0);
    conn_past past = {.bytes = {kept->bytes, kept->len}, .keep_key = key};
    socklen_t peer_len = sizeof(past.peer);
    uint64_t position = 0;
    bool alive = !server->stopping && getpeername(kept->fd, (struct sockaddr *)&past.peer, &peer_len) == 0 &&
                 position_get(kept->fd, &position) && position >= kept->position;
    /* Bytes were sent of a reply that the holder was not told of: nobody knows the rest. */
    if (!alive || (position > kept->position && !replying)) {
        fd_reset_and_close(kept->fd);
        return alive ? HTTP_ADOPT_UNCERTAIN : HTTP_ADOPT_ENDED;
    }
    past.skip = position - kept->position;
    return conn_adopt(server, kept->fd, &past) ? HTTP_ADOPTED : HTTP_ADOPT_ENDED;
}

/* The status of a reply by its first bytes, "HTTP/1.1 200"; 0: they are none of ours. */
static int reply_status(http_text head)
{
    enum { STATUS_AT = 9, DIGITS = 3 };
    int status = 0;
    for (size_t i = STATUS_AT; i < STATUS_AT + DIGITS; i++) {
        if (i >= head.len || head.data[i] < '0' || head.data[i] > '9') return 0;
        status = status * 10 + head.data[i] - '0';
    }
    return status;
}

void http_reply_resume(http_exchange *x, const http_kept_reply *reply)
{
    http_conn *c = conn_of(x);
    struct iovec part = {(char *)(uintptr_t)reply->data.data, reply->data.len};
    conn_post(&c->state, EVENT_BEGIN);
    x->timing.status = reply_status(reply->data);
    x->is_chunked = x->is_bodiless = x->is_sized = false;
    c->is_persistent = reply->is_persistent;
    conn_gather(c, &part, 1);
}

void http_reply_resume_stream(http_exchange *x, http_text unsent)
{
    http_conn *c = conn_of(x);
    struct iovec part = {(char *)(uintptr_t)unsent.data, unsent.len};
    conn_post(&c->state, EVENT_BEGIN);
    x->timing.status = 200; /* no other reply is a stream */
    x->is_bodiless = x->is_head;
    x->is_sized = false;
    x->is_chunked = c->parser.http11 && !x->is_bodiless;
    if (!x->is_chunked) c->is_persistent = false;
    c->ends_by_fin = !x->is_chunked && !x->is_bodiless;
    conn_gather(c, &part, 1);
}

void http_exchange_leave(http_exchange *x)
{
    assert(exchange_is_open(x));
    conn_exchange_leave(conn_of(x));
}
