/* Members of a group that run no code: waits for signals, and sleeps. Thousands of them need no stack; each is decided
 * once, in whichever process; a failure gives the others up, and then no signal is taken for nothing. */
#include "runtime/api/group_core.h"
#include "runtime/run/ctx.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum { MANY = 3000 };

typedef struct notes {
    unsigned executions, attempts, strands_max;
    bool go; /* the attempt under way may end */
    bool waited_long;
} notes;
static notes seen;
static char text[TURNED_TEXT];

/* ---- The program ---- */

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

static sw_value fail(sw_ctx *c, sw_value v)
{
    (void)v;
    seen.attempts++;
    sw_fail_fatal(c, "it cannot be done");
}

static void add_waits(sw_group *g, const char *const *names, int64_t timeout_ms)
{
    for (; *names; names++) sw_group_wait_for(g, "wait", &(sw_wait){.signal = *names, .timeout_ms = timeout_ms});
}

/* As many as nobody has stacks for. */
static void on_many(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < MANY; i++)
        sw_group_wait_for(g, sw_printf(c, "wait %d", i), &(sw_wait){.signal = sw_printf(c, "s%d", i)});
    sw_group_sleep(g, "nap", 3600000);
    seen.strands_max = (unsigned)c->task->strand_count;
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "all");
}

static void on_all(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    add_waits(g, (const char *const[]){"a", "b", "a", NULL}, 0);
    sw_group_step(g, "hold", hold, sw_int(7));
    sw_group_sleep(g, "nap", 1);
    sw_value all = sw_group_wait(g);
    seen.waited_long = c->run->waited_long_before;
    sw_reply_json(c, 200, all);
}

/* One times out, and the others wait without a timeout. */
static void on_late(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    add_waits(g, (const char *const[]){"a", NULL}, 0);
    add_waits(g, (const char *const[]){"b", NULL}, 1);
    sw_reply_json(c, 200, sw_group_wait(g));
}

static void on_settled(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    add_waits(g, (const char *const[]){"a", NULL}, 0);
    add_waits(g, (const char *const[]){"b", NULL}, SW_NO_WAIT);
    sw_group_sleep_until(g, "past", -5);
    sw_reply_json(c, 200, sw_group_settle(g));
}

static sw_value failing(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    add_waits(g, (const char *const[]){"a", NULL}, 0);
    sw_group_sleep(g, "nap", 3600000);
    sw_group_step(g, "fail", fail, v);
    return sw_group_wait(g);
}

/* A step fails in a branch: what was waited for there comes later. */
static void on_failing(sw_ctx *c)
{
    sw_value v = sw_nil();
    seen.executions++;
    (void)sw_step(c, "hold", hold, sw_nil());
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "branch", failing, sw_nil());
    sw_value all = sw_group_settle(g);
    bool has_come = sw_wait_for(c, "again", &(sw_wait){.signal = "a"}, &v);
    sw_reply_json(c, 200, sw_array(c, 3, all, sw_bool(has_come), v));
}

static sw_value fails_behind(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "hold", hold, v);
    sw_fail(c, "no luck");
}

static sw_value fails_within(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "behind", fails_behind, v);
    return sw_group_wait(g);
}

static int64_t until_ms;

static sw_value gives_up(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "wait", &(sw_wait){.signal = "a", .until_ms = until_ms});
    sw_group_branch(g, "fails", fails_within, v);
    return sw_group_wait(g);
}

/* A wait is given up, since a branch has failed; later its time comes. */
static void on_given_up(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "branch", gives_up, sw_nil());
    sw_value all = sw_group_settle(g);
    sw_sleep_until(c, "later", until_ms + 1);
    sw_reply_json(c, 200, all);
}

/* Nobody waits for the group. */
static void on_left(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    add_waits(g, (const char *const[]){"a", NULL}, 0);
    sw_group_sleep(g, "nap", 3600000);
    sw_group_step(g, "hold", hold, sw_nil());
    sw_reply_text(c, 200, "left");
}

static sw_value awaits_b(sw_ctx *c, sw_value v)
{
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "b"}, &v);
    return v;
}

/* Waits until no branch runs; members whose time is over, or whose signal has come, stand meanwhile. */
static void on_joined(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_sleep_until(g, "past", 5);
    add_waits(g, (const char *const[]){"a", NULL}, 1);
    sw_group_branch(g, "branch", awaits_b, sw_nil());
    sw_group_join(g);
    sw_reply_json(c, 200, sw_group_wait(g));
}

static int64_t nap_ms;

static void on_nap(sw_ctx *c)
{
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_sleep(g, "short", nap_ms);
    sw_group_sleep(g, "shorter", nap_ms / 2);
    add_waits(g, (const char *const[]){"a", NULL}, 100 * nap_ms + 3600000);
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "rested");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = false};
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /all", on_all, NULL);
    sw_endpoint(app, "POST /late", on_late, NULL);
    sw_endpoint(app, "POST /settled", on_settled, NULL);
    sw_endpoint(app, "POST /failing", on_failing, NULL);
    sw_endpoint(app, "POST /given-up", on_given_up, NULL);
    sw_endpoint(app, "POST /left", on_left, NULL);
    sw_endpoint(app, "POST /joined", on_joined, NULL);
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /hasty", on_many, &(sw_endpoint_options){.durability = SW_RELAXED});
}

/* ---- Asking ---- */

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static int signal_told(const run_id *id, const char *name, const char *body)
{
    return turned_reply(turned_send_signal(id, name, NULL, body), text);
}

static run_id begin_held(const char *route)
{
    unsigned before = seen.attempts;
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(seen.attempts > before && turned_slot(&id));
    return id;
}

static void check_output(const run_id *id, int status, const char *part)
{
    TURN_UNTIL(!turned_slot(id));
    turned_check(turned_send_to("GET", id, "/output"), status, part);
}

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    if (strcmp(j.text, expected) != 0) printf("# %s\n", j.text);
    CHECK_STR(j.text, expected);
}

/* ---- Tests ---- */

static void test_many(void)
{
    char name[16];
    turned_open(routes, NULL);
    run_id id = turned_park("POST /many");
    CHECK_INT(seen.strands_max, 1);
    CHECK_INT(signal_told(&id, "other", "1"), 202); /* it waits for no such name */
    turned_often();
    CHECK_INT(seen.executions, 1);
    for (unsigned i = 0; i < 3; i++) {
        snprintf(name, sizeof name, "s%u", i * 1000 + 7);
        CHECK_INT(signal_told(&id, name, "1"), 202);
        TURN_UNTIL(seen.executions == i + 2 && is_parked(&id));
    }
    turned_close();
}

/* Results stand in start order, whatever comes first; of one name the first signal is the first member's. */
static void test_all(void)
{
    for (int kills = 0; kills < 2; kills++) {
        turned_open(routes, NULL);
        run_id id = begin_held("POST /all");
        CHECK_INT(signal_told(&id, "a", "1"), 202);
        CHECK_INT(signal_told(&id, "a", "2"), 202);
        turned_often();
        CHECK(turned_slot(&id)->run); /* an attempt is under way */
        seen.go = true;
        TURN_UNTIL(is_parked(&id));
        if (kills) {
            turned_end();
            turned_open(routes, NULL);
        }
        CHECK_INT(signal_told(&id, "b", "3"), 202);
        check_output(&id, 200, "[1,3,2,7,null]");
        CHECK_INT(seen.attempts, kills ? 0 : 1);
        CHECK(seen.waited_long);
        CHECK_INT(turned_rows("inbox"), 0);
        turned_close();
    }
}

static void test_timeout(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /late")->id;
    TURN_UNTIL(turned_slot(&id));
    check_output(&id, 500, "the wait \\\"wait\\\" has timed out");
    check_journal(&id, "started; wait wait; wait wait; timed out wait; abandoned wait; response; ended");
    turned_close();
}

static void test_settled(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /settled");
    CHECK_INT(signal_told(&id, "a", "{\"x\":1}"), 202);
    check_output(&id, 200,
                 "[{\"ok\":true,\"value\":{\"x\":1}},{\"ok\":false,\"error\":\"the wait \\\"wait\\\" has timed "
                 "out\"},{\"ok\":true,");
    turned_close();
}

/* Neither a wait without a timeout nor a long sleep holds the failure back; a signal that comes later is the next
 * wait's, also when the run is loaded for it. */
static void test_failing(void)
{
    turned_open(routes, NULL);
    seen.go = true;
    run_id id = turned_park("POST /failing");
    check_journal(
        &id,
        "started; step done hold; other branch; wait wait; sleep nap; step failed fail; abandoned wait; abandoned nap; "
        "wait again");
    CHECK_INT(signal_told(&id, "a", "5"), 202);
    check_output(&id, 200, "[[{\"ok\":false,\"error\":\"it cannot be done\"}],true,5]");
    CHECK_INT(seen.executions, 2);
    CHECK_INT(seen.attempts, 2);
    turned_close();
}

/* What the run has gone on from is what it comes to again: the branch has failed, whatever has become due meanwhile. */
static void test_given_up(void)
{
    enum { HOUR_MS = 3600000 };
    clocks_state set = {.set_ms = 0};
    clocks = &set;
    until_ms = clock_wall_ms() + HOUR_MS;
    turned_open(routes, NULL);
    seen.go = true;
    run_id id = turned_park("POST /given-up");
    set.set_ms = 2 * HOUR_MS;
    clocks_tell();
    check_output(&id, 200, "[{\"ok\":false,\"error\":\"no luck\"}]");
    CHECK_INT(seen.executions, 2);
    turned_close();
    clocks = NULL;
}

/* The step is waited for, and nothing else. */
static void test_left(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /left");
    turned_often();
    CHECK(turned_slot(&id));
    seen.go = true;
    check_output(&id, 200, "left");
    turned_close();
}

/* Who joins a group waits for its branches alone: the run leaves memory, whatever became due meanwhile. */
static void test_joined(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /joined")->id;
    for (int i = 0; i < 1000 && !(turned_slot(&id) && is_parked(&id)); i++) CHECK(turned_turn());
    CHECK(is_parked(&id));
    CHECK_INT(signal_told(&id, "a", "1"), 202);
    CHECK_INT(signal_told(&id, "b", "2"), 202);
    check_output(&id, 200, "[null,1,2]");
    turned_close();
}

/* The run is loaded when the first sleep is over, and again for the last one; then it waits for the signal alone. */
static void test_naps(void)
{
    for (nap_ms = 20; nap_ms < 100; nap_ms *= 2) {
        turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
        run_id id = turned_begin("POST /nap")->id;
        TURN_UNTIL(seen.executions >= 2 && is_parked(&id) && timer_is_started(&turned_slot(&id)->due) &&
                   turned_slot(&id)->due.due_us > clock_steady_us() + 1000000);
        CHECK_INT(signal_told(&id, "a", "1"), 202);
        check_output(&id, 200, "rested");
        turned_close();
    }
}

/* What is under way ends and counts; then the run stands, or is left to the next process. */
static void test_let_go(void)
{
    for (int stops = 0; stops < 2; stops++) {
        turned_open(routes, NULL);
        run_id id = begin_held("POST /all");
        int fd = stops ? turned_send_stop(&id, "wait") : -1;
        if (!stops) turned_drain();
        for (int i = 0; i < 50; i++) CHECK(turned_turn());
        CHECK(turned_slot(&id)->run);
        seen.go = true;
        if (stops) {
            CHECK_INT(turned_reply(fd, text), 200);
            TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
        }
        turned_end();
        turned_open(routes, NULL);
        if (stops) CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
        CHECK_INT(signal_told(&id, "a", "1"), 202);
        CHECK_INT(signal_told(&id, "b", "2"), 202);
        CHECK_INT(signal_told(&id, "a", "3"), 202);
        check_output(&id, 200, "[1,2,3,7,null]");
        CHECK_INT(seen.attempts, 0);
        turned_close();
    }
}

static void test_refused(void)
{
    turned_open(routes, NULL);
    CHECK_INT(turned_reply(turned_send("POST", "/hasty", ""), text), 500);
    CHECK(strstr(text, "sw_group_wait_for \\\"wait 0\\\" in an endpoint with SW_RELAXED"));
    turned_close();
    turned_open(routes, (const char *const[]){"--steps-max", "100", NULL});
    CHECK_INT(turned_reply(turned_send("POST", "/many", ""), text), 500);
    CHECK(strstr(text, "one more than the 100 steps a run may have"));
    turned_close();
}

static const check_case cases[] = {{"thousands of waits, and no stack", test_many},
                                   {"results in start order, also in the next process", test_all},
                                   {"a timeout fails the group", test_timeout},
                                   {"failures as values", test_settled},
                                   {"a failure takes no signal", test_failing},
                                   {"what is given up stays so", test_given_up},
                                   {"a group that nobody waits for", test_left},
                                   {"joined", test_joined},
                                   {"sleeps wake the run, one after the other", test_naps},
                                   {"a drain, or a stop, while an attempt is under way", test_let_go},
                                   {"where no member may wait", test_refused}};
CHECK_MAIN(cases)
