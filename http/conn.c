#include <assert.h>
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/conn_in.h"
#include "http/server_core.h"

static const char interim_100[] = "HTTP/1.1 100 Continue\r\n\r\n";

http_conn *conn_of(const http_exchange *x)
{
    return (http_conn *)(uintptr_t)((const char *)x - offsetof(http_conn, exchange));
}

static void watch_set(http_conn *c, conn_watch watch)
{
    http_server *s = c->server;
    if (watch == c->watch && !c->touched) return;
    c->touched = false;
    c->arrived = 0;
    if (c->watch != WATCH_NONE) TAILQ_REMOVE(&s->watched[c->watch], c, watched);
    c->watch = watch;
    c->stamp_ms = uv_now(s->loop);
    if (watch != WATCH_NONE) TAILQ_INSERT_TAIL(&s->watched[watch], c, watched);
}

static void free_when_done(http_conn *c)
{
    http_server *s = c->server;
    if (c->state != CONN_CLOSED || !c->poll_closed || c->exchange.stage != EXCHANGE_NONE) return;
    if (c->in_ready) TAILQ_REMOVE(&s->ready, c, ready);
    TAILQ_REMOVE(&s->all, c, all);
    conn_in_release(c);
    request_parser_free(&c->parser);
    assert(!c->out);
    free(c);
    server_conn_freed(s);
}

static void on_poll_closed(uv_handle_t *handle)
{
    http_conn *c = handle->data;
    c->poll_closed = true;
    free_when_done(c);
}

static void tell_gone(http_conn *c)
{
    http_exchange *x = &c->exchange;
    assert(c->state == CONN_CLOSED);
    if (x->stage == EXCHANGE_NONE || x->gone_told || !x->on_gone) return;
    x->gone_told = true;
    x->on_gone(x);
}

/* The process stops and another follows: what is kept is the holder's, with all that is needed to go on. */
static bool stays_held(const http_conn *c)
{
    return conn_kept(c) && c->server->stopping && c->server->leaving && !c->broken && !c->eof && !c->hung_up;
}

/* A reply has begun, here or in a former process, and is not whole. */
static bool is_cut(const http_conn *c)
{
    return c->out_len > 0 || c->skip > 0 || c->exchange.stage == EXCHANGE_STREAMING;
}

/* The holder's descriptor would keep the connection open for the client. */
static void end_kept(http_conn *c)
{
    const struct sockaddr nowhere = {.sa_family = AF_UNSPEC};
    if (c->broken || is_cut(c))
        (void)connect(c->fd, &nowhere, sizeof(nowhere)); /* resets it now; both fail when the client has ended it */
    else
        (void)shutdown(c->fd, SHUT_RDWR);
    conn_release_later(c);
}

void conn_close(http_conn *c)
{
    http_server *s = c->server;
    assert(c->state != CONN_CLOSED);
    if (!stays_held(c)) {
        if (is_cut(c)) (void)conn_reset_on_close(c, true); /* else a client that counts no bytes takes it for whole */
        if (conn_kept(c)) end_kept(c);
    }
    c->keep_key = 0; /* from now on the holder alone has it */
    c->state = CONN_CLOSED;
    watch_set(c, WATCH_NONE);
    if (c->is_extra)
        s->extras--;
    else
        s->connections--;
    conn_out_free(c);
    /* libuv forgets the descriptor in here, so that it may be closed, and its number used again, at once. */
    uv_close((uv_handle_t *)&c->poll, on_poll_closed);
    if (c->fd >= 0) close(c->fd); /* else it moves to another server */
    c->fd = -1;
    tell_gone(c);
}

/* A reset tells also those that read until the end of file that this was not all. If it cannot be had, the missing last
 * chunk tells the others. */
void conn_cut(http_conn *c)
{
    (void)conn_reset_on_close(c, true);
    c->broken = true;
}

static void on_poll(uv_poll_t *poll, int status, int events);

/* Of a kept connection nothing is read, because what has been read would be lost with the process: only its end is
 * watched for. Without anything to read or write, priority events keep the descriptor watched: the kernel reports
 * errors with them. */
static void poll_arm(http_conn *c)
{
    int events = 0;
    bool may_read = c->state == CONN_READING     ? c->bytes.at == c->bytes.end
                    : c->state == CONN_ANSWERING ? c->bytes.end < c->bytes_cap
                                                 : true;
    if (may_read && !c->eof && !conn_kept(c)) events |= UV_READABLE;
    if (may_read && !c->eof && conn_kept(c) && !c->hung_up) events |= UV_DISCONNECT;
    if (c->blocked) events |= UV_WRITABLE;
    if (events == 0) events = UV_PRIORITIZED;
    if (events == c->armed) return;
    if (uv_poll_start(&c->poll, events, on_poll) == 0)
        c->armed = events;
    else
        conn_close(c);
}

static conn_watch watch_wanted(const http_conn *c)
{
    if (c->out_len > 0) return WATCH_WRITE;
    if (c->state == CONN_LINGERING) return WATCH_LINGER;
    if (c->state != CONN_READING) return WATCH_NONE;
    if (request_parser_waits(&c->parser)) return WATCH_IDLE;
    return request_parser_in_body(&c->parser) ? WATCH_BODY : WATCH_HEAD;
}

/* Brings timers, poll and buffers in line with the state. */
static void settle(http_conn *c)
{
    conn_leaving leaving = conn_leave(c);
    if (leaving == LEAVING_DONE) return;
    if (c->state == CONN_READING && c->bytes.at == c->bytes.end) {
        if (c->eof || conn_is_last(c, leaving))
            c->state = CONN_CLOSING;
        else if (request_parser_idle(&c->parser))
            conn_in_release(c);
    }
    if (c->state == CONN_CLOSING || c->state == CONN_LINGERING) {
        conn_in_release(c);
        if (c->state == CONN_CLOSING && c->out_len == 0)
            conn_linger(c);
        else if (c->state == CONN_LINGERING && c->eof && !conn_must_be_acked(c))
            conn_close(c);
        if (c->state == CONN_CLOSED) return;
    }
    watch_set(c, watch_wanted(c));
    poll_arm(c);
}

/* The zero behind a body that fills its bytes to the last needs one more; one behind a body that another request
 * follows takes the place of that request's first byte until the exchange has ended. */
static bool body_make_room(http_conn *c)
{
    request_bytes *b = &c->bytes;
    if (c->parser.body_len == 0 || c->parser.is_chunked) return true; /* a chunked body has its framing behind it */
    if (b->at < b->end) {
        c->has_displaced = true;
        c->displaced = b->data[b->at];
        return true;
    }
    if (!conn_in_extend(c)) return false;
    b->at = ++b->end;
    return true;
}

/* A client that was taken back waits for the rest of another reply, or for one that another process knows of. */
void conn_refuse(http_conn *c, int status, const char *detail)
{
    if (conn_kept(c))
        c->broken = true;
    else
        reply_problem(c, status, detail);
}

static void hand_out(http_conn *c)
{
    http_server *s = c->server;
    http_exchange *x = &c->exchange;
    assert(x->stage == EXCHANGE_NONE);
    if (!body_make_room(c) || !request_parser_request(&c->parser, &c->bytes, &x->request)) {
        conn_refuse(c, 503, "The server is out of memory.");
        return;
    }
    x->request.peer = (http_text){c->peer, strlen(c->peer)};
    x->request.peer_loopback = c->peer_loopback;
    x->user = NULL;
    x->policy = (http_policy){NULL, 0};
    x->on_gone = x->on_writable = NULL;
    x->gone_told = x->starved = false;
    x->queue_max = s->options.write_queue_bytes_max;
    x->is_head = c->parser.method.len == 4 && memcmp(c->parser.method.data, "HEAD", 4) == 0;
    x->stage = EXCHANGE_OPEN;
    c->keep_alive = c->parser.keep_alive && !server_closing(s);
    c->state = CONN_ANSWERING;
    s->exchanges++;
    s->options.on_request(s->options.arg, x);
}

void conn_exchange_end(http_conn *c)
{
    assert(c->exchange.stage != EXCHANGE_NONE && c->server->exchanges > 0);
    c->exchange.stage = EXCHANGE_NONE;
    c->server->exchanges--;
    if (c->state == CONN_CLOSED) {
        free_when_done(c);
        return;
    }
    assert(c->state == CONN_ANSWERING);
    if (c->skip > 0 && !c->broken)
        conn_cut(c); /* the client has more than this reply: it was another one's beginning */
    if (c->has_displaced) c->bytes.data[c->bytes.at] = c->displaced;
    c->has_displaced = false;
    request_parser_forget(&c->parser);
    c->bytes.start = c->bytes.at;
    c->touched = true;
    c->state = c->keep_alive ? CONN_READING : CONN_CLOSING;
    if (!c->parsing) server_ready(c);
}

/* Its reply is with the kernel: nothing is left that the next process would have to do. If the holder cannot be told
 * now, the next request waits: its reply would be taken for a part of this one. */
static void release_when_done(http_conn *c)
{
    if (conn_kept(c) && c->exchange.stage == EXCHANGE_NONE && c->out_len == 0 && !c->broken) (void)conn_release(c);
}

static bool may_parse(const http_conn *c)
{
    return c->state == CONN_READING && c->bytes.at < c->bytes.end && c->out_len < CONN_CORK_BYTES && !c->broken;
}

static void parse(http_conn *c)
{
    /* A kept connection has its next request read when the holder has let go of it: the holder knows one only. */
    while (may_parse(c) && (!conn_kept(c) || c->adopting)) {
        conn_in_begin(c);
        request_result result = request_parser_feed(&c->parser, &c->bytes);
        if (result == REQUEST_COMPLETE) {
            c->adopting = false;
            hand_out(c);
        } else if (result == REQUEST_REFUSED) {
            conn_refuse(c, c->parser.status, c->parser.detail);
        } else if (result == REQUEST_EXPECTS) {
            struct iovec part = {(char *)(uintptr_t)interim_100, sizeof(interim_100) - 1};
            conn_send(c, &part, 1);
        }
    }
    /* Another program took it for a whole request, or took what this one refuses. */
    if (c->adopting) c->broken = true;
}

static void tell_writable(http_conn *c)
{
    http_exchange *x = &c->exchange;
    if (!x->starved || c->out_len > x->queue_max) return;
    x->starved = false;
    if (x->stage != EXCHANGE_NONE && x->on_writable) x->on_writable(x);
}

void conn_run(http_conn *c)
{
    assert(c->state != CONN_CLOSED && !c->parsing);
    c->parsing = true;
    do {
        parse(c);
        conn_flush(c);
        tell_writable(c);
        release_when_done(c);
    } while (may_parse(c) && !conn_kept(c));
    conn_flush(c);
    c->parsing = false;
    if (c->state == CONN_CLOSED) return; /* the owner has stopped the server from within a callback */
    if (c->broken)
        conn_close(c);
    else
        settle(c);
}

/* The client has sent its last byte. That may be a half-close (it still reads) or all it will ever do: only writing
 * tells. So while an answer is awaited, an interim reply that every client must skip is sent; a client that is gone
 * answers it with a reset, and the exchange learns of that. */
static void on_eof(http_conn *c)
{
    c->eof = true;
    if (c->state != CONN_ANSWERING || c->exchange.stage != EXCHANGE_OPEN || !c->parser.http11 || c->skip > 0) return;
    struct iovec probe = {(char *)(uintptr_t)interim_100, sizeof(interim_100) - 1};
    conn_send(c, &probe, 1);
}

/* A body that trickles must not hold its connection for ever: only enough of it lets the wait begin anew. */
static void note_body(http_conn *c, size_t len)
{
    c->arrived += len;
    if (c->arrived >= (uint64_t)c->server->options.body_timeout_ms * SERVER_BODY_RATE / 1000) c->touched = true;
}

static void read_some(http_conn *c)
{
    bool discard = c->state == CONN_CLOSING || c->state == CONN_LINGERING;
    if (c->state == CONN_READING && c->bytes.at < c->bytes.end) return; /* first what is there */
    if (!discard && !conn_in_make_room(c)) {
        if (c->state == CONN_READING) reply_problem(c, 503, "The server is out of memory.");
        return;
    }
    char *to = discard ? c->server->scratch : c->bytes.data + c->bytes.end;
    size_t room = discard ? sizeof(c->server->scratch) : c->bytes_cap - c->bytes.end;
    ssize_t n = recv(c->fd, to, room, 0);
    if (n > 0) {
        if (discard) return;
        c->bytes.end += (size_t)n;
        if (request_parser_in_body(&c->parser)) note_body(c, (size_t)n);
    } else if (n == 0) {
        on_eof(c);
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        c->broken = true;
    }
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    http_conn *c = poll->data;
    if (c->state == CONN_CLOSED) return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    if (events & UV_PRIORITIZED) {
        char urgent;
        /* Urgent data are of no use here, but as long as they wait the poll would return at once. */
        if (recv(c->fd, &urgent, 1, MSG_OOB) < 0 && errno != EAGAIN) c->broken = true;
    }
    if (events & UV_WRITABLE) c->blocked = false;
    /* It has sent its last byte and may be gone; to learn that, it must be read and written to, which the next process
     * could not take into account. */
    if (events & UV_DISCONNECT) c->hung_up = !conn_release(c);
    /* What comes for a connection that has been left belongs to the process that goes on with it. */
    if ((events & UV_READABLE) && !c->eof && !conn_kept(c) && !c->broken) read_some(c);
    const http_server_options *o = &c->server->options;
    conn_run(c);
    if (o->on_handled) o->on_handled(o->arg);
}

void conn_turn(http_conn *c)
{
    if (c->state == CONN_CLOSED) {
        tell_gone(c);
        free_when_done(c);
        return;
    }
    if (c->hung_up && conn_release(c)) c->hung_up = false;
    conn_run(c);
}

void conn_timeout(http_conn *c)
{
    switch (c->watch) {
    case WATCH_HEAD:
        reply_problem(c, 408, "The request's head did not arrive in time.");
        break;
    case WATCH_BODY:
        reply_problem(c, 408, "The request's body did not arrive in time.");
        break;
    case WATCH_LINGER:
        c->touched = conn_still_acks(c);
        if (c->touched)
            watch_set(c, WATCH_LINGER);
        else
            conn_close(c);
        return;
    case WATCH_WRITE:
    case WATCH_IDLE:
    case WATCH_NONE:
    case WATCH_COUNT:
        conn_close(c);
        return;
    }
    conn_run(c);
}
