/* Clients that vanish without a word: their machine sends nothing any more, not even a reset. */
#include <linux/filter.h>

#include "tests/harness/http_harness.h"

/* The client's kernel drops whatever comes for this socket, and answers nothing. */
static void unplug(int fd)
{
    struct sock_filter drop_all = BPF_STMT(BPF_RET | BPF_K, 0);
    struct sock_fprog program = {1, &drop_all};
    CHECK(setsockopt(fd, SOL_SOCKET, SO_ATTACH_FILTER, &program, sizeof program) == 0);
}

static void while_it_waits(void)
{
    http_server_options options = {.peer_timeout_ms = 2000, .write_timeout_ms = 1000};
    test_start(&options);
    int there = test_connect(), vanished = test_connect(), streaming = test_connect();
    test_say(there, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(vanished, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    test_say(streaming, "GET /begin HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 3);
    unplug(vanished);
    unplug(streaming);
    TEST_AWAIT(atomic_load(&test->gone) == 2); /* before, they held their connections for ever */
    CHECK_INT(test_connections(), 1);
    test_on_loop(test_do_release);
    test_expect(there, 200, "held"); /* its kernel has answered the probes */
    close(there);
    close(vanished);
    close(streaming);
    test_stop();
}

/* A client that is slow to read has the time of the write timeout. */
static void slow_to_read(void)
{
    http_server_options options = {.peer_timeout_ms = 2000};
    test_start(&options);
    int fd = test_connect();
    test_say(fd, "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(test_exchanges() == 1);
    struct sockaddr_in own = {0}, other;
    socklen_t len = sizeof own;
    int found = 0, on = 0, most = 0;
    CHECK(getsockname(fd, (struct sockaddr *)&own, &len) == 0);
    for (int peer = 3; peer < 100 && !found; peer++) { /* the server's end of it */
        len = sizeof other;
        if (getpeername(peer, (struct sockaddr *)&other, &len) != 0 || other.sin_port != own.sin_port) continue;
        found = peer;
    }
    CHECK(found > 0);
    len = sizeof on;
    CHECK(getsockopt(found, SOL_SOCKET, SO_KEEPALIVE, &on, &len) == 0 && on == 1);
    CHECK(getsockopt(found, IPPROTO_TCP, TCP_USER_TIMEOUT, &most, &len) == 0);
    CHECK_INT(most, 60000); /* the write timeout is longer */
    close(fd);
    test_stop();
}

enum { CROWD = 300, EVENTS_OF_TURN = 128 };

static int crowd[CROWD];
static uv_check_t turns;
static int gone_before, gone_most; /* of one turn */

static void count_gone(uv_check_t *h)
{
    (void)h;
    int gone = atomic_load(&test->gone);
    if (gone - gone_before > gone_most) gone_most = gone - gone_before;
    gone_before = gone;
}

/* On the loop's thread, so that the resets of all are there when it looks next. */
static void reset_crowd(test_server *t)
{
    const struct linger at_once = {1, 0};
    CHECK(uv_check_init(&t->loop, &turns) == 0 && uv_check_start(&turns, count_gone) == 0);
    for (int i = 0; i < CROWD; i++) {
        CHECK(setsockopt(crowd[i], SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once) == 0);
        close(crowd[i]);
    }
}

static void stop_counting(test_server *t)
{
    (void)t;
    uv_close((uv_handle_t *)&turns, NULL);
}

/* What else the loop has to do comes between them, and none is forgotten. */
static void crowd_leaves(void)
{
    test_start(NULL);
    int there = test_connect();
    for (int i = 0; i < CROWD; i++) {
        crowd[i] = test_connect();
        test_say(crowd[i], "GET /hold HTTP/1.1\r\nHost: x\r\n\r\n");
    }
    TEST_AWAIT(test_exchanges() == CROWD);
    test_on_loop(reset_crowd);
    TEST_AWAIT(atomic_load(&test->gone) == CROWD);
    test_on_loop(stop_counting);
    CHECK(gone_most <= EVENTS_OF_TURN);
    CHECK_INT(test_connections(), 1);
    test_say(there, "GET /echo HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(there, 200, "");
    close(there);
    test_stop();
}

static const check_case cases[] = {
    {"while_it_waits", while_it_waits}, {"slow_to_read", slow_to_read}, {"crowd_leaves", crowd_leaves}};
CHECK_MAIN(cases)
