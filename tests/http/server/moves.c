/* Connections that change servers in the middle of a pipeline: each request for /move is detached and adopted again. */
#include <sys/resource.h>

#include "tests/harness/http_harness.h"

static bool is_moving; /* http_server_adopt is on the stack */
static atomic_int moves, moved_with_unsent;

static void move(http_exchange *x)
{
    http_moving m;
    CHECK(http_exchange_detach(x, &m));
    atomic_fetch_add(&moves, 1);
    if (m.unsent_len > 0) atomic_fetch_add(&moved_with_unsent, 1);
    is_moving = true;
    (void)http_server_adopt(test->server, &m);
    is_moving = false;
    free(m.unsent);
    free(m.bytes);
}

static void on_request(void *arg, http_exchange *x)
{
    bool was_moved = is_moving;
    is_moving = false;
    if (strcmp(http_exchange_request(x)->path.data, "/move") == 0 && !was_moved)
        move(x);
    else
        test_on_request(arg, x);
}

static void start(const http_server_options *options)
{
    http_server_options o = options ? *options : (http_server_options){0};
    o.on_request = on_request;
    atomic_store(&moves, 0);
    atomic_store(&moved_with_unsent, 0);
    test_start(&o);
}

static void pipelined(void)
{
    static const char *const kinds[] = {
        "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n",
        "GET /move HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /move HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\nhello",
        "GET /later HTTP/1.1\r\nHost: x\r\n\r\n",
        "POST /move HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n0\r\n\r\n",
    };
    static const char *const answers[] = {"hello", "GET|/move|/move||x|1|127.0.0.1|1|",
                                          "POST|/move|/move||x|2|127.0.0.1|1|hello", "hello",
                                          "POST|/move|/move||x|2|127.0.0.1|1|hello"};
    start(NULL);
    for (size_t step = 1; step < 8000; step = step * 3 + 1) { /* how the bytes are cut */
        char all[16384] = "";
        int fd = test_connect();
        for (int i = 0; i < 100; i++) strcat(all, kinds[i % 5]);
        for (size_t at = 0, len = strlen(all); at < len; at += step)
            test_send(fd, all + at, len - at < step ? len - at : step);
        for (int i = 0; i < 100; i++) test_expect(fd, 200, answers[i % 5]);
        close(fd);
    }
    CHECK(atomic_load(&moves) > 0);
    test_stop();
}

/* The replies to earlier requests are still with the server when their connection moves. */
static void unsent(void)
{
    enum { PAIRS = 2000, BYTES = 9000 };
    static const char pair[] = "GET /big?9000 HTTP/1.1\r\nHost: x\r\n\r\nGET /move?1 HTTP/1.1\r\nHost: x\r\n\r\n";
    start(NULL);
    int fd = test_connect();
    for (int i = 0; i < PAIRS; i++) test_say(fd, pair);
    TEST_AWAIT(atomic_load(&moved_with_unsent) > 0);
    for (int i = 0; i < PAIRS; i++) {
        test_answer a = test_read(fd);
        CHECK_INT(a.status, 200);
        CHECK_INT(a.len, BYTES);
        free(a.body);
        test_expect(fd, 200, "GET|/move?1|/move|1|x|1|127.0.0.1|1|");
    }
    CHECK_INT(atomic_load(&moves), PAIRS);
    close(fd);
    test_stop();
}

/* What one server takes the other takes too, at the limit of the head to the last byte. */
static void head_at_the_limit(void)
{
    enum { HEAD_MAX = 2048 };
    static const char *const begins[] = {
        "GET /move HTTP/1.1\r\nHost:x\r\nX:",
        "GET /move HTTP/1.1\r\nHost: x\r\nA:\r\nB: \r\nX: ",
        "GET http://example.com:8080/move HTTP/1.1\r\nHost:x\r\nX:",
        "POST /move HTTP/1.1\r\nHost:x\r\nTransfer-Encoding:chunked\r\nX:",
        "POST /move HTTP/1.1\r\nHost:x\r\nContent-Length:9\r\nX:",
    };
    http_server_options options = {.head_bytes_max = HEAD_MAX};
    start(&options);
    for (size_t kind = 0; kind < sizeof begins / sizeof begins[0]; kind++) {
        for (int over = 0; over < 2; over++) {
            char head[HEAD_MAX + 16], filler[HEAD_MAX];
            memset(filler, 'a', sizeof filler);
            int len = snprintf(head, sizeof head, "%s%.*s\r\n\r\n", begins[kind],
                               HEAD_MAX + over - 4 - (int)strlen(begins[kind]), filler);
            CHECK_INT(len, HEAD_MAX + over);
            int fd = test_connect();
            test_say(fd, head);
            if (kind == 3 && !over) test_say(fd, "9\r\nsomething\r\n0\r\n\r\n");
            if (kind == 4 && !over) test_say(fd, "something");
            test_answer a = test_read(fd);
            CHECK_INT(a.status, over ? 431 : 200);
            if (!over && kind >= 3) CHECK(strstr(a.body, "|something"));
            if (!over && kind == 2) CHECK(strstr(a.body, "|example.com:8080|"));
            free(a.body);
            close(fd);
        }
    }
    CHECK_INT(atomic_load(&moves), 5);
    test_stop();
}

/* No descriptor is free, not even for a moment. */
static void without_descriptors(void)
{
    struct rlimit before;
    start(NULL);
    int fd = test_connect();
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "hello");
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    struct rlimit none = {3, before.rlim_max}; /* the lowest that is free is above it */
    CHECK(setrlimit(RLIMIT_NOFILE, &none) == 0);
    test_say(fd, "GET /move HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "GET|/move|/move||x|1|127.0.0.1|1|");
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
    close(fd);
    test_stop();
}

static const check_case cases[] = {
    {"pipelined", pipelined},
    {"unsent", unsent},
    {"head_at_the_limit", head_at_the_limit},
    {"without_descriptors", without_descriptors},
};
CHECK_MAIN(cases)
