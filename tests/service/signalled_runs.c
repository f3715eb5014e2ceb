/* Runs of several loops wait for signals, and the program is killed again and again: what was acknowledged is taken,
 * once and in order, also when its sender asks once more; and many runs that only wait are found again. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { RUNS = 9, SIGNALS = 5, SENT = RUNS * SIGNALS, MANY = 200, QUICK = 1500 };

/* ---- The program ---- */

static sw_value take(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

/* Answers with what has come, in its order. */
static void on_gather(sw_ctx *c)
{
    sw_value all = sw_array(c, 0), one = sw_nil();
    for (int i = 0; i < SIGNALS; i++) {
        if (!sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &one)) sw_fail_fatal(c, "no wait here has a timeout");
        sw_push(c, &all, i % 2 ? sw_step(c, "take", take, one) : one);
    }
    sw_reply_json(c, 200, all);
}

/* The same answer, by one group that waits for all of them at once. */
static void on_members(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < SIGNALS; i++) sw_group_wait_for(g, "go", &(sw_wait){.signal = "go"});
    sw_reply_json(c, 200, sw_group_wait(g));
}

/* Counts what comes, and says whether it was in order. */
static void on_count(sw_ctx *c)
{
    sw_value one = sw_nil();
    bool in_order = true;
    for (int i = 0; i < QUICK; i++) {
        if (!sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &one)) sw_fail_fatal(c, "no wait here has a timeout");
        in_order = in_order && sw_as_int(one, -1) == i;
    }
    sw_reply_json(c, 200, sw_bool(in_order));
}

/* A signal, or none within a moment. */
static void on_either(sw_ctx *c)
{
    sw_value v = sw_nil();
    bool has_come = sw_wait_for(c, "go", &(sw_wait){.signal = "go", .timeout_ms = 50}, &v);
    sw_reply_json(c, 200, sw_array(c, 2, sw_bool(has_come), v));
}

static int serve(int argc, char **argv)
{
    sw_app *app = sw_app_new("signalled_runs");
    sw_endpoint(app, "POST /gather", on_gather, NULL);
    sw_endpoint(app, "POST /members", on_members, NULL);
    sw_endpoint(app, "POST /count", on_count, NULL);
    sw_endpoint(app, "POST /either", on_either, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Asking ---- */

typedef struct begun {
    char signals[512], output[512]; /* paths of its URLs, with the run's token */
} begun;

static char data[128];
static answer a;

static void in_folder(const char *name) { snprintf(data, sizeof data, "%s/%s", root, name); }

static void start(void) { served_start(&server, (const char *const[]){"--data", data, "--loops", "3", "--dev", NULL}); }

static void kill_and_start(void)
{
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start();
}

/* The token of control is in the URL that the client gets. */
static void begin(const char *path, begun *r)
{
    server_begin("POST", path, r->output, sizeof r->output);
    const char *query = strstr(r->output, "/output?");
    CHECK(query);
    snprintf(r->signals, sizeof r->signals, "%.*s/signals/go%s", (int)(query - r->output), r->output, query + 7);
}

/* While a run is about to be read after a start, say, its sender is told so. */
static long send_signal(const begun *r, int n, const char *key_of)
{
    char body[16], key[64];
    snprintf(body, sizeof body, "%d", n);
    snprintf(key, sizeof key, "Idempotency-Key: %s-%d", key_of, n);
    call_patiently("POST", server_url(r->signals), (const char *const[]){key, NULL}, body, &a);
    return a.status;
}

static void send_surely(const begun *r, int n, const char *key_of, bool may_have_ended)
{
    long status = send_signal(r, n, key_of);
    if (status != 202 && !(may_have_ended && status == 409)) printf("# %ld %s\n", status, a.body);
    CHECK(status == 202 || (may_have_ended && status == 409));
}

/* ---- Tests ---- */

/* Signal number n is the nth of all; run n % RUNS gets it. */
static void send_up_to(const begun runs[RUNS], int from, int upto, bool again)
{
    for (int n = from; n < upto; n++) send_surely(&runs[n % RUNS], n / RUNS, "k", again);
}

static void test_killed(void)
{
    static const int kills[] = {1, 7, 22, 40};
    char name[32], expected[64] = "[0,1,2,3,4]";
    for (unsigned k = 0; k < sizeof kills / sizeof *kills; k++) {
        begun runs[RUNS];
        snprintf(name, sizeof name, "killed-%u", k);
        in_folder(name);
        start();
        for (int i = 0; i < RUNS; i++) begin(i % 2 ? "/members" : "/gather", &runs[i]);
        send_up_to(runs, 0, kills[k], false);
        kill_and_start();
        int lost = kills[k] > RUNS ? kills[k] - RUNS : 0; /* so many answers were lost, say: all these are sent again */
        send_up_to(runs, lost, kills[k], true);
        kill_and_start();
        send_up_to(runs, kills[k], SENT, true);
        for (int i = 0; i < RUNS; i++) {
            call(NULL, server_url(runs[i].output), NULL, NULL, 50, &a);
            CHECK_INT(a.status, 200);
            CHECK_STR(a.body, expected);
        }
        CHECK_INT(send_signal(&runs[0], 9, "late"), 409);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

/* Whatever comes first: the answer is the same in every process. */
static void test_either(void)
{
    begun runs[RUNS];
    char first[RUNS][64];
    in_folder("either");
    start();
    for (int i = 0; i < RUNS; i++) {
        begin("/either", &runs[i]);
        if (i % 3) send_surely(&runs[i], i, "k", true);
    }
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url(runs[i].output), NULL, NULL, 50, &a);
        CHECK_INT(a.status, 200);
        snprintf(first[i], sizeof first[i], "%.60s", a.body);
        if (i % 3 == 0) CHECK_STR(a.body, "[false,null]");
    }
    kill_and_start();
    for (int i = 0; i < RUNS; i++) {
        call(NULL, server_url(runs[i].output), NULL, NULL, 50, &a);
        CHECK_STR(a.body, first[i]);
    }
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* One after the other, as fast as they are acknowledged: the run is loaded for one, and reads its letters while the
 * next ones are being written. */
static void test_quick(void)
{
    static begun r;
    in_folder("quick");
    start();
    begin("/count", &r);
    for (int n = 0; n < QUICK; n++) send_surely(&r, n, "k", false);
    call(NULL, server_url(r.output), NULL, NULL, 50, &a);
    CHECK_INT(a.status, 200);
    CHECK_STR(a.body, "true");
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* None of them is loaded for the signal of another. */
static void test_many(void)
{
    static begun runs[MANY];
    in_folder("many");
    start();
    for (int i = 0; i < MANY; i++) begin("/gather", &runs[i]);
    while (server_metric("runs_parked_total") < MANY) usleep(5000);
    kill_and_start();
    for (int i = 0; i < MANY; i += 50) send_surely(&runs[i], 0, "k", false);
    while (server_metric("runs_resumed_total") < MANY / 50) usleep(5000);
    CHECK_INT(server_metric("runs_resumed_total"), MANY / 50);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static const check_case cases[] = {{"killed between acknowledgements, and asked again", test_killed},
                                   {"a signal and a timeout at once", test_either},
                                   {"as fast as they are acknowledged", test_quick},
                                   {"many runs that only wait", test_many}};

SERVED_MAIN(serve, NULL, cases)
