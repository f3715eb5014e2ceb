/* What a step's call may take: time, silence, bytes, and where it may lead. Each message names the place without its
 * secrets, and the field to change. On a busy machine a time may be over before the service has heard of the call. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"
#include "tests/harness/wire.h"

enum { ATTEMPTS = 3, PAUSE_US = 5000 };

/* ---- The program that calls ---- */

static int64_t number_of(sw_value map, const char *key) { return sw_as_int(sw_get(map, key), 0); }

static sw_value read_events(sw_ctx *c, const sw_request *request, int64_t pause_ms)
{
    sw_stream *s = sw_fetch_open(c, request);
    sw_sse event;
    int64_t count = 0;
    sw_response_check(c, request, sw_fetch_head(s));
    while (sw_sse_next(s, &event)) {
        if (count++ == 0 && pause_ms > 0) sw_sleep(c, "slow", pause_ms);
    }
    return sw_int(count);
}

static sw_value ask(sw_ctx *c, sw_value input)
{
    const sw_request request = {.url = sw_cstr(c, sw_get(input, "url")),
                                .method = sw_cstr(c, sw_get(input, "method")),
                                .timeout_ms = number_of(input, "timeout_ms"),
                                .silence_ms = number_of(input, "silence_ms"),
                                .ping_event = sw_cstr(c, sw_get(input, "ping_event")),
                                .response_max = (size_t)number_of(input, "response_max"),
                                .allow = (sw_reach)number_of(input, "allow")};
    if (sw_as_bool(sw_get(input, "events"), false)) return read_events(c, &request, number_of(input, "pause_ms"));
    sw_response r = sw_fetch(c, &request);
    return sw_int((int64_t)r.body.len);
}

static void on_ask(sw_ctx *c)
{
    sw_value input = sw_body_json(c);
    int64_t backoff_ms = sw_as_int(sw_get(input, "backoff_ms"), 1);
    const sw_step_options options = {.retries = ATTEMPTS - 1, .backoff_ms = backoff_ms, .backoff_max_ms = backoff_ms};
    sw_reply_json(c, 200, sw_step_with(c, "ask", ask, input, &options));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("call_limits");
    sw_endpoint(app, "POST /ask", on_ask, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The service that is called ---- */

static const char head[] = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n";

/* As often as that, or for as long as the caller listens. */
static void say_again(int fd, const char *text, int times)
{
    for (int i = 0; i < times || times == 0; i++) {
        if (send(fd, text, strlen(text), MSG_NOSIGNAL) < 0) return;
        usleep(PAUSE_US);
    }
}

static bool answer_call(int fd, const wire_request *r)
{
    static const char ping[] = "event: ping\ndata: {}\n\n", event[] = "data: x\n\n", comment[] = ": still here\n\n";
    const char *path = r->target;
    char byte;
    if (strncmp(path, "/silence", 8) == 0) {
        while (recv(fd, &byte, 1, 0) > 0) {}
        return false;
    }
    wire_say(fd, head, sizeof head - 1);
    if (strncmp(path, "/pings", 6) == 0) say_again(fd, ping, 0);
    if (strncmp(path, "/comments", 9) == 0) say_again(fd, comment, 0);
    if (strncmp(path, "/forever", 8) == 0) say_again(fd, event, 0);
    if (strncmp(path, "/lively", 7) == 0)
        for (int i = 0; i < 3; i++) {
            say_again(fd, ping, 5);
            say_again(fd, event, 1);
        }
    if (strncmp(path, "/two", 4) == 0) wire_say(fd, "data: 1\n\ndata: 2\n\n", 18);
    if (strncmp(path, "/large", 6) == 0) wire_say(fd, "data: 0123456789012345678901234567890123456789\n\n", 48);
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

/* How often the service heard the call. */
static size_t ask_for(const char *path, const char *fields, answer *a)
{
    char url[100], body[600];
    size_t before = wire_heard();
    snprintf(url, sizeof url, "%s/ask", server.address);
    snprintf(body, sizeof body,
             "{\"url\":\"http://user:s3cret@127.0.0.1:%d%s?key=s3cret#s3cret\",\"method\":\"POST\"%s%s}", wire.port,
             path, *fields ? "," : "", fields);
    call("POST", url, NULL, body, 0, a);
    if (strstr(a->body, "s3cret")) printf("# %s\n", a->body);
    CHECK(!strstr(a->body, "s3cret"));
    return wire_heard() - before;
}

/* After so many attempts, with a message that names the place and then holds `why`. */
static void expect_failure(const char *path, const char *fields, size_t attempts, const char *why)
{
    answer a;
    char place[100], count[40];
    (void)ask_for(path, fields, &a);
    snprintf(place, sizeof place, "POST http://127.0.0.1:%d%s: ", wire.port, path);
    snprintf(count, sizeof count, "\"attempts\":%zu", attempts);
    const char *said = strstr(a.body, place);
    if (!said || !strstr(said, why) || !strstr(a.body, count)) printf("# %s\n# not %s%s\n", a.body, place, why);
    CHECK_INT(a.status, 500);
    CHECK(said && strstr(said, why) && strstr(a.body, count));
}

static void expect_value(const char *path, const char *fields, const char *json)
{
    answer a;
    CHECK_INT(ask_for(path, fields, &a), 1);
    if (a.status != 200) printf("# %s\n", a.body);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, json);
}

/* A service that says only that it is there has not answered, however often it says so: the call would never end. */
static void test_pings(void)
{
    open_all();
    expect_failure("/pings", "\"events\":true,\"silence_ms\":150,\"ping_event\":\"ping\"", ATTEMPTS,
                   "arrived for 150 ms (silence_ms)");
    expect_failure("/comments", "\"events\":true,\"silence_ms\":150", ATTEMPTS, "arrived for 150 ms (silence_ms)");
    expect_value("/lively", "\"events\":true,\"silence_ms\":20000,\"ping_event\":\"ping\"", "18");
    close_all();
}

/* The handler's own time is not the service's silence. */
static void test_slow_handler(void)
{
    open_all();
    expect_value("/two", "\"events\":true,\"silence_ms\":3000,\"pause_ms\":3200,\"ping_event\":\"ping\"", "2");
    close_all();
}

static void test_times(void)
{
    open_all();
    expect_failure("/forever", "\"events\":true,\"timeout_ms\":200", ATTEMPTS, "within 200 ms (timeout_ms)");
    /* without ping_event a ping is an event like others */
    expect_failure("/pings", "\"events\":true,\"timeout_ms\":300,\"silence_ms\":60000", ATTEMPTS,
                   "within 300 ms (timeout_ms)");
    expect_failure("/silence", "\"timeout_ms\":100", ATTEMPTS, "timed out: no answer within 100 ms (timeout_ms)");
    expect_failure("/silence", "\"silence_ms\":100", ATTEMPTS, "timed out: nothing arrived for 100 ms (silence_ms)");
    expect_failure("/silence", "\"events\":true,\"silence_ms\":100", ATTEMPTS,
                   "timed out: nothing arrived for 100 ms (silence_ms)");
    close_all();
}

static void test_bytes(void)
{
    answer a;
    open_all();
    expect_failure("/large", "\"response_max\":47", 1, "the response is larger than 47 bytes (response_max)");
    expect_value("/large", "\"response_max\":48", "48");
    CHECK_INT(ask_for("/large", "\"events\":true,\"response_max\":30", &a), 1);
    CHECK(strstr(a.body, "/large sent an event of more than 30 bytes (response_max)"));
    expect_value("/large", "\"events\":true,\"response_max\":200", "1");
    close_all();
}

/* A second attempt would come an hour later. */
static void test_reach(void)
{
    open_all();
    expect_failure(
        "/two", "\"allow\":1,\"backoff_ms\":3600000", 1,
        "the host's address 127.0.0.1 is loopback (127.0.0.0/8, RFC 1122), and only public ones are allowed");
    expect_failure("/two", "\"allow\":1,\"events\":true,\"backoff_ms\":3600000", 1, "the host's address 127.0.0.1 is");
    CHECK_INT(wire.accepted, 0);
    close_all();
}

static void expect_bad_url(const char *url, const char *why)
{
    char at[100], body[300];
    answer a;
    snprintf(at, sizeof at, "%s/ask", server.address);
    snprintf(body, sizeof body, "{\"url\":\"%s\",\"backoff_ms\":3600000}", url);
    call("POST", at, NULL, body, 0, &a);
    if (!strstr(a.body, why) || strstr(a.body, "s3cret")) printf("# %s\n", a.body);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, why) && !strstr(a.body, "s3cret"));
}

static void test_urls(void)
{
    open_all();
    expect_bad_url("ftp://u:s3cret@127.0.0.1/x?key=s3cret",
                   "GET ftp://127.0.0.1/x: only URLs that begin with http:// or https:// can be called");
    expect_bad_url("u:s3cret@127.0.0.1/x?key=s3cret", "GET 127.0.0.1/x: only URLs that begin with http://");
    expect_bad_url("http://u:s3cret@127.0.0.1/a b?key=s3cret", "GET http://127.0.0.1/a b: the URL has a space");
    expect_bad_url("http://u:s3cret@/x", "the URL has no host");
    expect_bad_url("http://[::1/x?key=s3cret", "/x: ");
    expect_bad_url("http://u:s3cret@127.0.0.1:99999/x", "/x: ");
    expect_bad_url("", "there is no URL");
    close_all();
}

static const check_case cases[] = {{"a service that only pings is not waited for", test_pings},
                                   {"a handler may take its time between events", test_slow_handler},
                                   {"times and silences, with the field that sets them", test_times},
                                   {"a response or an event over its limit", test_bytes},
                                   {"a call that may go to public addresses only", test_reach},
                                   {"URLs that cannot be called", test_urls}};

SERVED_MAIN(serve, NULL, cases)
