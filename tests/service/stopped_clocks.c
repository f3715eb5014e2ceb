/* The time for which a run was stopped is added to its deadline as it was, whatever the wall clock is set to meanwhile.
 */
#include "runtime/stepwell.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/served.h"

enum { DEATHS = 3, LIMIT_MS = 60000, HOUR_MS = 3600000 };

typedef struct notes {
    volatile bool harmless, lasting;
    clocks_state clocks;
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value charge(sw_ctx *c, sw_value v)
{
    if (!seen->harmless) abort();
    if (seen->lasting) sw_sleep(c, "long", 10LL * HOUR_MS);
    return v;
}

static void on_limited(sw_ctx *c)
{
    sw_sleep(c, "moment", 300);
    sw_step(c, "charge", charge, sw_nil());
    sw_reply_text(c, 200, "in time");
}

static int64_t number(sw_ctx *c, const char *name)
{
    const char *text = sw_query(c, name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static void on_clock(sw_ctx *c)
{
    (void)__atomic_add_fetch(&clocks->set_ms, number(c, "by"), __ATOMIC_SEQ_CST);
    (void)__atomic_add_fetch(&clocks->slept_ms, number(c, "slept"), __ATOMIC_SEQ_CST);
    clocks_tell();
    sw_reply_text(c, 200, "set");
}

static void share_notes(void)
{
    seen = served_notes(sizeof *seen);
    clocks = &seen->clocks;
}

static int serve(int argc, char **argv)
{
    const sw_endpoint_options limited = {.timeout_ms = LIMIT_MS};
    share_notes();
    sw_app *app = sw_app_new("clocks");
    sw_endpoint(app, "POST /limited", on_limited, &limited);
    sw_route(app, "POST /clock", on_clock);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static char data[128], output[1024];
static answer a;

static void start(void)
{
    const char *const flags[] = {"--data", data, "--dev", "--loops", "2", "--hold", "20s", NULL};
    served_start(&server, flags);
}

static void wait_death(void)
{
    char bytes[4096];
    while (read(server.log, bytes, sizeof bytes) > 0) continue;
    CHECK(waitpid(server.pid, NULL, 0) == server.pid);
    close(server.log);
}

/* A run that has ended its process three times, and has been stopped for that. */
static void begin_stopped(const char *name)
{
    char where[256];
    const char *const prefer[] = {"Prefer: respond-async", NULL};
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
    start();
    call("POST", server_url("/limited"), prefer, "", 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, sizeof output, "%s", strstr(answer_header(&a, "Location", where, sizeof where), "/_sw/"));
    for (int i = 0; i < DEATHS; i++) {
        wait_death();
        start();
    }
    call(NULL, server_url(output), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 503);
}

static void set_clock(const char *query)
{
    char path[128];
    snprintf(path, sizeof path, "/clock?%s", query);
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
}

static void release(void)
{
    char path[128];
    seen->harmless = true;
    snprintf(path, sizeof path, "/_sw/runs/%.26s/release", strstr(output, "/runs/") + 6);
    call("POST", server_url(path), NULL, "", 0, &a);
    CHECK_INT(a.status, 200);
}

static void ends_with(long status)
{
    do call(NULL, server_url(output), NULL, NULL, 0, &a);
    while (a.status == 303);
    if (a.status != status) printf("# %s\n", a.body);
    CHECK_INT(a.status, status);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* An hour that nobody waited is none. */
static void test_forward(void)
{
    begin_stopped("forward");
    set_clock("by=3600000");
    seen->lasting = true;
    release();
    set_clock("slept=61000");
    ends_with(504);
}

/* Ten minutes that it stood are ten minutes, although the wall clock shows less than when it was stopped. */
static void test_back(void)
{
    begin_stopped("back");
    set_clock("slept=600000&by=-3600000");
    release();
    ends_with(200);
}

/* Released in this process and loaded again by it, the time between counts as it was. */
static void test_twice(void)
{
    begin_stopped("twice");
    set_clock("slept=600000");
    set_clock("by=-3600000");
    seen->lasting = true;
    release();
    set_clock("by=7200000");
    set_clock("slept=30000");
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%.26s", strstr(output, "/runs/") + 6);
    call(NULL, server_url(path), NULL, NULL, 0, &a);
    CHECK(strstr(a.body, "\"state\":\"running\""));
    set_clock("slept=31000");
    ends_with(504);
}

static const check_case cases[] = {{"set forward while it is stopped", test_forward},
                                   {"set back while it is stopped", test_back},
                                   {"set back while it is stopped, and forward later", test_twice}};

SERVED_MAIN(serve, share_notes, cases)
