/* http_harness: a server on a loop of its own thread, and a client of plain sockets on the test's. Paths choose what
 * the server does: /hello     "hello" at once /later     the same, in the loop's next round /info      what was
 * received /echo      the body /big?N     N bytes, 'a' to 'z' /stream?N  N pieces of "piece\n" /hold      kept until
 * test_release /begin     a stream's head and one piece, then kept /flood     a stream that never ends, as fast as it
 * is writable /abort     a piece, then cut */
#ifndef TESTS_HARNESS_HTTP_HARNESS_H
#define TESTS_HARNESS_HTTP_HARNESS_H

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>
#include <uv.h>

#include "http/server/server.h"
#include "tests/harness/check.h"

enum { TEST_HELD_MAX = 320 };

typedef struct test_server {
    http_server_options options;
    http_server *server;
    uv_loop_t loop;
    uv_async_t async;
    uv_idle_t idle;
    pthread_t thread;
    int port;
    void (*call)(struct test_server *t); /* what the async handle is to run on the loop */
    sem_t called;
    http_exchange *later[TEST_HELD_MAX]; /* answered in the next round */
    size_t later_count;
    http_exchange *held[TEST_HELD_MAX];
    size_t held_count;
    atomic_int gone, requests, closed;
    atomic_size_t flooded;         /* bytes written to /flood */
    size_t connections, exchanges; /* filled by test_counts */
} test_server;

static test_server *test; /* the one that runs */

static inline void test_reply(http_exchange *x, const char *text)
{
    static const http_reply_header headers[] = {{"Content-Type", "text/plain"}};
    http_reply(x, 200, headers, 1, (http_text){text, strlen(text)});
}

static inline void test_info(http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    char text[2048];
    const char *host = http_request_header(r, "hOsT");
    /* the texts' own zeros must end them just there */
    CHECK_INT(strlen(r->method.data), r->method.len);
    CHECK_INT(strlen(r->target.data), r->target.len);
    CHECK_INT(strlen(r->path.data), r->path.len);
    CHECK_INT(strlen(r->query.data), r->query.len);
    for (size_t i = 0; i < r->header_count; i++) {
        CHECK_INT(strlen(r->headers[i].name.data), r->headers[i].name.len);
        CHECK_INT(strlen(r->headers[i].value.data), r->headers[i].value.len);
    }
    CHECK_INT(r->body.data[r->body.len], 0);
    snprintf(text, sizeof(text), "%s|%s|%s|%s|%s|%zu|%s|%d|%.900s", r->method.data, r->target.data, r->path.data,
             r->query.data, host ? host : "-", r->header_count, r->peer.data, r->peer_loopback, r->body.data);
    test_reply(x, text);
}

static inline void test_big(http_exchange *x, size_t len)
{
    char *body = malloc(len + 1);
    CHECK(body);
    for (size_t i = 0; i < len; i++) body[i] = (char)('a' + i % 26);
    http_reply(x, 200, NULL, 0, (http_text){body, len});
    free(body);
}

static inline void test_flood(http_exchange *x)
{
    static char piece[16384];
    while (http_exchange_writable(x) && !http_exchange_gone(x)) {
        http_reply_write(x, piece, sizeof(piece));
        atomic_fetch_add(&test->flooded, sizeof(piece));
    }
}

static inline void test_on_gone(http_exchange *x)
{
    CHECK(http_exchange_gone(x));
    for (size_t i = 0; i < test->held_count; i++) {
        if (test->held[i] == x) test->held[i] = test->held[--test->held_count];
    }
    atomic_fetch_add(&test->gone, 1);
    http_reply_abort(x);
}

static inline void test_hold(http_exchange *x)
{
    CHECK(test->held_count < TEST_HELD_MAX);
    test->held[test->held_count++] = x;
    http_exchange_on_gone(x, test_on_gone);
}

static inline void test_on_idle(uv_idle_t *idle)
{
    for (size_t i = 0; i < test->later_count; i++) test_reply(test->later[i], "hello");
    test->later_count = 0;
    CHECK(uv_idle_stop(idle) == 0);
}

static inline void test_on_request(void *arg, http_exchange *x)
{
    const http_request *r = http_exchange_request(x);
    const char *path = r->path.data;
    size_t n = strtoul(r->query.data, NULL, 10);
    CHECK(arg == test);
    atomic_fetch_add(&test->requests, 1);
    if (strcmp(path, "/hello") == 0) {
        test_reply(x, "hello");
    } else if (strcmp(path, "/later") == 0) {
        CHECK(test->later_count < TEST_HELD_MAX);
        test->later[test->later_count++] = x;
        CHECK(uv_idle_start(&test->idle, test_on_idle) == 0);
    } else if (strcmp(path, "/echo") == 0) {
        http_reply(x, 200, NULL, 0, (http_text){r->body.data, r->body.len});
    } else if (strcmp(path, "/big") == 0) {
        test_big(x, n);
    } else if (strcmp(path, "/stream") == 0) {
        const char *status = strchr(r->query.data, '&'); /* "/stream?2&205" */
        http_reply_begin(x, status ? atoi(status + 1) : 200, NULL, 0);
        for (size_t i = 0; i < n; i++) http_reply_write(x, "piece\n", 6);
        http_reply_write(x, "", 0);
        http_reply_end(x);
    } else if (strcmp(path, "/hold") == 0) {
        test_hold(x);
    } else if (strcmp(path, "/begin") == 0) {
        http_reply_begin(x, 200, NULL, 0);
        http_reply_write(x, "piece\n", 6);
        test_hold(x);
    } else if (strcmp(path, "/flood") == 0) {
        http_reply_begin(x, 200, NULL, 0);
        http_exchange_on_writable(x, test_flood);
        test_hold(x);
        test_flood(x);
    } else if (strcmp(path, "/abort") == 0) {
        http_reply_begin(x, 200, NULL, 0);
        http_reply_write(x, "piece\n", 6);
        http_reply_abort(x);
    } else if (strcmp(path, "/empty") == 0) {
        http_reply(x, (int)n, NULL, 0, (http_text){"ignored", 7});
    } else {
        test_info(x);
    }
}

static inline void test_on_async(uv_async_t *async)
{
    test_server *t = async->data;
    void (*fn)(test_server *) = __atomic_exchange_n(&t->call, NULL, __ATOMIC_ACQ_REL);
    if (!fn) return;
    fn(t);
    CHECK(sem_post(&t->called) == 0);
}

static inline void test_on_loop(void (*fn)(test_server *t))
{
    __atomic_store_n(&test->call, fn, __ATOMIC_RELEASE);
    CHECK(uv_async_send(&test->async) == 0);
    while (sem_wait(&test->called) != 0) CHECK(errno == EINTR);
}

static inline void test_on_closed(void *arg)
{
    test_server *t = arg;
    atomic_store(&t->closed, 1);
    uv_close((uv_handle_t *)&t->async, NULL);
    uv_close((uv_handle_t *)&t->idle, NULL);
}

static inline void *test_thread(void *arg)
{
    test_server *t = arg;
    CHECK(uv_run(&t->loop, UV_RUN_DEFAULT) == 0);
    CHECK(uv_loop_close(&t->loop) == 0);
    return NULL;
}

static inline void test_start(const http_server_options *options)
{
    char error[256], address[64];
    test = calloc(1, sizeof(*test));
    CHECK(test);
    if (options) test->options = *options;
    if (!test->options.on_request) test->options.on_request = test_on_request;
    test->options.arg = test;
    CHECK(uv_loop_init(&test->loop) == 0);
    CHECK(uv_async_init(&test->loop, &test->async, test_on_async) == 0);
    CHECK(uv_idle_init(&test->loop, &test->idle) == 0);
    CHECK(sem_init(&test->called, 0, 0) == 0);
    test->async.data = test;
    int fd = http_listen("127.0.0.1:0", error, sizeof(error));
    CHECK(fd >= 0);
    CHECK(http_listen_address(fd, address, sizeof(address)));
    test->port = atoi(strrchr(address, ':') + 1);
    test->server = http_server_start(&test->loop, fd, &test->options, error, sizeof(error));
    CHECK(test->server);
    CHECK(pthread_create(&test->thread, NULL, test_thread, test) == 0);
}

static inline void test_do_stop(test_server *t) { http_server_stop(t->server, test_on_closed, t); }
static inline void test_do_drain(test_server *t) { http_server_drain(t->server); }

static inline void test_do_release(test_server *t)
{
    while (t->held_count > 0) {
        http_exchange *x = t->held[--t->held_count];
        http_exchange_on_gone(x, NULL);
        test_reply(x, "held");
    }
}

static inline void test_do_end(test_server *t)
{
    while (t->held_count > 0) {
        http_exchange *x = t->held[--t->held_count];
        http_exchange_on_gone(x, NULL);
        http_reply_end(x);
    }
}

static inline void test_do_count(test_server *t)
{
    t->connections = http_server_connections(t->server);
    t->exchanges = http_server_exchanges(t->server);
}

static inline void test_stop(void)
{
    test_on_loop(test_do_stop);
    CHECK(pthread_join(test->thread, NULL) == 0);
    CHECK_INT(atomic_load(&test->closed), 1);
    CHECK(sem_destroy(&test->called) == 0);
    free(test);
    test = NULL;
}

static inline uint64_t test_now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return (uint64_t)t.tv_sec * 1000 + (uint64_t)t.tv_nsec / 1000000;
}

/* Asks until it is so; the sleep only spares the processor. */
#define TEST_AWAIT(condition)                                                                                          \
    for (uint64_t await_end = test_now_ms() + PATIENCE_MS; !(condition); usleep(1000)) CHECK(test_now_ms() < await_end)

static inline size_t test_connections(void)
{
    test_on_loop(test_do_count);
    return test->connections;
}

static inline size_t test_exchanges(void)
{
    test_on_loop(test_do_count);
    return test->exchanges;
}

/* ---- the client */

static inline int test_connect(void)
{
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)test->port)};
    struct timeval patience = {PATIENCE_MS / 1000, 0};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    CHECK(fd >= 0);
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    CHECK(setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience)) == 0);
    CHECK(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one)) == 0);
    CHECK_INT(connect(fd, (struct sockaddr *)&to, sizeof(to)) == 0 ? 0 : errno, 0);
    /* Only now: a timed connect may end with EINTR, see test_recv. */
    CHECK(setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience)) == 0);
    return fd;
}

/* A loop that was closed on this thread may still have work for it in the kernel, which ends a timed recv with EINTR.
 */
static inline ssize_t test_recv(int fd, void *to, size_t len)
{
    ssize_t n;
    do n = recv(fd, to, len, 0);
    while (n < 0 && errno == EINTR);
    return n;
}

static inline ssize_t test_send_some(int fd, const void *data, size_t len)
{
    ssize_t n;
    do n = send(fd, data, len, MSG_NOSIGNAL);
    while (n < 0 && errno == EINTR);
    return n;
}

static inline void test_send(int fd, const char *data, size_t len)
{
    while (len > 0) {
        ssize_t n = test_send_some(fd, data, len);
        CHECK(n > 0);
        data += n;
        len -= (size_t)n;
    }
}

static inline void test_say(int fd, const char *text) { test_send(fd, text, strlen(text)); }

/* All until the end of file, zero-terminated, to be freed. */
static inline char *test_read_all(int fd, size_t *len)
{
    size_t cap = 65536, have = 0;
    char *all = malloc(cap + 1);
    CHECK(all);
    for (;;) {
        ssize_t n = test_recv(fd, all + have, cap - have);
        CHECK(n >= 0);
        if (n == 0) break;
        have += (size_t)n;
        if (have < cap) continue;
        char *larger = realloc(all, (cap *= 2) + 1);
        CHECK(larger);
        all = larger;
    }
    all[have] = 0;
    if (len) *len = have;
    return all;
}

typedef struct test_answer {
    int status;
    char head[4096];
    char *body; /* decoded; to be freed */
    size_t len, room;
} test_answer;

static inline char *test_find(test_answer *a, const char *name)
{
    static char value[512];
    char line[128];
    snprintf(line, sizeof(line), "\r\n%s: ", name);
    char *at = strcasestr(a->head, line);
    if (!at) return NULL;
    at += strlen(line);
    snprintf(value, sizeof(value), "%.*s", (int)strcspn(at, "\r"), at);
    return value;
}

static inline void test_take(int fd, char *to, size_t len)
{
    for (size_t have = 0; have < len;) {
        ssize_t n = test_recv(fd, to + have, len - have);
        CHECK(n > 0);
        have += (size_t)n;
    }
}

static inline size_t test_line(int fd, char *line, size_t size)
{
    size_t n = 0;
    do {
        CHECK(n + 1 < size);
        test_take(fd, line + n, 1);
    } while (line[n++] != '\n');
    line[n] = 0;
    return n;
}

static inline void test_append(test_answer *a, int fd, size_t len)
{
    if (a->len + len + 1 > a->room) {
        a->room = 2 * (a->len + len + 1); /* by doubling: a sanitizer's realloc always copies */
        CHECK((a->body = realloc(a->body, a->room)));
    }
    test_take(fd, a->body + a->len, len);
    a->len += len;
    a->body[a->len] = 0;
}

static inline test_answer test_read_head(int fd)
{
    test_answer a = {0};
    size_t n = 0;
    while (n < 4 || memcmp(a.head + n - 4, "\r\n\r\n", 4) != 0) {
        CHECK(n + 1 < sizeof(a.head));
        test_take(fd, a.head + n++, 1);
    }
    CHECK(memcmp(a.head, "HTTP/1.1 ", 9) == 0);
    a.status = atoi(a.head + 9);
    return a;
}

/* One answer, of a known end; not one to HEAD. */
static inline test_answer test_read(int fd)
{
    test_answer a = test_read_head(fd);
    char line[64];
    const char *length = test_find(&a, "Content-Length");
    if (length) {
        test_append(&a, fd, strtoul(length, NULL, 10));
    } else if (test_find(&a, "Transfer-Encoding")) {
        for (size_t size = 1; size > 0;) {
            test_line(fd, line, sizeof(line));
            test_append(&a, fd, size = strtoul(line, NULL, 16));
            test_line(fd, line, sizeof(line));
            CHECK_STR(line, "\r\n");
        }
    } else {
        CHECK(a.status == 204 || a.status == 304 || a.status < 200);
    }
    return a;
}

/* The next answer has this status and, unless NULL, this body. */
static inline void test_expect(int fd, int status, const char *body)
{
    test_answer a = test_read(fd);
    CHECK_INT(a.status, status);
    if (body) CHECK_STR(a.body ? a.body : "", body);
    free(a.body);
}

static inline void test_expect_end(int fd)
{
    char byte;
    CHECK_INT(test_recv(fd, &byte, 1), 0);
    close(fd);
}

/* Whatever comes before. */
static inline void test_expect_reset(int fd)
{
    char sink[4096];
    ssize_t n;
    while ((n = test_recv(fd, sink, sizeof sink)) > 0) continue;
    CHECK(n < 0 && errno == ECONNRESET);
    close(fd);
}

#endif
