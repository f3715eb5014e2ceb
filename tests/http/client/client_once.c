/* One call puts one request on the wire, unless its method asks for nothing to be done: counted by a server that reads
 * whatever reaches it and ends the connection without an answer. */
#include <semaphore.h>

#include "tests/harness/wire.h"

enum { IDLE = 5, BODY_BYTES = 1 << 20 };

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static pthread_barrier_t together;
static atomic_bool resets, refuses;
static atomic_int breaks; /* so many more safe requests find their connection broken */

static bool end_connection(int fd)
{
    struct linger now = {.l_onoff = 1};
    if (atomic_load(&resets)) CHECK(setsockopt(fd, SOL_SOCKET, SO_LINGER, &now, sizeof now) == 0);
    return false;
}

static bool answer(int fd, const wire_request *r)
{
    if (strcmp(r->target, "/warm") == 0) { /* all of them have a connection of their own */
        (void)pthread_barrier_wait(&together);
        wire_say(fd, ok, sizeof ok - 1);
        return true;
    }
    if (strcmp(r->target, "/ok") == 0) {
        wire_say(fd, ok, sizeof ok - 1);
        return true;
    }
    if (strcmp(r->target, "/break") == 0 && atomic_fetch_sub(&breaks, 1) <= 0) {
        wire_say(fd, ok, sizeof ok - 1);
        return true;
    }
    if (atomic_load(&refuses)) (void)shutdown(wire.fd, SHUT_RDWR); /* curl's next connection fails */
    return end_connection(fd);
}

/* Leaves IDLE connections in the pool. */
static void warm(void)
{
    http_call *calls[IDLE];
    CHECK(pthread_barrier_init(&together, NULL, IDLE) == 0);
    for (int i = 0; i < IDLE; i++) calls[i] = wire_start(&(http_call_options){.url = wire_url("/warm")});
    for (int i = 0; i < IDLE; i++) wire_finish(calls[i], 200);
    CHECK(pthread_barrier_destroy(&together) == 0);
    CHECK_INT(wire.accepted, IDLE);
}

static void expect_may_be_done(http_call *call)
{
    wire_expect(call, 0);
    CHECK_INT(http_call_error(call), HTTP_CALL_BROKEN);
    const char *said =
        strstr(http_call_error_text(call), ": the connection broke before an answer; it may have been done");
    if (!said) printf("# %s\n", http_call_error_text(call));
    CHECK(said);
    wire_close(call);
}

static void call_unsafe(const char *method, size_t body_len, bool streaming)
{
    static char body[BODY_BYTES];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    warm();
    http_call *call = wire_start(&(http_call_options){.url = wire_url("/charge?card=1"),
                                                      .method = method,
                                                      .body = body_len ? body : NULL,
                                                      .body_len = body_len,
                                                      .streaming = streaming});
    wire_wait(call, HTTP_CALL_DONE);
    CHECK_INT(wire_count(method), 1);
    expect_may_be_done(call);
    wire_end();
}

static void test_unsafe(void)
{
    static const char *const methods[] = {"POST", "PUT", "PATCH", "DELETE", "PURGE"};
    static const size_t lengths[] = {0, 10, BODY_BYTES};
    for (int how = 0; how < 4; how++) {
        atomic_store(&resets, how & 1);
        atomic_store(&refuses, how & 2);
        for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++)
            for (size_t l = 0; l < sizeof lengths / sizeof lengths[0]; l++) call_unsafe(methods[m], lengths[l], m & 1);
    }
    atomic_store(&resets, false);
    atomic_store(&refuses, false);
}

static void test_safe(void)
{
    static const char *const methods[] = {"GET", "HEAD", "OPTIONS"};
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        wire_begin(answer, &(http_client_options){.calls_max = 0});
        warm();
        atomic_store(&breaks, 2);
        size_t before = wire_count(methods[m]);
        wire_finish(wire_start(&(http_call_options){.url = wire_url("/break"), .method = methods[m]}), 200);
        CHECK_INT(wire_count(methods[m]) - before, 3);
        wire_end();
    }
}

static void test_reuse(void)
{
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    for (int i = 0; i < 10; i++)
        wire_finish(wire_start(&(http_call_options){.url = wire_url("/ok"), .body = "x", .body_len = 1}), 200);
    CHECK_INT(wire.accepted, 1);
    CHECK_INT(wire_count("POST"), 10);
    wire_end();
}

/* ---- A peer that refuses the expectation: curl would send the request again without it ---- */

static bool refuse_expectation(int fd, const wire_request *r)
{
    static const char refusal[] = "HTTP/1.1 417 Expectation Failed\r\nContent-Length: 2\r\n\r\nno";
    if (strcasestr(r->head, "\r\nExpect:"))
        wire_say(fd, refusal, sizeof refusal - 1);
    else
        wire_say(fd, ok, sizeof ok - 1);
    return true;
}

static void test_expect(void)
{
    static const char *const headers[] = {"Expect: 100-continue", NULL};
    wire_begin(refuse_expectation, &(http_client_options){.calls_max = 0});
    wire_finish(
        wire_start(&(http_call_options){.url = wire_url("/"), .headers = headers, .body = "four", .body_len = 4}), 200);
    CHECK_INT(wire_count("POST"), 1);
    wire_end();
}

/* ---- Silence ---- */

static bool say_nothing(int fd, const wire_request *r)
{
    char byte;
    (void)r;
    while (recv(fd, &byte, 1, 0) > 0) {}
    return false;
}

static void test_timeouts(void)
{
    wire_begin(say_nothing, &(http_client_options){.calls_max = 0});
    for (int idle = 0; idle < 2; idle++)
        for (int safe = 0; safe < 2; safe++) {
            http_call *call = wire_start(&(http_call_options){.url = wire_url("/"),
                                                              .method = safe ? "GET" : "POST",
                                                              .timeout_ms = idle ? 0 : 100,
                                                              .silence_ms = idle ? 100 : 0});
            wire_expect(call, 0);
            CHECK_INT(http_call_error(call), HTTP_CALL_TIMEOUT);
            CHECK((strstr(http_call_error_text(call), "; it may have been done") == NULL) == (safe == 1));
            wire_close(call);
        }
    wire_end();
}

static const check_case cases[] = {{"an unsafe request goes once", test_unsafe},
                                   {"a safe request goes on to a connection that works", test_safe},
                                   {"requests with a body share a connection", test_reuse},
                                   {"an expectation that is refused", test_expect},
                                   {"a request without an answer in time", test_timeouts}};
CHECK_MAIN(cases)
