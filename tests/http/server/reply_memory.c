/* Replies, and connections that are taken back, that there is no memory for. The linker sends every malloc of the
 * server to this file (--wrap). */
#include <fcntl.h>

#include "tests/harness/http_harness.h"

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
    http_reply(x, 200, NULL, 0, (http_text){body, sizeof body});
    atomic_store(&most, SIZE_MAX);
}

static void reply_long_head(http_exchange *x)
{
    static char value[LARGE_HEADER];
    const http_reply_header header = {"X-Long", value};
    memset(value, 'v', sizeof value - 1);
    atomic_store(&most, LARGE_HEADER / 2);
    if (strcmp(http_exchange_request(x)->path.data, "/long") == 0) {
        http_reply(x, 200, &header, 1, (http_text){"short", 5});
    } else {
        http_reply_begin(x, 200, &header, 1);
        http_reply_write(x, "short", 5);
        http_reply_end(x);
    }
    atomic_store(&most, SIZE_MAX);
}

enum { KEY = 17 };
static http_kept kept;
static atomic_int ends;
static atomic_bool was_kept;

/* As if this process had died then. */
static void keep_and_leave(http_exchange *x)
{
    CHECK(http_exchange_can_keep(x, &kept));
    kept.fd = fcntl(kept.fd, F_DUPFD_CLOEXEC, 0);
    CHECK(kept.fd >= 0);
    http_exchange_keep(x, KEY);
    http_exchange_leave(x);
    atomic_store(&was_kept, true);
}

static void on_ended(void *arg, uint64_t key)
{
    (void)arg;
    CHECK_INT(key, KEY);
    atomic_fetch_add(&ends, 1);
}

static void on_request(void *arg, http_exchange *x)
{
    const char *path = http_exchange_request(x)->path.data;
    if (strcmp(path, "/large") == 0)
        reply_large(x);
    else if (strcmp(path, "/keep") == 0)
        keep_and_leave(x);
    else if (strncmp(path, "/long", 5) == 0)
        reply_long_head(x);
    else
        test_on_request(arg, x);
}

static void start(void)
{
    atomic_store(&refused, 0);
    test_start(&(http_server_options){.on_request = on_request, .on_ended = on_ended});
}

/* The kernel has a part of the reply, the rest cannot be kept. */
static void the_rest_of_a_reply(void)
{
    start();
    int fd = test_connect();
    test_say(fd, "GET /large HTTP/1.1\r\nHost: x\r\n\r\n");
    TEST_AWAIT(atomic_load(&refused) == 1); /* read meanwhile, the kernel could take all of it */
    test_expect_reset(fd);
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
    test_expect_reset(fd);
    TEST_AWAIT(test_connections() == 0 && test_exchanges() == 0);
    test_stop();
}

static void take_back(test_server *t)
{
    atomic_store(&most, LARGE_HEADER / 2);
    http_adopted how = http_server_adopt_kept(t->server, &kept, KEY, false);
    atomic_store(&most, SIZE_MAX);
    int releases = atomic_load(&ends) + (how != HTTP_ADOPTED); /* the latter is the caller's */
    CHECK_INT(releases, 1);
}

/* The holder is told once that a connection has ended whose request there is no room for. */
static void a_request_that_is_taken_back(void)
{
    static char value[LARGE_HEADER * 3 / 4];
    start();
    atomic_store(&ends, 0);
    int fd = test_connect();
    memset(value, 'v', sizeof value - 1);
    test_say(fd, "GET /keep HTTP/1.1\r\nHost: x\r\nX-Long: ");
    test_say(fd, value);
    test_say(fd, "\r\n\r\n");
    TEST_AWAIT(atomic_load(&was_kept) && test_connections() == 0);
    test_on_loop(take_back);
    CHECK_INT(atomic_load(&refused), 1);
    test_expect_reset(fd);
    free(kept.bytes);
    TEST_AWAIT(test_connections() == 0);
    test_stop();
}

static const check_case cases[] = {
    {"the_rest_of_a_reply", the_rest_of_a_reply},
    {"the_head_of_a_reply", the_head_of_a_reply},
    {"the_head_of_a_stream", the_head_of_a_stream},
    {"a_request_that_is_taken_back", a_request_that_is_taken_back},
};
CHECK_MAIN(cases)
