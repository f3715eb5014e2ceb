/* Calls find the connections that earlier ones have left, whichever of curl's multi handles has them. */
#include "tests/harness/wire.h"

enum { CALLS = 24 };

static pthread_barrier_t together;

/* Holds the first CALLS requests until all of them are there: each has a connection of its own. */
static bool answer(int fd, const wire_request *r)
{
    static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
    if (strcmp(r->target, "/together") == 0) (void)pthread_barrier_wait(&together);
    wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static http_call *start(const char *host, const char *path)
{
    char url[256];
    (void)snprintf(url, sizeof url, "http://%s:%d%s", host, wire.port, path);
    return wire_start(&(http_call_options){.url = url});
}

/* Two hosts in turn: in the second round the other one comes first, so that each call would find the other host's
 * multi handle if it took the first with room. */
static void test_found(void)
{
    static const char *const hosts[] = {"127.0.0.1", "localhost"};
    static const size_t each[] = {1, 2, 5};
    for (size_t i = 0; i < sizeof each / sizeof each[0]; i++) {
        wire_begin(answer, &(http_client_options){.transfers_per_handle = each[i]});
        CHECK(pthread_barrier_init(&together, NULL, CALLS) == 0);
        for (int round = 0; round < 4; round++) {
            http_call *calls[CALLS];
            for (int n = 0; n < CALLS; n++) calls[n] = start(hosts[(n + round) % 2], "/together");
            for (int n = 0; n < CALLS; n++) wire_finish(calls[n], 200);
            CHECK_INT(wire.accepted, CALLS);
        }
        CHECK(pthread_barrier_destroy(&together) == 0);
        wire_end();
    }
}

/* One after the other, with a host in between: one connection each. */
static void test_one_each(void)
{
    wire_begin(answer, &(http_client_options){.transfers_per_handle = 1});
    for (int n = 0; n < 10; n++) wire_finish(start(n % 2 ? "127.0.0.1" : "localhost", "/"), 200);
    CHECK_INT(wire.accepted, 2);
    wire_end();
}

/* A host whose connections have all been closed is forgotten, and called again. */
static bool answer_and_close(int fd, const wire_request *r)
{
    (void)answer(fd, r);
    return false;
}

static void test_closed(void)
{
    wire_begin(answer_and_close, &(http_client_options){.transfers_per_handle = 1});
    for (int n = 0; n < 4; n++) {
        wire_finish(start("127.0.0.1", "/"), 200);
        while (atomic_load(&wire.open) > 0) wire_pass(1);
    }
    CHECK_INT(wire.accepted, 4);
    wire_end();
}

static const check_case cases[] = {{"calls to two hosts find the connections they have left", test_found},
                                   {"hosts called in turn keep a connection each", test_one_each},
                                   {"a host is called again after its connections were closed", test_closed}};
CHECK_MAIN(cases)
