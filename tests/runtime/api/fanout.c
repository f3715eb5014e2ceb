/* Fan-out that fails: what begins after that, what is waited for, and that parking and dying change nothing of it. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { INPUTS = 500 };

typedef struct notes {
    int begun, ended, tries, go_on, first; /* atomic */
} notes;
static notes *seen;

static void count_up(int *n) { __atomic_add_fetch(n, 1, __ATOMIC_SEQ_CST); }
static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static void wait_for(sw_ctx *c, const int *n, int at_least)
{
    while (count_of(n) < at_least) sw_sleep(c, "poll", 2);
}

/* ---- Handlers ---- */

/* The first fails for good once `first` others have begun; these end when they are told. */
static sw_value item(sw_ctx *c, sw_value v)
{
    int n = (int)sw_as_int(v, -1);
    if (n == 0) {
        count_up(&seen->tries);
        wait_for(c, &seen->begun, seen->first);
        sw_fail_fatal(c, "the first has failed");
    }
    count_up(&seen->begun);
    wait_for(c, &seen->go_on, 1);
    count_up(&seen->ended);
    if (n == 2) sw_fail_after(c, 1, "this would be tried again");
    return v;
}

static void on_each(sw_ctx *c)
{
    sw_value inputs = sw_nil();
    for (int i = 0; i < INPUTS; i++) sw_push(c, &inputs, sw_int(i));
    sw_each(c, "call", item, inputs, (size_t)atoi(sw_query(c, "parallel")));
    sw_reply_text(c, 200, "all done");
}

static sw_value twice_tried(sw_ctx *c, sw_value v)
{
    if (sw_attempt(c) == 1) sw_fail(c, "once more");
    return v;
}

static sw_value fails_soon(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_sleep(c, "a moment", 50);
    sw_fail_fatal(c, "the only one has failed");
}

/* A branch that was added to the group of sw_each_begin naps, and waits for a retry, when the only input fails. */
static sw_value nap_and_retry(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "nap", 300);
    sw_step_with(c, "again", twice_tried, v, &(sw_step_options){.backoff_ms = 10});
    count_up(&seen->ended);
    return v;
}

static void on_beside(sw_ctx *c)
{
    sw_group *g = sw_each_begin(c, "call", fails_soon, sw_array(c, 1, sw_nil()), NULL);
    sw_group_branch(g, "b", nap_and_retry, sw_nil());
    sw_group_wait(g);
    sw_reply_text(c, 200, "all done");
}

/* One waits an hour for its retry when the other fails for good. */
static sw_value patient(sw_ctx *c, sw_value v)
{
    if (sw_as_bool(v, false)) {
        count_up(&seen->tries);
        sw_fail_after(c, 3600000, "not today");
    }
    wait_for(c, &seen->go_on, 1);
    sw_fail_fatal(c, "the other has failed");
}

static void on_patient(sw_ctx *c)
{
    sw_each(c, "wait", patient, sw_array(c, 2, sw_bool(true), sw_bool(false)), 0);
    sw_reply_text(c, 200, "all done");
}

static sw_value twice(sw_ctx *c, sw_value v)
{
    count_up(&seen->tries);
    if (count_of(&seen->tries) == 1) sw_fail_after(c, 700, "once more");
    return v;
}

static sw_value fails_beside(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "again", twice, v);
    sw_sleep(c, "a moment", 20);
    sw_fail(c, "nothing left to do");
}

/* The handler, or a branch of it, is over while a step of its group waits for its retry. */
static void on_gives_up(sw_ctx *c)
{
    if (!sw_query(c, "branch")) fails_beside(c, sw_nil());
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "b", fails_beside, sw_nil());
    sw_group_wait(g);
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("fanout");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "GET /each", on_each, NULL);
    sw_endpoint(app, "GET /patient", on_patient, NULL);
    sw_endpoint(app, "GET /gives-up", on_gives_up, NULL);
    sw_endpoint(app, "GET /beside", on_beside, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

static answer a;

static void start(const char *park_after)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data",           data,   "--loops",      "1",        "--dev", "--hold", "30s",
                                 "--redirect-after", "20ms", "--park-after", park_after, NULL};
    served_start(&server, flags);
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

/* Begins a run and gives the path of its output. */
static const char *begin(const char *path)
{
    static char output[1024];
    server_begin(NULL, path, output, sizeof output);
    return output;
}

static void fails(const char *output, const char *message)
{
    char url[2048];
    snprintf(url, sizeof url, "%s%s", server.address, output);
    call(NULL, url, NULL, NULL, 20, &a);
    if (a.status != 500 || !strstr(a.body, message)) printf("# %ld %s\n", a.status, a.body);
    CHECK_INT(a.status, 500);
    CHECK(strstr(a.body, message));
}

/* Until the journal of that run, as it is on disk, has these words. */
static void journaled(const char *output, const char *words)
{
    char url[2048];
    snprintf(url, sizeof url, "%s%.*s", server.address, (int)(strstr(output, "/output?") - output), output);
    do call(NULL, url, NULL, NULL, 0, &a);
    while (!strstr(a.body, words));
}

/* With `parallel` at a time, of which `running` beside the first have begun when it fails. */
static void each(int parallel, int running, bool dies)
{
    char path[64];
    start("1h");
    memset(seen, 0, sizeof *seen);
    seen->first = running;
    snprintf(path, sizeof path, "/each?parallel=%d", parallel);
    const char *output = begin(path);
    journaled(output, "the first has failed");
    CHECK_INT(count_of(&seen->begun), running);
    if (dies) {
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        start("1h");
    }
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    fails(output, "the first has failed");
    CHECK_INT(seen->begun, running);
    if (!dies) CHECK_INT(seen->ended, running); /* they were waited for */
    CHECK_INT(seen->tries, 1);
    stop();
}

static void test_each(void)
{
    each(1, 0, false);
    each(4, 3, false);
    each(4, 0, false);
    each(0, 499, false);
}

/* The next process finds the failure in the journal before it begins anything. */
static void test_each_dies(void) { each(4, 3, true); }

static void patiently(const char *park_after, bool dies)
{
    start(park_after);
    memset(seen, 0, sizeof *seen);
    const char *output = begin("/patient");
    journaled(output, "not today");
    if (dies) {
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        start(park_after);
    }
    __atomic_store_n(&seen->go_on, 1, __ATOMIC_SEQ_CST);
    fails(output, "the other has failed");
    CHECK_INT(seen->tries, 1);
    stop();
}

/* Nobody waits an hour for a retry whose result counts for nothing. */
static void test_patient(void)
{
    patiently("1h", false);
    patiently("10ms", false);
    patiently("10ms", true);
}

/* What a handler has begun is finished though it has failed itself: in memory and parked. */
static void test_gives_up(void)
{
    static const char *const paths[] = {"/gives-up", "/gives-up?branch=1"};
    for (int i = 0; i < 4; i++) {
        start(i & 1 ? "10ms" : "1h");
        memset(seen, 0, sizeof *seen);
        fails(begin(paths[i / 2]), "nothing left to do");
        CHECK_INT(seen->tries, 2);
        stop();
    }
}

/* Steps alone are abandoned; a branch holds what its own code decides about. */
static void test_branch_beside(void)
{
    start("1h");
    fails(begin("/beside"), "the only one has failed");
    CHECK_INT(count_of(&seen->ended), 1);
    stop();
}

static const check_case cases[] = {{"sw_each begins nothing once one has failed for good", test_each},
                                   {"nor after the process has died", test_each_dies},
                                   {"sw_each waits for no retry then", test_patient},
                                   {"a branch beside sw_each's steps goes on to its end", test_branch_beside},
                                   {"a handler that fails waits for its group, parked or not", test_gives_up}};

SERVED_MAIN_NOTES(serve, seen, cases)
