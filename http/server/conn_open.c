/* How connections begin: accepted, moved here from another server, or taken back from the holder. */
#include <arpa/inet.h>
#include <assert.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server/conn_in.h"
#include "http/server/server_core.h"

_Static_assert(sizeof(struct sockaddr_storage) >= sizeof(struct sockaddr_in6), "an address of either family fits");
_Static_assert(sizeof(struct in_addr) == 4 && sizeof(((http_conn *)0)->peer) == INET6_ADDRSTRLEN,
               "an IPv4 address is the last 4 bytes of its IPv6 form; each has room as text");

static void conn_set_peer(http_conn *c, const struct sockaddr_storage *peer)
{
    const struct sockaddr_in6 *six = (const struct sockaddr_in6 *)peer;
    struct in_addr four = ((const struct sockaddr_in *)peer)->sin_addr;
    bool mapped = peer->ss_family == AF_INET6 && IN6_IS_ADDR_V4MAPPED(&six->sin6_addr);
    if (mapped) memcpy(&four, six->sin6_addr.s6_addr + 12, sizeof(four));
    if (mapped || peer->ss_family == AF_INET) {
        c->peer_loopback = ntohl(four.s_addr) >> 24 == 127;
        if (!inet_ntop(AF_INET, &four, c->peer, sizeof(c->peer))) c->peer[0] = 0;
    } else if (peer->ss_family == AF_INET6) {
        c->peer_loopback = IN6_IS_ADDR_LOOPBACK(&six->sin6_addr);
        if (!inet_ntop(AF_INET6, &six->sin6_addr, c->peer, sizeof(c->peer))) c->peer[0] = 0;
    } else if (peer->ss_family == AF_UNIX) {
        c->peer_loopback = true;
        memcpy(c->peer, "unix", sizeof("unix"));
    }
}

/* Makes room for a new connection, as HTTP allows at any time (RFC 9112, 9.5); but closes none whose next request has
 * arrived, or that has idled for so short a time that its request may be on the way. */
bool conn_shed_idle(http_server *s)
{
    http_conn *c;
    char byte;
    TAILQ_FOREACH(c, &s->watched[WATCH_IDLE], watched)
    {
        if (uv_now(s->loop) - c->stamp_ms < SERVER_SHED_MS) return false;
        if (c->state.life != LIFE_READING || c->bytes.at < c->bytes.end)
            continue; /* no longer idle: conn_settle() has yet to take it out of the list */
        if (c->is_extra || recv(c->fd, &byte, 1, MSG_PEEK) >= 0 || errno != EAGAIN) continue;
        conn_close(c);
        return true;
    }
    return false;
}

/* Lets the kernel notice clients that vanished: no FIN comes from their machine, and a connection that only waits would
 * wait for ever. A client whose kernel answers the probes is there, unless it takes nothing for longer than
 * --write-timeout. */
static void conn_probe_peer(const http_server *s, int fd)
{
    enum { PROBES = 4 };
    int on = 1, seconds = (int)(s->options.peer_timeout_ms / 1000), idle = seconds / 2, pause = seconds / 2 / PROBES;
    unsigned most = s->options.peer_timeout_ms;
    if (most == 0) return;
    if (most < s->options.write_timeout_ms) most = s->options.write_timeout_ms;
    idle = idle > 0 ? idle : 1;
    pause = pause > 0 ? pause : 1;
    /* These fail only where the socket is none of TCP: then the other side's end is always seen. */
    (void)setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &on, sizeof(on));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof(idle));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &pause, sizeof(pause));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &(int){PROBES}, sizeof(int));
    (void)setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &most, sizeof(most));
}

/* Takes fd. NULL: fd is closed, since there is no room even for a refusal. A kept connection (keep_key not 0) was let
 * in by a former process, and is never one too many. */
static http_conn *conn_new(http_server *s, int fd, const struct sockaddr_storage *peer, uint64_t keep_key)
{
    assert(fd >= 0);
    bool is_extra = keep_key == 0 && s->connections >= s->options.connections_max && !conn_shed_idle(s);
    http_conn *c = is_extra && s->extras > s->options.connections_max / 8 + 16 ? NULL : calloc(1, sizeof(*c));
    if (!c || uv_poll_init(s->loop, &c->poll, fd) != 0) {
        free(c);
        close(fd);
        return NULL;
    }
    c->poll.data = c;
    c->server = s;
    c->fd = fd;
    c->is_extra = is_extra;
    c->keep_key = keep_key;
    c->is_persistent = true;
    conn_set_peer(c, peer);
    conn_probe_peer(s, fd);
    request_parser_init(&c->parser, &s->limits);
    TAILQ_INSERT_TAIL(&s->all, c, all);
    s->conns++;
    if (is_extra)
        s->extras++;
    else
        s->connections++;
    return c;
}

static void conn_refuse_extra(http_conn *c) { conn_refuse(c, 503, "The server has all the connections it takes."); }

void conn_accept(http_server *s, int fd, const struct sockaddr_storage *peer)
{
    http_conn *c = conn_new(s, fd, peer, 0);
    if (!c) return;
    if (c->is_extra) conn_refuse_extra(c);
    conn_run(c);
}

bool conn_adopt(http_server *s, int fd, const conn_past *past)
{
    struct iovec unsent = {(char *)(uintptr_t)past->unsent.data, past->unsent.len};
    assert(past->skip == 0 || past->keep_key != 0);
    assert(past->unsent.len == 0 || past->keep_key == 0);
    http_conn *c = conn_new(s, fd, &past->peer, past->keep_key);
    if (!c) return false;
    if (unsent.iov_len > 0) conn_gather(c, &unsent, 1);
    if (past->keep_key != 0) conn_post(&c->state, EVENT_TAKE_BACK);
    if (past->skip > 0) conn_post(&c->state, EVENT_SKIP);
    c->skip = past->skip;
    bool filled = c->is_extra || conn_in_fill(c, past->bytes.data, past->bytes.len);
    if (c->is_extra)
        conn_refuse_extra(c);
    else if (!filled)
        conn_refuse(c, 503, "The server is out of memory.");
    bool taken = c->state.life == LIFE_READING || conn_kept(c); /* a kept one ends through on_ended */
    conn_run(c);
    return taken;
}
