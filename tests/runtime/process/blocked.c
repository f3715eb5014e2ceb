/* The log names the function that keeps a loop to itself, where its source is, and what to do. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { COMPUTED_MS = 80, LINES_OFF_MAX = 2 /* the compiler may name the brace, or what comes behind it */ };

/* ---- The program ---- */

static void compute(void)
{
    struct timespec from, now;
    CHECK(clock_gettime(CLOCK_MONOTONIC, &from) == 0);
    do CHECK(clock_gettime(CLOCK_MONOTONIC, &now) == 0);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < COMPUTED_MS);
}

enum { STEP_LINE = __LINE__ + 1 };
static sw_value in_step(sw_ctx *c, sw_value v)
{
    (void)c;
    compute();
    return v;
}

enum { BRANCH_LINE = __LINE__ + 1 };
static sw_value in_branch(sw_ctx *c, sw_value v)
{
    (void)c;
    compute();
    return v;
}

static void on_step(sw_ctx *c)
{
    (void)sw_step(c, "crunch", in_step, sw_int(1));
    sw_reply_text(c, 200, "computed");
}

static void on_branch(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "branch", in_branch, sw_int(1));
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "computed");
}

enum { HANDLER_LINE = __LINE__ + 1 };
static void on_handler(sw_ctx *c)
{
    compute();
    sw_reply_text(c, 200, "computed");
}

enum { PLAIN_LINE = __LINE__ + 1 };
static void on_plain(sw_ctx *c)
{
    compute();
    sw_reply_text(c, 200, "computed");
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

/* What it computes it computes behind a step, whose function is not to blame. */
enum { BEHIND_LINE = __LINE__ + 1 };
static void on_behind(sw_ctx *c)
{
    (void)sw_step(c, "quick", quick, sw_int(1));
    compute();
    sw_reply_text(c, 200, "computed");
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("blocked");
    sw_endpoint(app, "GET /step", on_step, NULL);
    sw_endpoint(app, "GET /branch", on_branch, NULL);
    sw_endpoint(app, "GET /handler", on_handler, NULL);
    sw_endpoint(app, "GET /behind", on_behind, NULL);
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}

/* ---- Its log ---- */

/* The first line of the log, from here on, that has `words`: from there to its end. */
static const char *log_await(const char *words)
{
    static char said[65536];
    size_t len = 0;
    said[0] = 0;
    while (!strstr(said, words) || !strchr(strstr(said, words), '\n')) {
        struct pollfd p = {.fd = server.log, .events = POLLIN};
        CHECK(poll(&p, 1, PATIENCE_MS) == 1 && len < sizeof said - 1);
        ssize_t n = read(server.log, said + len, sizeof said - 1 - len);
        CHECK(n > 0);
        len += (size_t)n;
        said[len] = 0;
    }
    *strchr(strstr(said, words), '\n') = 0;
    return strstr(said, words);
}

/* Whether the line names the function, in this file, at `line` or a little below. */
static bool line_names(const char *logged, const char *function, int line)
{
    char place[128];
    for (int off = 0; off <= LINES_OFF_MAX; off++) {
        snprintf(place, sizeof place, "(%s at blocked.c:%d)", function, line + off);
        if (strstr(logged, place)) return true;
    }
    printf("# not %s at blocked.c:%d: %s\n", function, line, logged);
    return false;
}

/* Asks for `path` and returns what is logged of it. */
static const char *log_of(const char *path)
{
    static answer a;
    char words[128];
    const char *const flags[] = {"--data",       root,   "--loops",     "1",    "--dev",
                                 "--block-warn", "10ms", "--log-level", "info", NULL};
    served_start(&server, flags);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    snprintf(words, sizeof words, "GET %s held loop 0 for ", path);
    const char *logged = log_await(words);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
    long ms = strtol(logged + strlen(words), NULL, 10);
    CHECK(ms > 0);
    return logged;
}

static void test_step(void)
{
    const char *logged = log_of("/step");
    CHECK(strstr(logged, " ms in step \"crunch\" ("));
    CHECK(line_names(logged, "in_step", STEP_LINE));
    CHECK(strstr(logged, "; do that by sw_blocking, or serve with more --loops"));
}

static void test_outside(void)
{
    const char *logged = log_of("/handler");
    CHECK(strstr(logged, " ms outside steps ("));
    CHECK(line_names(logged, "on_handler", HANDLER_LINE));
    CHECK(strstr(logged, "; do that in a step, by sw_blocking, or serve with more --loops"));
}

static void test_behind(void) { CHECK(line_names(log_of("/behind"), "on_behind", BEHIND_LINE)); }

static void test_branch(void)
{
    const char *logged = log_of("/branch");
    CHECK(strstr(logged, " ms outside steps ("));
    CHECK(line_names(logged, "in_branch", BRANCH_LINE));
}

static void test_plain(void)
{
    const char *logged = log_of("/plain");
    CHECK(line_names(logged, "on_plain", PLAIN_LINE));
    CHECK(strstr(logged, "; do that by sw_blocking"));
}

static void test_no_addr2line(void)
{
    char path[4096];
    CHECK(getenv("PATH") && snprintf(path, sizeof path, "%s", getenv("PATH")) < (int)sizeof path);
    CHECK(setenv("PATH", "/nowhere", 1) == 0);
    const char *logged = log_of("/step");
    CHECK(setenv("PATH", path, 1) == 0);
    CHECK(strstr(logged, " ms in step \"crunch\" (runtime_blocked+0x"));
}

static const check_case cases[] = {{"a step's function", test_step},
                                   {"a handler outside steps", test_outside},
                                   {"a handler behind a step", test_behind},
                                   {"a branch", test_branch},
                                   {"a plain route", test_plain},
                                   {"without addr2line: the address in the program", test_no_addr2line}};

SERVED_MAIN(serve, NULL, cases)
