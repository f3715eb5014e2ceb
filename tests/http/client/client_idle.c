/* Idle connections that their servers close: noticed without another call, closed here too, and never given to a
 * request. */
#include <dirent.h>
#include <fcntl.h>
#include <semaphore.h>

#include "tests/harness/wire.h"

enum { CALLS = 150, OWN_FILES = 40 /* what curl's ten handles keep for themselves, at most */ };

static const char ok[] = "HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";
static pthread_barrier_t together;
static sem_t hang_up;
static atomic_int idle;

/* Answers, keeps the connection until the test says so, and closes it, after a word out of turn if asked for one. */
static bool answer(int fd, const wire_request *r)
{
    static const char late[] = "HTTP/1.1 408 Request Timeout\r\nContent-Length: 0\r\nConnection: close\r\n\r\n";
    if (strcmp(r->target, "/stay") == 0) {
        wire_say(fd, ok, sizeof ok - 1);
        return true;
    }
    (void)pthread_barrier_wait(&together); /* each call has a connection of its own */
    wire_say(fd, ok, sizeof ok - 1);
    atomic_fetch_add(&idle, 1);
    CHECK(sem_wait(&hang_up) == 0);
    if (strcmp(r->target, "/word") == 0) wire_say(fd, late, sizeof late - 1);
    return false;
}

static int open_files(void)
{
    int n = 0;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d);
    while (readdir(d)) n++;
    CHECK(closedir(d) == 0);
    return n;
}

static void fill(const char *path, int count)
{
    http_call *calls[CALLS];
    atomic_store(&idle, 0);
    CHECK(sem_init(&hang_up, 0, 0) == 0 && pthread_barrier_init(&together, NULL, (unsigned)count) == 0);
    for (int i = 0; i < count; i++) calls[i] = wire_start(&(http_call_options){.url = wire_url(path)});
    for (int i = 0; i < count; i++) wire_finish(calls[i], 200);
    while (atomic_load(&idle) < count) usleep(1000);
}

static void empty(int count)
{
    for (int i = 0; i < count; i++) CHECK(sem_post(&hang_up) == 0);
    while (atomic_load(&wire.open) > 0) usleep(1000);
}

static void test_closed(void)
{
    static const char *const paths[] = {"/quiet", "/word"};
    for (size_t p = 0; p < 2; p++) {
        wire_begin(answer, &(http_client_options){.transfers_per_handle = 16});
        wire_pass(1);
        int before = open_files();
        fill(paths[p], CALLS);
        CHECK(open_files() >= before + CALLS);
        empty(CALLS);
        while (open_files() > before + OWN_FILES) wire_pass(20); /* a hang ends the test */
        wire_end();
    }
}

/* However short ago the server has closed. */
static void test_not_used(void)
{
    enum { FEW = 4 };
    for (int round = 0; round < 10; round++) {
        wire_begin(answer, &(http_client_options){.calls_max = 0});
        fill(round % 2 ? "/word" : "/quiet", FEW);
        empty(FEW);
        uv_run(&loop, UV_RUN_NOWAIT);
        for (int i = 0; i < FEW; i++)
            wire_finish(wire_start(&(http_call_options){.url = wire_url("/stay"), .body = "x", .body_len = 1}), 200);
        CHECK_INT(wire_count("POST"), FEW);
        CHECK_INT(wire.accepted, FEW + 1);
        wire_end();
    }
}

/* The connection of a stream that is not read is in use, however much there is to read. */
static bool flood(int fd, const wire_request *r)
{
    static char piece[1 << 16];
    static const char head[] = "HTTP/1.1 200 OK\r\nContent-Length: 4194304\r\n\r\n";
    (void)r;
    memset(piece, 'x', sizeof piece);
    wire_say(fd, head, sizeof head - 1);
    for (int i = 0; i < 64; i++) wire_say(fd, piece, sizeof piece);
    return false;
}

static void test_paused(void)
{
    size_t len, seen = 0;
    wire_begin(flood, &(http_client_options){.calls_max = 0});
    http_call *call = wire_start(&(http_call_options){.url = wire_url("/"), .streaming = true});
    wire_wait(call, HTTP_CALL_HEAD);
    wire_pass(200);
    while (http_call_state_of(call) < HTTP_CALL_DONE || seen < 4194304) {
        (void)http_call_data(call, &len);
        seen += len;
        http_call_consume(call, len);
        CHECK(http_call_state_of(call) != HTTP_CALL_FAILED);
        if (len == 0) uv_run(&loop, UV_RUN_ONCE);
    }
    wire_finish(call, 200);
    CHECK_INT(seen, 4194304);
    wire_end();
}

/* An answer that is there as soon as the connection is: curl has it before it has ever wanted to wait for one. */
static void test_early(void)
{
    char request[4096];
    wire_begin(answer, &(http_client_options){.calls_max = 0});
    wire_refuse();
    wire_listen_alone();
    CHECK(fcntl(wire.fd, F_SETFL, O_NONBLOCK) == 0);
    for (int i = 0; i < 5; i++) {
        http_call *call = wire_start(&(http_call_options){.url = wire_url("/")});
        int fd;
        while ((fd = accept4(wire.fd, NULL, NULL, SOCK_CLOEXEC)) < 0) uv_run(&loop, UV_RUN_NOWAIT);
        wire_say(fd, ok, sizeof ok - 1);
        wire_finish(call, 200);
        CHECK(shutdown(fd, SHUT_WR) == 0);
        while (recv(fd, request, sizeof request, MSG_DONTWAIT) != 0) wire_pass(20); /* a hang ends the test */
        CHECK(close(fd) == 0);
    }
    CHECK(close(wire.fd) == 0);
    wire.fd = -1;
    wire_end();
}

static const check_case cases[] = {{"connections that servers close are closed", test_closed},
                                   {"so are those of which the answer was there at once", test_early},
                                   {"a request is not sent on a closed connection", test_not_used},
                                   {"a paused stream keeps its connection", test_paused}};
CHECK_MAIN(cases)
