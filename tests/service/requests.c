/* Requests as clients and proxies write them, seen by the handler; and replies that would be read in two ways, seen by
 * the client. */
#include "runtime/stepwell.h"

#include <sys/stat.h>

#include "tests/harness/served.h"

/* What the handler was asked, as text. */
static void tell(sw_ctx *c)
{
    const char *q = sw_query(c, "q"), *from = sw_header(c, "x-forwarded-for"), *cookie = sw_header(c, "cookie");
    const char *type = sw_header(c, "CONTENT-TYPE");
    sw_reply_text(c, 200, "%s|%s|%s|%s|%s|%s", sw_path(c), q ? q : "-", from ? from : "-", cookie ? cookie : "-",
                  type ? type : "-", sw_param(c, "id") ? sw_param(c, "id") : "-");
}

/* The same behind a sleep: what it reads then comes out of the journal. */
static void on_tell_later(sw_ctx *c)
{
    sw_sleep(c, "nap", 200);
    tell(c);
}

static void on_reset(sw_ctx *c)
{
    sw_reply_header(c, "X-Reset", "yes");
    sw_reply_text(c, 205, "the form is empty now");
}

static void on_typed(sw_ctx *c)
{
    sw_reply_header(c, "content-type", "application/json");
    sw_reply_header(c, "Content-Type", "application/vnd.api+json");
    sw_reply_header(c, "Location", "/first");
    sw_reply_header(c, "X-Many", "1");
    sw_reply_header(c, "location", "/last");
    sw_reply_header(c, "X-Many", "2");
    sw_reply_json(c, 200, sw_nil());
}

static void on_pieces(sw_ctx *c)
{
    sw_reply_header(c, "Content-Type", "text/x-own");
    sw_reply_open(c, 200, "text/plain");
    sw_reply_write(c, "piece", 5);
}

static void on_json(sw_ctx *c) { sw_reply_json(c, 200, sw_body_json(c)); }

static sw_value fail(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "broken");
}

static void on_broken(sw_ctx *c) { sw_step(c, "break", fail, sw_nil()); }

static int serve(int argc, char **argv)
{
    static const char *const journaled[] = {"x-forwarded-for", "cookie", NULL};
    const sw_endpoint_options options = {.journal_headers = journaled, .caller_header = "x-caller"};
    sw_app *app = sw_app_new("requests");
    sw_route(app, "GET /plain/:id", tell);
    sw_route(app, "GET /", tell);
    sw_endpoint(app, "POST /run/:id", tell, &options);
    sw_endpoint(app, "POST /later/:id", on_tell_later, &options);
    sw_endpoint(app, "POST /reset", on_reset, NULL);
    sw_route(app, "GET /reset", on_reset);
    sw_endpoint(app, "POST /typed", on_typed, NULL);
    sw_route(app, "GET /typed", on_typed);
    sw_route(app, "GET /pieces", on_pieces);
    sw_endpoint(app, "POST /json", on_json, NULL);
    sw_endpoint(app, "POST /broken", on_broken, NULL);
    sw_static(app, "/as", getenv("SITE"));
    return sw_main(app, argc, argv);
}

static char got[65536], text[4096];
static answer a;

static void start(void)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data, "--loops", "2", "--redirect-after", "20s",
                                                "--park-after", "20ms", "--admin-token", "let me in", NULL});
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* Sends these bytes, and reads up to the end of the connection. Returns the status. */
static int say(const char *request)
{
    int fd = server_dial();
    CHECK(send(fd, request, strlen(request), MSG_NOSIGNAL) == (ssize_t)strlen(request));
    size_t have = 0;
    for (ssize_t n; have < sizeof got - 1 && (n = recv(fd, got + have, sizeof got - 1 - have, 0)) > 0;)
        have += (size_t)n;
    got[have] = 0;
    close(fd);
    CHECK(strncmp(got, "HTTP/1.1 ", 9) == 0);
    return atoi(got + 9);
}

/* The line (method and target) with these header lines, each ended by \n. */
static int ask(const char *line, const char *headers)
{
    static char request[16384];
    size_t len = (size_t)snprintf(request, sizeof request, "%s HTTP/1.1\r\nHost: x\r\nConnection: close\r\n", line);
    for (const char *at = headers; *at;) {
        size_t n = strcspn(at, "\n");
        len += (size_t)snprintf(request + len, sizeof request - len, "%.*s\r\n", (int)n, at);
        at += n + (at[n] == '\n');
    }
    snprintf(request + len, sizeof request - len, "\r\n");
    return say(request);
}

static const char *body(void)
{
    const char *end = strstr(got, "\r\n\r\n");
    CHECK(end);
    return end + 4;
}

static size_t count_of(const char *line)
{
    size_t count = 0;
    for (const char *at = got; (at = strcasestr(at, line)); at += strlen(line)) count++;
    return count;
}

/* ---- Requests ---- */

static void test_targets(void)
{
    static const struct {
        const char *line, *told;
    } rows[] = {{"GET /plain/1?q=2", "/plain/1|2|-|-|-|1"},
                {"GET http://elsewhere/plain/1?q=2", "/plain/1|2|-|-|-|1"},
                {"GET HTTPS://elsewhere:8443/plain/a%20b", "/plain/a b|-|-|-|-|a b"},
                {"GET http://elsewhere", "/|-|-|-|-|-"},
                {"GET http://elsewhere?q=3", "/|3|-|-|-|-"},
                {"POST /run/7?q=8", "/run/7|8|-|-|-|7"},
                {"POST http://elsewhere/run/7?q=8", "/run/7|8|-|-|-|7"},
                {"POST http://elsewhere/later/7?q=8", "/later/7|8|-|-|-|7"}};
    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("# %s\n", rows[i].line);
        CHECK_INT(ask(rows[i].line, ""), 200);
        CHECK_STR(body(), rows[i].told);
    }
    stop();
}

/* One request, however a proxy writes its target. */
static void test_target_and_key(void)
{
    start();
    CHECK_INT(ask("POST /run/1?q=2", "Idempotency-Key: t-1"), 200);
    CHECK_INT(ask("POST http://elsewhere/run/1?q=2", "Idempotency-Key: \"t-1\""), 200);
    CHECK(strstr(got, "Idempotency-Replayed: true"));
    CHECK_INT(ask("POST http://elsewhere/run/2?q=2", "Idempotency-Key: t-1"), 422);
    stop();
}

static void test_options(void)
{
    start();
    CHECK_INT(ask("OPTIONS *", ""), 204);
    CHECK(strstr(got, "\r\nAllow: OPTIONS, GET, HEAD, ") && strstr(got, "POST"));
    CHECK_INT(ask("OPTIONS /plain/1", ""), 204);
    CHECK(strstr(got, "\r\nAllow: GET, HEAD, OPTIONS\r\n"));
    CHECK_INT(ask("GET *", ""), 400); /* only OPTIONS may ask the server itself */
    stop();
}

static void test_queries(void)
{
    static const struct {
        const char *query, *value;
    } rows[] = {{"q=100%", "100%"},       {"q=100%&r=1", "100%"}, {"%zz=1&q=2", "2"}, {"q=%41%", "A%"},
                {"q=50%+off", "50% off"}, {"q=%00", "%00"},       {"q", ""},          {"p=1", "-"}};
    char line[256], told[256];
    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        snprintf(line, sizeof line, "GET /plain/1?%s", rows[i].query);
        snprintf(told, sizeof told, "/plain/1|%s|-|-|-|1", rows[i].value);
        CHECK_INT(ask(line, ""), 200);
        CHECK_STR(body(), told);
    }
    stop();
}

/* What is too long is said to be, whatever else may be wrong with a path. */
static void test_long_parameter(void)
{
    static char line[8192];
    start();
    for (int len = 4095; len <= 4096; len++) {
        int at = snprintf(line, sizeof line, "GET /plain/");
        memset(line + at, 'p', (size_t)len);
        line[at + len] = 0;
        CHECK_INT(ask(line, ""), len > 4095 ? 414 : 200);
    }
    CHECK(strstr(body(), "the parameters in the path are longer than 4096 bytes"));
    CHECK_INT(ask("GET /plain/%", ""), 400);
    CHECK(strstr(body(), "not validly percent-encoded"));
    stop();
}

/* Lines of one name are one list, in their order; in the process that has the request, and out of the journal. */
static void test_repeated_lines(void)
{
    static const char lines[] = "X-Forwarded-For: 6.6.6.6\nCookie: a=1\nx-forwarded-for: 10.0.0.1, 10.0.0.2\n"
                                "cookie: b=2\nX-FORWARDED-FOR: 10.0.0.3";
    static const char *const targets[] = {"GET /plain/1", "POST /run/1", "POST /later/1"};
    start();
    for (size_t i = 0; i < 3; i++) {
        CHECK_INT(ask(targets[i], lines), 200);
        CHECK(strstr(body(), "|6.6.6.6, 10.0.0.1, 10.0.0.2, 10.0.0.3|a=1; b=2|"));
    }
    CHECK_INT(ask("POST /run/1", "X-Forwarded-For: 10.0.0.1"), 200);
    CHECK(strstr(body(), "|10.0.0.1|-|"));
    stop();
}

static void test_accept(void)
{
    static const struct {
        const char *headers;
        bool streams;
    } rows[] = {{"Accept: text/event-stream", true},
                {"Accept: application/json\nAccept: text/event-stream", true},
                {"Accept: text/event-stream;q=0", false},
                {"Accept: application/json, text/event-stream;q=0.0", false},
                {"Accept: */*", false}};
    start();
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        printf("# row %zu\n", i);
        CHECK_INT(ask("POST /run/1", rows[i].headers), 200);
        CHECK_INT(count_of("Content-Type: text/event-stream"), rows[i].streams);
        CHECK_INT(count_of("Content-Type: text/plain"), !rows[i].streams);
    }
    stop();
}

/* Callers who are told apart by all lines: one that a client adds before its proxy's does not make it another caller.
 */
static void test_callers(void)
{
    char lines[512] = "Idempotency-Key: c-1";
    start();
    CHECK_INT(ask("POST /run/1", "Idempotency-Key: c-1\nX-Caller: ann"), 200);
    CHECK_INT(ask("POST /run/1", "Idempotency-Key: c-1\nX-Caller: ann"), 200);
    CHECK(strstr(got, "Idempotency-Replayed: true"));
    CHECK_INT(ask("POST /run/1", "Idempotency-Key: c-1\nX-Caller: ann\nX-Caller: mallory"), 200);
    CHECK(!strstr(got, "Idempotency-Replayed: true"));
    for (int i = 0; i < 9; i++) strcat(lines, "\nX-Caller: m");
    CHECK_INT(ask("POST /run/1", lines), 400);
    CHECK(strstr(body(), "more than 8 times"));
    stop();
}

/* ---- Replies ---- */

/* 205 tells a browser to empty its form, and has nothing else to say: what followed would be the next answer. */
static void test_reset_content(void)
{
    static const char *const methods[] = {"GET", "POST"};
    start();
    for (size_t i = 0; i < 2; i++) {
        char line[64];
        snprintf(line, sizeof line, "%s /reset", methods[i]);
        CHECK_INT(ask(line, ""), 205);
        CHECK(strstr(got, "X-Reset: yes"));
        CHECK(strstr(got, "\r\nContent-Length: 0\r\n"));
        CHECK_STR(body(), "");
    }
    stop();
}

static void test_single_headers(void)
{
    static const char *const lines[] = {"GET /typed", "POST /typed"};
    start();
    for (size_t i = 0; i < 2; i++) {
        CHECK_INT(ask(lines[i], ""), 200);
        CHECK_INT(count_of("\r\nContent-Type: "), 1);
        CHECK(strcasestr(got, "\r\ncontent-type: application/vnd.api+json\r\n"));
        CHECK_INT(count_of("\r\nLocation: "), 1);
        CHECK(strcasestr(got, "\r\nlocation: /last\r\n"));
        CHECK(strstr(got, "X-Many: 1\r\n") &&
              strstr(got, "X-Many: 2\r\n")); /* lists may have as many lines as they like */
    }
    CHECK_INT(ask("GET /pieces", ""), 200);
    CHECK_INT(count_of("\r\nContent-Type: "), 1);
    CHECK(strstr(got, "\r\nContent-Type: text/x-own\r\n"));
    call("POST", (snprintf(text, sizeof text, "%s/typed", server.address), text),
         (const char *const[]){"Accept: text/event-stream", NULL}, "", 0, &a);
    CHECK(strcasestr(a.body, "\"content-type\":\"application/vnd.api+json\""));
    stop();
}

/* The folder's own page links to what is beside it in the folder, so it is only shown behind the slash. */
static void test_folder(void)
{
    start();
    CHECK_INT(ask("GET /as", ""), 308);
    CHECK(strstr(got, "\r\nLocation: /as/\r\n"));
    CHECK_INT(ask("GET http://elsewhere/%61s?v=1", ""), 308);
    CHECK(strstr(got, "\r\nLocation: /%61s/?v=1\r\n"));
    CHECK_INT(ask("GET /as/", ""), 200);
    CHECK_STR(body(), "the page");
    CHECK_INT(ask("GET /as/", "If-Match: \"another\""), 412);
    stop();
}

/* ---- Whose mistake ---- */

static long metric(const char *name)
{
    char line[96];
    snprintf(line, sizeof line, "\nstepwell_%s ", name);
    CHECK_INT(ask("GET /_sw/metrics", "Authorization: Bearer let me in"), 200);
    const char *at = strstr(body(), line);
    CHECK(at);
    return strtol(at + strlen(line), NULL, 10);
}

/* What a client does wrong is no failure of the service, whose alert it would fire. */
static void test_rejected(void)
{
    start();
    CHECK_INT(ask("POST /json", "Content-Length: 0"), 400);
    CHECK(strstr(body(), "the body is not JSON"));
    CHECK_INT(metric("runs_failed_total"), 0);
    CHECK_INT(metric("runs_rejected_total"), 1);
    CHECK_INT(ask("POST /broken", ""), 500);
    CHECK_INT(metric("runs_failed_total"), 1);
    CHECK_INT(metric("runs_rejected_total"), 1);
    CHECK_INT(metric("runs_succeeded_total"), 0);
    stop();
}

static const check_case cases[] = {{"targets with and without a host", test_targets},
                                   {"a key and both forms of its target", test_target_and_key},
                                   {"OPTIONS of the server", test_options},
                                   {"queries that are not well encoded", test_queries},
                                   {"a parameter that is too long", test_long_parameter},
                                   {"header lines of one name", test_repeated_lines},
                                   {"Accept", test_accept},
                                   {"callers", test_callers},
                                   {"205 has no body", test_reset_content},
                                   {"headers that are there once", test_single_headers},
                                   {"a folder without its slash", test_folder},
                                   {"a client's mistake is no failure", test_rejected}};

static void make_site(void)
{
    char site[128], page[160];
    snprintf(site, sizeof site, "%s/site", root);
    snprintf(page, sizeof page, "%s/index.html", site);
    CHECK(mkdir(site, 0700) == 0 && setenv("SITE", site, 1) == 0);
    FILE *f = fopen(page, "w");
    CHECK(f && fputs("the page", f) >= 0 && fclose(f) == 0);
}

SERVED_MAIN(serve, make_site, cases)
