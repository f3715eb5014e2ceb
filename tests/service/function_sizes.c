/* How large the input of a function may be: what is kept and told of a large one, what is refused since a journal or a
 * run's memory could not have it, and what becomes of a run whose input no longer fits. */
#include "tests/service/functions.h"

enum { LARGE = 3 << 20, PAGE_BYTES = 1 << 14 };

/* ---- The program ---- */

static sw_value echo(sw_ctx *c, sw_value input) { return (void)c, input; }

static sw_value ask_printer(sw_ctx *c, sw_value input)
{
    if (!seen->mended) sw_fail(c, "the printer is out of paper");
    return input;
}

static sw_value on_waits(sw_ctx *c, sw_value input)
{
    static const sw_step_options often = {.retries = 1000000, .backoff_ms = 100, .backoff_max_ms = 100};
    (void)sw_step_with(c, "print", ask_printer, sw_nil(), &often);
    return sw_int((int64_t)sw_len(input));
}

static sw_value on_large(sw_ctx *c, sw_value input)
{
    if (!seen->gone_on) sw_sleep(c, "nap", HOUR_MS);
    return sw_int((int64_t)sw_len(sw_get(input, "text")));
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("function_sizes");
    sw_function(app, "echo", echo, NULL);
    sw_function(app, "waits", on_waits, NULL);
    sw_function(app, "large", on_large, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Large ones ---- */

static char large[LARGE + 64];

static void test_large(void)
{
    char count_text[32];
    start_in("large");
    memset(large, 'x', LARGE);
    memcpy(large, "{\"text\":\"", 9);
    strcpy(large + LARGE, "\"}");
    snprintf(count_text, sizeof count_text, "%d", LARGE - 9);
    begin("large", large);
    wait_for_state("sleeping");
    CHECK(strstr(a.body, "\"inputLeftOut\":") && a.body_len < PAGE_BYTES);
    CHECK(strstr(page("/_sw/runs?limit=10", ""), id) && a.body_len < PAGE_BYTES);
    CHECK(strstr(a.body, "\"begunBy\":"));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    seen->gone_on = 1;
    start_with(NULL, NULL);
    begin("large", large);
    CHECK_STR(output(200), count_text);
    stop();
    start_with("--run-state-max", "64KiB");
    CHECK_INT(post("large", NULL, large), 413);
    CHECK(strstr(a.body, "--run-state-max"));
    stop();
    start_with("--body-max", "1MiB");
    CHECK_INT(post("large", NULL, large), 413);
    stop();
}

/* ---- What does not fit ---- */

/* JSON of an array of `count` ones, each a byte on disk and many in memory, between the two texts. */
static const char *ones(const char *begins, size_t count, const char *ends)
{
    char *at = stpcpy(stpcpy(large, begins), "[1");
    for (size_t i = 1; i < count; i++) at = stpcpy(at, ",1");
    (void)stpcpy(stpcpy(at, "]"), ends);
    return large;
}

static void fork_last(long status)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s/fork", id);
    call("POST", server_url(path), NULL, large, 0, &a);
    CHECK_INT(a.status, status);
}

/* No run begins whose input its journal could not have, though it fits into memory. */
static void test_over_journal(void)
{
    in_folder("over_journal");
    seen->gone_on = 1;
    start_with("--run-state-max", "64KiB");
    for (size_t len = 1000; len <= 250000; len += 24900) {
        int n = snprintf(large, sizeof large, "{\"text\":\"%0*d\"}", (int)len, 0);
        CHECK(n > 0);
        CHECK_INT(post("large", NULL, large), len < 60000 ? 202 : 413);
        CHECK(len < 60000 || strstr(a.body, "--run-state-max"));
    }
    stop();
}

/* A fork is refused for what a run is refused for: else it could never be loaded. The dry one says so, too. */
static void test_fork_over_memory(void)
{
    in_folder("fork_over_memory");
    start_with("--run-state-max", "64KiB");
    begin("echo", "[1]");
    for (size_t count = 12000; count <= 48000; count += 12000) {
        CHECK_INT(post("echo", NULL, ones("", count, "")), 413);
        (void)ones("{\"body\":", count, "}");
        fork_last(413);
        CHECK(strstr(a.body, "--run-state-max"));
        (void)ones("{\"dryRun\":true,\"body\":", count, "}");
        fork_last(413);
    }
    (void)ones("{\"body\":", 2000, "}");
    fork_last(202);
    note_output();
    CHECK_STR(output(200), ones("", 2000, ""));
    stop();
}

/* A run whose input no longer fits stands still until it does; no fork of it begins. */
static void test_less_memory(void)
{
    in_folder("less_memory");
    start_with(NULL, NULL);
    begin("waits", ones("", 20000, ""));
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start_with("--run-state-max", "64KiB");
    while (!strstr(page("/_sw/runs/", id), "stopped (unreadable)")) usleep(10000);
    (void)strcpy(large, "{}");
    fork_last(409);
    CHECK(strstr(a.body, "--run-state-max"));
    stop();
    seen->mended = 1;
    start_with(NULL, NULL);
    CHECK_STR(output(200), "20000");
    stop();
}

static const check_case cases[] = {{"large inputs", test_large},
                                   {"an input that a journal could not have", test_over_journal},
                                   {"a fork's input that does not fit memory", test_fork_over_memory},
                                   {"an input that no longer fits memory", test_less_memory}};

SERVED_MAIN_NOTES(serve, seen, cases)
