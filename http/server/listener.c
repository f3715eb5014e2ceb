#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "http/server/server_core.h"

enum {
    ACCEPTS_PER_TURN = 64,          /* then the connections that were accepted get their events */
    LISTENER_UNSENT_BYTES = 131072, /* of one connection in the kernel, beside the bytes on their way */
    PAUSE_MS = 100                  /* when the system has no room for another socket */
};

static void listener_on_poll(uv_poll_t *poll, int status, int events);

static void listener_open_reserve(http_listener *l)
{
    if (l->reserve_fd < 0) l->reserve_fd = open("/dev/null", O_RDONLY | O_CLOEXEC);
}

/* No descriptor is left, and the connection that waits makes the poll return at once: frees the reserve, accepts that
 * connection with it and closes it, so that its client learns of it now. 0, or -errno. */
static int listener_shed_client(http_listener *l)
{
    /* One loop after the other: another loop would take the descriptor that this one frees. */
    static pthread_mutex_t one_at_a_time = PTHREAD_MUTEX_INITIALIZER;
    if (l->reserve_fd < 0) return -EMFILE;
    (void)pthread_mutex_lock(&one_at_a_time);
    close(l->reserve_fd);
    l->reserve_fd = -1;
    assert(l->fd >= 0);
    int fd = accept4(l->fd, NULL, NULL, SOCK_CLOEXEC), result = fd >= 0 ? 0 : -errno;
    if (fd >= 0) close(fd);
    listener_open_reserve(l);
    (void)pthread_mutex_unlock(&one_at_a_time);
    return result;
}

static void listener_pause(http_server *s)
{
    http_listener *l = &s->listener;
    int failed = uv_poll_stop(&l->poll);
    assert(failed == 0); /* it never fails on a handle that is not closing */
    (void)failed;
    l->paused_ms = uv_now(s->loop) + PAUSE_MS;
}

/* Takes fd and returns a descriptor below descriptors_max for its connection, that of an idle one if need be; -1: fd is
 * closed. The kernel gives the lowest free number, so a number says how many are in use, by whatever thread. */
static int listener_lower_fd(http_server *s, int fd)
{
    int most = s->options.descriptors_max, low = -1;
    assert(fd >= 0);
    if (most <= 0 || fd < most) return fd;
    if (conn_shed_idle(s)) low = fcntl(fd, F_DUPFD_CLOEXEC, 0);
    close(fd);
    if (low < most) return low;
    close(low); /* another loop was faster; -1 is no descriptor */
    return -1;
}

/* Accepts one connection. False: none waits, or no descriptor can be had now. */
static bool listener_accept_one(http_server *s)
{
    static const int on = 1;
    struct sockaddr_storage peer = {0};
    socklen_t peer_len = sizeof(peer);
    int fd = accept4(s->listener.fd, (struct sockaddr *)&peer, &peer_len, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
        /* This fails only where there are no delays to switch off, as on a unix socket. */
        (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof(on));
        fd = listener_lower_fd(s, fd);
        if (fd >= 0) conn_accept(s, fd, &peer);
        return true;
    }
    int reason = errno;
    if (reason == EMFILE || reason == ENFILE) {
        int shed = listener_shed_client(&s->listener);
        if (shed == 0) return true;
        if (shed == -EAGAIN) return false;
    }
    if (reason == EAGAIN) return false;
    if (reason == EINTR || reason == ECONNABORTED) return true; /* this client has given up; others wait */
    listener_pause(s);
    return false;
}

static void listener_on_poll(uv_poll_t *poll, int status, int events)
{
    http_server *s = poll->data;
    (void)events;
    if (status < 0) {
        listener_pause(s);
        return;
    }
    for (int i = 0; i < ACCEPTS_PER_TURN && s->listener.fd >= 0; i++) {
        if (!listener_accept_one(s)) return;
    }
}

bool listener_start(http_server *s, int fd, char *error, size_t error_size)
{
    http_listener *l = &s->listener;
    assert(l->fd < 0 && l->reserve_fd < 0);
    int listening = 0, flags = fcntl(fd, F_GETFL);
    socklen_t len = sizeof(listening);
    if (flags < 0 || getsockopt(fd, SOL_SOCKET, SO_ACCEPTCONN, &listening, &len) != 0 || !listening) {
        snprintf(error, error_size, "http: descriptor %d is no listening socket", fd);
        return false;
    }
    int failed = fcntl(fd, F_SETFL, flags | O_NONBLOCK) < 0 ? -errno : uv_poll_init(s->loop, &l->poll, fd);
    if (failed) {
        snprintf(error, error_size, "http: cannot watch the listening socket: %s", uv_strerror(failed));
        return false;
    }
    /* Connections inherit this limit; without it the kernel takes megabytes for each client that reads slowly. It
     * cannot be set only where a socket is no TCP socket. */
    static const int unsent_max = LISTENER_UNSENT_BYTES;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NOTSENT_LOWAT, &unsent_max, sizeof(unsent_max));
    failed = uv_poll_start(&l->poll, UV_READABLE, listener_on_poll);
    assert(!failed); /* fails only for a descriptor that another handle watches, which uv_poll_init refuses */
    l->poll.data = s;
    l->fd = fd;
    s->handles_open++;
    listener_open_reserve(l);
    return true;
}

void listener_stop(http_server *s)
{
    http_listener *l = &s->listener;
    if (l->fd < 0) return;
    uv_close((uv_handle_t *)&l->poll, server_handle_closed);
    close(l->fd);
    if (l->reserve_fd >= 0) close(l->reserve_fd);
    l->fd = l->reserve_fd = -1;
}

void listener_sweep(http_server *s)
{
    http_listener *l = &s->listener;
    if (l->fd < 0) return;
    listener_open_reserve(l);
    if (l->paused_ms == 0 || uv_now(s->loop) < l->paused_ms) return;
    if (uv_poll_start(&l->poll, UV_READABLE, listener_on_poll) == 0) l->paused_ms = 0;
}
