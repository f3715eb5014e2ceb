/* The feed of runs: who listens hears of each run once and in order, who reads too slowly hears how much was lost, and
 * nobody waits for either. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { STEPS = 16, RUNS = 4000, EVENTS_OF_RUN = 2 + STEPS };

/* ---- The program ---- */

static sw_value work(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) == 1 && sw_as_bool(input, false)) sw_fail(c, "once");
    return sw_nil();
}

static void on_many(sw_ctx *c)
{
    for (int i = 0; i < STEPS; i++) (void)sw_step(c, "work", work, sw_nil());
    sw_reply_text(c, 200, "done");
}

/* What comes behind the first commit is told as it begins. */
static void on_once(sw_ctx *c)
{
    (void)sw_step_with(c, "first", work, sw_nil(), &(sw_step_options){.sync = true});
    (void)sw_step_with(c, "pay \"now\"", work, sw_bool(true), &(sw_step_options){.backoff_ms = 300});
    sw_sleep(c, "night", sw_query(c, "long") ? 3600000 : 200);
    sw_reply_text(c, 200, "done");
}

static void on_print(sw_ctx *c)
{
    (void)sw_step_with(c, "print", work, sw_bool(true), &(sw_step_options){.retries = -1});
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("feeds");
    sw_endpoint(app, "GET /many", on_many, NULL);
    sw_endpoint(app, "GET /once", on_once, NULL);
    sw_endpoint(app, "GET /print", on_print, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    return sw_main(app, argc, argv);
}

/* ---- A listener ---- */

static answer a;

typedef struct listener {
    int fd;
    size_t len;
    char text[32 << 20]; /* zero-terminated: all that has come, with the framing of chunks */
} listener;

static listener first, second;

static void start(const char *heartbeat)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "2", "--heartbeat", heartbeat,
                                                "--park-after", "0", NULL});
}

/* Takes what has come until now, or waits for more if nothing has. False: the stream has ended. */
static bool hear(listener *l)
{
    CHECK(l->len + 65536 < sizeof l->text);
    ssize_t n = recv(l->fd, l->text + l->len, 65536, 0);
    CHECK(n >= 0);
    l->len += (size_t)n;
    l->text[l->len] = 0;
    return n > 0;
}

static void hear_until(listener *l, const char *text)
{
    while (!strstr(l->text, text)) CHECK(hear(l));
}

/* `rcvbuf`: of the socket, 0: as the system has it. */
static void listen_to(listener *l, const char *query, int rcvbuf)
{
    char request[512];
    l->len = 0;
    l->fd = server_dial();
    if (rcvbuf > 0) CHECK(setsockopt(l->fd, SOL_SOCKET, SO_RCVBUF, &rcvbuf, sizeof rcvbuf) == 0);
    int n = snprintf(request, sizeof request, "GET /_sw/feed%s HTTP/1.1\r\nHost: %s\r\n\r\n", query,
                     strchr(server.address, ':') + 3);
    CHECK(send(l->fd, request, (size_t)n, MSG_NOSIGNAL) == n);
    hear_until(l, "\r\n:\n\n");
    CHECK(strncmp(l->text, "HTTP/1.1 200 ", 13) == 0 && strstr(l->text, "Content-Type: text/event-stream\r\n"));
}

static size_t count_of(const listener *l, const char *text)
{
    size_t n = 0;
    for (const char *at = l->text; (at = strstr(at, text)); at += strlen(text)) n++;
    return n;
}

static void run_one(const char *path, char id[64])
{
    call(NULL, server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    answer_header(&a, "X-Run-Id", id, 64);
}

/* ---- Cases ---- */

/* Hears these, each behind the one before. */
static void hear_in_order(listener *l, const char *const *texts)
{
    size_t from = 0;
    for (; *texts; texts++) {
        const char *at;
        printf("# %s\n", *texts);
        while (!(at = strstr(l->text + from, *texts))) CHECK(hear(l));
        from = (size_t)(at - l->text) + strlen(*texts);
    }
}

static void check_once(listener *l, const char *id)
{
    char first_event[160];
    snprintf(first_event, sizeof first_event,
             "event: run\ndata: {\"runId\":\"%s\",\"endpoint\":\"GET /once\",\"state\":\"running\",\"at\":", id);
    hear_in_order(l, (const char *const[]){
                         first_event, "event: step\n", "\"step\":\"pay \\\"now\\\"\",\"path\":\"",
                         "\"state\":\"running\",\"attempt\":1,\"at\":", "\"state\":\"retrying\",\"attempt\":1,\"at\":",
                         "\"state\":\"running\",\"attempt\":2,\"at\":", "\"state\":\"done\",\"attempt\":2,\"at\":",
                         "\"step\":\"night\",\"path\":\"",
                         "\"state\":\"sleeping\",\"at\":", "event: run\n", /* it leaves memory */
                         "\"state\":\"sleeping\",\"at\":", "event: run\n",
                         "\"state\":\"running\",\"at\":", "event: run\n", "\"state\":\"succeeded\",\"at\":", NULL});
    CHECK_INT(count_of(l, "\"state\":\"succeeded\""), 1);
}

static void test_events(void)
{
    char id[64], other[64], query[128];
    start("15s");
    listen_to(&first, "", 0);
    listen_to(&second, "?steps=1", 0);
    run_one("/once", id);
    check_once(&second, id);
    hear_until(&first, "\"state\":\"succeeded\"");
    CHECK(count_of(&first, "event: step") == 0 && count_of(&first, "event: run") == 6);
    close(first.fd);
    close(second.fd);
    run_one("/once?long=1", id);
    snprintf(query, sizeof query, "?run=%s", id);
    listen_to(&first, query, 0);
    run_one("/once", other);
    do {
        call(NULL, server_url("/_sw/runs?limit=1"), NULL, NULL, 0, &a);
    } while (!strstr(a.body, "\"state\":\"succeeded\""));
    snprintf(query, sizeof query, "/_sw/runs/%s", id);
    call("DELETE", server_url(query), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    hear_until(&first, "\"state\":\"cancelled\"");
    CHECK(!strstr(first.text, other));
    close(first.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_stopped(void)
{
    char id[64];
    start("15s");
    listen_to(&first, "?steps=1", 0);
    run_one("/print", id);
    hear_until(&first, "\"state\":\"stopped\",\"reason\":\"exhausted\",");
    CHECK(strstr(first.text, "\"step\":\"print\",") && strstr(first.text, "\"state\":\"failed\",\"attempt\":1,"));
    CHECK_INT(count_of(&first, "\"state\":\"stopped\""), 1);
    close(first.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static size_t lost_by(const listener *l)
{
    size_t lost = 0;
    for (const char *at = l->text; (at = strstr(at, "event: lost\ndata: {\"lost\":")); at++)
        lost += strtoul(strchr(at, '{') + 8, NULL, 10);
    return lost;
}

/* Two read all the time, one nothing at all until the end. All are told of each event, or that it was lost. */
static void test_slow(void)
{
    start("15s");
    listen_to(&first, "?steps=1", 4096);
    listen_to(&second, "?steps=1", 0);
    size_t told = 0;
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url("/many"), NULL, NULL, 0, &a); /* nobody waits for a listener */
        CHECK_INT(a.status, 200);
        while (recv(second.fd, second.text + second.len, 1, MSG_PEEK | MSG_DONTWAIT) > 0) CHECK(hear(&second));
    }
    for (listener *l = &second; l; l = l == &second ? &first : NULL) {
        do {
            CHECK(hear(l));
            told = count_of(l, "event: run\n") + count_of(l, "event: step\n");
        } while (told + lost_by(l) < (size_t)RUNS * EVENTS_OF_RUN);
        CHECK_INT(told + lost_by(l), RUNS * EVENTS_OF_RUN);
    }
    printf("# lost of %d: %zu by who did not read, %zu by who did\n", RUNS * EVENTS_OF_RUN, lost_by(&first),
           lost_by(&second));
    CHECK(lost_by(&first) > 0);
    CHECK(lost_by(&second) < lost_by(&first)); /* none, where the machine has time for both */
    close(first.fd);
    close(second.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_silence(void)
{
    start("50ms");
    listen_to(&first, "", 0);
    while (count_of(&first, ":\n\n") < 4) CHECK(hear(&first));
    CHECK_INT(kill(server.pid, SIGTERM), 0); /* a drain ends the stream, cleanly */
    while (hear(&first)) continue;
    CHECK(strcmp(first.text + first.len - 5, "0\r\n\r\n") == 0);
    close(first.fd);
    CHECK_INT(served_stop(&server, 0), 0);
}

static void test_refusals(void)
{
    static const char *const wrong[] = {"?run=nothing", "?steps=2", "?after=1", "?run", "?run=x&steps=1"};
    start("15s");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "/_sw/feed%s", wrong[i]);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 400);
        CHECK(strstr(a.body, i == 1 ? "\\\"steps\\\" is 0 or 1" : i == 2 ? "no other parameter" : "is not a run id"));
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* At its own door each listener has a connection of --admin-connections-max. */
static void test_limit(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_admin_on_public = false;
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "1", "--admin-listen",
                                                "127.0.0.1:0", "--admin-connections-max", "2", NULL});
    served_admin_on_public = true;
    snprintf(server.address, sizeof server.address, "%.*s", (int)strcspn(server.admin, "/ ") ? 63 : 0, server.admin);
    listen_to(&first, "", 0);
    listen_to(&second, "", 0);
    call(NULL, server_url("/_sw/feed"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
    close(first.fd); /* its place is free again */
    do {
        call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
    } while (a.status == 503);
    CHECK_INT(a.status, 200);
    close(second.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"who listens hears of each run, in order", test_events},
                                   {"a run that stops is told once", test_stopped},
                                   {"who reads too slowly hears how much was lost", test_slow},
                                   {"silence has heartbeats, and a drain ends the stream", test_silence},
                                   {"what the feed does not take is refused", test_refusals},
                                   {"listeners count as connections", test_limit}};

SERVED_MAIN(serve, NULL, cases)
