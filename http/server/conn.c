#include <assert.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "coro/seeded_bug.h"
#include "http/server/conn_in.h"
#include "http/server/server_core.h"

static const char interim_100[] = "HTTP/1.1 100 Continue\r\n\r\n";

static void conn_watch_set(http_conn *c, conn_watch watch)
{
    http_server *s = c->server;
    assert(watch < WATCH_COUNT);
    assert(watch == WATCH_NONE || !conn_is_over(&c->state));
    if (watch == c->watch && !c->touched) return;
    c->touched = false;
    c->arrived = 0;
    if (c->watch != WATCH_NONE) TAILQ_REMOVE(&s->watched[c->watch], c, watched);
    c->watch = watch;
    c->stamp_ms = uv_now(s->loop);
    if (watch != WATCH_NONE) TAILQ_INSERT_TAIL(&s->watched[watch], c, watched);
}

static void conn_free_when_done(http_conn *c)
{
    http_server *s = c->server;
    if (c->state.life != LIFE_GONE || c->state.exchange != EXCHANGE_NONE) return;
    if (c->is_in_ready) TAILQ_REMOVE(&s->ready, c, ready);
    TAILQ_REMOVE(&s->all, c, all);
    conn_in_release(c);
    request_parser_free(&c->parser);
    assert(!c->out);
    assert(c->fd < 0);
    assert(c->watch == WATCH_NONE);
    assert(c->keep_key == 0);
    free(c);
    server_conn_freed(s);
}

static void conn_on_poll_closed(uv_handle_t *handle)
{
    http_conn *c = handle->data;
    conn_post(&c->state, EVENT_UNWATCH);
    conn_free_when_done(c);
}

static void conn_tell_gone(http_conn *c)
{
    http_exchange *x = &c->exchange;
    assert(conn_is_closed(&c->state));
    if (!exchange_is_open(x) || x->gone_told || !x->on_gone) return;
    x->gone_told = true;
    x->on_gone(x);
}

void conn_close(http_conn *c)
{
    http_server *s = c->server;
    conn_ending ending = conn_ending_of(&c->state, s->stopping && s->leaving);
    bool missed = ending != ENDING_PASSED && conn_missed(c);
    if (ending == ENDING_RESET) (void)conn_set_close_kind(c, CLOSE_WITH_RESET); /* a client may count no bytes */
    if (ending != ENDING_PASSED && conn_kept(c)) conn_end_kept(c, ending);
    c->keep_key = 0; /* the holder may have the connection yet, this process no longer */
    conn_out_free(c);
    conn_post(&c->state, EVENT_CLOSE);
    conn_watch_set(c, WATCH_NONE);
    assert(c->is_extra ? s->extras > 0 : s->connections > 0);
    if (c->is_extra)
        s->extras--;
    else
        s->connections--;
    /* libuv forgets the descriptor in here, so that it may be closed, and its number used again, at once. */
    uv_close((uv_handle_t *)&c->poll, conn_on_poll_closed);
    bool keeps = BUG(LEAK_DESCRIPTOR) && exchange_is_open(&c->exchange);
    if (c->fd >= 0 && !keeps) close(c->fd); /* else the descriptor moves to another server */
    c->fd = -1;
    c->has_missed_note = false;
    conn_tell_gone(c);
    if (missed) s->options.on_missed(s->options.arg, c->missed_note);
}

/* Throws unsent bytes away: behind a gap they would be taken for something else. */
void conn_cut(http_conn *c)
{
    if (c->state.life == LIFE_CUT) return;
    conn_out_free(c);
    c->skip = 0;
    conn_post(&c->state, EVENT_CUT);
    server_add_ready(c); /* to be closed on the loop's own stack */
}

static void conn_on_poll(uv_poll_t *poll, int status, int events);

/* A client may have sent more than is read now, and then ended: its end, which cannot be read before the request is
 * answered, can be seen. */
static bool conn_may_see_end(const http_conn *c)
{
    return c->state.life == LIFE_ANSWERING && conn_may_read(&c->state) && !c->end_seen;
}

/* Whether bytes that come now can be taken: while reading, all that came before is parsed; while answering, there is
 * memory for what the client sends ahead; behind the last reply they are thrown away. */
static bool conn_takes_bytes(const http_conn *c)
{
    switch ((conn_life)c->state.life) {
    case LIFE_READING:
        return c->bytes.at == c->bytes.end;
    case LIFE_ANSWERING:
        return c->bytes.end < c->bytes_cap;
    default:
        return true;
    }
}

/* Watches the descriptor for what the state waits for. With nothing to read or write, for priority events: the kernel
 * reports errors with these as well. */
static void conn_arm_poll(http_conn *c)
{
    int events = 0;
    assert(!conn_is_over(&c->state));
    bool has_room = conn_takes_bytes(c);
    if (has_room && conn_may_read(&c->state)) events |= UV_READABLE;
    if (!has_room && conn_may_see_end(c)) events |= UV_DISCONNECT;
    if ((has_room || c->state.life == LIFE_ANSWERING) && conn_may_hang_up(&c->state)) events |= UV_DISCONNECT;
    if (c->state.output == OUTPUT_BLOCKED) events |= UV_WRITABLE;
    if (events == 0) events = UV_PRIORITIZED;
    if (events == c->armed) return;
    if (uv_poll_start(&c->poll, events, conn_on_poll) == 0)
        c->armed = events;
    else
        conn_close(c);
}

conn_part conn_part_of(const http_conn *c)
{
    if (request_parser_waits(&c->parser)) return PART_BETWEEN;
    return request_parser_in_body(&c->parser) ? PART_BODY : PART_HEAD;
}

/* Brings timers, poll and buffers in line with the state. */
static void conn_settle(http_conn *c)
{
    conn_leaving leaving = conn_leave(c);
    if (leaving == LEAVING_DONE) return;
    assert((c->out_len > 0) == conn_has_unsent(&c->state));
    assert((c->keep_key != 0) == conn_kept(c));
    assert((c->skip > 0) == (c->state.output == OUTPUT_SKIPPING));
    if (c->state.life == LIFE_READING && c->bytes.at == c->bytes.end) {
        if (conn_is_last(c, leaving))
            conn_post(&c->state, EVENT_FINISH);
        else if (request_parser_idle(&c->parser))
            conn_in_release(c);
    }
    if (c->state.life == LIFE_CLOSING || c->state.life == LIFE_LINGERING) {
        conn_in_release(c);
        if (c->state.life == LIFE_CLOSING && c->state.output == OUTPUT_EMPTY)
            conn_linger(c);
        else if (c->state.life == LIFE_LINGERING && c->state.input == INPUT_ENDED && !conn_must_be_acked(c))
            conn_close(c);
        if (conn_is_closed(&c->state)) return;
    }
    conn_watch_set(c, conn_watch_of(&c->state, conn_part_of(c)));
    conn_arm_poll(c);
}

/* Makes room for the zero behind a body: one more byte where the body ends the bytes, else the first byte of the
 * request that follows, which is displaced until the exchange has ended. False: out of memory. */
static bool conn_make_room_behind_body(http_conn *c)
{
    request_bytes *b = &c->bytes;
    assert(!c->has_displaced);
    if (c->parser.body_len == 0 || c->parser.is_chunked) return true; /* a chunked body has its framing behind it */
    if (b->at < b->end) {
        c->has_displaced = true;
        c->displaced = b->data[b->at];
        return true;
    }
    if (!conn_in_extend(c)) return false;
    b->at = ++b->end;
    assert(b->end <= c->bytes_cap);
    return true;
}

/* Cuts a connection that was taken back: its client waits for the rest of a reply, or for one that another process
 * knows of. On a connection that is cut already nothing is told. */
void conn_refuse(http_conn *c, int status, const char *detail)
{
    if (conn_is_over(&c->state)) return;
    if (conn_kept(c))
        conn_cut(c);
    else
        reply_problem(c, status, detail);
}

static void conn_hand_out(http_conn *c)
{
    http_server *s = c->server;
    http_exchange *x = &c->exchange;
    if (!conn_make_room_behind_body(c) || !request_parser_request(&c->parser, &c->bytes, &x->request)) {
        conn_refuse(c, 503, "The server is out of memory.");
        return;
    }
    x->request.peer = (http_text){c->peer, strlen(c->peer)};
    x->request.peer_loopback = c->peer_loopback;
    x->request.http11 = c->parser.http11;
    x->user = NULL;
    x->policy = (http_policy){NULL, 0};
    x->timing = (http_timing){.began_us = 0};
    x->on_gone = x->on_writable = x->on_half_closed = NULL;
    c->end_seen = c->has_missed_note = false;
    x->gone_told = x->starved = false;
    x->queue_max = s->options.write_queue_bytes_max;
    x->is_head = c->parser.method.len == 4 && memcmp(c->parser.method.data, "HEAD", 4) == 0;
    c->is_persistent = c->parser.is_persistent && !server_closing(s);
    conn_post(&c->state, EVENT_REQUEST);
    s->exchanges++;
    s->options.on_request(s->options.arg, x);
}

static void conn_exchange_over(http_conn *c, conn_event how)
{
    assert(c->server->exchanges > 0);
    c->server->exchanges--;
    conn_post(&c->state, how);
    if (conn_is_closed(&c->state)) {
        conn_free_when_done(c);
        return;
    }
    if (c->has_displaced) c->bytes.data[c->bytes.at] = c->displaced;
    c->has_displaced = false;
    request_parser_forget(&c->parser);
    c->bytes.start = c->bytes.at;
    c->touched = true;
    if (!c->parsing) server_add_ready(c);
}

void conn_exchange_end(http_conn *c)
{
    http_server *s = c->server;
    http_timing *t = &c->exchange.timing;
    if (c->state.output == OUTPUT_SKIPPING) conn_cut(c); /* the client has more bytes than this reply: of another one */
    if (conn_is_over(&c->state)) t->status = 0;          /* whatever the owner replied: its client has gone */
    if (t->began_us > 0) s->options.on_timed(s->options.arg, t);
    conn_exchange_over(c, c->is_persistent ? EVENT_END : EVENT_END_LAST);
}

void conn_exchange_leave(http_conn *c)
{
    c->keep_key = 0;
    c->skip = 0;
    conn_out_free(c); /* the next process writes these bytes */
    conn_exchange_over(c, EVENT_LEAVE);
}

/* If the holder cannot be told now, the next request waits: its reply would be taken for a part of this reply. */
static void conn_release_when_done(http_conn *c)
{
    if (conn_may_release(&c->state)) (void)conn_release(c);
}

static bool conn_has_parsable(const http_conn *c)
{
    return conn_may_parse(&c->state) && c->bytes.at < c->bytes.end && c->out_len < CONN_CORK_BYTES;
}

static void conn_refuse_request(http_conn *c)
{
    const request_parser *p = &c->parser;
    const size_t most = p->limits->body_bytes_max;
    char larger[96];
    (void)snprintf(larger, sizeof(larger), "The body is larger than the %zu bytes that are taken here.", most);
    conn_refuse(c, p->status, p->status == 413 && most > 0 ? larger : p->detail);
}

static void conn_parse(http_conn *c)
{
    while (conn_has_parsable(c)) {
        conn_in_begin(c);
        request_result result = request_parser_feed(&c->parser, &c->bytes);
        if (result == REQUEST_COMPLETE) {
            conn_hand_out(c);
        } else if (result == REQUEST_REFUSED) {
            conn_refuse_request(c);
        } else if (result == REQUEST_EXPECTS) {
            struct iovec part = {(char *)(uintptr_t)interim_100, sizeof(interim_100) - 1};
            conn_send(c, &part, 1);
        }
    }
    /* Another program took these bytes for a whole request, or accepts what this one refuses. */
    if (c->state.holder == HOLDER_TAKEN) conn_cut(c);
}

static void conn_tell_writable(http_conn *c)
{
    http_exchange *x = &c->exchange;
    if (!x->starved || c->out_len > x->queue_max || conn_is_over(&c->state)) return;
    x->starved = false;
    if (exchange_is_open(x) && x->on_writable) x->on_writable(x);
}

void conn_run(http_conn *c)
{
    assert(!conn_is_closed(&c->state) && !c->parsing);
    c->parsing = true;
    do {
        conn_parse(c);
        conn_flush(c);
        conn_tell_writable(c);
        conn_release_when_done(c);
    } while (conn_has_parsable(c));
    conn_flush(c);
    c->parsing = false;
    if (conn_is_closed(&c->state)) return; /* the owner has stopped the server from within a callback */
    if (conn_is_over(&c->state))
        conn_close(c);
    else
        conn_settle(c);
}

/* The client has sent its last byte: it has closed half of the connection and still reads, or it has gone; only writing
 * tells. So while an answer is awaited, an interim reply that every client must skip (RFC 9110, 15.2) is sent; the
 * kernel of a client that has gone answers with a reset, and the exchange learns of that. */
static void conn_on_half_closed(http_conn *c)
{
    http_exchange *x = &c->exchange;
    if (c->state.life != LIFE_ANSWERING || c->state.exchange != EXCHANGE_OPEN) return;
    if (!c->parser.http11) {
        if (x->on_half_closed) x->on_half_closed(x);
        return;
    }
    if (c->state.output == OUTPUT_SKIPPING) return; /* an interim reply would stand in the middle of this one */
    struct iovec probe = {(char *)(uintptr_t)interim_100, sizeof(interim_100) - 1};
    conn_send(c, &probe, 1);
}

/* A body that trickles must not keep its connection for ever: only SERVER_BODY_RATE lets the wait begin anew. */
static void conn_count_body(http_conn *c, size_t len)
{
    c->arrived += len;
    if (c->arrived >= (uint64_t)c->server->options.body_timeout_ms * SERVER_BODY_RATE / 1000) c->touched = true;
}

static void conn_read(http_conn *c)
{
    bool is_reading = c->state.life == LIFE_READING, discard = !is_reading && c->state.life != LIFE_ANSWERING;
    assert(conn_may_read(&c->state));
    if (is_reading && c->bytes.at < c->bytes.end) return; /* first what was read already */
    if (!discard && !conn_in_make_room(c)) {
        if (is_reading) reply_problem(c, 503, "The server is out of memory.");
        return;
    }
    char *to = discard ? c->server->scratch : c->bytes.data + c->bytes.end;
    size_t room = discard ? sizeof(c->server->scratch) : c->bytes_cap - c->bytes.end;
    assert(room > 0); /* else 0 bytes would be taken for the client's end */
    ssize_t n = recv(c->fd, to, room, 0);
    if (n > 0) {
        assert((size_t)n <= room);
        if (discard) return;
        c->bytes.end += (size_t)n;
        if (request_parser_in_body(&c->parser)) conn_count_body(c, (size_t)n);
    } else if (n == 0) {
        conn_post(&c->state, EVENT_END_OF_INPUT);
        if (!c->end_seen) conn_on_half_closed(c); /* else conn_take_events() has seen the end before */
    } else if (errno != EAGAIN && errno != EWOULDBLOCK && errno != EINTR) {
        conn_cut(c);
    }
}

/* Not of a connection that is cut or left: it is closed now. */
static void conn_take_events(http_conn *c, int events)
{
    char urgent;
    assert(!conn_is_over(&c->state));
    /* Urgent data are of no use here, but as long as they wait the poll would return at once. */
    if ((events & UV_PRIORITIZED) && recv(c->fd, &urgent, 1, MSG_OOB) < 0 && errno != EAGAIN) {
        conn_cut(c);
        return;
    }
    if ((events & UV_WRITABLE) && c->state.output == OUTPUT_BLOCKED) conn_post(&c->state, EVENT_WRITABLE);
    /* The client has sent its last byte and may be gone. To learn that, its connection must be read and written to,
     * which the next process could not take into account: the holder is to let go first. */
    if ((events & UV_DISCONNECT) && conn_may_hang_up(&c->state) && !conn_release(c))
        conn_post(&c->state, EVENT_HANG_UP);
    if ((events & UV_DISCONNECT) && conn_may_see_end(c)) {
        c->end_seen = true;
        conn_on_half_closed(c);
    }
    if ((events & UV_READABLE) && conn_may_read(&c->state)) conn_read(c);
}

/* Of very many clients that wait for an answer and leave at one moment, each costs two events of 15 us. New requests
 * would be read behind all of them: so beyond SERVER_EVENTS_OF_TURN the poll is stopped until the ready list has come
 * to the connection. Nothing is lost, because the kernel tells again. */
static bool conn_puts_off_event(http_conn *c)
{
    http_server *s = c->server;
    if (c->state.life != LIFE_ANSWERING || c->state.exchange != EXCHANGE_OPEN || s->stopping) return false;
    if (s->wait_events_ms != uv_now(s->loop)) {
        s->wait_events_ms = uv_now(s->loop);
        s->wait_events = 0;
    }
    if (++s->wait_events <= SERVER_EVENTS_OF_TURN) return false;
    (void)uv_poll_stop(&c->poll); /* it never fails */
    c->armed = 0;
    server_add_ready(c);
    return true;
}

static void conn_on_poll(uv_poll_t *poll, int status, int events)
{
    http_conn *c = poll->data;
    const http_server_options *o = &c->server->options;
    if (conn_is_closed(&c->state) || conn_puts_off_event(c)) return;
    if (status < 0) {
        conn_close(c);
        return;
    }
    if (!conn_is_over(&c->state)) conn_take_events(c, events);
    conn_run(c);
    if (o->on_handled) o->on_handled(o->arg);
}

void conn_run_ready(http_conn *c)
{
    if (conn_is_closed(&c->state)) {
        conn_tell_gone(c);
        conn_free_when_done(c);
        return;
    }
    if (c->state.holder == HOLDER_HUNG_UP) (void)conn_release(c);
    conn_run(c);
}

void conn_timeout(http_conn *c)
{
    assert(c->watch != WATCH_NONE && !conn_is_closed(&c->state));
    if (c->watch == WATCH_LINGER && conn_still_acks(c)) {
        c->touched = true;
        conn_watch_set(c, WATCH_LINGER);
    } else if (conn_timeout_event(c->watch) == EVENT_REFUSE) {
        conn_refuse(c, 408,
                    c->watch == WATCH_HEAD ? "The request's head did not arrive in time."
                                           : "The request's body did not arrive in time.");
        conn_run(c);
    } else {
        conn_close(c);
    }
}
