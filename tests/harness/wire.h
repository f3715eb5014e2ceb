/* wire: a server on loopback that writes down every request that reaches it, and a client on a loop of its own. What
 * the server does with a request is up to the test. One server and one client at a time. */
#ifndef TESTS_HARNESS_WIRE_H
#define TESTS_HARNESS_WIRE_H

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <unistd.h>
#include <uv.h>

#include "http/client/client.h"
#include "tests/harness/check.h"

enum { WIRE_REQUESTS_MAX = 1024, WIRE_HEAD_MAX = 8192 };

typedef struct wire_request {
    char method[16], target[256];
    char head[WIRE_HEAD_MAX]; /* the request line and all headers, up to the empty line */
    char *body;               /* zero-terminated; the server's */
    size_t body_len;
} wire_request;

/* Answers one request on a thread of the connection; false: the connection is to be closed. */
typedef bool (*wire_answer)(int fd, const wire_request *request);

typedef struct wire_server {
    atomic_int fd; /* answers of client_once end it too */
    int port;
    wire_answer answer;
    pthread_t thread;
    pthread_mutex_t lock;
    wire_request *heard[WIRE_REQUESTS_MAX];
    size_t heard_count;
    atomic_int accepted, open;
} wire_server;

static wire_server wire;
static uv_loop_t loop;
static http_client *client;

/* ---- The server ---- */

static inline size_t wire_length_of(const char *head)
{
    const char *at = strcasestr(head, "\r\nContent-Length:");
    return at ? strtoul(at + 17, NULL, 10) : 0;
}

static inline bool wire_read(int fd, wire_request *r)
{
    size_t len = 0;
    char *end;
    for (r->head[0] = 0; !(end = strstr(r->head, "\r\n\r\n"));) {
        ssize_t n = len + 1 < sizeof r->head ? recv(fd, r->head + len, sizeof r->head - 1 - len, 0) : 0;
        if (n <= 0) return false;
        len += (size_t)n;
        r->head[len] = 0;
    }
    size_t have = len - (size_t)(end + 4 - r->head);
    end[2] = 0;
    r->body_len = wire_length_of(r->head);
    r->body = calloc(1, r->body_len + 1);
    CHECK(r->body && have <= r->body_len && sscanf(r->head, "%15s %255s", r->method, r->target) == 2);
    memcpy(r->body, end + 4, have);
    while (have < r->body_len) {
        ssize_t n = recv(fd, r->body + have, r->body_len - have, 0);
        if (n <= 0) break; /* what reached the server counts */
        have += (size_t)n;
    }
    return true;
}

static inline void wire_write_down(wire_request *r)
{
    pthread_mutex_lock(&wire.lock);
    CHECK(wire.heard_count < WIRE_REQUESTS_MAX);
    wire.heard[wire.heard_count++] = r;
    pthread_mutex_unlock(&wire.lock);
}

static inline void *wire_connection(void *arg)
{
    int fd = (int)(intptr_t)arg;
    for (;;) {
        wire_request *r = calloc(1, sizeof *r);
        CHECK(r);
        if (!wire_read(fd, r)) {
            free(r);
            break;
        }
        wire_write_down(r);
        if (!wire.answer(fd, r)) break;
    }
    (void)close(fd);
    atomic_fetch_sub(&wire.open, 1);
    return NULL;
}

static inline void *wire_main(void *arg)
{
    (void)arg;
    for (int fd; (fd = accept(wire.fd, NULL, NULL)) >= 0;) {
        pthread_t t;
        atomic_fetch_add(&wire.accepted, 1);
        atomic_fetch_add(&wire.open, 1);
        CHECK(pthread_create(&t, NULL, wire_connection, (void *)(intptr_t)fd) == 0 && pthread_detach(t) == 0);
    }
    return NULL;
}

/* The test accepts the connections itself. */
static inline void wire_listen_alone(void)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof a;
    wire.fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(wire.fd >= 0 && bind(wire.fd, (struct sockaddr *)&a, len) == 0 && listen(wire.fd, 1024) == 0);
    CHECK(getsockname(wire.fd, (struct sockaddr *)&a, &len) == 0);
    wire.port = ntohs(a.sin_port);
}

static inline void wire_listen(wire_answer how)
{
    wire = (wire_server){.answer = how};
    wire_listen_alone();
    CHECK(pthread_mutex_init(&wire.lock, NULL) == 0 && pthread_create(&wire.thread, NULL, wire_main, NULL) == 0);
}

/* No connection is accepted any more; those that are there stay. */
static inline void wire_refuse(void)
{
    if (wire.fd < 0) return;
    (void)shutdown(wire.fd, SHUT_RDWR);
    CHECK(pthread_join(wire.thread, NULL) == 0);
    (void)close(wire.fd);
    wire.fd = -1;
}

/* Once the clients have closed their connections. */
static inline void wire_shut(void)
{
    wire_refuse();
    while (atomic_load(&wire.open) > 0) usleep(1000);
    for (size_t i = 0; i < wire.heard_count; i++) {
        free(wire.heard[i]->body);
        free(wire.heard[i]);
    }
    wire.heard_count = 0;
}

static inline size_t wire_heard(void)
{
    pthread_mutex_lock(&wire.lock);
    size_t n = wire.heard_count;
    pthread_mutex_unlock(&wire.lock);
    return n;
}

static inline size_t wire_count(const char *method)
{
    size_t n = 0;
    pthread_mutex_lock(&wire.lock);
    for (size_t i = 0; i < wire.heard_count; i++) n += strcmp(wire.heard[i]->method, method) == 0;
    pthread_mutex_unlock(&wire.lock);
    return n;
}

static inline void wire_say(int fd, const void *data, size_t len)
{
    for (size_t sent = 0; sent < len;) {
        ssize_t n = send(fd, (const char *)data + sent, len - sent, MSG_NOSIGNAL);
        if (n <= 0) return;
        sent += (size_t)n;
    }
}

static inline const char *wire_url(const char *path)
{
    static char url[512];
    (void)snprintf(url, sizeof url, "http://127.0.0.1:%d%s", wire.port, path);
    return url;
}

/* ---- The client ---- */

static inline void wire_begin(wire_answer how, const http_client_options *options)
{
    wire_listen(how);
    CHECK(uv_loop_init(&loop) == 0);
    client = http_client_new(&loop, options);
    CHECK(client);
}

static inline void wire_on_closed(void *arg) { *(bool *)arg = true; }

static inline void wire_end(void)
{
    bool closed = false;
    http_client_flush(client);
    CHECK_INT(http_client_active(client), 0);
    http_client_stop(client, wire_on_closed, &closed);
    while (!closed) uv_run(&loop, UV_RUN_ONCE);
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0) continue; /* until nothing is left, whoever stopped it */
    CHECK(uv_loop_close(&loop) == 0);
    wire_shut();
}

/* Timers are run before the loop waits for events: what one of them has changed ends that turn, which would wait for
 * ever where nothing else comes. */
static inline void wire_on_change(void *arg)
{
    (void)arg;
    uv_stop(&loop);
}

static inline http_call *wire_start(const http_call_options *o)
{
    http_call *call = http_call_start(client, o, wire_on_change, NULL);
    CHECK(call);
    return call;
}

static inline void wire_on_time(uv_timer_t *t)
{
    *(bool *)t->data = true;
    uv_stop(t->loop);
}

static inline void wire_on_timer_closed(uv_handle_t *t) { *(bool *)t->data = false; }

static inline void wire_pass(uint64_t ms)
{
    bool over = false;
    uv_timer_t t = {.data = &over};
    CHECK(uv_timer_init(&loop, &t) == 0 && uv_timer_start(&t, wire_on_time, ms, 0) == 0);
    while (!over) uv_run(&loop, UV_RUN_ONCE);
    bool closing = true;
    t.data = &closing;
    uv_close((uv_handle_t *)&t, wire_on_timer_closed);
    while (closing) uv_run(&loop, UV_RUN_NOWAIT);
}

static inline void wire_wait(http_call *call, http_call_state state)
{
    while (http_call_state_of(call) < state) uv_run(&loop, UV_RUN_ONCE);
}

/* Until the call has ended with that status (or, if it is 0, failed); the caller closes it. */
static inline void wire_expect(http_call *call, int status)
{
    wire_wait(call, HTTP_CALL_DONE);
    if (status && http_call_error(call) != HTTP_CALL_OK) printf("# %s\n", http_call_error_text(call));
    CHECK_INT(http_call_state_of(call), status ? HTTP_CALL_DONE : HTTP_CALL_FAILED);
    if (status) CHECK_INT(http_call_status(call), status);
}

static inline void wire_close(http_call *call)
{
    http_call_close(call);
    http_client_flush(client);
}

static inline void wire_finish(http_call *call, int status)
{
    wire_expect(call, status);
    wire_close(call);
}

#endif
