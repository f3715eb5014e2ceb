/* Plain routes: how their responses end, whatever becomes of handler, client and process. */
#include "runtime/stepwell.h"

#include "tests/harness/served.h"

typedef struct notes {
    int begun, cleaned; /* atomic */
} notes;

static notes *seen;

static void count_up(int *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static void clean(void *arg)
{
    (void)arg;
    count_up(&seen->cleaned);
}

static void on_nap(sw_ctx *c)
{
    sw_defer(c, clean, NULL);
    count_up(&seen->begun);
    sw_sleep(c, "long", 3600000);
    sw_reply_text(c, 200, "slept");
}

static void on_drip(sw_ctx *c)
{
    sw_defer(c, clean, NULL);
    sw_reply_open(c, 200, "text/plain");
    while (sw_reply_write(c, "drop\n", 5)) {
        if (count_of(&seen->begun) == 1) count_up(&seen->begun);
        sw_sleep(c, "tick", 5);
    }
}

static void on_fails(sw_ctx *c)
{
    sw_reply_open(c, 200, "text/plain");
    sw_reply_write(c, "half", 4);
    sw_fail(c, "the other half is not there");
}

static void on_whole(sw_ctx *c)
{
    sw_reply_open(c, 200, "text/plain");
    sw_reply_write(c, "half", 4);
    sw_reply_write(c, "half", 4);
}

static void on_mixes(sw_ctx *c)
{
    sw_reply_text(c, 200, "whole");
    sw_reply_write(c, "half", 4);
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("plain");
    sw_route(app, "GET /nap", on_nap);
    sw_route(app, "GET /drip", on_drip);
    sw_route(app, "GET /fails", on_fails);
    sw_route(app, "GET /whole", on_whole);
    sw_route(app, "GET /mixes", on_mixes);
    return sw_main(app, argc, argv);
}

static answer a;

static void start(void)
{
    memset(seen, 0, sizeof *seen);
    served_start(&server, (const char *const[]){"--loops", "2", "--drain", "300ms", NULL});
}

static int ask(const char *path)
{
    char request[256];
    int fd = server_dial();
    int len = snprintf(request, sizeof request, "GET %s HTTP/1.1\r\nHost: x\r\n\r\n", path);
    CHECK(send(fd, request, (size_t)len, MSG_NOSIGNAL) == len);
    return fd;
}

static void wait_for(const int *n, int at_least)
{
    for (int i = 0; count_of(n) < at_least; i++, usleep(1000)) CHECK(i < PATIENCE_MS);
}

/* Everything up to the end, zero-terminated, in `got`. */
static char got[1 << 20];
static void read_all(int fd)
{
    size_t have = 0;
    for (ssize_t n; have < sizeof got - 1 && (n = recv(fd, got + have, sizeof got - 1 - have, 0)) > 0;)
        have += (size_t)n;
    got[have] = 0;
    close(fd);
}

static void test_drain(void)
{
    start();
    int nap = ask("/nap");
    wait_for(&seen->begun, 1);
    int drip = ask("/drip");
    wait_for(&seen->begun, 2);
    CHECK_INT(served_stop(&server, SIGTERM), 0); /* before, it never ended */
    CHECK_INT(count_of(&seen->cleaned), 2);
    read_all(nap);
    CHECK(strncmp(got, "HTTP/1.1 503 ", 13) == 0 && strstr(got, "--drain"));
    read_all(drip);
    CHECK(strncmp(got, "HTTP/1.1 200 ", 13) == 0 && strstr(got, "drop\n"));
    CHECK(!strstr(got, "\r\n0\r\n\r\n")); /* the end of a chunked body */
}

static void test_failure(void)
{
    char url[256];
    start();
    snprintf(url, sizeof url, "%s/whole", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "halfhalf");
    snprintf(url, sizeof url, "%s/fails", server.address);
    CHECK(!call_try(NULL, url, NULL, NULL, 0, &a)); /* curl sees that it was cut */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A response is whole, or in pieces: a handler that has set one and writes a piece fails, and nobody else does. */
static void test_mixes(void)
{
    start();
    call(NULL, server_url("/mixes"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "sw_reply_write before sw_reply_open"));
    call(NULL, server_url("/whole"), NULL, NULL, 0, &a);
    CHECK_STR(a.body, "halfhalf");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"the end of --drain", test_drain},
                                   {"a handler that fails half-way", test_failure},
                                   {"a piece behind a whole response", test_mixes}};

SERVED_MAIN_NOTES(serve, seen, cases)
