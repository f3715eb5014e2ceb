/* A replay is the same run: what its first execution saw, the one after a sleep or a restart sees too. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    int runs, steps, others; /* atomic */
    int asleep;              /* atomic: sleep_on goes on */
} notes;
static notes *seen;

static void count_up(int *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }

/* ---- Handlers ---- */

static sw_value echo(sw_ctx *c, sw_value v)
{
    (void)c;
    count_up(&seen->steps);
    return v;
}

static sw_value other(sw_ctx *c, sw_value v)
{
    (void)c;
    count_up(&seen->others);
    return v;
}

/* A value of as many levels, as result, chunk, input and response, before the run leaves memory and after it. */
static void on_deep(sw_ctx *c)
{
    sw_value v = sw_body_json(c);
    sw_value result = sw_step(c, "keep", echo, v);
    sw_push_chunk(c, result);
    sw_sleep(c, "nap", 60);
    sw_reply_json(c, 200, result);
}

static sw_value fails(sw_ctx *c, sw_value v)
{
    count_up(&seen->steps);
    if (sw_as_bool(v, false)) sw_fail_fatal(c, "for good");
    sw_fail(c, "this time");
}

/* Both answers, as the execution after the nap has them. */
static void on_error(sw_ctx *c)
{
    sw_error once, fatal;
    sw_step_options options = {.retries = SW_NO_RETRIES};
    sw_try_with(c, "once", fails, sw_bool(false), &options, NULL, &once);
    sw_try_with(c, "fatal", fails, sw_bool(true), &options, NULL, &fatal);
    bool first = __atomic_add_fetch(&seen->runs, 1, __ATOMIC_SEQ_CST) == 1;
    if (first && (once.fatal || !fatal.fatal)) abort();
    sw_sleep(c, "nap", 2000); /* it leaves memory meanwhile, however busy the machine is */
    sw_reply_text(c, 200, "%d %s %s %d, %d %s %s %d", once.fatal, once.step, once.message, once.attempts, fatal.fatal,
                  fatal.step, fatal.message, fatal.attempts);
}

static sw_value parse(sw_ctx *c, sw_value v) { return (void)v, sw_body_json(c); }

static sw_value nap(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "nap", 60);
    return v;
}

/* A step that cannot read the body, beside a branch for which the run leaves memory or not. */
static void on_body(sw_ctx *c)
{
    count_up(&seen->runs);
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "parse", parse, sw_nil());
    if (sw_query(c, "nap")) sw_group_branch(g, "nap", nap, sw_nil());
    sw_reply_json(c, 200, sw_group_wait(g));
}

static sw_value fill(sw_ctx *c, sw_value v)
{
    size_t n = (size_t)sw_as_int(v, 0);
    return sw_bin(c, sw_alloc(c, n), n);
}

/* Takes n pieces of memory beside 40 KiB of results. */
static void on_memory(sw_ctx *c)
{
    for (int i = 0; i < 10; i++) sw_step(c, "fill", fill, sw_int(4096));
    for (int n = atoi(sw_query(c, "n")); n > 0; n--) sw_alloc(c, 512);
    if (sw_query(c, "nap")) sw_sleep(c, "nap", 60);
    sw_reply_text(c, 200, "enough");
}

/* Found by lattice reduction: fnv(root, "s" and this id, 0) is fnv(root, "s" and "a", 1). */
static const char *const twin = "\x61\x61\x75\x72\x61\x6d\x65\x40\x0d\x51\x5d\x3b\x10\x67\x03\xc2\x32\x06";

static sw_value look(sw_ctx *c, sw_value v)
{
    (void)c, (void)v;
    return sw_bool(__atomic_load_n(&seen->asleep, __ATOMIC_SEQ_CST) != 0);
}

/* Until the test says so. */
static void sleep_on(sw_ctx *c)
{
    do sw_sleep(c, "nap", 100);
    while (sw_as_bool(sw_step(c, "look", look, sw_nil()), false));
}

static void on_twin(sw_ctx *c)
{
    sw_step(c, "a", echo, sw_nil());
    if (!getenv("CHANGED")) sw_step(c, "a", echo, sw_str(c, "second a"));
    if (sw_query(c, "both") || getenv("CHANGED")) sw_step(c, twin, other, sw_str(c, "twin"));
    count_up(&seen->runs);
    sleep_on(c);
    sw_reply_text(c, 200, "rested");
}

static void log_lines(sw_ctx *c)
{
    sw_log(c, "line before");
    sw_step(c, "kept", echo, sw_nil());
    sw_log(c, "line between");
    if (!getenv("CHANGED")) sw_step(c, "gone", echo, sw_nil());
    sw_log(c, "line after");
}

static sw_value log_branch(sw_ctx *c, sw_value v)
{
    log_lines(c);
    return v;
}

/* Lines of the execution after the nap: only those that the first did not come to. */
static void on_log(sw_ctx *c)
{
    log_lines(c);
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "b", log_branch, sw_nil());
    sw_group_wait(g);
    sw_log(c, "line at the nap");
    count_up(&seen->runs);
    sleep_on(c);
    sw_log(c, "line at the end");
    sw_reply_text(c, 200, "logged");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("same");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "POST /deep", on_deep, NULL);
    sw_endpoint(app, "GET /error", on_error, NULL);
    sw_endpoint(app, "POST /body", on_body, NULL);
    sw_endpoint(app, "GET /memory", on_memory, NULL);
    sw_endpoint(app, "GET /twin", on_twin, NULL);
    sw_endpoint(app, "GET /log", on_log, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void start_with(const char *run_state_max)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data",       data,   "--loops",         "1",           "--dev", "--hold", "30s",
                                 "--park-after", "20ms", "--run-state-max", run_state_max, NULL};
    served_start(&server, flags);
}

static void start(void)
{
    start_with("64MiB");
    memset(seen, 0, sizeof *seen);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static const char *begin(const char *path)
{
    static char output[2048], location[2048];
    const char *const async[] = {"Prefer: respond-async", NULL};
    call(NULL, server_url(path), async, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, sizeof output, "%s", strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/"));
    return output;
}

/* Until the next start. */
static void fall_asleep(void) { __atomic_store_n(&seen->asleep, 1, __ATOMIC_SEQ_CST); }

static void wait_for(const int *n, int at_least)
{
    while (__atomic_load_n(n, __ATOMIC_SEQ_CST) < at_least) usleep(1000);
}

/* Until the journal of that run, as it is on disk, has these words. */
static void journaled(const char *output, const char *words)
{
    char path[2048];
    snprintf(path, sizeof path, "%.*s", (int)(strstr(output, "/output?") - output), output);
    do call(NULL, server_url(path), NULL, NULL, 0, &a);
    while (!strstr(a.body, words));
}

static void test_depth(void)
{
    static const int levels[] = {1, 31, 32, 33, 64, 127, 128};
    char body[300];
    start();
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++) {
        int n = levels[i], at = 0;
        for (int k = 0; k < n; k++) body[at++] = '[';
        body[at++] = '7';
        for (int k = 0; k < n; k++) body[at++] = ']';
        body[at] = 0;
        call("POST", server_url("/deep"), NULL, body, 20, &a);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, body);
    }
    CHECK_INT(seen->steps, sizeof levels / sizeof levels[0]);
    stop();
}

static void test_error(void)
{
    start();
    call(NULL, server_url("/error"), NULL, NULL, 20, &a);
    CHECK_STR(a.body, "0 once this time 1, 1 fatal for good 1");
    CHECK_INT(seen->runs, 2);
    CHECK_INT(seen->steps, 2);
    stop();
}

static void test_body(void)
{
    static const char *const paths[] = {"/body", "/body?nap=1"};
    start();
    for (int i = 0; i < 2; i++) {
        call("POST", server_url(paths[i]), NULL, "no JSON", 20, &a);
        CHECK_INT(a.status, 500);
        CHECK(strstr(a.body, "the body is not JSON: ") && strstr(a.body, "\"step\":\"parse\""));
    }
    stop();
}

static long memory_status(int n, const char *nap)
{
    char path[128];
    snprintf(path, sizeof path, "/memory?n=%d%s", n, nap);
    call(NULL, server_url(path), NULL, NULL, 20, &a);
    return a.status;
}

/* As much as a run may have in its first execution, it may have in the second. */
static void test_memory(void)
{
    start_with("64KiB");
    int most = 0, too_many = 1 << 12;
    CHECK_INT(memory_status(too_many, ""), 500);
    CHECK(strstr(a.body, "--run-state-max"));
    while (too_many - most > 1) {
        int n = (most + too_many) / 2;
        *(memory_status(n, "") == 200 ? &most : &too_many) = n;
    }
    CHECK(most > 100);
    CHECK_INT(memory_status(most, "&nap=1"), 200);
    CHECK_STR(a.body, "enough");
    stop();
}

/* Another step's record is not taken for this one's, and nothing is done that was not meant. */
static void test_twins(void)
{
    start();
    call(NULL, server_url("/twin?both=1"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "has the same hash as another id of this run: give it another id"));
    CHECK_INT(seen->steps, 2);
    CHECK_INT(seen->others, 0);
    char output[2048];
    fall_asleep();
    snprintf(output, sizeof output, "%s", begin("/twin"));
    wait_for(&seen->runs, 1);
    journaled(output, "second a");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    CHECK(setenv("CHANGED", "1", 1) == 0);
    start();
    call(NULL, server_url(output), NULL, NULL, 20, &a);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, "it has a step \\\"a\\\" (number 2) where the code now has step"));
    CHECK_INT(seen->others, 0);
    CHECK(unsetenv("CHANGED") == 0);
    stop();
}

static size_t times(const char *text, const char *what)
{
    size_t n = 0;
    for (const char *at = text; (at = strstr(at, what)); at++) n++;
    return n;
}

/* What the server logs until it has ended. */
static const char *log_of_rest(void)
{
    static char said[65536];
    size_t len = 0;
    CHECK(kill(server.pid, SIGTERM) == 0);
    for (ssize_t n; (n = read(server.log, said + len, sizeof said - 1 - len)) > 0;) len += (size_t)n;
    said[len] = 0;
    int status;
    CHECK(waitpid(server.pid, &status, 0) == server.pid && WIFEXITED(status) && WEXITSTATUS(status) == 0);
    close(server.log);
    return said;
}

/* `lines` of each are logged in the execution after the restart, with the code changed meanwhile or not. */
static void logs(bool changed, size_t before, size_t between, size_t after, size_t nap)
{
    char output[2048];
    start();
    fall_asleep();
    snprintf(output, sizeof output, "%s", begin("/log"));
    wait_for(&seen->runs, 1);
    journaled(output, "\"nap\"");
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    if (changed) CHECK(setenv("CHANGED", "1", 1) == 0);
    start();
    call(NULL, server_url(output), NULL, NULL, 20, &a);
    CHECK_STR(a.body, "logged");
    const char *said = log_of_rest();
    CHECK(unsetenv("CHANGED") == 0);
    if (times(said, "line at the end") != 1) printf("# %s\n", said);
    CHECK_INT(times(said, "line before"), before);
    CHECK_INT(times(said, "line between"), between);
    CHECK_INT(times(said, "line after"), after);
    CHECK_INT(times(said, "line at the nap"), nap);
    CHECK_INT(times(said, "line at the end"), 1);
}

static void test_log(void)
{
    logs(false, 0, 0, 0, 0);
    logs(true, 0, 0, 0, 0);
}

static const check_case cases[] = {
    {"values of any depth that JSON may have", test_depth},      {"the error of a step that failed", test_error},
    {"the answer to a body that a step cannot read", test_body}, {"the memory that a run may have", test_memory},
    {"steps whose paths are the same hash", test_twins},         {"the lines of its log", test_log}};

SERVED_MAIN_NOTES(serve, seen, cases)
