/* Replies of a length that is told before: an owner that writes less or more ends its connection, and neither makes up
 * for it with the next reply nor is believed. */
#include "tests/harness/http_harness.h"

enum { TOLD = 1000 };

static void on_request(void *arg, http_exchange *x)
{
    static char bytes[2 * TOLD];
    const http_request *r = http_exchange_request(x);
    if (strcmp(r->path.data, "/sized") != 0) {
        test_on_request(arg, x);
        return;
    }
    size_t written = strtoul(r->query.data, NULL, 10);
    memset(bytes, 'x', sizeof bytes);
    CHECK(written <= sizeof bytes);
    http_reply_begin_sized(x, 200, NULL, 0, TOLD);
    http_reply_write(x, bytes, written / 2);
    http_reply_write(x, bytes + written / 2, written - written / 2);
    http_reply_end(x);
}

static int ask(const char *method, size_t written)
{
    char request[128];
    int fd = test_connect();
    (void)snprintf(request, sizeof request,
                   "%s /sized?%zu HTTP/1.1\r\nHost: x\r\n\r\nGET /hello HTTP/1.1\r\nHost: x\r\n\r\n", method, written);
    test_say(fd, request);
    return fd;
}

static void as_told(void)
{
    test_start(&(http_server_options){.on_request = on_request});
    int fd = ask("GET", TOLD);
    test_answer a = test_read(fd);
    CHECK_INT(a.len, TOLD);
    free(a.body);
    test_expect(fd, 200, "hello");
    close(fd);
    fd = ask("HEAD", TOLD);
    a = test_read_head(fd);
    CHECK_STR(test_find(&a, "Content-Length"), "1000");
    test_expect(fd, 200, "hello");
    close(fd);
    test_stop();
}

static void another_length(void)
{
    static const size_t lengths[] = {0, 1, TOLD - 1, TOLD + 1, 2 * TOLD};
    test_start(&(http_server_options){.on_request = on_request});
    for (size_t i = 0; i < sizeof lengths / sizeof lengths[0]; i++) {
        char sink[4096];
        ssize_t n;
        size_t got = 0;
        int fd = ask("GET", lengths[i]);
        while ((n = test_recv(fd, sink, sizeof sink)) > 0) got += (size_t)n;
        CHECK(n < 0 && errno == ECONNRESET);
        CHECK(got < TOLD + 200);
        close(fd);
        TEST_AWAIT(test_connections() == 0);
    }
    test_stop();
}

static const check_case cases[] = {{"as_told", as_told}, {"another_length", another_length}};
CHECK_MAIN(cases)
