/* A schedule of a program that is killed at any moment, replaced while it serves, and has several loops: no point gets
 * two runs, and no run is lost. */
#include "runtime/stepwell.h"
#include "tests/harness/served.h"

enum { ROUNDS = 10, RUNS_MAX = 400, UPGRADES = 3 };

typedef struct notes {
    int ticks; /* atomic: executions of the step */
} notes;
static notes *seen;

static sw_value count(sw_ctx *c, sw_value point)
{
    (void)c;
    __atomic_add_fetch(&seen->ticks, 1, __ATOMIC_SEQ_CST);
    return point;
}

static sw_value on_tick(sw_ctx *c, sw_value input)
{
    sw_value point = sw_step(c, "count", count, sw_get(input, "scheduled_at"));
    sw_sleep(c, "nap", 200); /* so that some are killed in their middle */
    return point;
}

static int serve(int argc, char **argv)
{
    seen = served_notes(sizeof *seen);
    sw_app *app = sw_app_new("schedules");
    const sw_function_options o = {
        .cron = getenv("CRON"), .timezone = getenv("ZONE"), .overlap = SW_OVERLAP_ALLOW, .catch_up_ms = 3600000};
    sw_function(app, "tick/often", on_tick, &o);
    return sw_main(app, argc, argv);
}

static char data[128];
static answer a;

static void start(const char *flag)
{
    const char *const flags[] = {"--data", data, "--dev", "--loops", "2", "--park-after", "0", flag, NULL};
    served_start(&server, flags);
}

static int ticks(void) { return __atomic_load_n(&seen->ticks, __ATOMIC_SEQ_CST); }

static void wait_for_ticks(int count)
{
    for (int until = ticks() + count; ticks() < until;) usleep(5000);
}

/* The number behind `name` from *at on, which moves behind it; -1: there is none. */
static long long number_after(const char **at, const char *name)
{
    const char *found = strstr(*at, name);
    if (!found) return -1;
    *at = found + strlen(name);
    return strtoll(*at, NULL, 10);
}

static int compare(const void *x, const void *y)
{
    long long l = *(const long long *)x, r = *(const long long *)y;
    return (l > r) - (l < r);
}

/* All runs have succeeded, each for a point of its own; returns how many there are. */
static int check_runs(void)
{
    static long long points[RUNS_MAX];
    int n = 0, succeeded = 0;
    call(NULL, server_url("/_sw/runs?endpoint=tick/often&limit=400"), NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
    for (const char *at = a.body; (points[n] = number_after(&at, "\"scheduledAt\":")) >= 0;) {
        CHECK_INT(points[n] % 1000, 0);
        CHECK(++n < RUNS_MAX);
    }
    for (const char *at = a.body; (at = strstr(at, "\"state\":\"succeeded\"")); at++) succeeded++;
    if (succeeded < n) return -1; /* some have not ended yet */
    qsort(points, (size_t)n, sizeof *points, compare);
    for (int i = 1; i < n; i++) CHECK(points[i] > points[i - 1]);
    return n;
}

static void begin_in(const char *name)
{
    snprintf(data, sizeof data, "%s/%s", root, name);
    CHECK(setenv("CRON", "@every 1s", 1) == 0);
    seen->ticks = 0;
}

/* The schedule begins no more: its function is stopped. */
static void end_schedule(void)
{
    call("PUT", server_url("/_sw/settings/endpoint:tick%2Foften"), NULL, "{\"value\":{\"stopped\":true}}", 0, &a);
    CHECK_INT(a.status, 200);
}

static void test_killed(void)
{
    begin_in("killed");
    for (int i = 0; i < ROUNDS; i++) {
        start(NULL);
        wait_for_ticks(1);
        usleep((useconds_t)(rand() % 1100) * 1000);
        CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    }
    start(NULL);
    wait_for_ticks(1);
    end_schedule();
    int n;
    while ((n = check_runs()) < 0) usleep(20000);
    printf("# %d points\n", n);
    CHECK(n > 1); /* a tick may be that of a run which the last process had begun */
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* One process follows the other, which still has what it was given: the point belongs to one of them. */
static void test_replaced(void)
{
    begin_in("replaced");
    start("--supervise");
    for (int i = 0; i < UPGRADES; i++) {
        wait_for_ticks(2);
        CHECK(kill(server.pid, SIGHUP) == 0);
    }
    wait_for_ticks(2);
    end_schedule();
    int n;
    while ((n = check_runs()) < 0) usleep(20000);
    CHECK(n >= UPGRADES);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* ---- Operators ---- */

static long ask(const char *method, const char *name, const char *body)
{
    char path[128];
    snprintf(path, sizeof path, "/_sw/schedules%s", name);
    call(method, server_url(path), NULL, body, 0, &a);
    return a.status;
}

static void expect(long got, long status, const char *part)
{
    if (got != status || !strstr(a.body, part)) printf("# %ld %s\n", got, a.body);
    CHECK_INT(got, status);
    CHECK(strstr(a.body, part));
}

/* Each request comes to any of the loops. What was acknowledged holds over a kill. */
static void test_steered(void)
{
    enum { MANY = 12 };
    begin_in("steered");
    CHECK(setenv("CRON", "0 0 29 2 *", 1) == 0);
    start(NULL);
    expect(ask("GET", "", NULL), 200,
           "{\"name\":\"tick/often\",\"cron\":\"0 0 29 2 "
           "*\",\"timezone\":\"UTC\",\"overlap\":\"allow\",\"catchUpMs\":3600000,"
           "\"paused\":false,\"next\":[");
    for (int i = 0; i < MANY; i++) {
        expect(ask("PUT", "/tick/often", "{\"paused\":false}"), 200, "\"paused\":false");
        expect(ask("PUT", "/tick/often", "{\"paused\":true}"), 200, "\"paused\":true,\"by\":\"dev\",\"at\":");
    }
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    start(NULL);
    expect(ask("GET", "", NULL), 200, "\"paused\":true,\"by\":\"dev\"");
    CHECK_INT(ticks(), 0);
    expect(ask("POST", "/tick/often", ""), 202, "\"runId\":");
    while (ticks() == 0) usleep(5000);
    expect(ask("GET", "", NULL), 200, "\"paused\":true");
    CHECK(!strstr(a.body, "lastRun")); /* no point knows of it */
    expect(ask("POST", "/tick/often", "{}"), 400, "has no body");
    expect(ask("PUT", "/tick/often", "{\"paused\":1}"), 400, "paused");
    expect(ask("PUT", "/tick/often", "{\"other\":true}"), 400, "other");
    expect(ask("PUT", "/tick/never", "{\"paused\":true}"), 404, "there is no schedule of this name");
    expect(ask("DELETE", "/tick/never", NULL), 404, "there is no schedule of this name");
    expect(ask("POST", "/tick/never", ""), 404, "no schedule of this name");
    CHECK_INT(ask("DELETE", "/tick/often", NULL), 204);
    while (ask("GET", "", NULL) != 200 || !strstr(a.body, "\"paused\":false")) usleep(5000);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void check_refused(const char *cron, const char *zone, const char *why)
{
    char said[8192];
    int exit_code = 0;
    served refused;
    CHECK(setenv("CRON", cron, 1) == 0);
    if (zone) CHECK(setenv("ZONE", zone, 1) == 0);
    const char *const flags[] = {"--data", data, NULL};
    CHECK(!served_try(&refused, flags, said, sizeof said, &exit_code));
    CHECK(unsetenv("ZONE") == 0);
    printf("# %s", said);
    CHECK_INT(exit_code, 2);
    CHECK(strstr(said, "sw_function \"tick/often\": .cron \"") && strstr(said, why));
}

static void test_refused(void)
{
    check_refused("0 0 30 2 *", NULL, ".cron \"0 0 30 2 *\": it never fires");
    check_refused("0 25 * * *", NULL, ": the hour \"25\" is not from 0 to 23");
    check_refused("@every 90", NULL, "\"@every\" is followed by a time");
    check_refused("@daily", "Europe/Nowhere", ".timezone \"Europe/Nowhere\"");
}

static void prepare(void) { seen = served_notes(sizeof *seen); }

static const check_case cases[] = {
    {"no point gets two runs, and no run is lost, when the program is killed", test_killed},
    {"no point gets two runs when the process is replaced", test_replaced},
    {"a schedule is looked at, paused, triggered and forgotten, on any loop", test_steered},
    {"a schedule that cannot be ends the program, with its function and what is wrong", test_refused},
};

int main(int argc, char **argv)
{
    return served_main(&(served_test){serve, prepare, cases, sizeof cases / sizeof *cases}, argc, argv);
}
