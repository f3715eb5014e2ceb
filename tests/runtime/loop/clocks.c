/* A wait goes by one clock: relative ones by the steady clock, whatever the wall clock is set to, absolute ones by the
 * wall clock as it is set; in memory, parked, and over kill -9 with the clock set meanwhile. Waits are hours, which
 * pass when the test lets the machine sleep. No check is how long something took at most, but for the hour that it
 * would take otherwise: an answer in a minute at the latest. */
#include <inttypes.h>
#include <pthread.h>

#include "runtime/base/clock.h"
#include "runtime/base/moment.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/served.h"

enum {
    CLIENTS = 12,
    HOUR_MS = 3600000,
    WAIT_MS = HOUR_MS / 5 * 6, /* an hour, and what a retry adds by lot; one by the wrong clock takes more, or less */
    MOMENT_US = 100000         /* in which a wait that goes by the wrong clock ends */
};

/* ---- The program ---- */

static int64_t number(sw_ctx *c, const char *name)
{
    const char *text = sw_query(c, name);
    return text ? strtoll(text, NULL, 10) : 0;
}

static sw_value steady(sw_ctx *c, sw_value v)
{
    (void)c;
    (void)v;
    return sw_int(clock_steady_ms());
}

static sw_value wall(sw_ctx *c, sw_value v)
{
    (void)c;
    (void)v;
    return sw_int(clock_wall_ms());
}

static void begun(void) { (void)__atomic_add_fetch(&clocks->begun, 1, __ATOMIC_SEQ_CST); }

/* When it began and ended, by the steady clock, and when it ended by the wall clock. */
static void reply_times(sw_ctx *c, sw_value from)
{
    int64_t to = sw_as_int(sw_step(c, "to", steady, sw_nil()), 0),
            ended = sw_as_int(sw_step(c, "wall", wall, sw_nil()), 0);
    sw_reply_text(c, 200, "%" PRId64 " %" PRId64, to - sw_as_int(from, 0), ended);
}

static void on_sleep(sw_ctx *c)
{
    sw_value from = sw_step(c, "from", steady, sw_nil());
    begun();
    sw_sleep(c, "z", number(c, "ms"));
    reply_times(c, from);
}

static void on_until(sw_ctx *c)
{
    sw_value from = sw_step(c, "from", steady, sw_nil());
    begun();
    sw_sleep_until(c, "z", number(c, "ms"));
    reply_times(c, from);
}

static sw_value fails(sw_ctx *c, sw_value v)
{
    if (sw_attempt(c) > 1) return v;
    begun();
    sw_fail_after(c, sw_as_int(v, 0), "once");
}

static void on_retry(sw_ctx *c)
{
    sw_value from = sw_step(c, "from", steady, sw_nil());
    sw_step(c, "f", fails, sw_int(number(c, "ms")));
    reply_times(c, from);
}

static void on_deadline(sw_ctx *c)
{
    begun();
    sw_sleep(c, "z", 10 * HOUR_MS);
    sw_reply_text(c, 200, "over");
}

static sw_value naps(sw_ctx *c, sw_value v)
{
    int64_t ms = sw_as_int(v, 0);
    sw_value from = sw_step(c, "from", steady, sw_nil());
    for (int i = 0; i < 3; i++) sw_sleep(c, "z", ms);
    return sw_int(sw_as_int(sw_step(c, "to", steady, sw_nil()), 0) - sw_as_int(from, 0) - 3 * ms);
}

static sw_value waits(sw_ctx *c, sw_value v)
{
    sw_sleep_until(c, "z", sw_as_int(v, 0));
    return sw_int(sw_as_int(sw_step(c, "to", wall, sw_nil()), 0) - sw_as_int(v, 0));
}

/* Waits of both kinds at once, begun under different settings of the clock. Replies by how much the earliest was late.
 */
static void on_both(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "long", naps, sw_int(number(c, "ms") * 2));
    sw_group_branch(g, "short", naps, sw_int(number(c, "ms")));
    sw_group_branch(g, "until", waits, sw_int(number(c, "until")));
    begun();
    sw_value late = sw_group_wait(g);
    sw_reply_text(c, 200, "%" PRId64 " %" PRId64 " %" PRId64, sw_as_int(sw_at(late, 0), -1),
                  sw_as_int(sw_at(late, 1), -1), sw_as_int(sw_at(late, 2), -1));
}

static void on_plain(sw_ctx *c)
{
    begun();
    if (number(c, "until"))
        sw_sleep_until(c, "z", number(c, "until"));
    else
        sw_sleep(c, "z", number(c, "ms"));
    sw_reply_text(c, 200, "0 %" PRId64, clock_wall_ms());
}

static void on_clock(sw_ctx *c)
{
    (void)__atomic_add_fetch(&clocks->set_ms, number(c, "by"), __ATOMIC_SEQ_CST);
    (void)__atomic_add_fetch(&clocks->slept_ms, number(c, "slept"), __ATOMIC_SEQ_CST);
    clocks_tell();
    sw_reply_text(c, 200, "set");
}

static int serve(int argc, char **argv)
{
    clocks = share_memory(getenv("CLOCKS"), sizeof *clocks);
    sw_app *app = sw_app_new("clocks");
    sw_endpoint_options late = {.timeout_ms = HOUR_MS};
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "GET /until", on_until, NULL);
    sw_endpoint(app, "GET /retry", on_retry, NULL);
    sw_endpoint(app, "GET /both", on_both, NULL);
    sw_endpoint(app, "GET /deadline", on_deadline, &late);
    sw_route(app, "GET /plain", on_plain);
    sw_route(app, "GET /clock", on_clock);
    return sw_main(app, argc, argv);
}

/* ---- Many clients at once ---- */

/* What some of the clients ask for. */
typedef struct ask {
    const char *path, *query;
    long status;
} ask;

typedef struct client {
    const ask *asks;
    pthread_t thread;
    char url[512];
    const char *const *headers;
    int64_t began_ms, took_ms; /* of the steady clock */
    answer a;
} client;

static client clients[CLIENTS];

static void start(const char *park_after)
{
    static char data[128];
    snprintf(data, sizeof data, "%s/data", root);
    const char *const flags[] = {"--data", data,  "--loops",      "3",        "--dev", "--redirect-after", "20h",
                                 "--hold", "20h", "--park-after", park_after, NULL};
    served_start(&server, flags);
}

static void *client_main(void *arg)
{
    client *k = arg;
    k->began_ms = clock_steady_ms();
    call(NULL, k->url, k->headers, NULL, 0, &k->a);
    k->took_ms = clock_steady_ms() - k->began_ms;
    return NULL;
}

static int64_t metric(const char *name)
{
    static answer a;
    char url[256];
    snprintf(url, sizeof url, "%s/_sw/metrics", server.address);
    call(NULL, url, NULL, NULL, 0, &a);
    size_t len = strlen(name);
    for (const char *line = a.body; (line = strstr(line, name)); line += len)
        if ((line == a.body || line[-1] == '\n') && line[len] == ' ') return strtoll(line + len, NULL, 10);
    CHECK(!"no such metric");
    return 0;
}

/* On all loops, each client one of them; returns when all of them wait. */
static void ask_all(const ask *asks, size_t count, bool parked, const char *const *headers)
{
    int64_t before = metric("stepwell_runs_parked_total");
    clocks->begun = 0;
    for (size_t i = 0; i < CLIENTS; i++) {
        client *k = &clients[i];
        k->asks = &asks[i % count];
        k->headers = headers;
        snprintf(k->url, sizeof k->url, "%s%s?%s", server.address, k->asks->path, k->asks->query);
        CHECK_INT(pthread_create(&k->thread, NULL, client_main, k), 0);
    }
    while (__atomic_load_n(&clocks->begun, __ATOMIC_SEQ_CST) < CLIENTS) usleep(1000);
    while (parked && metric("stepwell_runs_parked_total") < before + CLIENTS) usleep(10000);
}

/* `status` 0: what they asked for. */
static void join_all(long status)
{
    for (int i = 0; i < CLIENTS; i++) {
        long wanted = status ? status : clients[i].asks->status;
        CHECK_INT(pthread_join(clients[i].thread, NULL), 0);
        if (clients[i].a.status != wanted)
            printf("# %s: %ld %s\n", clients[i].url, clients[i].a.status, clients[i].a.body);
        CHECK_INT(clients[i].a.status, wanted);
    }
}

static void set_clock(int64_t by_ms, int64_t slept_ms)
{
    static answer a;
    char url[256];
    snprintf(url, sizeof url, "%s/clock?by=%" PRId64 "&slept=%" PRId64, server.address, by_ms, slept_ms);
    call(NULL, url, NULL, NULL, 0, &a);
    CHECK_INT(a.status, 200);
}

static int64_t number_of(const client *k, int place)
{
    char *at = (char *)(uintptr_t)k->a.body;
    int64_t n = 0;
    for (int i = 0; i <= place; i++) n = strtoll(at, &at, 10);
    return n;
}

static const int64_t settings[] = {-HOUR_MS, 2 * HOUR_MS};

/* ---- In memory and parked ---- */

static const struct {
    const char *name, *park_after;
    bool parked;
} places[] = {{"in memory", "1h", false}, {"parked", "20ms", true}};

/* An hour each, by the steady clock. */
static const ask relative[] = {{"/sleep", "ms=3600000", 200}, {"/retry", "ms=3600000", 200}, {"/deadline", "", 504}};
enum { RELATIVE = sizeof relative / sizeof relative[0] };

static void let_pass(int64_t ms)
{
    usleep(MOMENT_US);
    set_clock(0, ms);
}

static void check_relative(void)
{
    for (int n = 0; n < CLIENTS; n++)
        if (clients[n].asks->status == 200) CHECK(number_of(&clients[n], 0) >= HOUR_MS - 1);
}

static void test_relative(void)
{
    for (size_t p = 0; p < 2; p++)
        for (size_t k = 0; k < 2; k++) {
            start(places[p].park_after);
            ask_all(relative, RELATIVE, places[p].parked, NULL);
            set_clock(settings[k], 0);
            let_pass(WAIT_MS);
            join_all(0);
            check_relative();
            for (int n = 0; n < CLIENTS; n++) CHECK(clients[n].took_ms >= HOUR_MS - 2);
            CHECK_INT(served_stop(&server, SIGTERM), 0);
        }
}

static void ask_until(const char *path, const char *name, bool parked, int64_t due_ms)
{
    static char query[64];
    static ask until = {.query = query, .status = 200};
    until.path = path;
    snprintf(query, sizeof query, "%s=%" PRId64, name, due_ms);
    ask_all(&until, 1, parked, NULL);
}

/* The clock is set back by two hours before the hour is over: it takes three. */
static void wait_longer(const char *path, const char *name, bool parked)
{
    int64_t due_ms = clock_wall_ms() + HOUR_MS;
    ask_until(path, name, parked, due_ms);
    set_clock(-2 * HOUR_MS, 0);
    let_pass(2 * HOUR_MS);
    let_pass(WAIT_MS);
    join_all(0);
    for (int n = 0; n < CLIENTS; n++) CHECK(number_of(&clients[n], 1) >= due_ms);
}

/* Ends when the clock is set forward, and not early when it is set back. */
static void test_absolute(void)
{
    for (size_t p = 0; p < 2; p++) {
        start(places[p].park_after);
        ask_until("/until", "ms", places[p].parked, clock_wall_ms() + 2 * HOUR_MS - 60000);
        set_clock(2 * HOUR_MS, 0);
        join_all(0);
        wait_longer("/until", "ms", places[p].parked);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

static void test_plain(void)
{
    static const ask hour = {"/plain", "ms=3600000", 200};
    start("1s");
    for (size_t k = 0; k < 2; k++) {
        ask_all(&hour, 1, false, NULL);
        set_clock(settings[k], 0);
        let_pass(WAIT_MS);
        join_all(0);
        for (int n = 0; n < CLIENTS; n++) CHECK(clients[n].took_ms >= HOUR_MS - 1);
    }
    ask_until("/plain", "until", false, clock_wall_ms() + HOUR_MS);
    set_clock(2 * HOUR_MS, 0);
    join_all(0);
    wait_longer("/plain", "until", false);
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

/* All waits, also the relative ones, go on while the machine sleeps. */
static void test_machine_slept(void)
{
    static const ask hours = {"/sleep", "ms=7000000", 200};
    for (size_t p = 0; p < 2; p++) {
        start(places[p].park_after);
        ask_all(&hours, 1, places[p].parked, NULL);
        set_clock(0, 2 * HOUR_MS);
        join_all(0);
        ask_until("/until", "ms", places[p].parked, clock_wall_ms() + HOUR_MS);
        set_clock(0, 2 * HOUR_MS);
        join_all(0);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

/* The clock is set again and again while runs of several waits park and come back. These pass by themselves. */
static void test_again_and_again(void)
{
    static const int64_t by_ms[] = {-HOUR_MS, 90, -HOUR_MS / 2, 2 * HOUR_MS, -60, -HOUR_MS / 2};
    for (size_t p = 0; p < 2; p++) {
        char query[64];
        const ask both = {"/both", query, 200};
        start(places[p].park_after);
        snprintf(query, sizeof query, "ms=150&until=%" PRId64, clock_wall_ms() + 700);
        ask_all(&both, 1, false, NULL);
        for (size_t i = 0; i < sizeof by_ms / sizeof by_ms[0]; i++, usleep(80000)) set_clock(by_ms[i], 0);
        join_all(0);
        for (int n = 0; n < CLIENTS; n++)
            for (int i = 0; i < 3; i++) CHECK(number_of(&clients[n], i) >= -1);
        CHECK_INT(served_stop(&server, SIGTERM), 0);
    }
}

/* ---- Through kill -9 ---- */

/* The answer at each run's output URL, which is in its 202. */
static void collect(void)
{
    char path[512];
    static const char *const none[] = {NULL};
    for (int n = 0; n < CLIENTS; n++) {
        answer_header(&clients[n].a, "Location", path, sizeof path);
        const char *at = strstr(path, "/_sw/");
        CHECK(at != NULL);
        snprintf(clients[n].url, sizeof clients[n].url, "%s%s", server.address, at);
        call(NULL, clients[n].url, none, NULL, 20, &clients[n].a);
        if (clients[n].a.status != clients[n].asks->status) printf("# %s\n", clients[n].a.body);
        CHECK_INT(clients[n].a.status, clients[n].asks->status);
    }
}

/* The clock is set before the kill as well as between the two processes. Leaves the second. */
static void kill_between(const ask *asks, size_t count, size_t place, int64_t before_ms, int64_t between_ms)
{
    static const char *const prefer[] = {"Prefer: respond-async", NULL};
    start(places[place].park_after);
    ask_all(asks, count, places[place].parked, prefer);
    join_all(202);
    if (before_ms) set_clock(before_ms, 0);
    CHECK_INT(served_stop(&server, SIGKILL), -SIGKILL);
    (void)__atomic_add_fetch(&clocks->set_ms, between_ms, __ATOMIC_SEQ_CST);
    start(places[place].park_after);
}

static void collect_and_stop(void)
{
    collect();
    CHECK_INT(served_stop(&server, SIGTERM), 0);
}

static void test_restart_relative(void)
{
    static const int64_t set[][2] = {{0, -HOUR_MS}, {-HOUR_MS, 0}, {2 * HOUR_MS, -3 * HOUR_MS}};
    static const ask hour = {"/sleep", "ms=3600000", 200};
    for (size_t p = 0; p < 2; p++)
        for (size_t i = 0; i < 3; i++) {
            kill_between(relative, RELATIVE, p, set[i][0], set[i][1]);
            let_pass(WAIT_MS);
            collect_and_stop();
            check_relative();
        }
    /* At the journaled time, whatever the clock was set to. */
    kill_between(&hour, 1, 1, 0, 2 * HOUR_MS);
    collect_and_stop();
}

static void test_restart_absolute(void)
{
    char query[64];
    const ask until = {"/until", query, 200};
    for (size_t p = 0; p < 2; p++) {
        snprintf(query, sizeof query, "ms=%" PRId64, clock_wall_ms() + HOUR_MS);
        kill_between(&until, 1, p, 0, 2 * HOUR_MS);
        collect_and_stop();
        int64_t due_ms = clock_wall_ms() + HOUR_MS;
        snprintf(query, sizeof query, "ms=%" PRId64, due_ms);
        kill_between(&until, 1, p, 0, -2 * HOUR_MS);
        let_pass(2 * HOUR_MS);
        let_pass(WAIT_MS);
        collect_and_stop();
        for (int n = 0; n < CLIENTS; n++) CHECK(number_of(&clients[n], 1) >= due_ms);
    }
}

/* ---- The clock alone ---- */

static int64_t off(int64_t a, int64_t b) { return a < b ? b - a : a - b; }

static clock_wait back(const loop_clock *c, const clock_instant *now, const clock_wait *w)
{
    return clock_wait_of(c, &(clock_entry){now->epoch, now->wall_ms, w->due_ms, w->absolute});
}

/* A journaled time leads back to the steady clock, also when the wall clock has shown the same hour twice. */
static void test_settings(void)
{
    enum { SETS = 1000 };
    static loop_clock c;
    static clock_instant at[SETS];
    static clock_wait wait[SETS];
    clock_begin(&c, 7);
    for (int i = 0; i < SETS; i++) {
        at[i] = clock_now(&c);
        wait[i] = clock_wait_for(&at[i], 1000 + i);
        CHECK(entry_opening(at[i].epoch) == 7 && entry_setting(at[i].epoch) == (uint32_t)i);
        clocks->set_ms += i % 2 ? -2 * HOUR_MS : HOUR_MS + i;
    }
    for (int i = 0; i < SETS; i++) CHECK_INT(back(&c, &at[i], &wait[i]).steady_ms, wait[i].steady_ms);
    int64_t by_ms;
    CHECK(clock_take_set(&c, &by_ms) && !clock_take_set(&c, &by_ms));
    /* Beyond the last setting there is no room: the clock is still right about now. */
    for (int i = 0; i < 100; i++, clocks->set_ms += HOUR_MS)
        CHECK(off(clock_now(&c).wall_ms, clock_wall_ms()) <= CLOCK_SET_MS);
    CHECK_INT(c.setting, CLOCK_SETTINGS_MAX - 1);
    clocks->set_ms = 0;
}

/* Of a former process: at the journaled time, at the latest its length after this one began. */
static void test_former(void)
{
    static loop_clock before, c;
    clock_begin(&before, 7);
    clock_instant now = clock_now(&before);
    clock_wait w = clock_wait_for(&now, 5000), until = clock_wait_until(now.wall_ms + 5000);
    static const int64_t set[] = {0, -HOUR_MS, 3000, HOUR_MS};
    static const int64_t left[] = {5000, 5000, 2000, 5000 - HOUR_MS};
    for (int i = 0; i < 4; i++) {
        clocks->set_ms = set[i];
        clock_begin(&c, 8);
        CHECK(off(back(&c, &now, &w).steady_ms - c.began_ms, left[i]) <= CLOCK_SET_MS + (i != 1) * 1000);
        CHECK(back(&c, &now, &w).steady_ms <= c.began_ms + 5000);
        CHECK(back(&c, &now, &until).absolute && back(&c, &now, &until).due_ms == until.due_ms);
    }
    clocks->set_ms = 0;
}

static clock_mark mark_of(const clock_instant *at) { return (clock_mark){at->epoch, at->wall_ms}; }

/* How long something stood still: seen by one process, by two, or by former ones alone. */
static void test_between(void)
{
    enum { SLEPT_MS = 5000 };
    static loop_clock before, c;
    clock_begin(&before, 7);
    clock_instant from = clock_now(&before), to;
    clocks->set_ms = -HOUR_MS;
    clocks->slept_ms += SLEPT_MS;
    to = clock_now(&before);
    CHECK(off(clock_between_ms(&before, mark_of(&from), mark_of(&to)), SLEPT_MS) <= 1000);
    CHECK_INT(clock_between_ms(&before, mark_of(&to), mark_of(&from)), 0);
    clock_begin(&c, 8); /* it began an hour behind: what was before is over when it begins */
    clocks->slept_ms += SLEPT_MS;
    clock_instant now = clock_now(&c);
    CHECK(off(clock_between_ms(&c, mark_of(&from), mark_of(&now)), SLEPT_MS) <= 1000);
    CHECK(off(clock_between_ms(&c, mark_of(&to), mark_of(&now)), SLEPT_MS) <= 1000);
    CHECK_INT(clock_between_ms(&c, mark_of(&from), mark_of(&to)), 0);
    CHECK_INT(clock_between_ms(&c, (clock_mark){entry_epoch(7, 0), 1000}, (clock_mark){entry_epoch(7, 0), 3000}), 2000);
    clocks->set_ms = 0;
}

/* Times at the ends of their range. */
static void test_ends(void)
{
    static loop_clock c;
    clock_begin(&c, 1);
    clock_instant now = clock_now(&c);
    static const int64_t ends[] = {INT64_MIN, -1, 0, 1, INT64_MAX};
    for (int i = 0; i < 5; i++) {
        clock_wait w = clock_wait_for(&now, ends[i]), u = clock_wait_until(ends[i]);
        CHECK((clock_left_ms(&w) > 100) == (i == 4) && (clock_left_ms(&u) > 0) == (i == 4));
        for (int k = 0; k < 5; k++)
            for (uint64_t e = 0; e < 2; e++) {
                uint64_t epoch = entry_epoch(1 + e, 0);
                (void)clock_wait_of(&c, &(clock_entry){epoch, ends[i], ends[k], false});
                CHECK(clock_between_ms(&c, (clock_mark){epoch, ends[i]}, (clock_mark){now.epoch, ends[k]}) >= 0);
            }
    }
    clock_alarm a = clock_alarm_none();
    CHECK(clock_alarm_left_ms(&a) == CLOCK_NEVER);
    a = clock_alarm_in(INT64_MAX);
    CHECK(clock_alarm_left_ms(&a) > HOUR_MS && clock_alarm_left_ms(&a) != CLOCK_NEVER);
}

static const check_case cases[] = {{"journaled times and settings", test_settings},
                                   {"journaled times of a former process", test_former},
                                   {"how long something stood still", test_between},
                                   {"times at the ends", test_ends},
                                   {"relative waits, and deadlines", test_relative},
                                   {"absolute waits", test_absolute},
                                   {"plain routes", test_plain},
                                   {"a machine that slept", test_machine_slept},
                                   {"waits of both kinds, set again and again", test_again_and_again},
                                   {"relative waits over kill -9", test_restart_relative},
                                   {"absolute waits over kill -9", test_restart_absolute}};

static void share_clocks(void)
{
    char shared[128];
    snprintf(shared, sizeof shared, "%s/clocks", root);
    CHECK_INT(setenv("CLOCKS", shared, 1), 0);
    clocks = share_memory(shared, sizeof *clocks);
}

SERVED_MAIN(serve, share_clocks, cases)
