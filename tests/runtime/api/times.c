/* Times at the ends of their range: nothing overflows (UndefinedBehaviorSanitizer looks), a time that is over is over
 * at once, and one that never comes is waited for, in memory or not. */
#include <inttypes.h>

#include "runtime/base/moment.h"
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

static sw_value fails(sw_ctx *c, sw_value v)
{
    if (sw_attempt(c) > 1) return v;
    if (sw_is_nil(v)) sw_fail(c, "once");
    sw_fail_after(c, sw_as_int(v, 0), "once");
}

static int64_t number(sw_ctx *c) { return strtoll(sw_query(c, "ms"), NULL, 10); }

static sw_value nap_in_step(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "z", sw_as_int(v, 0));
    sw_sleep_until(c, "z", sw_as_int(v, 0));
    return v;
}

static void on_sleep(sw_ctx *c)
{
    sw_sleep(c, "z", number(c));
    sw_reply_text(c, 200, "over");
}

static void on_until(sw_ctx *c)
{
    sw_sleep_until(c, "z", number(c));
    sw_reply_text(c, 200, "over");
}

static void on_step(sw_ctx *c)
{
    sw_step(c, "nap", nap_in_step, sw_int(number(c)));
    sw_reply_text(c, 200, "over");
}

static void on_fail(sw_ctx *c)
{
    sw_step(c, "f", fails, sw_int(number(c)));
    sw_reply_text(c, 200, "over");
}

static sw_value call_with(sw_ctx *c, sw_value v)
{
    sw_fetch(c,
             &(sw_request){.url = sw_cstr(c, sw_at(v, 0)), .timeout_ms = sw_as_int(sw_at(v, 1), 0), .redirects = -1});
    return v;
}

/* Options at both ends; the step fails once and has no time to lose. */
static void on_options(sw_ctx *c)
{
    int64_t ms = number(c);
    sw_step_options options = {
        .retries = ms < 0 ? 0 : INT32_MAX, .timeout_ms = ms, .backoff_ms = ms < 0 ? ms : -ms, .backoff_max_ms = ms};
    sw_step_with(c, "f", fails, sw_int(1), &options);
    sw_step_with(c, "call", call_with, sw_array(c, 2, sw_str(c, sw_query(c, "url")), sw_int(ms)), &options);
    sw_reply_text(c, 200, "over");
}

static void on_backoff(sw_ctx *c)
{
    int64_t ms = number(c);
    sw_step_options options = {.backoff_ms = ms, .backoff_max_ms = ms};
    sw_step_with(c, "never", fails, sw_nil(), &options);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("times");
    sw_endpoint_options far = {.timeout_ms = INT64_MAX, .retain_ms = INT64_MAX}, odd = {.retain_ms = INT64_MIN};
    sw_endpoint(app, "GET /sleep", on_sleep, &far);
    sw_endpoint(app, "GET /until", on_until, &odd);
    sw_endpoint(app, "GET /step", on_step, &far);
    sw_endpoint(app, "GET /fail", on_fail, &far);
    sw_endpoint(app, "GET /options", on_options, &far);
    sw_endpoint(app, "GET /backoff", on_backoff, &far);
    sw_route(app, "GET /plain", on_sleep);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void get(const char *path, int64_t ms)
{
    char url[512];
    snprintf(url, sizeof url, "%s%s?ms=%" PRId64 "&url=%s/_sw/healthz", server.address, path, ms, server.address);
    call(NULL, url, NULL, NULL, 0, &a);
}

static void start(void)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", "--redirect-after", "20ms", NULL};
    served_start(&server, flags);
}

/* In every place where a handler gives a time. */
static void test_over(void)
{
    static const int64_t over[] = {0, -1, INT64_MIN, INT64_MIN + 1, 1};
    static const char *const paths[] = {"/sleep", "/until", "/step", "/fail", "/plain", "/options"};
    start();
    for (size_t i = 0; i < sizeof over / sizeof over[0]; i++)
        for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
            if (k == 5 && over[i] == 1) continue; /* a timeout of 1 ms may pass */
            get(paths[k], over[i]);
            if (a.status != 200) printf("# %s %" PRId64 ": %ld %s\n", paths[k], over[i], a.status, a.body);
            CHECK_INT(a.status, 200);
            CHECK_STR(a.body, "over");
        }
    get("/options", INT64_MAX);
    CHECK_STR(a.body, "over");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* The client is sent on, and the run is there after a restart. */
static void test_never(void)
{
    static const int64_t far[] = {INT64_MAX, INT64_MAX - 1, INT64_MAX / 1000, MOMENT_LAST_MS};
    static const char *const paths[] = {"/sleep", "/until", "/fail", "/backoff"};
    char url[128];
    start();
    for (size_t i = 0; i < sizeof far / sizeof far[0]; i++)
        for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++) {
            get(paths[k], far[i]);
            CHECK_INT(a.status, 303);
        }
    for (int round = 0; round < 2; round++) {
        snprintf(url, sizeof url, "%s/_sw/metrics", server.address);
        for (int i = 0; i < 3000; i++) { /* all of them leave memory, also those that wait for ever */
            call(NULL, url, NULL, NULL, 0, &a);
            if (strstr(a.body, "\nstepwell_runs_in_memory 0\n") && strstr(a.body, "\nstepwell_runs_unfinished 16\n"))
                break;
            usleep(10000);
        }
        CHECK(strstr(a.body, "\nstepwell_runs_in_memory 0\n") && strstr(a.body, "\nstepwell_runs_unfinished 16\n"));
        CHECK_INT(served_stop(&server, round ? SIGTERM : SIGKILL), round ? 0 : -SIGKILL);
        if (!round) start();
    }
}

static const check_case cases[] = {{"times that are over", test_over}, {"times that never come", test_never}};

SERVED_MAIN(serve, NULL, cases)
