/* The histograms of GET /_sw/metrics: what counts, under which labels, and that there are never many series. */
#include "runtime/base/clock.h"
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { IDS = 10000, IDS_A_RUN = 2500, SERIES = 40, PAGE_BYTES = 4 << 20, NAP_MS = 300 };

/* ---- The program ---- */

static sw_value nothing(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static sw_value fail_twice(sw_ctx *c, sw_value v)
{
    if (sw_attempt(c) < 3) sw_fail(c, "not yet");
    return v;
}

static sw_value fail(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail_fatal(c, "never");
}

/* Calls what the body names. */
static sw_value fetch(sw_ctx *c, sw_value url)
{
    sw_fetch(c, &(sw_request){.url = sw_cstr(c, url)});
    return sw_nil();
}

/* Steps whose ids have no digits, so that each has a label of its own: `from` in letters. */
static void on_many(sw_ctx *c)
{
    int from = atoi(sw_query(c, "from"));
    for (int i = from; i < from + IDS_A_RUN; i++) {
        char id[] = {(char)('a' + i / 1000), (char)('a' + i / 100 % 10), (char)('a' + i / 10 % 10),
                     (char)('a' + i % 10), 0};
        sw_step(c, id, nothing, sw_nil());
    }
    sw_reply_text(c, 200, "done");
}

static void on_numbered(sw_ctx *c)
{
    for (int i = 0; i < 100; i++) {
        char id[32];
        snprintf(id, sizeof id, "page-%d", i);
        sw_step(c, id, nothing, sw_nil());
        snprintf(id, sizeof id, "page of %c%c", 'a' + i / 10, 'a' + i % 10);
        const char *metric = i % 2 ? "page 2.0" : "page 2.1";
        sw_step_with(c, id, nothing, sw_nil(), &(sw_step_options){.metric = metric});
    }
    sw_reply_text(c, 200, "done");
}

static void on_steps(sw_ctx *c)
{
    const sw_step_options often = {.retries = 5, .backoff_ms = 1};
    sw_step(c, "a \"quoted\" \\ id", nothing, sw_nil());
    sw_step_with(c, "again", fail_twice, sw_nil(), &often);
    sw_try(c, "never", fail, sw_nil(), NULL, NULL);
    sw_reply_text(c, 200, "done");
}

static void on_fail(sw_ctx *c) { sw_fail_fatal(c, "this run fails"); }

static void on_call(sw_ctx *c)
{
    sw_step(c, "fetch", fetch, sw_str(c, sw_query(c, "url")));
    sw_reply_text(c, 200, "done");
}

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", NAP_MS);
    sw_reply_text(c, 200, "rested");
}

static void on_plain(sw_ctx *c) { sw_reply_text(c, 200, "plain"); }

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("durations");
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /numbered", on_numbered, NULL);
    sw_endpoint(app, "POST /steps", on_steps, NULL);
    sw_endpoint(app, "POST /fail", on_fail, NULL);
    sw_endpoint(app, "POST /call", on_call, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_route(app, "GET /plain/:who", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- The page ---- */

static char page[PAGE_BYTES];
static size_t page_len;
static answer a;

static size_t page_take(char *data, size_t size, size_t n, void *arg)
{
    (void)arg;
    CHECK(page_len + size * n < sizeof page);
    memcpy(page + page_len, data, size * n);
    page[page_len += size * n] = 0;
    return size * n;
}

static void page_read(void)
{
    CURL *h = curl_easy_init();
    page_len = 0;
    curl_easy_setopt(h, CURLOPT_URL, server_url("/_sw/metrics"));
    curl_easy_setopt(h, CURLOPT_WRITEFUNCTION, page_take);
    CHECK_INT(curl_easy_perform(h), CURLE_OK);
    curl_easy_cleanup(h);
}

/* The value of the series, written as on the page; -1: the page does not have it. */
static double value_of(const char *series)
{
    size_t len = strlen(series);
    for (const char *at = page; (at = strstr(at, series)); at += len)
        if ((at == page || at[-1] == '\n') && at[len] == ' ') return strtod(at + len, NULL);
    return -1;
}

/* Reads the page until the series has this value: a reply may be with its client before it has been counted. */
static void wait_value(const char *series, double value)
{
    for (int i = 0; i < PATIENCE_MS / 10; i++) {
        page_read();
        if (value_of(series) == value) return;
        usleep(10000);
    }
    printf("# %s is %f\n%s", series, value_of(series), page);
    CHECK(!"the value does not come");
}

static unsigned lines_with(const char *text)
{
    unsigned n = 0;
    for (const char *at = page; (at = strstr(at, text)); at += strlen(text)) n++;
    return n;
}

static void start(const char *folder)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/%s", root, folder);
    const char *const flags[] = {"--data", data,           "--dev", "--loops", "2", "--metric-series-max",
                                 "40",     "--park-after", "10ms",  NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static void post(const char *path, long status)
{
    call("POST", server_url(path), NULL, "", 8, &a);
    CHECK_INT(a.status, status);
}

/* ---- Tests ---- */

static void test_labels(void)
{
    start("labels");
    post("/steps", 200);
    post("/fail", 500);
    post("/numbered", 200);
    for (int i = 0; i < 3; i++) call(NULL, server_url("/plain/somebody"), NULL, NULL, 0, &a);
    call(NULL, server_url("/nowhere"), NULL, NULL, 0, &a);
    call("DELETE", server_url("/steps"), NULL, NULL, 0, &a);
    wait_value("stepwell_http_request_duration_seconds_count{endpoint=\"none\",code=\"405\"}", 1);
    CHECK(value_of("stepwell_http_request_duration_seconds_count{endpoint=\"none\",code=\"404\"}") == 1);
    CHECK(value_of("stepwell_http_request_duration_seconds_count{endpoint=\"GET /plain/:who\",code=\"200\"}") == 3);
    CHECK(value_of(
              "stepwell_http_request_duration_seconds_bucket{endpoint=\"GET /plain/:who\",code=\"200\",le=\"+Inf\"}") ==
          3);
    CHECK(value_of("stepwell_http_request_duration_seconds_count{endpoint=\"POST /fail\",code=\"500\"}") == 1);
    CHECK(value_of("stepwell_run_duration_seconds_count{endpoint=\"POST /steps\",outcome=\"succeeded\"}") == 1);
    CHECK(value_of("stepwell_run_duration_seconds_count{endpoint=\"POST /fail\",outcome=\"failed\"}") == 1);
    CHECK(value_of("stepwell_step_duration_seconds_count{endpoint=\"POST /steps\",step=\"a \\\"quoted\\\" \\\\ id\","
                   "outcome=\"succeeded\"}") == 1);
    CHECK(
        value_of("stepwell_step_duration_seconds_count{endpoint=\"POST /steps\",step=\"again\",outcome=\"retried\"}") ==
        2);
    CHECK(value_of(
              "stepwell_step_duration_seconds_count{endpoint=\"POST /steps\",step=\"again\",outcome=\"succeeded\"}") ==
          1);
    CHECK(value_of(
              "stepwell_step_duration_seconds_count{endpoint=\"POST /steps\",step=\"never\",outcome=\"failed\"}") == 1);
    CHECK(value_of("stepwell_step_duration_seconds_count{endpoint=\"POST "
                   "/numbered\",step=\"page-#\",outcome=\"succeeded\"}") == 100);
    CHECK(value_of("stepwell_step_duration_seconds_count{endpoint=\"POST "
                   "/numbered\",step=\"page 2.0\",outcome=\"succeeded\"}") == 50);
    CHECK(!strstr(page, "page of"));
    CHECK(value_of("stepwell_metric_others_total") == 0);
    CHECK(value_of("stepwell_journal_commit_duration_seconds_count") == value_of("stepwell_journal_commits_total"));
    CHECK(value_of("stepwell_loop_turn_seconds_count") > 0);
    CHECK(value_of("process_open_fds") > 0 && value_of("process_resident_memory_bytes") > 0);
    stop();
}

static void test_bounded(void)
{
    char path[64];
    start("bounded");
    for (int from = 0; from < IDS; from += IDS_A_RUN) {
        snprintf(path, sizeof path, "/many?from=%d", from);
        post(path, 200);
    }
    wait_value("stepwell_run_duration_seconds_count{endpoint=\"POST /many\",outcome=\"succeeded\"}", IDS / IDS_A_RUN);
    CHECK_INT(lines_with("\nstepwell_step_duration_seconds_count"), SERIES + 1);
    CHECK(value_of("stepwell_step_duration_seconds_count{endpoint=\"other\",step=\"other\",outcome=\"other\"}") ==
          IDS - SERIES);
    CHECK(value_of("stepwell_metric_others_total") == IDS - SERIES);
    CHECK(value_of("stepwell_steps_done_total") == IDS);
    stop();
}

static void test_calls(void)
{
    char path[512];
    start("calls");
    for (int i = 0; i < 2; i++) {
        snprintf(path, sizeof path, "/call?url=%s/plain/it?secret", server.address);
        post(path, 200);
    }
    snprintf(path, sizeof path, "stepwell_call_duration_seconds_count{host=\"%s\",code=\"200\"}", server.address + 7);
    wait_value(path, 2);
    post("/call?url=nonsense", 500);
    page_read();
    CHECK_INT(lines_with("\nstepwell_call_duration_seconds_count"), 2);
    CHECK(value_of("stepwell_call_duration_seconds_count{host=\"none\",code=\"bad url\"}") == 1);
    CHECK(!strstr(page, "secret"));
    stop();
}

/* A run that was begun by a process that was killed: its duration counts from there. */
static void test_resumed(void)
{
    char output[1024];
    start("resumed");
    server_begin("POST", "/nap", output, sizeof output);
    int64_t began_ms = clock_steady_ms();
    served_stop(&server, SIGKILL);
    while (clock_steady_ms() < began_ms + 2 * NAP_MS) usleep(10000);
    start("resumed");
    wait_value("stepwell_run_duration_seconds_count{endpoint=\"POST /nap\",outcome=\"succeeded\"}", 1);
    CHECK(value_of("stepwell_run_duration_seconds_sum{endpoint=\"POST /nap\",outcome=\"succeeded\"}") * 1000 >=
          2 * NAP_MS);
    stop();
}

static const check_case cases[] = {{"each duration counts once, under its labels", test_labels},
                                   {"ten thousand ids of steps are a few series", test_bounded},
                                   {"calls count by host and status", test_calls},
                                   {"a run that was resumed counts from its beginning", test_resumed}};
SERVED_MAIN(serve, NULL, cases)
