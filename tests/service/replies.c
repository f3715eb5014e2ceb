/* What every reply of a program carries, however it comes about: all headers that the handler set, which pages may read
 * it, and whether a cache may keep it. */
#include "runtime/stepwell.h"

#include "tests/harness/served.h"

enum { HEADERS = 200 };
static const char shop[] = "https://shop.example";

static void set_headers(sw_ctx *c)
{
    for (int i = 0; i < HEADERS; i++) sw_reply_header(c, sw_printf(c, "X-%d", i), sw_printf(c, "value %d", i));
}

static void on_many(sw_ctx *c)
{
    set_headers(c);
    sw_reply(c, 200, "text/x-many", "many", 4);
}

static void on_many_pieces(sw_ctx *c)
{
    set_headers(c);
    sw_reply_open(c, 200, "text/x-many");
    sw_reply_write(c, "many", 4);
}

static sw_value refuse(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "no");
}

static void on_order(sw_ctx *c)
{
    if (sw_query(c, "nap")) sw_sleep(c, "nap", 3600000);
    if (sw_query(c, "fail")) sw_step(c, "fail", refuse, sw_nil());
    if (sw_query(c, "chunk")) sw_push_chunk(c, sw_str(c, "chunk"));
    if (sw_query(c, "cache")) sw_reply_header(c, "Cache-Control", "max-age=60");
    if (sw_query(c, "own")) {
        sw_reply_header(c, "Access-Control-Allow-Origin", "https://own.example");
        sw_reply_header(c, "Vary", "Accept-Language");
    }
    sw_reply_text(c, 200, "done");
}

/* One that takes all the memory it may have, and fails at that. */
static void on_greedy(sw_ctx *c)
{
    for (;;) sw_alloc(c, 100);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("replies");
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_route(app, "GET /many", on_many);
    sw_route(app, "GET /pieces", on_many_pieces);
    sw_endpoint(app, "GET /greedy", on_greedy, NULL);
    sw_endpoint(app, "GET /shared", on_order, &(sw_endpoint_options){.cors_origin = shop});
    sw_endpoint(app, "POST /shared", on_order, &(sw_endpoint_options){.cors_origin = shop});
    sw_endpoint(app, "GET /private", on_order, NULL);
    sw_endpoint(app, "POST /private", on_order, NULL);
    return sw_main(app, argc, argv);
}

static char text[4096];
static answer a;

static const char *header(const char *name) { return answer_header(&a, name, text, sizeof text); }

static void start(const char *flag, const char *value)
{
    char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    served_start(&server, (const char *const[]){"--data", data, "--redirect-after", "50ms", "--head-timeout", "2s",
                                                "--body-timeout", "2s", flag, value, NULL});
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* ---- All headers ---- */

static void check_headers(void)
{
    char name[16], value[32];
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "many");
    for (int i = 0; i < HEADERS; i++) {
        snprintf(name, sizeof name, "X-%d", i);
        snprintf(value, sizeof value, "value %d", i);
        CHECK_STR(header(name), value);
    }
    CHECK_STR(header("Content-Type"), "text/x-many");
}

static void test_many_headers(void)
{
    static const char *const async[] = {"Prefer: respond-async", NULL}, *const stream[] = {"Accept: text/event-stream",
                                                                                           NULL};
    start(NULL, NULL);
    call("POST", server_url("/many"), NULL, "", 0, &a);
    check_headers();
    call(NULL, server_url("/many"), NULL, NULL, 0, &a);
    check_headers();
    call(NULL, server_url("/pieces"), NULL, NULL, 0, &a);
    check_headers();
    call("POST", server_url("/many"), async, "", 0, &a);
    CHECK_INT(a.status, 202);
    char output[1024];
    snprintf(output, sizeof output, "%s", header("Location"));
    call(NULL, output, NULL, NULL, 0, &a);
    check_headers();
    call("POST", server_url("/many"), stream, "", 0, &a);
    CHECK(strstr(a.body, "\"X-0\":\"value 0\"") && strstr(a.body, "\"X-199\":\"value 199\""));
    CHECK(strstr(a.body, "\"Content-Type\":\"text/x-many\""));
    stop();
}

static void test_out_of_memory(void)
{
    start("--run-state-max", "64KiB");
    call(NULL, server_url("/greedy"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK_STR(header("Content-Type"), "application/problem+json");
    CHECK(strstr(a.body, "--run-state-max"));
    stop();
}

/* ---- Which pages ---- */

/* A request that curl would not send; the answer's head goes to `a`. */
static void ask_raw(const char *request)
{
    size_t len = strlen(request);
    int fd = server_dial();
    memset(&a, 0, sizeof a);
    CHECK(send(fd, request, len, MSG_NOSIGNAL) == (ssize_t)len);
    for (ssize_t n; (n = recv(fd, a.head + a.head_len, sizeof a.head - 1 - a.head_len, 0)) > 0;)
        a.head_len += (size_t)n;
    a.status = strtol(a.head + 9, NULL, 10);
    close(fd);
}

/* The last answer is for pages of this origin only; "": for none. */
static void check_origin(long status, const char *origin)
{
    int count = 0;
    CHECK_INT(a.status, status);
    CHECK_STR(header("Access-Control-Allow-Origin"), origin);
    for (const char *at = a.head; (at = strcasestr(at, "\nAccess-Control-Allow-Origin:")); at++) count++;
    CHECK_INT(count, *origin != 0);
    if (!*origin) CHECK(!strcasestr(a.head, "\nAccess-Control-"));
    if (*origin && strcmp(origin, "*") != 0) CHECK(strcasestr(a.head, "\nVary: Origin"));
}

static void ask(const char *method, const char *path, const char *extra, const char *query, const char *body)
{
    char url[256];
    const char *const headers[] = {"Origin: https://shop.example", "Expect:", extra, NULL};
    snprintf(url, sizeof url, "%s%s", path, query);
    call(method, server_url(url), headers, body, 0, &a);
}

static void ask_large(const char *path)
{
    static char request[32768];
    snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 99999999\r\n\r\n", path);
    ask_raw(request);
}

static void ask_long(const char *path)
{
    static char request[32768], filler[20000];
    memset(filler, 'a', sizeof filler - 1);
    snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: x\r\nX: %s\r\n\r\n", path, filler);
    ask_raw(request);
}

static void ask_slowly(const char *path)
{
    char request[256];
    snprintf(request, sizeof request, "POST %s HTTP/1.1\r\nHost: x\r\nContent-Length: 5\r\n\r\n", path);
    ask_raw(request);
}

static void check_refusals(const char *path, const char *origin, const char *key)
{
    ask("POST", path, key, "", "one");
    check_origin(200, origin);
    ask("POST", path, key, "", "another");
    check_origin(422, origin);
    ask("POST", path, "Idempotency-Key: ", "", "one");
    ask("POST", path, "Idempotency-Key: \"\"", "", "one");
    check_origin(400, origin);
    ask("GET", path, NULL, "?fail=1", NULL);
    check_origin(500, origin);
    ask("GET", path, NULL, "?nap=1", NULL);
    check_origin(303, origin);
    ask("GET", path, "Prefer: respond-async", "?nap=1", NULL);
    check_origin(202, origin);
    ask("PUT", path, NULL, "", "x");
    check_origin(405, origin);
    ask_large(path);
    check_origin(413, origin);
    ask_long(path);
    check_origin(431, origin);
    ask_slowly(path);
    check_origin(408, origin);
}

static void check_streams(const char *path, const char *origin)
{
    const char *const again[] = {"Accept: text/event-stream", "Last-Event-ID: 5", NULL};
    ask("POST", path, "Accept: text/event-stream", "?chunk=1", "");
    check_origin(200, origin);
    CHECK(strstr(a.body, "inngest.response"));
    call("POST", server_url(path), again, "", 0, &a);
    check_origin(409, origin);
}

static void check_preflight(const char *path, const char *origin)
{
    const char *const headers[] = {"Origin: https://shop.example", "Access-Control-Request-Method: POST",
                                   "Access-Control-Request-Headers: content-type", NULL};
    call("OPTIONS", server_url(path), headers, NULL, 0, &a);
    check_origin(204, origin);
    CHECK_STR(header("Access-Control-Allow-Headers"), *origin ? "content-type" : "");
}

static void test_origins(void)
{
    start("--cors-origin", "https://pages.example");
    check_refusals("/shared", shop, "Idempotency-Key: a");
    check_refusals("/private", "", "Idempotency-Key: b");
    check_streams("/shared", shop);
    check_streams("/private", "");
    check_preflight("/shared", shop);
    check_preflight("/private", "");
    ask("GET", "/shared", NULL, "?own=1", NULL);
    check_origin(200, "https://own.example");
    CHECK(strcasestr(a.head, "\nVary: Accept-Language"));
    ask("GET", "/nowhere", NULL, "", NULL);
    check_origin(404, "");
    ask("GET", "/_sw/runs", NULL, "", NULL);
    check_origin(403, "");
    stop();
}

/* The URLs of runs belong to pages of --cors-origin, whoever began the run. */
static void test_run_urls(void)
{
    static const char pages[] = "https://pages.example";
    char output[1024], stream[1024], run[1024];
    start("--cors-origin", pages);
    for (int i = 0; i < 2; i++) {
        ask("POST", i ? "/shared" : "/private", "Prefer: respond-async", "", "");
        CHECK_INT(a.status, 202);
        snprintf(output, sizeof output, "%s", strstr(header("Location"), "/_sw/"));
        call(NULL, server_url(output), NULL, NULL, 0, &a);
        check_origin(200, pages);
        snprintf(run, sizeof run, "%.*s%s", (int)(strstr(output, "/output") - output), output, strchr(output, '?'));
        snprintf(stream, sizeof stream, "%.*s/stream%s", (int)(strstr(output, "/output") - output), output,
                 strchr(output, '?'));
        call(NULL, server_url(stream), NULL, NULL, 0, &a);
        check_origin(200, pages);
        call("DELETE", server_url(run), NULL, NULL, 0, &a);
        check_origin(409, pages);
        *strchr(output, '?') = 0;
        call(NULL, server_url(output), NULL, NULL, 0, &a);
        check_origin(401, pages);
    }
    call(NULL, server_url("/_sw/runs/nonsense/output"), NULL, NULL, 0, &a);
    check_origin(404, pages);
    stop();
}

/* A run that cannot begin, since the one there may be naps in memory. */
static void test_full(void)
{
    static const char nap[] = "GET /private?nap=1 HTTP/1.1\r\nHost: x\r\nAccept: text/event-stream\r\n\r\n";
    char data[128], begin[13];
    snprintf(data, sizeof data, "%s/full", root);
    served_start(&server,
                 (const char *const[]){"--data", data, "--loops", "1", "--runs-max", "1", "--park-after", "24h", NULL});
    int fd = server_dial();
    CHECK(send(fd, nap, strlen(nap), MSG_NOSIGNAL) == (ssize_t)strlen(nap));
    CHECK(recv(fd, begin, sizeof begin, MSG_WAITALL) == sizeof begin); /* it has begun */
    ask("POST", "/shared", NULL, "", "");
    check_origin(503, shop);
    ask("POST", "/private", NULL, "", "");
    check_origin(503, "");
    close(fd);
    stop();
}

/* ---- Caches ---- */

static void check_cache(const char *method, const char *path, long status, const char *expected)
{
    call(method, server_url(path), NULL, strcmp(method, "GET") == 0 ? NULL : "", 0, &a);
    CHECK_INT(a.status, status);
    CHECK_STR(header("Cache-Control"), expected);
}

static void test_caches(void)
{
    start(NULL, NULL);
    check_cache("GET", "/private", 200, "no-store");
    check_cache("GET", "/private?cache=1", 200, "max-age=60");
    check_cache("GET", "/private?fail=1", 500, "no-store");
    check_cache("GET", "/private?nap=1", 303, "no-store");
    check_cache("GET", "/many", 200, "no-store");
    check_cache("PUT", "/private", 405, "no-store");
    check_cache("GET", "/nowhere", 404, "no-store");
    check_cache("GET", "/%zz", 400, "no-store");
    check_cache("GET", "/_sw/healthz", 200, "no-store");
    check_cache("GET", "/_sw/runs/x/output", 404, "no-store");
    ask_long("/private");
    CHECK_STR(header("Cache-Control"), "no-store");
    stop();
}

static const check_case cases[] = {{"more headers than anybody needs", test_many_headers},
                                   {"a run that fails at its memory says so", test_out_of_memory},
                                   {"origins of endpoints", test_origins},
                                   {"origins of run URLs", test_run_urls},
                                   {"origins of a full server", test_full},
                                   {"caches", test_caches}};

SERVED_MAIN(serve, NULL, cases)
