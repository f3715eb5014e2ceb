/* Endpoints that stop their runs when the program no longer fits what these have done (SW_STOP): nothing goes on with
 * it, attempts under way count, and the program that fits goes on where the run stood. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

typedef struct notes {
    unsigned version;       /* which code the program has */
    unsigned open;          /* steps named "hold" pass */
    unsigned holding;       /* attempts of them */
    unsigned calls, others; /* attempts of the others: with the journal's inputs, and with version 2's */
} notes;
static notes *seen;

static unsigned load(const unsigned *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }
static void set(unsigned *n, unsigned value) { __atomic_store_n(n, value, __ATOMIC_SEQ_CST); }
static void count_up(unsigned *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static bool changed(void) { return load(&seen->version) == 2; }

/* ---- The program ---- */

static sw_value call_it(sw_ctx *c, sw_value input)
{
    (void)c;
    count_up(sw_as_int(input, 0) < 100 ? &seen->calls : &seen->others);
    return sw_int(sw_as_int(input, 0) * 10);
}

static sw_value hold(sw_ctx *c, sw_value input)
{
    count_up(&seen->holding);
    while (!load(&seen->open)) sw_sleep(c, "hold", 2);
    return input;
}

static void finish(sw_ctx *c, sw_value out)
{
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_reply_json(c, 200, out);
}

static sw_value input_of(int64_t n) { return sw_int(changed() ? n + 100 : n); }

static void on_step(sw_ctx *c)
{
    sw_value out = sw_step(c, "call", call_it, input_of(1));
    if (changed()) (void)sw_step(c, "new", call_it, sw_int(200));
    finish(c, out);
}

static void on_try(sw_ctx *c)
{
    sw_value out = sw_nil();
    (void)sw_try(c, "call", call_it, input_of(1), &out, NULL);
    if (changed()) (void)sw_step(c, "new", call_it, sw_int(200));
    finish(c, out);
}

/* Fails until the program has changed, which passes another input then. */
static sw_value call_late(sw_ctx *c, sw_value input)
{
    count_up(sw_as_int(input, 0) < 100 ? &seen->calls : &seen->others);
    if (!changed()) sw_fail(c, "not with this input");
    return input;
}

static void on_late(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step_with(g, "call", call_late, input_of(1), &(sw_step_options){.backoff_ms = 50, .backoff_max_ms = 50});
    sw_group_step(g, "hold", hold, sw_nil());
    sw_reply_json(c, 200, sw_at(sw_group_wait(g), 0));
}

static void on_each(sw_ctx *c)
{
    sw_value inputs = sw_array(c, 3, sw_int(1), input_of(2), sw_int(3));
    finish(c, sw_each(c, "call", call_it, inputs, 0));
}

static sw_value twig(sw_ctx *c, sw_value input) { return sw_step(c, "call", call_it, input_of(sw_as_int(input, 0))); }

/* Of its members one differs, in a branch, and one is under way. */
static void on_group(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "hold", hold, sw_int(7));
    sw_group_branch(g, "twig", twig, sw_int(1));
    sw_reply_json(c, 200, sw_group_wait(g));
}

/* What was a sleep is a step, and what was a step is a sleep. */
static void on_kinds(sw_ctx *c)
{
    if (changed())
        (void)sw_step(c, "pause", call_it, sw_int(200));
    else
        sw_sleep(c, "pause", 1);
    finish(c, sw_str(c, "kinds"));
}

static void on_sleep(sw_ctx *c)
{
    if (changed())
        sw_sleep(c, "call", 1);
    else
        (void)sw_step(c, "call", call_it, sw_int(1));
    finish(c, sw_str(c, "sleep"));
}

static int serve(int argc, char **argv)
{
    const sw_endpoint_options stops = {.version = "v", .on_difference = SW_STOP};
    sw_app *app = sw_app_new("differs");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /step", on_step, &stops);
    sw_endpoint(app, "GET /try", on_try, &stops);
    sw_endpoint(app, "GET /each", on_each, &stops);
    sw_endpoint(app, "GET /late", on_late, &stops);
    sw_endpoint(app, "GET /group", on_group, &stops);
    sw_endpoint(app, "GET /kinds", on_kinds, &stops);
    sw_endpoint(app, "GET /sleep", on_sleep, &stops);
    sw_endpoint(app, "GET /default", on_step, NULL);
    return sw_main(app, argc, argv);
}

/* ---- The test ---- */

static char data[128];
static answer a;

static void start(unsigned version)
{
    const char *const flags[] = {"--data", data, "--loops", "1", "--dev", "--hold", "100ms", NULL};
    set(&seen->version, version);
    served_start(&server, flags);
}

static void die(void) { CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL); }

static void ask(const char *method, const char *path, const char *more)
{
    char url[1200];
    snprintf(url, sizeof url, "%s%s%s", server.address, path, more);
    call(method, url, NULL, NULL, 0, &a);
}

/* Begins a run, and waits until it holds and what it did before is on disk. */
static void begin(const char *path, char run[128], char output[1024])
{
    static char location[1024];
    char url[256];
    unsigned before = load(&seen->holding);
    snprintf(url, sizeof url, "%s%s", server.address, path);
    call(NULL, url, (const char *const[]){"Prefer: respond-async", NULL}, NULL, 0, &a);
    CHECK_INT(a.status, 202);
    snprintf(output, 1024, "%s", strstr(answer_header(&a, "Location", location, sizeof location), "/_sw/"));
    snprintf(run, 128, "%.*s", (int)(strstr(output, "/output") - output), output);
    while (load(&seen->holding) == before) usleep(1000);
}

/* A journal that is slow to be written is asked again; the run may have been released meanwhile (409). */
static void release(const char *run)
{
    do ask("POST", run, "/release");
    while (a.status == 503);
    CHECK(a.status == 200 || a.status == 202 || a.status == 409);
}

static void wait_page(const char *run, const char *words)
{
    for (ask(NULL, run, ""); !strstr(a.body, words); ask(NULL, run, "")) usleep(2000);
}

/* Waits until a step of that id is in the run's journal: its page also shows a step that is under way. */
static void wait_entry(const char *run, const char *id)
{
    for (const char *entries = NULL; !entries || !strstr(entries, id); entries = strstr(a.body, "\"entries\":"))
        ask(NULL, run, "");
}

/* `journaled`: what is on disk before the program changes; `why`: of the stop. `calls`: what the steps cost, all in
 * all; `body`: of the answer. */
typedef struct difference {
    const char *path, *journaled, *why, *body;
    unsigned calls;
} difference;

static void check_stops(const difference *d)
{
    char run[128], output[1024];
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s%s", root, d->path);
    start(1);
    begin(d->path, run, output);
    wait_page(run, d->journaled);
    die();

    for (int again = 0; again < 2; again++) { /* the stop is in the journal */
        start(2);
        wait_page(run, "\"state\":\"stopped\",\"reason\":\"differs\"");
        if (!strstr(a.body, d->why)) printf("# %s\n", a.body);
        CHECK(strstr(a.body, d->why) && strstr(a.body, "\"kind\":\"stopped\""));
        ask(NULL, output, "");
        CHECK_INT(a.status, 303); /* it may go on: waiting is worth while */
        if (again == 0) die();
    }
    set(&seen->open, 1); /* nothing of it runs that could pass */
    release(run);
    wait_page(run, "\"kind\":\"released\"");
    wait_page(run, "\"state\":\"stopped\",\"reason\":\"differs\""); /* this program fits no better than before */
    die();

    start(1);
    release(run);
    wait_page(run, "\"state\":\"succeeded\"");
    ask(NULL, output, "");
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, d->body);
    CHECK_INT(seen->calls, d->calls);
    CHECK_INT(seen->others, 0);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const char other_input[] = "step \\\"call\\\" is given another input than when the journal's result was made";

static void test_inputs(void)
{
    static const char done[] = "\"kind\":\"step done\"";
    check_stops(&(difference){"/step", done, other_input, "10", 1});
    check_stops(&(difference){"/try", done, other_input, "10", 1});
    check_stops(
        &(difference){"/each", "\"occurrence\":2", "step \\\"call:1\\\" is given another input", "[10,20,30]", 3});
}

static void test_kinds(void)
{
    static const char misfit[] = "the journal does not fit the code: it has a ";
    check_stops(&(difference){"/kinds", "\"kind\":\"sleep\"", misfit, "\"kinds\"", 0});
    check_stops(&(difference){"/sleep", "\"kind\":\"step done\"", misfit, "\"sleep\"", 1});
}

/* An attempt that is under way ends and counts; then the run stands still. */
static void test_under_way(void)
{
    char run[128], output[1024];
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/group", root);
    start(1);
    begin("/group", run, output);
    wait_page(run, "\"kind\":\"step done\"");
    die();
    start(2);
    wait_page(run, "\"kind\":\"stopped\"");
    CHECK(strstr(a.body, "step \\\"twig/call\\\" is given another input"));
    while (load(&seen->holding) < 2) usleep(1000); /* begun again before the branch was come to */
    set(&seen->open, 1);
    wait_entry(run, "\"id\":\"hold\"");
    die();
    start(1);
    release(run);
    wait_page(run, "\"state\":\"succeeded\"");
    ask(NULL, output, "");
    CHECK_STR(a.body, "[7,10]");
    CHECK_INT(seen->holding, 2);
    CHECK_INT(seen->calls, 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Without the option the result is used, as it was. */
static void test_default(void)
{
    char run[128], output[1024];
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/default", root);
    start(1);
    begin("/default", run, output);
    wait_page(run, "\"kind\":\"step done\"");
    die();
    start(2);
    set(&seen->open, 1);
    wait_page(run, "\"state\":\"succeeded\"");
    CHECK(strstr(a.body, "\"inputsDiffered\":1") && !strstr(a.body, "\"kind\":\"stopped\""));
    ask(NULL, output, "");
    CHECK_STR(a.body, "10");
    CHECK(seen->calls == 1 && seen->others == 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A step without a result has none that another input could not fit: its next attempt is made with that. */
static void test_no_result(void)
{
    char run[128], output[1024];
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/late", root);
    start(1);
    begin("/late", run, output);
    wait_page(run, "\"kind\":\"step failed\"");
    die();
    start(2);
    set(&seen->open, 1);
    wait_page(run, "\"state\":\"succeeded\"");
    CHECK(!strstr(a.body, "\"kind\":\"stopped\"") && !strstr(a.body, "inputsDiffered"));
    ask(NULL, output, "");
    CHECK_STR(a.body, "101");
    CHECK(seen->calls > 0 && seen->others == 1);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* A run that is stopped can also be cancelled. */
static void test_cancel(void)
{
    char run[128], output[1024];
    memset(seen, 0, sizeof *seen);
    snprintf(data, sizeof data, "%s/cancelled", root);
    start(1);
    begin("/step", run, output);
    wait_page(run, "\"kind\":\"step done\"");
    die();
    start(2);
    wait_page(run, "\"reason\":\"differs\"");
    ask("DELETE", run, "");
    wait_page(run, "\"state\":\"cancelled\"");
    CHECK_INT(seen->others, 0);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"another input stops the run", test_inputs},
                                   {"so does a journal that does not fit", test_kinds},
                                   {"an attempt under way ends and counts", test_under_way},
                                   {"by default it is only reported", test_default},
                                   {"an attempt that failed is no result", test_no_result},
                                   {"a run that stopped is cancelled", test_cancel}};

SERVED_MAIN_NOTES(serve, seen, cases)
