/* How connections end, or go on without this process: see http/server/conn_state.h. */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "http/server/position.h"
#include "http/server/server_core.h"

bool conn_set_close_kind(const http_conn *c, conn_close_kind kind)
{
    const struct linger reset = {.l_onoff = kind == CLOSE_WITH_RESET, .l_linger = 0};
    assert(c->fd >= 0);
    return setsockopt(c->fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset)) == 0;
}

/* In a drain the process may end next, and its network namespace (a container's) with it: the kernel would send no
 * more. A missed note needs to know whether the client took the reply. */
bool conn_must_be_acked(const http_conn *c)
{
    return (c->server->draining || c->has_missed_note) && position_unacked(c->fd) > 0;
}

/* A client that closes its side after a reply acknowledges the reply with that, or before. */
bool conn_missed(const http_conn *c)
{
    enum { OWN_FIN = 1 };
    char byte;
    if (!c->has_missed_note || c->reply_failed) return c->has_missed_note;
    ssize_t n = c->state.input == INPUT_ENDED ? 0 : recv(c->fd, &byte, 1, MSG_PEEK);
    bool has_ended = n == 0 || (n < 0 && errno != EAGAIN && errno != EWOULDBLOCK); /* FIN, or a reset */
    return has_ended && position_unacked(c->fd) > OWN_FIN;
}

void conn_linger(http_conn *c)
{
    if (c->ends_by_fin) (void)conn_set_close_kind(c, CLOSE_WITH_FIN); /* the reply is whole */
    conn_post(&c->state, EVENT_LINGER);
    c->unacked = position_unacked(c->fd);
    c->acked_ms = uv_now(c->server->loop);
    if (shutdown(c->fd, SHUT_WR) != 0 || (c->state.input == INPUT_ENDED && !conn_must_be_acked(c))) conn_close(c);
}

bool conn_still_acks(http_conn *c)
{
    assert(c->state.life == LIFE_LINGERING);
    uint64_t now = uv_now(c->server->loop);
    size_t unacked = position_unacked(c->fd);
    if (unacked < c->unacked) c->acked_ms = now;
    c->unacked = unacked;
    return unacked > 0 && now - c->acked_ms < c->server->options.write_timeout_ms;
}

/* Whether the client got the last reply is not known yet, and the next process could not tell the note's owner. */
static bool conn_must_tell(const http_conn *c) { return c->has_missed_note && position_unacked(c->fd) > 0; }

/* Between two requests, or in the head of one, these bytes are all there is of the connection: the next process can go
 * on with them. */
conn_leaving conn_leave(http_conn *c)
{
    const http_server *s = c->server;
    if (!s->leaving || c->is_extra || !conn_may_leave(&c->state, conn_part_of(c))) return LEAVING_NOT;
    if (conn_must_tell(c)) return LEAVING_REFUSED;
    assert(!conn_kept(c) && c->state.exchange == EXCHANGE_NONE);
    size_t from = request_parser_idle(&c->parser) ? c->bytes.at : c->bytes.start;
    assert(from <= c->bytes.end);
    const char *bytes = c->bytes.data ? c->bytes.data + from : "";
    if (!s->options.on_leave(s->options.arg, c->fd, bytes, c->bytes.end - from)) return LEAVING_REFUSED;
    conn_post(&c->state, EVENT_LEAVE);
    conn_close(c);
    return LEAVING_DONE;
}

static bool conn_has_unread(const http_conn *c)
{
    char byte;
    return recv(c->fd, &byte, 1, MSG_PEEK) > 0;
}

bool conn_is_last(const http_conn *c, conn_leaving leaving)
{
    if (c->state.input == INPUT_ENDED) return true;
    if (!server_closing(c->server) && leaving != LEAVING_REFUSED) return false;
    return conn_may_finish(&c->state, conn_part_of(c)) && !conn_has_unread(c);
}

/* A lingering connection that only idled has nothing to lose once its bytes are acknowledged. The client of one that
 * was told to close may be sending, and a reset would take the reply away. */
bool conn_busy(const http_conn *c)
{
    const conn_state *s = &c->state;
    if (conn_is_over(s)) return false;
    if (conn_kept(c)) return !c->server->leaving;
    if (conn_has_unsent(s) || s->life == LIFE_CLOSING) return true;
    if (s->life == LIFE_LINGERING) return !c->is_persistent || position_unacked(c->fd) > 0;
    return s->life == LIFE_READING && !c->is_extra && conn_part_of(c) != PART_BETWEEN;
}
