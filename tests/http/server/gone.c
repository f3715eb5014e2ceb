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

static const check_case cases[] = {{"while_it_waits", while_it_waits}, {"slow_to_read", slow_to_read}};
CHECK_MAIN(cases)
