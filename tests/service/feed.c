/* The feed of runs: who listens hears of each run once and in order, who reads too slowly hears how much was lost, and
 * nobody waits for either. */
#include <errno.h>
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

/* The waits are long enough for a run to leave memory on a slow machine. */
enum { STEPS = 16, RUNS = 600, EVENTS_OF_RUN = 2 + STEPS, RETRY_MS = 1000, NIGHT_MS = 1000 };

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
    (void)sw_step_with(c, "pay \"now\"", work, sw_bool(true), &(sw_step_options){.backoff_ms = RETRY_MS});
    sw_sleep(c, "night", sw_query(c, "long") ? 3600000 : NIGHT_MS);
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
    size_t counted, told, lost; /* by count_events: bytes of the text, and events in them */
    char text[16 << 20];        /* zero-terminated: all that has come, with the framing of chunks */
} listener;

static listener first, second;

/* Who does not read is not cut off, however slow the machine is. */
static void start(const char *heartbeat)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data, "--dev", "--loops", "2", "--heartbeat", heartbeat,
                                                "--park-after", "0", "--write-timeout", "1h", NULL});
}

/* ---- Patience: what a case waits for comes on, event by event, or the case fails; heartbeats do not count ---- */

static const char *awaited;
static int64_t patience_ends_ms;

static int64_t now_ms(void)
{
    struct timespec now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    return now.tv_sec * INT64_C(1000) + now.tv_nsec / 1000000;
}

static void await(const char *what)
{
    awaited = what;
    patience_ends_ms = now_ms() + PATIENCE_MS;
}

static void check_patience(void)
{
    if (now_ms() < patience_ends_ms) return;
    printf("# waited in vain for: %s\n", awaited);
    CHECK(!"what was awaited came");
}

/* Between two questions. */
static void wait_a_little(void)
{
    check_patience();
    CHECK(poll(NULL, 0, 10) == 0);
}

/* Takes what has come until now, or waits for more if nothing has. False: the stream has ended. */
static bool hear(listener *l)
{
    CHECK(l->len + 65536 < sizeof l->text);
    ssize_t n = recv(l->fd, l->text + l->len, 65536, 0);
    if (n < 0) {
        CHECK(errno == EAGAIN || errno == EINTR);
        check_patience();
        return true;
    }
    if (n > 0 && memchr(l->text + l->len, '{', (size_t)n)) await(awaited); /* an event: it goes on, however slowly */
    l->len += (size_t)n;
    l->text[l->len] = 0;
    check_patience();
    return n > 0;
}

static void hear_until(listener *l, const char *text)
{
    await(text);
    while (!strstr(l->text, text)) CHECK(hear(l));
}

static void listen_to(listener *l, const char *query)
{
    char request[512];
    l->len = l->counted = l->told = l->lost = 0;
    l->text[0] = 0; /* nothing of an earlier stream passes for this one's beginning */
    l->fd = server_dial();
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
        await(*texts);
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

/* Asks for the run by its id: two runs of one millisecond are listed in any order. */
static void await_success(const char *id)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s", id);
    await("the other run succeeds");
    for (;; wait_a_little()) {
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
        if (strstr(a.body, "\"state\":\"succeeded\"")) return;
    }
}

static void test_events(void)
{
    char id[64], other[64], query[128];
    start("15s");
    listen_to(&first, "");
    listen_to(&second, "?steps=1");
    run_one("/once", id);
    check_once(&second, id);
    hear_until(&first, "\"state\":\"succeeded\"");
    CHECK(count_of(&first, "event: step") == 0 && count_of(&first, "event: run") == 6);
    close(first.fd);
    close(second.fd);
    run_one("/once?long=1", id);
    snprintf(query, sizeof query, "?run=%s", id);
    listen_to(&first, query);
    run_one("/once", other);
    await_success(other);
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
    listen_to(&first, "?steps=1");
    run_one("/print", id);
    hear_until(&first, "\"state\":\"stopped\",\"reason\":\"exhausted\",");
    CHECK(strstr(first.text, "\"step\":\"print\",") && strstr(first.text, "\"state\":\"failed\",\"attempt\":1,"));
    CHECK_INT(count_of(&first, "\"state\":\"stopped\""), 1);
    close(first.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Counts the events that have come whole since it was called last. Of all: those told and those lost. */
static size_t count_events(listener *l)
{
    static const char lost[] = "event: lost\ndata: {\"lost\":";
    const char *at = l->text + l->counted, *end;
    while ((at = strstr(at, "event: ")) && (end = strstr(at, "\n\n"))) {
        if (strncmp(at, lost, sizeof lost - 1) == 0)
            l->lost += strtoul(at + sizeof lost - 1, NULL, 10);
        else
            l->told++;
        at = end;
        l->counted = (size_t)(end - l->text);
    }
    return l->told + l->lost;
}

/* What is lost by a rate is counted in entries: a run has one, its response, which is no event. */
static void hear_all(listener *l, bool has_rate)
{
    await("all events, told or lost");
    while (count_events(l) < (size_t)RUNS * EVENTS_OF_RUN) CHECK(hear(l));
    CHECK(l->told + l->lost <= (size_t)RUNS * (EVENTS_OF_RUN + has_rate));
    CHECK_INT(l->told, count_of(l, "event: run\n") + count_of(l, "event: step\n"));
}

/* One reads all the time, one nothing at all until the end. Both are told of each event, or that it was lost. */
static void test_slow(void)
{
    start("15s");
    listen_to(&first, "?steps=1");
    listen_to(&second, "?steps=1");
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url("/many"), NULL, NULL, 0, &a); /* nobody waits for a listener */
        CHECK_INT(a.status, 200);
        await("what can be read at once");
        while (recv(second.fd, second.text + second.len, 1, MSG_PEEK | MSG_DONTWAIT) > 0) CHECK(hear(&second));
    }
    hear_all(&second, false);
    hear_all(&first, false);
    printf("# lost of %d: %zu by who did not read, %zu by who did\n", RUNS * EVENTS_OF_RUN, first.lost, second.lost);
    CHECK(first.lost > 0);
    CHECK(second.lost < first.lost); /* none, where the machine has time for both */
    close(first.fd);
    close(second.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Told: the first event, and from then on not more than the rate. */
static void check_rate(size_t rate)
{
    char query[32];
    start("15s");
    int64_t began_ms = now_ms();
    snprintf(query, sizeof query, "?steps=1&rate=%zu", rate);
    listen_to(&first, query);
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url("/many"), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 200);
    }
    hear_all(&first, true);
    CHECK(first.lost > 0 && first.told > 0);
    CHECK(first.told <= (size_t)(now_ms() - began_ms) * rate / 1000 + 2);
    close(first.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_rate(void)
{
    check_rate(20);
    check_rate(1);
    check_rate(30);
}

static void test_silence(void)
{
    start("50ms");
    listen_to(&first, "");
    await("heartbeats");
    while (count_of(&first, ":\n\n") < 4) CHECK(hear(&first));
    CHECK_INT(kill(server.pid, SIGTERM), 0); /* a drain ends the stream, cleanly */
    await("the end of the stream");
    while (hear(&first)) continue;
    CHECK(strcmp(first.text + first.len - 5, "0\r\n\r\n") == 0);
    close(first.fd);
    CHECK_INT(served_stop(&server, 0), 0);
}

static void test_refusals(void)
{
    static const struct {
        const char *query, *why;
    } wrong[] = {{"?run=nothing", "is not a run id"},
                 {"?run", "is not a run id"},
                 {"?run=x&steps=1", "is not a run id"},
                 {"?steps=2", "\\\"steps\\\" is 0 or 1"},
                 {"?after=1", "takes no parameter \\\"after\\\", only run, steps and rate"},
                 {"?rate=0", "1 to 1000000"},
                 {"?rate=1000001", "1 to 1000000"},
                 {"?rate=99999999999999999999", "1 to 1000000"},
                 {"?rate=5x", "1 to 1000000"},
                 {"?rate=-1", "1 to 1000000"},
                 {"?rate", "1 to 1000000"}};
    start("15s");
    for (size_t i = 0; i < sizeof wrong / sizeof wrong[0]; i++) {
        char path[64];
        snprintf(path, sizeof path, "/_sw/feed%s", wrong[i].query);
        call(NULL, server_url(path), NULL, NULL, 0, &a);
        CHECK_INT(a.status, 400);
        CHECK(strstr(a.body, wrong[i].why));
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* At its own door each listener has a connection of --admin-connections-max. */
static void test_limit(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_admin_on_public = false;
    served_start(&server,
                 (const char *const[]){"--data", data, "--dev", "--loops", "1", "--admin-listen", "127.0.0.1:0",
                                       "--admin-connections-max", "2", "--heartbeat", "100ms", NULL});
    served_admin_on_public = true;
    snprintf(server.address, sizeof server.address, "%.*s", (int)strcspn(server.admin, "/ ") ? 63 : 0, server.admin);
    listen_to(&first, "");
    listen_to(&second, "");
    call(NULL, server_url("/_sw/feed"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
    close(first.fd); /* its place is free again, as soon as a heartbeat finds nobody */
    await("the place of who has gone");
    for (;; wait_a_little()) {
        call(NULL, server_url("/_sw/runs"), NULL, NULL, 0, &a);
        if (a.status != 503) break;
    }
    CHECK_INT(a.status, 200);
    close(second.fd);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"who listens hears of each run, in order", test_events},
                                   {"a run that stops is told once", test_stopped},
                                   {"who reads too slowly hears how much was lost", test_slow},
                                   {"who wants few events a second hears how many there were", test_rate},
                                   {"silence has heartbeats, and a drain ends the stream", test_silence},
                                   {"what the feed does not take is refused", test_refusals},
                                   {"listeners count as connections", test_limit}};

SERVED_MAIN(serve, NULL, cases)
