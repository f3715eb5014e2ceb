/* The program around the handlers - its flags, limits, log and reports - and the calls that handlers make. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    bool release;
    int inside, inside_most, deferred;
} notes;
static notes *seen;
static char self_url[128];

/* ---- Handlers ---- */

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static void on_hello(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "s", echo, sw_int(1))); }

static void on_log(sw_ctx *c)
{
    sw_log(c, "said \"%s\"\nand more", "x");
    sw_log(c, "caf\xc3\xa9, and a character that was cut: %.3s", "\xf0\x9f\x98\x80");
    sw_reply_text(c, 200, "%s", sw_run_id(c));
}

static sw_value wait_for_release(sw_ctx *c, sw_value v)
{
    while (!seen->release) sw_sleep(c, "wait", 5);
    return v;
}

static void on_wait(sw_ctx *c) { sw_reply_json(c, 200, sw_step(c, "wait", wait_for_release, sw_str(c, "waited"))); }

static __attribute__((noinline)) int descend(int depth)
{
    volatile char here[512];
    here[0] = (char)depth;
    return depth > 1 << 20 ? here[0] : descend(depth + 1) + here[0];
}

static void on_overflow(sw_ctx *c) { sw_reply_text(c, 200, "%d", descend(0)); }

static void on_headers(sw_ctx *c)
{
    sw_reply_json(c, 200,
                  sw_map(c, "agent", sw_str(c, sw_header(c, "User-Agent")), "secret",
                         sw_str(c, sw_header(c, "Authorization")), "cookie", sw_str(c, sw_header(c, "cookie")), NULL));
}

/* The other side of the calls: what it is asked for it answers. */
static void on_status(sw_ctx *c)
{
    if (sw_query(c, "header")) sw_reply_header(c, sw_query(c, "header"), sw_query(c, "value"));
    sw_reply(c, atoi(sw_query(c, "code")), "application/json", sw_query(c, "body"), strlen(sw_query(c, "body")));
}

static void on_inside(sw_ctx *c)
{
    if (++seen->inside > seen->inside_most) seen->inside_most = seen->inside;
    sw_sleep(c, "work", 20);
    seen->inside--;
    sw_reply_json(c, 200, sw_nil());
}

static void on_events(sw_ctx *c)
{
    static const char text[] = "id: 7\nevent: first\ndata: a\ndata: b\n\n: nothing\n\ndata: second\n\n";
    sw_reply_open(c, 200, "text/event-stream");
    for (size_t i = 0; i < sizeof text - 1; i++)
        if (!sw_reply_write(c, text + i, 1)) return;
    if (sw_query(c, "cut")) sw_reply_abort(c);
}

static sw_value fetch_json(sw_ctx *c, sw_value url) { return sw_fetch_json(c, &(sw_request){.url = sw_cstr(c, url)}); }

static void on_fetch_json(sw_ctx *c)
{
    sw_value out = sw_nil();
    sw_error err = {0};
    sw_value url = sw_strf(c, "%s%s", self_url, sw_query(c, "path"));
    bool ok = sw_try_with(c, "call", fetch_json, url, &(sw_step_options){.retries = 1, .backoff_ms = 1}, &out, &err);
    if (ok)
        sw_reply_json(c, 200, out);
    else
        sw_reply_text(c, 200, "%d %s %s", err.attempts, err.fatal ? "fatal" : "retried", err.message);
}

static sw_value read_events(sw_ctx *c, sw_value input)
{
    sw_sse e;
    sw_stream *s = sw_fetch_open(c, &(sw_request){.url = sw_cstr(c, sw_get(input, "url"))});
    const sw_response *head = sw_fetch_head(s);
    sw_value all = sw_array(c, 2, sw_int(head->status), sw_str(c, sw_response_header(head, "content-type", c)));
    for (int64_t most = sw_as_int(sw_get(input, "most"), 99); most > 0 && sw_sse_next(s, &e); most--)
        sw_push(c, &all, sw_strf(c, "%s|%s|%s", e.event, e.data, e.id));
    if (sw_as_bool(sw_get(input, "close"), false)) {
        sw_fetch_close(s);
        sw_push(c, &all, sw_bool(sw_sse_next(s, &e)));
    }
    return all;
}

static sw_value read_bytes(sw_ctx *c, sw_value url)
{
    size_t total = 0;
    sw_stream *s = sw_fetch_open(c, &(sw_request){.url = sw_cstr(c, url)});
    for (sw_bytes b; (b = sw_fetch_read(s)).len > 0;) total += b.len;
    return sw_int((int64_t)total);
}

static void on_streams(sw_ctx *c)
{
    sw_error err = {0};
    sw_value url = sw_strf(c, "%s/events", self_url), cut = sw_strf(c, "%s/events?cut=1", self_url);
    sw_value whole = sw_step(c, "whole", read_events, sw_map(c, "url", url, NULL));
    sw_value part =
        sw_step(c, "part", read_events, sw_map(c, "url", url, "most", sw_int(1), "close", sw_bool(true), NULL));
    sw_value bytes = sw_step(c, "bytes", read_bytes, url);
    bool ok = sw_try_with(c, "cut", read_bytes, cut, &(sw_step_options){.retries = SW_NO_RETRIES}, NULL, &err);
    sw_reply_json(
        c, 200,
        sw_map(c, "whole", whole, "part", part, "bytes", bytes, "cut", sw_bool(ok), "fatal", sw_bool(err.fatal), NULL));
}

static void on_parallel(sw_ctx *c)
{
    sw_value urls = sw_nil();
    for (int i = 0; i < 6; i++) sw_push(c, &urls, sw_strf(c, "%s/inside?%d", self_url, i));
    (void)sw_each(c, "call", fetch_json, urls, 0);
    sw_reply_text(c, 200, "done");
}

static void on_values(sw_ctx *c)
{
    const char *why = NULL;
    sw_value v = sw_nil(), parsed = sw_nil(), again = sw_nil();
    sw_set(c, &v, "a", sw_double(0.5));
    sw_set(c, &v, "b", sw_int(-3));
    sw_set(c, &v, "a", sw_double(1.5));
    sw_bytes text = sw_json(c, v);
    bool whole = sw_json_try(c, text.data, text.len, &parsed, &why);
    bool broken = sw_json_try(c, "[1,", 3, &again, &why);
    bool same = whole && sw_equal(parsed, v) && !sw_equal(parsed, sw_int(1)) && sw_is_nil(sw_get(v, "c"));
    bool numbers = sw_as_double(sw_get(v, "b"), 0) == -3.0 && sw_as_double(sw_get(v, "c"), 0.25) == 0.25 &&
                   sw_as_int(sw_double(2.0), 0) == 2 && sw_as_int(sw_get(v, "a"), 9) == 9;
    sw_reply_text(c, 200, "%s %s %s %s", text.data, same ? "same" : "other", numbers ? "numbers" : "none",
                  broken ? "" : why);
}

static void *twice(void *arg)
{
    *(int *)arg *= 2;
    return arg;
}

static sw_value block(sw_ctx *c, sw_value v)
{
    int *n = sw_alloc(c, sizeof *n);
    *n = (int)sw_as_int(v, 0);
    return sw_int(*(int *)sw_blocking(c, twice, n));
}

static sw_value refuse_two(sw_ctx *c, sw_value v)
{
    if (sw_as_int(v, 0) == 2) sw_fail(c, "attempt %d", sw_attempt(c));
    return v;
}

static void on_rest(sw_ctx *c)
{
    sw_value out = sw_nil();
    sw_error err = {0};
    int64_t before = sw_now(c);
    sw_sleep_until(c, "until", before + 30);
    bool late = sw_now(c) >= before + 30;
    sw_sleep_until(c, "past", 1);
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "one", refuse_two, sw_int(1));
    sw_group_step_with(g, "two", refuse_two, sw_int(2), &(sw_step_options){.retries = 2, .backoff_ms = 1});
    sw_value settled = sw_group_settle(g);
    bool ok = sw_try(c, "block", block, sw_int(21), &out, &err);
    sw_reply_json(c, 200, sw_map(c, "late", sw_bool(late), "settled", settled, "out", out, "ok", sw_bool(ok), NULL));
}

static void on_late(sw_ctx *c) { sw_reply_text(c, 200, "late"); }

/* What is added here comes after the flags have been read. */
static const char *on_start(sw_app *app, void *arg)
{
    (void)arg;
    sw_route(app, "GET /late", on_late);
    sw_endpoint(app, "GET /late-run", on_late, &(sw_endpoint_options){.cors_origin = "https://app.test"});
    if (getenv("LATE_MISTAKE")) sw_route(app, "nothing like a route", on_late);
    return NULL;
}

static int serve(int argc, char **argv)
{
    static const char *const kept[] = {"authorization", NULL};
    sw_app *app = sw_app_new("program");
    seen = served_notes(sizeof *seen);
    if (getenv("SELF")) snprintf(self_url, sizeof self_url, "%s", getenv("SELF"));
    sw_endpoint(app, "GET /hello", on_hello, NULL);
    sw_endpoint(app, "GET /log", on_log, NULL);
    sw_endpoint(app, "GET /wait", on_wait, NULL);
    sw_endpoint(app, "GET /overflow", on_overflow, NULL);
    sw_endpoint(app, "GET /headers", on_headers, NULL);
    sw_endpoint(app, "GET /headers-kept", on_headers, &(sw_endpoint_options){.journal_headers = kept});
    sw_endpoint(app, "GET /fetch-json", on_fetch_json, NULL);
    sw_endpoint(app, "GET /streams", on_streams, NULL);
    sw_endpoint(app, "GET /parallel", on_parallel, NULL);
    sw_endpoint(app, "GET /values", on_values, NULL);
    sw_endpoint(app, "GET /rest", on_rest, NULL);
    sw_route(app, "GET /status", on_status);
    sw_route(app, "GET /inside", on_inside);
    sw_route(app, "GET /events", on_events);
    sw_on_start(app, on_start, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], said[65536], text[4096];
static served server, peer;
static answer a;

static void start_with(served *s, const char *folder, const char *const *extra)
{
    static const char *flags[16];
    int n = 0;
    snprintf(data, sizeof data, "%s/%s", root, folder);
    flags[n++] = "--data";
    flags[n++] = data;
    flags[n++] = "--loops";
    flags[n++] = "1";
    while ((flags[n] = *extra++)) n++;
    memset(seen, 0, sizeof *seen);
    served_start(s, flags);
}

#define START(...) start_with(&server, "data", (const char *const[]){__VA_ARGS__, NULL})

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void get_with(const char *path, const char *const *headers)
{
    char url[8192];
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, headers, NULL, 0, &a);
}

static void get(const char *path) { get_with(path, NULL); }

/* What the server logs until it ends. */
static void read_log(void)
{
    size_t len = 0;
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
}

/* Standard output of this program as a service, and its exit code. */
static int output_of(const char *flag)
{
    char command[5000];
    snprintf(command, sizeof command, "%s --serve %s 2>&1", served_program, flag);
    FILE *f = popen(command, "r");
    CHECK(f);
    size_t n = fread(said, 1, sizeof said - 1, f);
    said[n] = 0;
    return WEXITSTATUS(pclose(f));
}

static void test_help(void)
{
    static const char *const limits[] = {
        "head-max",          "body-max",        "step-result-max", "run-state-max", "steps-max",
        "runs-max",          "head-timeout",    "body-timeout",    "write-timeout", "upstream-connections",
        "journal-queue-max", "connections-max", "idle-timeout",    "stack-size"};
    CHECK_INT(output_of("--help"), 0);
    for (size_t i = 0; i < sizeof limits / sizeof *limits; i++) {
        char name[64];
        snprintf(name, sizeof name, "\n  --%s ", limits[i]);
        const char *line = strstr(said, name);
        if (!line) printf("# --help does not have %s\n", limits[i]);
        CHECK(line);
        CHECK(memmem(line + 1, strcspn(line + 1, "\n"), "(default ", 9));
    }
    CHECK_INT(output_of("--version"), 0);
    CHECK_STR(said, "program (stepwell " STEPWELL_VERSION ")\n");
}

/* Each flag that --help lists is read from the environment, and one on the command line goes before it. A text with a
 * default takes any value, with which the program would serve for ever: `texts` has to name it. */
static void test_environment(void)
{
    CHECK_INT(output_of("--help"), 0);
    char help[sizeof said], command[128];
    memcpy(help, said, sizeof help);
    int checked = 0;
    for (const char *at = help; (at = strstr(at, "\n  --"));) {
        char name[64], variable[96] = "STEPWELL_";
        at += 5;
        snprintf(name, sizeof name, "%.*s", (int)strcspn(at, " "), at);
        size_t n = strlen(variable);
        for (const char *p = name; *p; p++) variable[n++] = *p == '-' ? '_' : (char)(*p & ~0x20);
        variable[n] = 0;
        if (!strstr(at, "(default") || strcmp(name, "help") == 0 || strcmp(name, "version") == 0) continue;
        const char *line_end = at + strcspn(at, "\n"), *fallback = strstr(at, "(default ");
        bool texts = strcmp(name, "listen") == 0 || strcmp(name, "data") == 0 || strcmp(name, "cors-origin") == 0;
        if (!fallback || fallback > line_end || texts) continue;
        CHECK(setenv(variable, "?", 1) == 0);
        CHECK_INT(output_of(""), 2);
        snprintf(command, sizeof command, "--%s ?", name);
        if (!strstr(said, command)) printf("# %s=? said: %s\n", variable, said);
        CHECK(strstr(said, command));
        snprintf(command, sizeof command, "--%s %.*s --hold no", name, (int)strcspn(fallback + 9, ")"), fallback + 9);
        CHECK_INT(output_of(command), 2);
        CHECK(strstr(said, "--hold no"));
        CHECK(unsetenv(variable) == 0);
        checked++;
    }
    CHECK(checked >= 20);
    CHECK(setenv("STEPWELL_ADMIN_TOKEN", "from the environment", 1) == 0);
    START("--log-level", "warn", "--log-level", "info");
    CHECK(unsetenv("STEPWELL_ADMIN_TOKEN") == 0);
    get_with("/_sw/runs", (const char *const[]){"Authorization: Bearer from the environment", NULL});
    CHECK_INT(a.status, 200);
    stop();
}

static void test_admin(void)
{
    START("--admin-token", "let me in");
    get("/_sw/runs");
    CHECK_INT(a.status, 401);
    CHECK_STR(answer_header(&a, "WWW-Authenticate", text, sizeof text), "Bearer realm=\"admin\"");
    get_with("/_sw/metrics", (const char *const[]){"Authorization: Bearer let me on", NULL});
    CHECK_INT(a.status, 403);
    get_with("/_sw/metrics", (const char *const[]){"Authorization: bearer let me in", NULL});
    CHECK_INT(a.status, 200);
    get("/_sw/healthz");
    CHECK_INT(a.status, 200);
    stop();
    START("--log-level", "info");
    get("/_sw/runs");
    CHECK_INT(a.status, 403);
    CHECK(strstr(a.body, "--token NAME:SCOPES:FILE"));
    stop();
}

static void test_log(void)
{
    START("--log-format", "json");
    get("/log");
    char run[64], expected[256];
    snprintf(run, sizeof run, "%.26s", a.body);
    CHECK(kill(server.pid, SIGTERM) == 0);
    read_log();
    snprintf(expected, sizeof expected,
             "\"level\":\"info\",\"run\":\"%s\",\"message\":\"said \\\"x\\\"\\nand more\"}\n", run);
    if (!strstr(said, expected)) printf("# the log is: %s\n", said);
    CHECK(strstr(said, expected));
    CHECK(strstr(said, "caf\xc3\xa9, and a character that was cut: \xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd\"}\n"));
    for (const char *line = said; *line; line += strcspn(line, "\n") + 1)
        CHECK(strncmp(line, "{\"time\":\"20", 11) == 0 && line[strcspn(line, "\n") - 1] == '}');
    (void)served_stop(&server, 0);
    START("--log-format", "text");
    get("/log");
    snprintf(expected, sizeof expected, " info  run %.26s said \"x\"\\nand more\n", a.body);
    CHECK(kill(server.pid, SIGTERM) == 0);
    read_log();
    CHECK(strstr(said, expected));
    (void)served_stop(&server, 0);
}

static void test_runs_max(void)
{
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    char output[1024];
    START("--runs-max", "1");
    get_with("/wait", prefer);
    CHECK_INT(a.status, 202);
    answer_header(&a, "Location", output, sizeof output);
    get("/hello");
    CHECK_INT(a.status, 503);
    CHECK_STR(answer_header(&a, "Retry-After", text, sizeof text), "1");
    CHECK(strstr(a.body, "--runs-max"));
    seen->release = true;
    call(NULL, output, NULL, NULL, 0, &a);
    CHECK_STR(a.body, "\"waited\"");
    do get("/hello"); /* the first one leaves after its client has the answer */
    while (a.status == 503);
    CHECK_INT(a.status, 200);
    stop();
}

static void test_sizes(void)
{
    char header[3000], url[3000];
    START("--head-max", "1KiB", "--body-max", "10B");
    memset(header, 'x', sizeof header);
    memcpy(header, "X: ", 3);
    header[2000] = 0;
    get_with("/hello", (const char *const[]){header, NULL});
    CHECK_INT(a.status, 431);
    memset(url, 'x', sizeof url);
    memcpy(url, "/hello?", 7);
    url[2000] = 0;
    get(url);
    CHECK_INT(a.status, 414);
    snprintf(url, sizeof url, "%s/hello", server.address);
    for (int i = 0; i < 5 && a.status != 413; i++) (void)call_try("GET", url, NULL, "eleven char", 0, &a);
    CHECK_INT(a.status, 413);
    get("/hello");
    CHECK_INT(a.status, 200);
    stop();
}

/* --body-max 0 means what it says. */
static void test_no_body(void)
{
    char url[256];
    static const char *const chunked[] = {"Transfer-Encoding: chunked", NULL}, *const bodies[] = {"x", ""};
    START("--body-max", "0");
    snprintf(url, sizeof url, "%s/hello", server.address);
    for (size_t i = 0; i < 2; i++) { /* an empty body is none */
        call("GET", url, NULL, bodies[i], 0, &a);
        CHECK_INT(a.status, i == 0 ? 413 : 200);
        call("GET", url, chunked, bodies[i], 0, &a);
        CHECK_INT(a.status, i == 0 ? 413 : 200);
    }
    get("/hello");
    CHECK_INT(a.status, 200);
    stop();
}

static void test_overflow(void)
{
    char url[256];
    START("--stack-size", "128KiB");
    snprintf(url, sizeof url, "%s/overflow", server.address);
    CHECK(!call_try(NULL, url, NULL, NULL, 0, &a));
    read_log();
    const char *at = strstr(said, "stack overflow in GET /overflow run ");
    if (!at) printf("# the log is: %s\n", said);
    CHECK(at && strstr(at, "its stack of 128 KiB is used up"));
    int status = 0;
    CHECK(waitpid(server.pid, &status, 0) == server.pid && WIFSIGNALED(status) && WTERMSIG(status) == SIGSEGV);
    close(server.log);
}

static void test_secrets(void)
{
    const char *const secret[] = {"Authorization: Bearer s3cr3t", "Cookie: id=s3cr3t", "User-Agent: me", NULL};
    START("--log-level", "info");
    get_with("/headers", secret);
    CHECK_STR(a.body, "{\"agent\":\"me\",\"secret\":null,\"cookie\":null}");
    stop();
    char command[256];
    snprintf(command, sizeof command, "grep -rqa s3cr3t '%s'", data);
    CHECK(system(command) != 0);
    START("--log-level", "info");
    get_with("/headers-kept", secret);
    CHECK_STR(a.body, "{\"agent\":\"me\",\"secret\":\"Bearer s3cr3t\",\"cookie\":null}");
    stop();
    CHECK_INT(system(command), 0);
}

/* ---- Calls ---- */

static void start_pair(const char *flag, const char *value)
{
    start_with(&peer, "peer", (const char *const[]){NULL});
    CHECK(setenv("SELF", peer.address, 1) == 0);
    START(flag, value);
}

static void stop_pair(void)
{
    stop();
    CHECK_INT(served_stop(&peer, SIGTERM), 0);
}

static void fetched(const char *path, const char *expected)
{
    char *escaped = curl_easy_escape(NULL, path, 0), url[2048];
    snprintf(url, sizeof url, "/fetch-json?path=%s", escaped);
    curl_free(escaped);
    get(url);
    if (!strstr(a.body, expected)) printf("# %s: %s\n", path, a.body);
    CHECK(strstr(a.body, expected) == a.body);
}

static void test_fetch_json(void)
{
    static const int retryable[] = {408, 409, 425, 429, 500, 502, 503, 504, 529},
                     fatal[] = {301, 400, 401, 402, 403, 404, 410, 413, 422};
    char path[256];
    start_pair("--log-level", "info");
    fetched("/status?code=200&body={\"a\":[1]}", "{\"a\":[1]}");
    fetched("/status?code=201&body=2", "2");
    for (size_t i = 0; i < sizeof retryable / sizeof *retryable; i++) {
        snprintf(path, sizeof path, "/status?code=%d&body=excerpt", retryable[i]);
        fetched(path, "2 retried ");
        CHECK(strstr(a.body, "excerpt"));
    }
    for (size_t i = 0; i < sizeof fatal / sizeof *fatal; i++) {
        snprintf(path, sizeof path, "/status?code=%d&body=excerpt", fatal[i]);
        fetched(path, "1 fatal ");
        CHECK(strstr(a.body, "excerpt"));
    }
    fetched("/status?code=200&body={", "1 fatal ");
    fetched("/status?code=500&body=x&header=x-should-retry&value=false", "1 fatal ");
    fetched("/status?code=400&body=x&header=x-should-retry&value=true", "2 retried ");
    stop_pair();
}

static void test_streams(void)
{
    start_pair("--log-level", "info");
    get("/streams");
    CHECK_STR(
        a.body,
        "{\"whole\":[200,\"text/event-stream\",\"first|a\\nb|7\",\"message|second|7\"],"
        "\"part\":[200,\"text/event-stream\",\"first|a\\nb|7\",false],\"bytes\":61,\"cut\":false,\"fatal\":false}");
    stop_pair();
}

static void test_upstream_connections(void)
{
    start_pair("--upstream-connections", "1");
    get("/parallel");
    CHECK_STR(a.body, "done");
    CHECK_INT(seen->inside_most, 1);
    stop_pair();
}

static void test_rest(void)
{
    START("--log-level", "info");
    get("/values");
    CHECK_STR(a.body, "{\"a\":1.5,\"b\":-3} same numbers line 1, column 4: the text ends too early");
    get("/rest");
    CHECK_STR(a.body, "{\"late\":true,\"settled\":[{\"ok\":true,\"value\":1},{\"ok\":false,\"error\":\"attempt 3\"}],"
                      "\"out\":42,\"ok\":true}");
    stop();
}

static void test_late_routes(void)
{
    START("--log-level", "info");
    get("/late");
    CHECK_STR(a.body, "late");
    CHECK_STR(answer_header(&a, "Cache-Control", text, sizeof text), "no-store");
    get("/late-run");
    CHECK_STR(a.body, "late");
    CHECK_STR(answer_header(&a, "Access-Control-Allow-Origin", text, sizeof text), "https://app.test");
    stop();
    CHECK(setenv("LATE_MISTAKE", "1", 1) == 0);
    CHECK_INT(output_of("--data /dev/null/none"), 2);
    CHECK(unsetenv("LATE_MISTAKE") == 0);
    CHECK(strstr(said, "nothing like a route"));
}

static const check_case cases[] = {{"--help and --version", test_help},
                                   {"routes that sw_on_start adds", test_late_routes},
                                   {"flags are environment variables", test_environment},
                                   {"the admin token", test_admin},
                                   {"the log as text and JSON", test_log},
                                   {"more runs than --runs-max", test_runs_max},
                                   {"--head-max and --body-max", test_sizes},
                                   {"--body-max 0", test_no_body},
                                   /* sanitizers report overflows themselves */
                                   {"a stack overflow names the run", SANITIZED ? NULL : test_overflow},
                                   {"secrets are not journaled", test_secrets},
                                   {"which statuses are retried", test_fetch_json},
                                   {"responses that are read as they come", test_streams},
                                   {"--upstream-connections", test_upstream_connections},
                                   {"values, groups, sleeps and blocking", test_rest}};

SERVED_MAIN_NOTES(serve, seen, cases)
