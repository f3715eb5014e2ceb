/* Replies that there is no memory for. The linker sends every malloc of the server to this file (--wrap). */
#include "tests/http_harness.h"

enum { LARGE_BYTES = 30 << 20, LARGE_HEADER = 20000 };

static atomic_size_t most = SIZE_MAX; /* an allocation of more is refused */
static atomic_int refused;

void *__real_malloc(size_t size);
void *__wrap_malloc(size_t size);
void *__wrap_malloc(size_t size)
{
    if (size <= atomic_load(&most)) return __real_malloc(size);
    atomic_fetch_add(&refused, 1);
    return NULL;
}

static void reply_large(http_exchange *x)
{
    static char body[LARGE_BYTES];
    atomic_store(&most, LARGE_BYTES / 4);
    http_reply(x, 200, NULL, 0, body, sizeof body);
    atomic_store(&most, SIZE_MAX);
}

static void reply_long_head(http_exchange *x)
{
    static char value[LARGE_HEADER];
    const http_reply_header header = {"X-Long", value};
    memset(value, 'v', sizeof value - 1);
    atomic_store(&most, LARGE_HEADER / 2);
    if (strcmp(http_exchange_request(x)->path.data, "/long") == 0) {
        http_reply(x, 200, &header, 1, "short", 5);
    } else {
        http_reply_begin(x, 200, &header, 1);
        http_reply_write(x, "short", 5);
        http_reply_end(x);
    }
    atomic_store(&most, SIZE_MAX);
}

static void on_request(void *arg, http_exchange *x)
{
    const char *path = http_exchange_request(x)->path.data;
    if (strcmp(path, "/large") == 0)
        reply_large(x);
    else if (strncmp(path, "/long", 5) == 0)
        reply_long_head(x);
    else
        test_on_request(arg, x);
}

static void start(void)
{
    atomic_store(&refused, 0);
    test_start(&(http_server_options){.on_request = on_request});
}

static void expect_reset(int fd)
{
    static char sink[65536];
    ssize_t n;
    while ((n = test_recv(fd, sink, sizeof sink)) > 0) continue;
    CHECK(n < 0 && errno == ECONNRESET);
    close(fd);
}

/* The kernel has a part of the reply, the rest cannot be kept. */
static void the_rest_of_a_reply(void)
{
    start();
    int fd = test_connect();
    test_say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(atomic_load(&refused) == 1); /* read meanwhile, the kernel could take all of it */
    expect_reset(fd);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

/* A reply that has not begun takes none of the earlier ones with it. */
static void the_head_of_a_reply(void)
{
    start();
    int fd = test_connect();
    test_say(fd, "GET /hello HTTP/1.1\r\nHost: x\r\n\r\nGET /long HTTP/1.1\r\nHost: x\r\n\r\n"
                 "GET /hello HTTP/1.1\r\nHost: x\r\n\r\n");
    test_expect(fd, 200, "hello");
    test_expect_end(fd);
    CHECK_INT(atomic_load(&refused), 1);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static void the_head_of_a_stream(void)
{
    start();
    int fd = test_connect();
    test_say(fd, "GET /longstream HTTP/1.1\r\nHost: x\r\n\r\n");
    expect_reset(fd);
    TEST_AWAIT(test_connections() == 0 && test_exchanges() == 0);
    test_stop();
}

static const check_case cases[] = {
    {"the_rest_of_a_reply", the_rest_of_a_reply},
    {"the_head_of_a_reply", the_head_of_a_reply},
    {"the_head_of_a_stream", the_head_of_a_stream},
};
CHECK_MAIN(cases)
