/* What steps make of the answers of services, counted and timed by the service: a program with one endpoint calls a
 * server in this process. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"
#include "tests/harness/wire.h"

enum { BACKOFF_MS = 200, ATTEMPTS = 3, LARGE_BYTES = 17 << 20 };

/* ---- The program that calls ---- */

static const char *text_of(sw_ctx *c, sw_value map, const char *key)
{
    const char *text = sw_cstr(c, sw_get(map, key));
    return text ? text : "";
}

static sw_value ask(sw_ctx *c, sw_value input)
{
    const char *how = text_of(c, input, "how");
    const sw_request request = {.method = text_of(c, input, "method"),
                                .url = text_of(c, input, "url"),
                                .retry_bad_json = strcmp(how, "again") == 0};
    if (strcmp(how, "stream") == 0) {
        sw_stream *s = sw_fetch_open(c, &request);
        sw_response_check(c, &request, sw_fetch_head(s));
        sw_sse event;
        return sw_sse_next(s, &event) ? sw_str(c, event.data) : sw_nil();
    }
    if (strcmp(how, "peek") == 0) {
        sw_stream *s = sw_fetch_open(c, &request);
        const char *all = sw_printf(c, "%d %s|", sw_fetch_head(s)->status, sw_fetch_head(s)->body.data);
        for (sw_bytes b; (b = sw_fetch_read(s)).len > 0;) all = sw_printf(c, "%s%.*s", all, (int)b.len, b.data);
        return sw_str(c, all);
    }
    return sw_fetch_json(c, &request);
}

static void on_ask(sw_ctx *c)
{
    sw_value input = sw_body_json(c);
    int64_t backoff_ms = sw_as_int(sw_get(input, "backoff_ms"), 1);
    const sw_step_options options = {
        .retries = ATTEMPTS - 1, .backoff_ms = backoff_ms, .backoff_max_ms = 2 * BACKOFF_MS};
    sw_reply_json(c, 200, sw_step_with(c, "ask", ask, input, &options));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("calls");
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The service that is called ---- */

static atomic_llong heard_ms[ATTEMPTS + 1];
static atomic_int heard;

static long long now_ms(void)
{
    struct timespec t;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &t) == 0);
    return t.tv_sec * 1000LL + t.tv_nsec / 1000000;
}

static const struct {
    const char *path, *says;
} says[] = {
    {"/204", "HTTP/1.1 204 No Content\r\n\r\n"},
    {"/205", "HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n"},
    {"/empty", "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"},
    {"/blank", "HTTP/1.1 202 Accepted\r\nContent-Length: 2\r\n\r\n\r\n"},
    {"/json", "HTTP/1.1 201 Created\r\nContent-Length: 7\r\n\r\n{\"a\":1}"},
    {"/html", "HTTP/1.1 200 OK\r\nContent-Length: 13\r\n\r\n<html></html>"},
    {"/half", "HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\n{\"a\":1"},
    {"/refused", "HTTP/1.1 400 Bad Request\r\nContent-Length: 15\r\n\r\nthe reason here"},
    {"/broken-refusal", "HTTP/1.1 422 No\r\nContent-Length: 100\r\nConnection: close\r\n\r\nthe beginning"},
    {"/limited", "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 0\r\nContent-Length: 0\r\n\r\n"},
    {"/limited-ms", "HTTP/1.1 503 Busy\r\nretry-after-ms: 1\r\nContent-Length: 0\r\n\r\n"},
    {"/limited-past", "HTTP/1.1 529 Busy\r\nRetry-After: Sun, 06 Nov 1994 08:49:37 GMT\r\nContent-Length: 0\r\n\r\n"},
    {"/limited-long", "HTTP/1.1 429 Busy\r\nretry-after-ms: 900\r\nContent-Length: 0\r\n\r\n"},
};

static void say_large(int fd, const char *before)
{
    static char piece[1 << 16];
    char head[200];
    memset(piece, 'x', sizeof piece);
    int len = snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", LARGE_BYTES, before);
    wire_say(fd, head, (size_t)len);
    for (int sent = 0; sent < LARGE_BYTES; sent += (int)sizeof piece) wire_say(fd, piece, sizeof piece);
}

static bool answer_call(int fd, const wire_request *r)
{
    int n = atomic_fetch_add(&heard, 1);
    if (n <= ATTEMPTS) atomic_store(&heard_ms[n], now_ms());
    if (strncmp(r->target, "/large", 6) == 0) {
        say_large(fd, strncmp(r->target, "/large-event", 12) == 0 ? "data: " : "");
        return false;
    }
    for (size_t i = 0; i < sizeof says / sizeof says[0]; i++) {
        if (strncmp(r->target, says[i].path, strcspn(r->target, "?#")) != 0) continue;
        if (says[i].path[strcspn(r->target, "?#")] != 0) continue;
        wire_say(fd, says[i].says, strlen(says[i].says));
        return strstr(says[i].says, "close") == NULL;
    }
    return false;
}

/* ---- The test ---- */

static char folder[64];

static void open_all(void)
{
    char data[80];
    make_folder(folder);
    snprintf(data, sizeof data, "%s/data", folder);
    const char *const flags[] = {"--data", data, "--loops", "1", "--redirect-after", "60s", NULL};
    wire_listen(answer_call);
    served_start(&server, flags);
}

static void close_all(void)
{
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    wire_shut();
    remove_tree(folder);
}

/* How often the service heard the call that the program made for this. */
static int ask_for(const char *how, const char *method, const char *path, int backoff_ms, answer *a)
{
    char url[100], body[600];
    atomic_store(&heard, 0);
    snprintf(url, sizeof url, "%s/ask", server.address);
    snprintf(body, sizeof body,
             "{\"how\":\"%s\",\"method\":\"%s\",\"backoff_ms\":%d,\"url\":\"http://user:secret@127.0.0.1:%d%s\"}", how,
             method, backoff_ms, wire.port, path);
    call("POST", url, NULL, body, 0, a);
    if (strstr(a->body, "secret")) printf("# %s\n", a->body);
    CHECK(!strstr(a->body, "secret"));
    return atomic_load(&heard);
}

/* Asks once and is answered with that JSON. */
static void expect_value(const char *how, const char *method, const char *path, const char *json)
{
    answer a;
    CHECK_INT(ask_for(how, method, path, 1, &a), 1);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, json);
}

/* Asks that often and fails with a message that holds `why`. */
static void expect_failure(const char *how, const char *path, int times, const char *why)
{
    answer a;
    CHECK_INT(ask_for(how, "POST", path, 1, &a), times);
    CHECK_INT(a.status, 500);
    if (!strstr(a.body, why)) printf("# %s\n", a.body);
    CHECK(strstr(a.body, why));
}

static void test_success_once(void)
{
    static const char *const methods[] = {"GET", "POST", "DELETE", "PUT"};
    open_all();
    for (size_t m = 0; m < sizeof methods / sizeof methods[0]; m++) {
        expect_value("json", methods[m], "/204", "null");
        expect_value("json", methods[m], "/205", "null");
        expect_value("json", methods[m], "/empty", "null");
        expect_value("json", methods[m], "/blank", "null");
        expect_value("json", methods[m], "/json?key=secret", "{\"a\":1}");
    }
    expect_value("json", "HEAD", "/empty", "null");
    expect_failure("json", "/html?key=secret#secret", 1, "/html answered 200 without JSON: ");
    expect_failure("json", "/half", 1, "/half answered 200 without JSON: ");
    expect_failure("again", "/html", ATTEMPTS, "/html answered 200 without JSON: ");
    expect_failure("json", "/large", 1, "larger than");
    expect_failure("stream", "/large-event?key=secret", 1, "/large-event sent an event of more than ");
    expect_failure("json", "/silence", ATTEMPTS, "the connection broke before an answer; it may have been done");
    close_all();
}

static void test_reasons(void)
{
    open_all();
    expect_failure("stream", "/refused?key=secret", 1, "/refused answered 400: the reason here");
    expect_failure("json", "/refused?key=secret", 1, "/refused answered 400: the reason here");
    for (int i = 0; i < 20; i++) /* whether head and end arrive together or not */
        expect_failure("stream", "/broken-refusal", 1, "/broken-refusal answered 422: the beginning");
    expect_failure("stream", "/limited?key=secret", ATTEMPTS, "/limited answered 429: ");
    expect_value("peek", "POST", "/refused", "\"400 the reason here|the reason here\"");
    close_all();
}

/* Waits may be longer than asked on a busy machine, never shorter. */
static void test_hints(void)
{
    static const char *const paths[] = {"/limited", "/limited-ms", "/limited-past", "/limited-long"};
    answer a;
    open_all();
    for (size_t p = 0; p < sizeof paths / sizeof paths[0]; p++) {
        CHECK_INT(ask_for("json", "POST", paths[p], BACKOFF_MS, &a), ATTEMPTS);
        long long first = heard_ms[1] - heard_ms[0], second = heard_ms[2] - heard_ms[1];
        CHECK(first >= (p == 3 ? 900 : BACKOFF_MS / 2) && second >= (p == 3 ? 900 : BACKOFF_MS));
    }
    close_all();
}

static const check_case cases[] = {{"a success is not asked for again", test_success_once},
                                   {"a refusal keeps its reason, and nobody's secrets", test_reasons},
                                   {"Retry-After only lengthens the backoff", test_hints}};

SERVED_MAIN(serve, NULL, cases)
