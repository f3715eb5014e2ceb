/* A group is decided once, whenever the process is killed: the winner stays, and what has lost is never tried again. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { RUNS = 12 };

typedef struct notes {
    int slow, fast, behind; /* attempts; atomic */
} notes;
static notes *seen;

/* ---- The program ---- */

static sw_value slow(sw_ctx *c, sw_value v)
{
    __atomic_add_fetch(&seen->slow, 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "work", 3600000);
    return v;
}

static sw_value fast(sw_ctx *c, sw_value v)
{
    __atomic_add_fetch(&seen->fast, 1, __ATOMIC_SEQ_CST);
    sw_sleep(c, "work", sw_as_int(v, 0));
    return v;
}

static sw_value behind(sw_ctx *c, sw_value v)
{
    (void)c;
    __atomic_add_fetch(&seen->behind, 1, __ATOMIC_SEQ_CST);
    return v;
}

/* One step among a branch and a sleep. */
static sw_value branch(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "fast", fast, sw_int(0));
    return sw_step(c, "slow", slow, v);
}

static void on_race(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "branch", branch, sw_nil());
    sw_group_step(g, "slow", slow, sw_nil());
    sw_group_step(g, "fast", fast, sw_int(20));
    sw_group_sleep(g, "day", 24LL * 3600 * 1000);
    size_t winner = sw_group_any(g, "first", &v);
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, NULL);
    (void)sw_step(c, "behind", behind, sw_nil());
    sw_reply_json(c, 200, sw_array(c, 2, sw_int((int64_t)winner), v));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("selected");
    seen = served_notes(sizeof *seen);
    sw_endpoint(app, "POST /race", on_race, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

typedef struct begun {
    char signals[512], output[512]; /* paths of its URLs, with the run's token */
} begun;

static char data[128];
static answer a;

static void start(void) { served_start(&server, (const char *const[]){"--data", data, "--loops", "2", "--dev", NULL}); }

static void kill_and_start(void)
{
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
}

static void begin(begun *r)
{
    server_begin("POST", "/race", r->output, sizeof r->output);
    const char *query = strstr(r->output, "/output?");
    CHECK(query);
    snprintf(r->signals, sizeof r->signals, "%.*s/signals/go%s", (int)(query - r->output), r->output, query + 7);
}

static void end_all(const begun runs[RUNS])
{
    for (int i = 0; i < RUNS; i++) {
        call_patiently("POST", server_url(runs[i].signals), (const char *const[]){"Idempotency-Key: k", NULL}, "1", &a);
        CHECK_INT(a.status, 202);
    }
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url(runs[i].output), NULL, NULL, 50, &a);
        CHECK_INT(a.status, 200);
        CHECK_STR(a.body, "[2,20]");
    }
}

/* All are decided, and on disk: the other side sees nothing more of the losers, however often the process dies. */
static void test_decided(void)
{
    static begun runs[RUNS];
    snprintf(data, sizeof data, "%s/decided", root);
    start();
    memset(seen, 0, sizeof *seen);
    for (int i = 0; i < RUNS; i++) begin(&runs[i]);
    while (server_metric("runs_parked_total") < RUNS) usleep(5000);
    const notes before = *seen;
    CHECK_INT(before.fast, 2 * RUNS);
    for (int i = 0; i < 3; i++) kill_and_start();
    end_all(runs);
    CHECK_INT(seen->slow, before.slow);
    CHECK_INT(seen->fast, before.fast);
    CHECK_INT(seen->behind, RUNS);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* Killed while groups are open: they are decided by the next process. */
static void test_undecided(void)
{
    static begun runs[RUNS];
    snprintf(data, sizeof data, "%s/undecided", root);
    start();
    memset(seen, 0, sizeof *seen);
    for (int i = 0; i < RUNS; i++) {
        begin(&runs[i]);
        if (i % 4 == 3) kill_and_start();
    }
    end_all(runs);
    CHECK_INT(seen->behind, RUNS);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"killed when all is decided", test_decided}, {"killed before", test_undecided}};

SERVED_MAIN_NOTES(serve, seen, cases)
