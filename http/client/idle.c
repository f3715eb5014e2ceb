/* idle: connections in curl's pools that their peers have closed. curl looks at its idle connections only when another
 * call begins, and takes a TLS connection for alive while the peer's goodbye lies unread: a request sent there is lost.
 * So an idle connection that can be read is ended here at once, and curl is made to sweep its pool soon after.
 *
 *   armed, not wanted --readable--> ENDED (HTTP/1.1, or end of file) -+-- sweep --> closed
 *                              \--> LOOKED AT (HTTP/2: frames)  -----/     \--> armed again, if curl keeps it
 */
#include <assert.h>
#include <errno.h>
#include <sys/socket.h>

#include "http/client/client_core.h"
#include "http/client/handle.h"

enum { SWEEP_EACH_MS = 1000 /* curl sweeps a pool at most once a second */ };

static void idle_suspect(client_socket *s, client_suspicion what)
{
    assert(what != SUSPICION_NONE);
    if (s->suspicion == SUSPICION_NONE) s->multi->suspects++;
    s->suspicion = what;
    client_start_ticking(s->client);
}

void idle_clear_suspicion(client_socket *s)
{
    if (s->suspicion == SUSPICION_NONE) return;
    assert(s->multi->suspects > 0);
    s->suspicion = SUSPICION_NONE;
    s->multi->suspects--;
}

/* Shuts the connection down, and throws away what the peer has still sent, so that curl sees the end. */
static void idle_end_connection(client_socket *s)
{
    char rest[4096];
    (void)shutdown(s->fd, SHUT_RDWR);
    while (recv(s->fd, rest, sizeof rest, MSG_DONTWAIT) > 0) {}
    idle_suspect(s, SUSPICION_ENDED);
}

/* On HTTP/2 it may be a frame that changes nothing: curl reads that when it sweeps. Whatever comes on another idle
 * connection, no request has asked for it. */
void idle_on_readable(client_socket *s)
{
    assert(s->idle);
    assert(s->connection);
    assert(!s->wanted);
    char byte;
    ssize_t n = recv(s->fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    if (n < 0 && (errno == EAGAIN || errno == EINTR)) return;
    (void)uv_poll_stop(&s->poll);
    s->armed = 0;
    if (n > 0 && s->multiplexed)
        idle_suspect(s, SUSPICION_TALKS);
    else
        idle_end_connection(s);
}

/* ---- Sweeping ---- */

static curl_socket_t sweeper_open_nothing(void *arg, curlsocktype purpose, struct curl_sockaddr *address)
{
    (void)arg, (void)purpose, (void)address;
    return CURL_SOCKET_BAD;
}

/* Makes a transfer that cannot connect: it ends as soon as curl has swept the pool in search of a connection for it. */
CURL *idle_sweeper_new(void)
{
    CURL *h = curl_easy_init();
    if (h && handle_prepare(h) && curl_easy_setopt(h, CURLOPT_URL, "http://127.0.0.1:1/") == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_PROXY, "") == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK &&
        curl_easy_setopt(h, CURLOPT_OPENSOCKETFUNCTION, sweeper_open_nothing) == CURLE_OK)
        return h;
    if (h) curl_easy_cleanup(h);
    return NULL;
}

/* Watches again the HTTP/2 connections that had sent something and that curl has left in its pool. */
static void idle_watch_again(client_multi *m)
{
    http_client *c = m->client;
    for (size_t fd = 0; fd < c->sockets_cap && m->suspects > 0; fd++) {
        client_socket *s = c->sockets[fd];
        if (!s || s->multi != m || s->suspicion != SUSPICION_TALKS) continue;
        idle_clear_suspicion(s);
        if (!s->wanted) (void)socket_watch_idle(s);
    }
}

static void idle_sweep_multi(client_multi *m)
{
    http_client *c = m->client;
    assert(!c->sweeping);
    if (curl_multi_add_handle(m->curl, c->sweeper) != CURLM_OK) return;
    c->sweeping = m;
    multi_run(m, CURL_SOCKET_TIMEOUT, 0);
    idle_sweep_done(c); /* if curl has not reported its end */
    idle_watch_again(m);
}

void idle_sweep_done(http_client *c)
{
    if (!c->sweeping) return;
    (void)curl_multi_remove_handle(c->sweeping->curl, c->sweeper);
    c->sweeping = NULL;
}

bool idle_sweep(http_client *c)
{
    uint64_t now_ms = uv_now(c->loop);
    bool more = false;
    for (size_t i = 0; i < c->multi_count; i++) {
        client_multi *m = c->multis[i];
        if (m->suspects == 0) continue;
        if (now_ms - m->swept_ms >= SWEEP_EACH_MS) {
            m->swept_ms = now_ms;
            idle_sweep_multi(m);
        }
        more |= m->suspects > 0;
    }
    assert(!c->sweeping);
    return more;
}
