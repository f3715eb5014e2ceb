/* What becomes of connections: slow, silent, broken, too many, and when the server stops. */
#include <fcntl.h>
#include <linux/sockios.h>
#include <sys/ioctl.h>
#include <sys/resource.h>

#include "tests/harness/http_harness.h"

static const char hello_request[] = "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n";

/* Ends with a reset as soon as it is closed. */
static void reset_on_close(int fd)
{
    struct linger hard = {1, 0};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &hard, sizeof(hard)) == 0);
}

/* Where the time is short, a machine that stands still for as long as that spoils an attempt: the server is right to
 * close. So these try until one is in time; a server that is wrong spoils all. */

/* Heads that come in two pieces, the second with the first of the next one: together they take longer than the
 * time for one. */
static bool slow_heads(void)
{
    enum { HEADS = 10, PAUSE_US = 30000 };
    static const char first[] = "GET /hello HTTP/1.1\r\n", next[] = "Host: x\r\n\r\nGET /hello HTTP/1.1\r\n";
    int fd = test_connect();
    bool in_time = true;
    test_say(fd, first);
    for (int i = 0; i < HEADS && in_time; i++) {
        CHECK(usleep(PAUSE_US) == 0 || errno == EINTR);
        (void)test_send_some(fd, next, sizeof next - 1);
        test_answer a = test_read(fd);
        in_time = a.status == 200;
        if (!in_time) CHECK_INT(a.status, 408);
        free(a.body);
    }
    close(fd);
    return in_time;
}

/* Likewise of requests with pauses between that are together longer than a connection may idle. */
static bool pauses(void)
{
    enum { REQUESTS = 10, PAUSE_US = 30000 };
    int fd = test_connect();
    bool in_time = true;
    for (int i = 0; i < REQUESTS && in_time; i++) {
        char byte;
        (void)test_send_some(fd, hello_request, sizeof hello_request - 1);
        in_time = recv(fd, &byte, 1, MSG_PEEK) == 1;
        if (in_time) test_expect(fd, 200, "hello");
        CHECK(usleep(PAUSE_US) == 0 || errno == EINTR);
    }
    close(fd);
    return in_time;
}

/* A connection on which the answer to this has begun to come. */
static int answered(const char *request)
{
    for (uint64_t end = test_now_ms() + PATIENCE_MS;;) {
        char byte;
        int fd = test_connect();
        CHECK(test_now_ms() < end);
        (void)test_send_some(fd, request, strlen(request));
        if (recv(fd, &byte, 1, MSG_PEEK) == 1) return fd;
        close(fd);
    }
}

static void expect_nothing(int fd)
{
    char byte;
    ssize_t n = test_recv(fd, &byte, 1);
    CHECK(n == 0 || (n < 0 && errno == ECONNRESET));
    close(fd);
}

/* What was sent is with the server's kernel; a busy one can take a while even on the same machine. */
static void await_arrival(int fd)
{
    int queued = 0;
    TEST_AWAIT(ioctl(fd, SIOCOUTQ, &queued) == 0 && queued == 0);
}

static void head_timeout(void)
{
    http_server_options options = {.head_timeout_ms = 100};
    test_start(&options);
    int fd = test_connect();
    test_say(fd, "GET /hello HTTP/1.1\r\nHo");
    test_expect(fd, 408, NULL);
    test_expect_end(fd);
    /* a slow head is not saved by its trickling */
    fd = test_connect();
    struct pollfd answered = {fd, POLLIN, 0};
    test_say(fd, "GET /hello HTTP/1.1\r\nX: ");
    uint64_t end = test_now_ms() + PATIENCE_MS;
    while (poll(&answered, 1, 20) == 0) {
        CHECK(test_now_ms() < end);
        if (send(fd, "y", 1, MSG_NOSIGNAL) != 1) break;
    }
    test_expect(fd, 408, NULL);
    close(fd);
    /* the time begins anew with each request */
    TEST_AWAIT(slow_heads());
    test_stop();
}

/* Some clients send an empty line behind a body. That is no request: a 408 for it would be taken for the answer to the
 * next one. */
static void blank_lines(void)
{
    http_server_options options = {.head_timeout_ms = 100, .idle_timeout_ms = 300};
    test_start(&options);
    int used = answered("POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody\r\n");
    test_expect(used, 200, "body");
    test_expect_end(used);
    int silent = test_connect();
    (void)test_send_some(silent, "\r\n\r\n", 4);
    expect_nothing(silent);
    test_stop();
    test_start(NULL);
    used = test_connect();
    test_say(used, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody\r\n");
    test_expect(used, 200, "body");
    test_say(used, hello_request);
    test_expect(used, 200, "hello");
    test_say(used, "\r\n");
    await_arrival(used);
    test_on_loop(test_do_drain); /* nor is it waited for */
    test_expect_end(used);
    test_stop();
}

static void body_timeout(void)
{
    http_server_options options = {.body_timeout_ms = 200};
    test_start(&options);
    int fd = test_connect();
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 10\r\n\r\nabc");
    test_expect(fd, 408, NULL);
    test_expect_end(fd);
    fd = test_connect();
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n");
    test_expect(fd, 408, NULL);
    test_expect_end(fd);
    /* nor is a body that trickles waited for */
    fd = test_connect();
    struct pollfd answered = {fd, POLLIN, 0};
    test_say(fd, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n");
    uint64_t end = test_now_ms() + PATIENCE_MS;
    while (poll(&answered, 1, 20) == 0) {
        CHECK(test_now_ms() < end);
        if (send(fd, "y", 1, MSG_NOSIGNAL) != 1) break;
    }
    test_expect(fd, 408, NULL);
    close(fd);
    test_stop();
}

static void idle_timeout(void)
{
    http_server_options options = {.idle_timeout_ms = 100};
    test_start(&options);
    int fd = test_connect();
    test_expect_end(fd);
    fd = answered(hello_request);
    test_expect(fd, 200, "hello");
    test_expect_end(fd);
    TEST_AWAIT(pauses());
    /* a request that is being answered is not idle */
    fd = answered("GET /begin HTTP/1.1\r\nHost: x\r\n\r\n");
    CHECK_INT(test_exchanges(), 1);
    int other = test_connect();
    test_expect_end(other);
    CHECK_INT(test_exchanges(), 1);
    test_on_loop(test_do_end);
    test_expect(fd, 200, "piece\n");
    test_expect_end(fd);
    test_stop();
}

static void write_timeout(void)
{
    http_server_options options = {.write_timeout_ms = 200};
    char byte;
    test_start(&options);
    int fd = test_connect();
    test_say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(atomic_load(&test->gone) == 1);
    CHECK_INT(test_connections(), 0);
    while (test_recv(fd, &byte, 1) > 0) {}
    CHECK_INT(errno, ECONNRESET);
    close(fd);
    test_stop();
}

/* A reader that reads nothing gets no more than the kernel and the queue hold; one that reads gets it all. */
static void slow_reader(void)
{
    http_server_options options = {.write_queue_bytes_max = 50000};
    static char sink[1 << 20];
    test_start(&options);
    int fd = test_connect();
    test_say(fd, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    size_t before, now = 0;
    do {
        before = now;
        CHECK(usleep(20000) == 0 || errno == EINTR);
        now = atomic_load(&test->flooded);
        CHECK(now < (size_t)64 << 20); /* bounded by the socket buffers, whose limits are the system's */
    } while (now == 0 || now != before);
    size_t got = 0;
    while (got < now + (8 << 20)) { /* it goes on when there is room */
        ssize_t n = test_recv(fd, sink, sizeof(sink));
        CHECK(n > 0);
        got += (size_t)n;
    }
    CHECK_INT(atomic_load(&test->gone), 0);
    reset_on_close(fd);
    close(fd);
    TEST_AWAIT(atomic_load(&test->gone) == 1);
    test_stop();
}

static void big_replies(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /big?30000000 HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(fd, hello_request);
    test_answer a = test_read(fd);
    CHECK_INT(a.len, 30000000);
    for (size_t i = 0; i < a.len; i++) CHECK(a.body[i] == (char)('a' + i % 26));
    free(a.body);
    test_expect(fd, 200, "hello");
    close(fd);
    test_stop();
}

static void gone_by_reset(void)
{
    static const char *const requests[] = {"GET /hold HTTP/1.1\r\nHost: x\r\n\r\n",
                                           "GET /begin HTTP/1.1\r\nHost: x\r\n\r\n"};
    test_start(NULL);
    for (int i = 0; i < 2; i++) {
        int fd = test_connect();
        test_say(fd, requests[i]);
        TEST_AWAIT(test_exchanges() == 1);
        reset_on_close(fd);
        close(fd);
        TEST_AWAIT(atomic_load(&test->gone) == i + 1);
        TEST_AWAIT(test_connections() == 0);
    }
    test_stop();
}

/* A client that just closes its socket sends only an end of file; the probe finds out. */
static void gone_by_close(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    close(fd);
    TEST_AWAIT(atomic_load(&test->gone) == 1);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

/* One that closes only its sending side gets its answers, that of a request sent ahead included. */
static void half_close(void)
{
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(fd, hello_request);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    test_expect(fd, 100, NULL); /* the probe */
    CHECK_INT(atomic_load(&test->gone), 0);
    test_on_loop(test_do_release);
    test_expect(fd, 200, "held");
    test_expect(fd, 200, "hello");
    test_expect_end(fd);
    fd = test_connect();
    test_say(fd, hello_request);
    CHECK(shutdown(fd, SHUT_WR) == 0);
    test_expect(fd, 200, "hello");
    test_expect_end(fd);
    fd = test_connect(); /* half a request gets none */
    test_say(fd, "GET / HT");
    CHECK(shutdown(fd, SHUT_WR) == 0);
    test_expect_end(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

/* Urgent data must not make the loop spin, nor end the exchange. */
static void urgent_data(void)
{
    char filler[4096];
    memset(filler, 'x', sizeof(filler));
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    test_send(fd, filler, sizeof(filler)); /* more than is read ahead: the server looks only for errors now */
    CHECK_INT(send(fd, "!", 1, MSG_OOB), 1);
    test_on_loop(test_do_count);
    CHECK_INT(atomic_load(&test->gone), 0);
    test_on_loop(test_do_release);
    test_expect(fd, 200, "held");
    close(fd);
    test_stop();
}

/* Reset while what it sent ahead fills the buffer, so that nobody reads. */
static void gone_unread(void)
{
    char filler[65536];
    memset(filler, 'x', sizeof(filler));
    test_start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    test_send(fd, filler, sizeof(filler));
    TEST_AWAIT(test_exchanges() == 1);
    reset_on_close(fd);
    close(fd);
    TEST_AWAIT(atomic_load(&test->gone) == 1);
    test_stop();
}

static void many_idle(void)
{
    enum { COUNT = 1000 };
    static int fds[COUNT];
    struct rlimit files;
    CHECK(getrlimit(RLIMIT_NOFILE, &files) == 0);
    if (files.rlim_cur < 2 * COUNT + 100) {
        files.rlim_cur = 2 * COUNT + 100;
        CHECK(setrlimit(RLIMIT_NOFILE, &files) == 0);
    }
    test_start(NULL);
    for (int i = 0; i < COUNT; i++) fds[i] = test_connect();
    TEST_AWAIT(test_connections() == COUNT);
    for (int i = 0; i < COUNT; i++) test_say(fds[i], hello_request);
    for (int i = 0; i < COUNT; i++) test_expect(fds[i], 200, "hello");
    CHECK_INT(test_connections(), COUNT);
    for (int i = 0; i < COUNT; i++) close(fds[i]);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

/* Connections that are at work are never given up for new ones. */
static void too_many(void)
{
    http_server_options options = {.connections_max = 2, .head_timeout_ms = 600000};
    test_start(&options);
    int first = test_connect(), second = test_connect();
    test_say(first, "GET /hello HTTP/1.1\r\n");
    test_say(second, "GET /hello HTTP/1.1\r\n");
    TEST_AWAIT(test_connections() == 2);
    CHECK(usleep(1200000) == 0 || errno == EINTR);
    for (int i = 0; i < 5; i++) {
        int fd = test_connect();
        test_say(fd, hello_request);
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 503);
        CHECK_STR(test_find(&a, "Retry-After"), "1");
        free(a.body);
        test_expect_end(fd);
    }
    test_say(first, "Host: x\r\n\r\n");
    test_expect(first, 200, "hello");
    close(second);
    TEST_AWAIT(test_connections() == 1);
    second = test_connect();
    test_say(second, hello_request);
    test_expect(second, 200, "hello");
    close(first);
    close(second);
    test_stop();
}

/* With all slots taken by connections that are idle, a new one takes the place of the one that is so longest. */
static void idle_make_room(void)
{
    http_server_options options = {.connections_max = 3, .idle_timeout_ms = 600000};
    test_start(&options);
    int silent = test_connect(), busy = test_connect();
    test_say(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1 && test_connections() == 2);
    int used = test_connect();
    test_say(used, hello_request);
    test_expect(used, 200, "hello");
    int fd = -1;
    for (int i = 0; i < 100; i++) { /* none is idle long enough at once */
        fd = test_connect();
        test_say(fd, hello_request);
        test_answer a = test_read(fd);
        free(a.body);
        if (a.status == 200) break;
        CHECK_INT(a.status, 503);
        test_expect_end(fd);
        CHECK(usleep(50000) == 0 || errno == EINTR);
    }
    test_expect_end(silent);
    test_say(fd, hello_request);
    test_expect(fd, 200, "hello");
    test_say(used, hello_request);
    test_expect(used, 200, "hello");
    CHECK_INT(test_connections(), 3);
    test_on_loop(test_do_release);
    test_expect(busy, 200, "held");
    close(fd);
    close(used);
    close(busy);
    test_stop();
}

/* Out of descriptors: those that cannot be served are told by a close, the others are served, the loop does not spin.
 */
static void out_of_descriptors(void)
{
    enum { LEFT = 3 };
    struct rlimit old, low;
    char byte;
    test_start(NULL);
    int fds[LEFT + 3], count = LEFT + 3, kept = test_connect();
    for (int i = 0; i < count; i++) { /* made before, since client and server share the limit */
        fds[i] = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
        CHECK(fds[i] >= 0);
    }
    TEST_AWAIT(test_connections() == 1);
    int highest = dup(0);
    CHECK(highest > 0);
    close(highest);
    CHECK(getrlimit(RLIMIT_NOFILE, &old) == 0);
    low = old;
    low.rlim_cur = (rlim_t)highest + LEFT;
    CHECK(setrlimit(RLIMIT_NOFILE, &low) == 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)test->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int served = 0;
    for (int i = 0; i < count; i++) {
        CHECK(connect(fds[i], (struct sockaddr *)&to, sizeof(to)) == 0);
        if (send(fds[i], hello_request, strlen(hello_request), MSG_NOSIGNAL) < 0) continue;
        if (recv(fds[i], &byte, 1, 0) == 1) served++;
    }
    CHECK_INT(served, LEFT);
    test_say(kept, hello_request);
    test_expect(kept, 200, "hello");
    for (int i = 0; i < count; i++) close(fds[i]);
    TEST_AWAIT(test_connections() == 1);
    int again = test_connect();
    test_say(again, hello_request);
    test_expect(again, 200, "hello");
    CHECK(setrlimit(RLIMIT_NOFILE, &old) == 0);
    close(again);
    close(kept);
    test_stop();
}

static void drain(void)
{
    test_start(NULL);
    int idle = test_connect(), busy = test_connect(), partial = test_connect(), used = test_connect();
    test_say(used, hello_request);
    test_expect(used, 200, "hello");
    test_say(busy, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(partial, "GET /hello HTTP/1.1\r\nHo");
    TEST_AWAIT(test_exchanges() == 1 && test_connections() == 4);
    await_arrival(partial);
    test_on_loop(test_do_drain);
    test_on_loop(test_do_drain); /* again is no harm */
    test_expect_end(idle);
    test_expect_end(used);
    test_say(partial, "st: x\r\n\r\n");
    test_answer a = test_read(partial);
    CHECK_STR(test_find(&a, "Connection"), "close");
    CHECK_STR(a.body, "hello");
    free(a.body);
    test_expect_end(partial);
    test_on_loop(test_do_release);
    a = test_read(busy);
    CHECK_STR(test_find(&a, "Connection"), "close");
    free(a.body);
    test_expect_end(busy);
    TEST_AWAIT(test_connections() == 0);
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)test->port)};
    to.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    int fd = socket(AF_INET, SOCK_STREAM, 0);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof(to)) < 0 && errno == ECONNREFUSED);
    close(fd);
    test_stop();
}

/* Stopping in the midst of everything: owners of exchanges are told, all memory goes. */
static void stop_busy(void)
{
    test_start(NULL);
    int held = test_connect(), flood = test_connect(), partial = test_connect(), idle = test_connect();
    test_say(held, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(flood, "GET /flood HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(partial, "POST /echo HTTP/1.1\r\nHost: x\r\nContent-Length: 100000\r\n\r\nabc");
    TEST_AWAIT(test_exchanges() == 2 && test_connections() == 4);
    test_stop();
    close(held);
    close(flood);
    close(partial);
    close(idle);
}

static const check_case cases[] = {
    {"head_timeout", head_timeout},
    {"blank_lines", blank_lines},
    {"body_timeout", body_timeout},
    {"idle_timeout", idle_timeout},
    {"write_timeout", write_timeout},
    {"slow_reader", slow_reader},
    {"big_replies", big_replies},
    {"gone_by_reset", gone_by_reset},
    {"gone_by_close", gone_by_close},
    {"half_close", half_close},
    {"urgent_data", urgent_data},
    {"gone_unread", gone_unread},
    {"many_idle", many_idle},
    {"too_many", too_many},
    {"idle_make_room", idle_make_room},
    {"out_of_descriptors", out_of_descriptors},
    {"drain", drain},
    {"stop_busy", stop_busy},
};
CHECK_MAIN(cases)
