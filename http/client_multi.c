/* client_multi: curl multi handles on libuv, each with a bounded number of transfers. */
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/client_core.h"

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

static void on_socket_closed(uv_handle_t *h)
{
    client_socket *s = h->data;
    http_client *c = s->client;
    free(s);
    client_handle_closed(c);
}

static void socket_forget(client_socket *s)
{
    s->client->sockets[s->fd] = NULL;
    (void)uv_poll_stop(&s->poll);
    uv_close((uv_handle_t *)&s->poll, on_socket_closed);
}

static client_socket *socket_watch(http_client *c, int fd)
{
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

/* ---- Driving curl ---- */

static void collect_done(client_multi *m)
{
    CURLMsg *message;
    int left;
    while ((message = curl_multi_info_read(m->curl, &left)))
        if (message->msg == CURLMSG_DONE) transfer_done(message->easy_handle, message->data.result);
}

static void multi_run(client_multi *m, curl_socket_t fd, int events)
{
    int running;
    CURLMcode rc = curl_multi_socket_action(m->curl, fd, events, &running);
    if (rc != CURLM_OK && rc != CURLM_BAD_SOCKET) { /* out of memory: each of its transfers is to hear of it */
        m->broken = true;
        (void)curl_multi_perform(m->curl, &running);
    }
    collect_done(m);
    client_tell_news(m->client);
}

static void on_poll(uv_poll_t *h, int status, int events);

static bool watch_wanted(client_socket *s)
{
    s->armed = s->wanted;
    return uv_poll_start(&s->poll, s->armed, on_poll) == 0;
}

static void on_poll(uv_poll_t *h, int status, int events)
{
    client_socket *s = h->data;
    if (!s->wanted) { /* an idle connection was closed by its peer, or speaks out of turn: curl sees it at the next use
                       */
        (void)uv_poll_stop(h);
        s->armed = 0;
        return;
    }
    int flags = (events & UV_READABLE ? CURL_CSELECT_IN : 0) | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0);
    if (status < 0) {
        /* Told of an error, curl gives up at once, also an answer that arrived before it. Reading and writing tell it
         * which error it was. libuv has let go of the descriptor. */
        flags = CURL_CSELECT_IN | CURL_CSELECT_OUT;
        s->armed = 0;
    }
    http_client *c = s->client;
    int fd = s->fd;
    multi_run(s->multi, fd, flags);
    if (status < 0 && socket_of(c, fd) == s && s->wanted && !s->armed) (void)watch_wanted(s);
}

static void on_timer(uv_timer_t *h) { multi_run(h->data, CURL_SOCKET_TIMEOUT, 0); }

static int on_timer_change(CURLM *curl, long ms, void *arg)
{
    client_multi *m = arg;
    (void)curl;
    if (ms < 0) return uv_timer_stop(&m->timer) == 0 ? 0 : -1;
    return uv_timer_start(&m->timer, on_timer, (uint64_t)ms, 0) == 0 ? 0 : -1;
}

static int on_socket_change(CURL *easy, curl_socket_t fd, int what, void *arg, void *socket_arg)
{
    client_multi *m = arg;
    client_socket *s = socket_of(m->client, fd);
    (void)easy;
    (void)socket_arg;
    if (what == CURL_POLL_REMOVE) {
        if (!s) return 0;
        if (s->connection && s->armed == UV_READABLE)
            s->wanted = 0;
        else
            socket_forget(s);
        return 0;
    }
    if (!s && !(s = socket_watch(m->client, fd))) return -1;
    s->multi = m;
    s->wanted = (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0);
    if (s->armed == s->wanted) return 0;
    return watch_wanted(s) ? 0 : -1;
}

curl_socket_t socket_open(void *easy, curlsocktype purpose, struct curl_sockaddr *address)
{
    const http_call *call = ((client_easy *)easy)->call;
    if (!transfer_may_send(call)) return CURL_SOCKET_BAD; /* nothing could be sent on it */
    int fd = socket(address->family, address->socktype | SOCK_CLOEXEC | SOCK_NONBLOCK, address->protocol);
    (void)purpose;
    if (fd < 0) return CURL_SOCKET_BAD;
    client_socket *s = socket_watch(call->client, fd);
    if (s) {
        s->connection = true;
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

/* ---- Making ---- */

static client_multi *multi_new(http_client *c)
{
    client_multi *m = calloc(1, sizeof *m);
    CURLM *curl = m ? curl_multi_init() : NULL;
    if (!curl || uv_timer_init(c->loop, &m->timer) != 0) {
        if (curl) (void)curl_multi_cleanup(curl);
        free(m);
        return NULL;
    }
    m->client = c;
    m->curl = curl;
    m->timer.data = m;
    c->handles_open++;
    bool ok = curl_multi_setopt(curl, CURLMOPT_SOCKETFUNCTION, on_socket_change) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_SOCKETDATA, m) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_TIMERFUNCTION, on_timer_change) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_TIMERDATA, m) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX) == CURLM_OK &&
              curl_multi_setopt(curl, CURLMOPT_MAXCONNECTS, (long)c->options.transfers_per_handle) == CURLM_OK;
    if (ok) return m;
    multi_free(m);
    return NULL;
}

static bool has_room(const client_multi *m)
{
    return !m->broken && m->running < m->client->options.transfers_per_handle;
}

/* Connections belong to a multi: where a call to the same host has just ended, one is ready. */
client_multi *multi_with_room(client_host *host)
{
    http_client *c = host->client;
    if (host->warm && has_room(host->warm)) return host->warm;
    while (c->multi_first < c->multi_count && !has_room(c->multis[c->multi_first])) c->multi_first++;
    if (c->multi_first < c->multi_count) return c->multis[c->multi_first];
    client_multi **all = realloc(c->multis, (c->multi_count + 1) * sizeof(client_multi *));
    if (!all) return NULL;
    c->multis = all;
    client_multi *m = multi_new(c);
    if (!m) return NULL;
    m->place = c->multi_count;
    return all[c->multi_count++] = m;
}

void multi_left(client_multi *m)
{
    assert(m->running > 0);
    m->running--;
    if (m->place < m->client->multi_first) m->client->multi_first = m->place;
}

static void on_multi_closed(uv_handle_t *h)
{
    client_multi *m = h->data;
    http_client *c = m->client;
    free(m);
    client_handle_closed(c);
}

void multi_free(client_multi *m)
{
    assert(m->running == 0);
    (void)curl_multi_cleanup(m->curl);
    (void)uv_timer_stop(&m->timer);
    uv_close((uv_handle_t *)&m->timer, on_multi_closed);
}
