/* An operator steers the runs of a program that serves with several loops, and that is killed in the middle: what was
 * acknowledged holds in the next process, and nothing else has happened. */
#include <time.h>

#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { RUNS = 24, HOUR_MS = 3600000 };

/* Seen by the test and all its servers. */
typedef struct notes {
    int asleep;         /* atomic: attempts go on until it is 0 */
    int first[RUNS];    /* atomic: attempts of each run's first step that have begun */
    int finished[RUNS]; /* atomic: that have come to their end */
    int seconds[RUNS];  /* atomic: attempts of its second step */
} notes;
static notes *seen;

static int which(sw_ctx *c) { return (int)sw_as_int(sw_get(sw_body_json(c), "n"), 0); }

static sw_value take_first(sw_ctx *c, sw_value v)
{
    int n = (int)sw_as_int(v, 0);
    (void)__atomic_add_fetch(&seen->first[n], 1, __ATOMIC_SEQ_CST);
    while (__atomic_load_n(&seen->asleep, __ATOMIC_SEQ_CST)) sw_sleep(c, "poll", 5);
    (void)__atomic_add_fetch(&seen->finished[n], 1, __ATOMIC_SEQ_CST);
    return v;
}

static sw_value take_second(sw_ctx *c, sw_value v)
{
    (void)c;
    (void)__atomic_add_fetch(&seen->seconds[sw_as_int(v, 0)], 1, __ATOMIC_SEQ_CST);
    return v;
}

static void on_work(sw_ctx *c)
{
    int n = which(c);
    (void)sw_step(c, "first", take_first, sw_int(n));
    (void)sw_step(c, "second", take_second, sw_int(n));
    sw_reply_text(c, 200, "worked");
}

/* Parks, for as long as the test likes. */
static void on_nap(sw_ctx *c)
{
    int n = which(c);
    sw_sleep(c, "nap", HOUR_MS);
    (void)sw_step(c, "second", take_second, sw_int(n));
    sw_reply_text(c, 200, "rested");
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("steering");
    sw_endpoint(app, "POST /work", on_work, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    return sw_main(app, argc, argv);
}

/* ---- Tests ---- */

#define ANN "Authorization: Bearer ann-may-look-and-act"
#define BOB "Authorization: Bearer bob-may-look-and-act"

static char data[128], token[2][256], text[64];
static answer a;

static void start(void)
{
    operator_token(token[0], "ann:view,act", "ann-may-look-and-act");
    operator_token(token[1], "bob:view,act", "bob-may-look-and-act");
    const char *const flags[] = {"--data", data,      "--loops", "3", "--park-after", "20ms", "--token",
                                 token[0], "--token", token[1],  NULL};
    served_start(&server, flags);
}

static void in_folder(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    memset(seen, 0, sizeof *seen);
    seen->asleep = 1;
}

static void stop(void) { CHECK_INT(served_stop(&server, SIGTERM), 0); }

static long ask(const char *method, const char *who, const char *id, const char *what, const char *body)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/runs/%s%s", id, what);
    call(method, server_url(path), (const char *const[]){who, NULL}, body, 0, &a);
    return a.status;
}

static void begin(const char *path, int n, char id[32])
{
    char body[32];
    snprintf(body, sizeof body, "{\"n\":%d}", n);
    call("POST", server_url(path), (const char *const[]){"Prefer: respond-async", NULL}, body, 0, &a);
    CHECK_INT(a.status, 202);
    const char *at = strstr(a.body, "\"runId\":\"");
    CHECK(at && snprintf(id, 32, "%.26s", at + 9) == 26);
}

static bool page_has(const char *id, const char *part)
{
    CHECK_INT(ask(NULL, ANN, id, "", NULL), 200);
    return strstr(a.body, part) != NULL;
}

static void wait_page(const char *id, const char *part)
{
    for (int i = 0; i < PATIENCE_MS / 20; i++) {
        if (page_has(id, part)) return;
        usleep(20000);
    }
    printf("# %s\n", a.body);
    CHECK(!"the run does not come to that");
}

static int count_of(const int *n) { return __atomic_load_n(n, __ATOMIC_SEQ_CST); }

static void test_two_operators(void)
{
    char id[32];
    in_folder("two");
    start();
    begin("/work", 0, id);
    while (count_of(&seen->first[0]) == 0) usleep(1000);
    CHECK_INT(ask("POST", ANN, id, "/stop", "{\"text\":\"the partner is closed\"}"), 200);
    CHECK_INT(ask("POST", BOB, id, "/stop", "{\"text\":\"me too\"}"), 409);
    CHECK(strstr(a.body, "ann has stopped the run already: the partner is closed"));
    CHECK_STR(answer_header(&a, "Content-Type", text, sizeof text), "application/problem+json");
    CHECK_INT(ask("POST", ANN, id, "/stop", ""), 200); /* its own, once more */
    seen->asleep = 0;
    wait_page(id, "\"kind\":\"step done\"");
    CHECK(page_has(id, "\"state\":\"stopped\",\"reason\":\"operator\",\"detail\":\"the partner is closed\","
                       "\"stoppedBy\":\"ann\""));
    CHECK_INT(count_of(&seen->seconds[0]), 0);
    CHECK_INT(ask("POST", BOB, id, "/release", ""), 200);
    wait_page(id, "\"state\":\"succeeded\"");
    CHECK_INT(count_of(&seen->first[0]), 1); /* what was under way has counted */
    CHECK_INT(count_of(&seen->seconds[0]), 1);
    CHECK_INT(ask("POST", ANN, id, "/stop", ""), 409);
    CHECK(strstr(a.body, "it succeeded"));
    stop();
}

/* Kills the server behind the `upto`th acknowledgement. */
static void stop_and_kill(char ids[RUNS][32], int upto)
{
    char body[64];
    for (int n = 0; n < upto; n++) {
        snprintf(body, sizeof body, "{\"text\":\"number %d\"}", n);
        CHECK_INT(ask("POST", n % 2 ? ANN : BOB, ids[n], "/stop", body), 200);
    }
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
}

static void check_stopped(char ids[RUNS][32], int upto)
{
    char expected[128];
    for (int n = 0; n < RUNS; n++) {
        snprintf(expected, sizeof expected, "\"detail\":\"number %d\",\"stoppedBy\":\"%s\"", n, n % 2 ? "ann" : "bob");
        bool is_stopped = page_has(ids[n], "\"state\":\"stopped\"");
        if (is_stopped != (n < upto) || (is_stopped && !strstr(a.body, expected))) printf("# %d: %s\n", n, a.body);
        CHECK(is_stopped == (n < upto) && (!is_stopped || strstr(a.body, expected)));
    }
}

/* Runs at work and parked ones, of all loops. */
static void test_killed(void)
{
    char ids[RUNS][32];
    for (int upto = 1; upto < RUNS; upto += RUNS / 3) {
        snprintf(text, sizeof text, "killed-%d", upto);
        in_folder(text);
        start();
        for (int n = 0; n < RUNS; n++) begin(n % 3 ? "/work" : "/nap", n, ids[n]);
        stop_and_kill(ids, upto);
        start();
        check_stopped(ids, upto);
        seen->asleep = 0; /* all others go on: also what the first process had begun */
        for (int n = upto; n < RUNS; n++)
            if (n % 3) wait_page(ids[n], "\"state\":\"succeeded\"");
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
        start();
        check_stopped(ids, upto < RUNS ? upto : RUNS); /* those that have ended are not stopped either */
        for (int n = 0; n < upto; n++) CHECK_INT(count_of(&seen->seconds[n]), 0);
        for (int n = 0; n < upto; n++) CHECK_INT(ask("POST", ANN, ids[n], "/release", ""), 200);
        for (int n = 0; n < upto; n++)
            if (n % 3) wait_page(ids[n], "\"state\":\"succeeded\"");
        for (int n = 0; n < RUNS; n++) CHECK_INT(count_of(&seen->seconds[n]), n % 3 ? 1 : 0);
        stop();
    }
}

static const check_case cases[] = {{"two operators stop one run", test_two_operators},
                                   {"runs of all loops are stopped, and the process is killed", test_killed}};

SERVED_MAIN_NOTES(serve, seen, cases)
