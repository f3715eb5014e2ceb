/* socket: the descriptors that curl works on, watched by libuv for the multi to which they belong. Opens and closes
 * those of connections; curl opens and closes the others. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/client/client_core.h"

/* ---- Sockets ---- */

static bool sockets_reserve(http_client *c, size_t fd)
{
    if (fd < c->sockets_cap) return true;
    size_t cap = c->sockets_cap ? c->sockets_cap : 256;
    while (cap <= fd) cap *= 2;
    client_socket **all = realloc(c->sockets, cap * sizeof(client_socket *));
    if (!all) return false;
    memset(all + c->sockets_cap, 0, (cap - c->sockets_cap) * sizeof(client_socket *));
    c->sockets = all;
    c->sockets_cap = cap;
    return true;
}

static client_socket *socket_of(http_client *c, int fd) { return (size_t)fd < c->sockets_cap ? c->sockets[fd] : NULL; }

static void socket_on_closed(uv_handle_t *h)
{
    client_socket *s = h->data;
    http_client *c = s->client;
    free(s);
    client_handle_closed(c);
}

static void socket_forget(client_socket *s)
{
    idle_clear_suspicion(s);
    if (s->seat) seat_lose_connection(s->seat);
    s->client->sockets[s->fd] = NULL;
    (void)uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, socket_on_closed);
}

static client_socket *socket_watch(http_client *c, int fd)
{
    assert(fd >= 0);
    client_socket *s = sockets_reserve(c, (size_t)fd) ? calloc(1, sizeof *s) : NULL;
    if (!s) return NULL;
    if (uv_poll_init_socket(c->loop, &s->poll, fd) != 0) {
        free(s);
        return NULL;
    }
    s->poll.data = s;
    s->client = c;
    s->fd = fd;
    c->sockets[fd] = s;
    c->handles_open++;
    return s;
}

static void socket_on_poll(uv_poll_t *h, int status, int events);

bool socket_watch_idle(client_socket *s)
{
    assert(s->connection);
    assert(!s->wanted);
    s->armed = UV_READABLE;
    return uv_poll_start(&s->poll, s->armed, socket_on_poll) == 0;
}

static bool socket_watch_wanted(client_socket *s)
{
    assert(s->multi);
    s->armed = s->wanted;
    return uv_poll_start(&s->poll, s->armed, socket_on_poll) == 0;
}

static void socket_on_poll(uv_poll_t *h, int status, int events)
{
    client_socket *s = h->data;
    if (!s->wanted && s->idle) {
        idle_on_readable(s);
        return;
    }
    if (!s->wanted) { /* its transfer is paused */
        (void)uv_poll_stop(h);
        s->armed = 0;
        return;
    }
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (status < 0) {
        /* Told of an error, curl gives up at once, and an answer that arrived before the error is lost. Told to read
         * and write, curl reads that answer, and learns which error it was. libuv has stopped watching by now. */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
        s->armed = 0;
    }
    http_client *c = s->client;
    int fd = s->fd;
    multi_run(s->multi, fd, flags);
    if (status < 0 && socket_of(c, fd) == s && s->wanted && !s->armed) (void)socket_watch_wanted(s);
}

/* curl has lost interest in the descriptor: a connection that is idle now or whose transfer is paused, which stays
 * watched, or a descriptor that curl is about to close. */
static void socket_let_go(client_socket *s, CURL *easy)
{
    client_easy *e = NULL;
    long version = 0;
    if (!s->connection || !s->connected) { /* not ours, or never connected: curl closes it without a word */
        socket_forget(s);
        return;
    }
    (void)curl_easy_getinfo(easy, CURLINFO_PRIVATE, (char **)&e);
    (void)curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version);
    s->multiplexed |= version == CURL_HTTP_VERSION_2_0;
    s->idle = !(e && e->call && e->call->paused);
    s->wanted = 0;
    if (s->armed == UV_READABLE || socket_watch_idle(s)) return;
    socket_forget(s);
}

int socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    client_multi *m = arg;
    client_socket *s = socket_of(m->client, fd);
    (void)socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (s) socket_let_go(s, easy);
        return 0;
    }
    if (!s && !(s = socket_watch(m->client, fd))) return -1;
    idle_clear_suspicion(s);
    s->idle = false;
    s->connected |= (what & CURL_POLL_IN) != 0;
    s->multi = m;
    s->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (s->armed == s->wanted) return 0;
    return socket_watch_wanted(s) ? 0 : -1;
}

/* Of an answer that is there as soon as the connection is, curl has read all before it wants to wait for anything
 * (8.14). Of several connections that were opened, it is not known here which one curl has taken. */
void socket_on_send(const client_easy *e)
{
    client_socket *s = e->opened >= 0 ? socket_of(e->call->client, e->opened) : NULL;
    if (s && s->connection && s->seat == e->seat) s->connected = true;
}

curl_socket_t socket_open(void *easy, curlsocktype purpose, struct curl_sockaddr *address)
{
    client_easy *e = easy;
    http_call *call = e->call;
    if (!transfer_may_send(call)) return CURL_SOCKET_BAD; /* the request may not be sent on it */
    if (!guard_allows(call, &address->addr)) return CURL_SOCKET_BAD;
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    (void)purpose;
    if (fd < 0) return CURL_SOCKET_BAD;
    client_socket *s = socket_watch(call->client, fd);
    if (s) {
        s->connection = true;
        s->seat = e->seat;
        e->opened = e->opened == EASY_OPENED_NONE ? fd : EASY_OPENED_SEVERAL;
        seat_gain_connection(s->seat);
        return fd;
    }
    (void)close(fd);
    return CURL_SOCKET_BAD;
}

int socket_close(void *client, curl_socket_t fd)
{
    client_socket *s = socket_of(client, fd);
    if (s) socket_forget(s);
    return close(fd);
}
