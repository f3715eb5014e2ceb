/* A schedule begins one run for each of its points: over restarts, failed writes, clocks that are set, and whatever the
 * last run is doing. The clock goes by the test's hand, so each night is over at once. */
#include "runtime/flow/schedules.h"
#include "runtime/run/settings.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS, DAY_MS = 24 * HOUR_MS, POINTS_MAX = 64 };

static clocks_state hand;
static char text[TURNED_TEXT];

/* What runs have noted, in the order in which they came to their first step. */
static int64_t points[POINTS_MAX];
static unsigned point_count;
static bool go; /* what stays does not */

static sw_value note(sw_ctx *c, sw_value input)
{
    (void)c;
    CHECK(point_count < POINTS_MAX);
    points[point_count++] = sw_as_int(sw_get(input, "scheduled_at"), -1);
    return sw_get(input, "schedule");
}

static sw_value on_report(sw_ctx *c, sw_value input) { return sw_step(c, "note", note, input); }

static sw_value on_slow(sw_ctx *c, sw_value input)
{
    sw_step(c, "note", note, input);
    while (!go) sw_sleep(c, "stay", 20);
    return sw_nil();
}

/* ---- The clock ---- */

static int64_t moment(const char *at)
{
    struct tm tm = {.tm_year = atoi(at) - 1900,
                    .tm_mon = atoi(at + 5) - 1,
                    .tm_mday = atoi(at + 8),
                    .tm_hour = atoi(at + 11),
                    .tm_min = atoi(at + 14),
                    .tm_sec = at[16] == ':' ? atoi(at + 17) : 0};
    return (int64_t)timegm(&tm) * 1000;
}

/* The wall clock is set; no time passes. */
static void set_clock(const char *at)
{
    clocks->set_ms += moment(at) - clock_wall_ms();
    clocks_tell();
}

/* Time passes: both clocks go on. A loop's own may be some ms behind: it comes to this moment within a few turns. */
static void pass_until(const char *at)
{
    int64_t left_ms = moment(at) - clock_wall_ms();
    CHECK(left_ms >= 0);
    clocks->slept_ms += left_ms;
    clocks_tell();
}

/* ---- The program ---- */

static sw_function_options options;
static sw_step_fn of_report = on_report;

static void routes(sw_app *app) { sw_function(app, "report", of_report, &options); }

static void other_routes(sw_app *app) { sw_function(app, "other", on_report, NULL); }

typedef struct looked {
    bool is_there, has_row, has_function;
    schedule_row row;
    int64_t next_ms;
} looked;

static void on_view(void *arg, const schedule_view *v)
{
    looked *l = arg;
    if (strcmp(v->name, "report") != 0) return;
    *l = (looked){.is_there = true, .has_row = v->row, .has_function = v->function, .next_ms = v->next_ms[0]};
    if (v->row) l->row = *v->row;
}

static looked look(void)
{
    looked l = {.is_there = false};
    schedules_each(turned_app->schedules, on_view, &l);
    return l;
}

static void begin(void)
{
    turned_open(routes, NULL);
    TURN_UNTIL(schedules_are_known(turned_app->schedules) && look().has_row);
}

static void open_at(const char *at, const sw_function_options *o)
{
    hand = (clocks_state){.set_ms = 0};
    clocks = &hand;
    set_clock(at);
    options = *o;
    of_report = on_report;
    point_count = 0;
    go = false;
    begin();
}

/* Exactly these have begun, since the test began. */
static void check_points(const char *expected)
{
    unsigned count = 0;
    turned_often();
    for (const char *p = expected; *p; p += strcspn(p, " "), p += *p == ' ') {
        if (count >= point_count || points[count] != moment(p)) printf("# %u: %s\n", count, p);
        CHECK(count < point_count);
        CHECK_INT(points[count], moment(p));
        count++;
    }
    CHECK_INT(point_count, count);
}

/* The time has come to the point, and its run has begun. */
static void meet(const char *at)
{
    unsigned before = point_count;
    pass_until(at);
    TURN_UNTIL(point_count > before);
    CHECK_INT(points[point_count - 1], moment(at));
}

static uint64_t begun(void) { return turned_home()->counters.points_begun; }
static uint64_t skipped(void) { return turned_home()->counters.points_skipped; }
static uint64_t missed(void) { return turned_home()->counters.points_missed; }

/* ---- Points ---- */

static void test_nights(void)
{
    open_at("2025-03-28T12:00", &(sw_function_options){.cron = "30 2 * * *", .timezone = "Europe/Berlin"});
    CHECK_INT(look().next_ms, moment("2025-03-29T01:30"));
    meet("2025-03-29T01:30");
    turned_end();
    begin();
    meet("2025-03-30T01:00"); /* 02:30 is left out */
    meet("2025-03-31T00:30");
    turned_end();
    begin();
    check_points("2025-03-29T01:30 2025-03-30T01:00 2025-03-31T00:30");
    CHECK_INT(begun(), 0);
    turned_close();
    open_at("2025-10-25T12:00", &(sw_function_options){.cron = "30 2 * * *", .timezone = "Europe/Berlin"});
    meet("2025-10-26T00:30");
    pass_until("2025-10-26T01:30"); /* 02:30 again */
    check_points("2025-10-26T00:30");
    meet("2025-10-27T01:30");
    turned_close();
}

/* Not before its time, and by what it is given. */
static void test_input(void)
{
    open_at("2025-01-01T00:00:10", &(sw_function_options){.cron = "@every 90s"});
    pass_until("2025-01-01T00:01:10");
    check_points("");
    meet("2025-01-01T00:01:30");
    meet("2025-01-01T00:03");
    looked l = look();
    CHECK_INT(l.row.point_ms, moment("2025-01-01T00:03"));
    CHECK_INT(l.row.upto_ms, l.row.point_ms);
    turned_check(turned_ask_run("GET", &l.row.run, "", ""), 200, "\"scheduledAt\":1735689780000");
    turned_check(turned_ask_run("GET", &l.row.run, "", ""), 200,
                 "\"input\":{\"schedule\":\"report\",\"scheduled_at\":1735689780000}");
    turned_close();
}

/* No process was there: the newest point gets a run if it is not too old, and the others none. */
static void test_pause_of_process(void)
{
    const sw_function_options o = {.cron = "0 * * * *", .catch_up_ms = 20 * MINUTE_MS};
    open_at("2025-01-01T00:30", &o);
    turned_end();
    pass_until("2025-01-01T05:15");
    begin();
    TURN_UNTIL(point_count == 1);
    check_points("2025-01-01T05:00");
    CHECK_INT(missed(), 4);
    turned_end();
    pass_until("2025-01-01T09:21");
    begin();
    check_points("2025-01-01T05:00");
    CHECK_INT(missed(), 4);
    meet("2025-01-01T10:00");
    turned_close();
    /* Without .catch_up_ms: a minute and --drain (30 s) are how long it takes to replace a process. */
    open_at("2025-01-01T00:30", &(sw_function_options){.cron = "0 * * * *"});
    turned_end();
    pass_until("2025-01-01T03:01:10");
    begin();
    TURN_UNTIL(point_count == 1);
    turned_end();
    pass_until("2025-01-01T04:01:31");
    begin();
    check_points("2025-01-01T03:00");
    turned_close();
}

static void test_clock_set(void)
{
    open_at("2025-01-01T00:30", &(sw_function_options){.cron = "0 * * * *", .catch_up_ms = HOUR_MS});
    meet("2025-01-01T01:00");
    set_clock("2025-01-01T00:59:30"); /* back over the point */
    turned_often();
    CHECK_INT(look().next_ms, moment("2025-01-01T02:00"));
    pass_until("2025-01-01T01:00:30");
    check_points("2025-01-01T01:00");
    set_clock("2024-12-31T20:00"); /* far back: nothing begins that has begun */
    turned_end();
    begin();
    pass_until("2025-01-01T01:59");
    check_points("2025-01-01T01:00");
    meet("2025-01-01T02:00");
    set_clock("2025-01-01T06:10"); /* forward: the newest of the four */
    TURN_UNTIL(point_count == 3);
    check_points("2025-01-01T01:00 2025-01-01T02:00 2025-01-01T06:00");
    CHECK_INT(missed(), 3);
    CHECK_INT(begun(), 2);
    turned_close();
}

/* Points that the program did not have before are none that it has missed. */
static void test_changed(void)
{
    open_at("2025-01-01T00:30", &(sw_function_options){.cron = "0 3 * * *", .catch_up_ms = DAY_MS});
    meet("2025-01-01T03:00");
    turned_end();
    pass_until("2025-01-01T08:00");
    options.cron = "0 5 * * *";
    begin();
    check_points("2025-01-01T03:00");
    turned_end();
    turned_open(other_routes, NULL); /* the program does not have it any more, and then again */
    TURN_UNTIL(schedules_are_known(turned_app->schedules));
    CHECK(look().is_there && look().has_row && !look().has_function);
    pass_until("2025-01-02T05:30");
    check_points("2025-01-01T03:00");
    turned_end();
    begin();
    TURN_UNTIL(point_count == 2);
    check_points("2025-01-01T03:00 2025-01-02T05:00");
    turned_close();
}

/* ---- Overlaps ---- */

static void open_slow(sw_overlap overlap)
{
    open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *", .overlap = overlap});
    turned_end();
    of_report = on_slow;
    begin();
    meet("2025-01-01T00:01");
}

static const char *page_of(const run_id *id)
{
    CHECK_INT(turned_reply(turned_ask_run("GET", id, "", ""), text), 200);
    return text;
}

static bool run_is(const run_id *id, const char *state)
{
    char part[64];
    (void)snprintf(part, sizeof part, "\"state\":\"%s\"", state);
    return strstr(page_of(id), part) != NULL;
}

static void wait_for_state(const run_id *id, const char *state)
{
    while (!run_is(id, state)) CHECK(turned_turn());
}

static void test_skip(void)
{
    open_slow(SW_OVERLAP_SKIP);
    run_id first = look().row.run;
    pass_until("2025-01-01T00:02");
    TURN_UNTIL(skipped() == 1);
    pass_until("2025-01-01T00:03");
    TURN_UNTIL(skipped() == 2);
    check_points("2025-01-01T00:01");
    go = true;
    wait_for_state(&first, "succeeded");
    check_points("2025-01-01T00:01");
    meet("2025-01-01T00:04");
    turned_close();
}

static void test_queue(void)
{
    open_slow(SW_OVERLAP_QUEUE);
    pass_until("2025-01-01T00:02");
    TURN_UNTIL(look().row.waits_ms == moment("2025-01-01T00:02"));
    pass_until("2025-01-01T00:03"); /* takes its place */
    TURN_UNTIL(look().row.waits_ms == moment("2025-01-01T00:03"));
    CHECK_INT(skipped(), 1);
    run_id first = look().row.run;
    const char *page = page_of(&first);
    CHECK(strstr(page, "; its schedule's point 2025-01-01T00:03:00Z waits for its end\""));
    CHECK(strstr(page, "\"waitingPoint\":1735689780000"));
    turned_end();
    begin();
    pass_until("2025-01-01T00:03:10");
    check_points("2025-01-01T00:01");
    go = true;
    TURN_UNTIL(point_count == 2);
    check_points("2025-01-01T00:01 2025-01-01T00:03");
    CHECK_INT(look().row.waits_ms, 0);
    turned_close();
}

static void test_replace(void)
{
    open_slow(SW_OVERLAP_REPLACE);
    run_id first = look().row.run;
    pass_until("2025-01-01T00:02");
    TURN_UNTIL(point_count == 2);
    CHECK(run_is(&first, "cancelled"));
    pass_until("2025-01-01T00:03");
    TURN_UNTIL(point_count == 3);
    check_points("2025-01-01T00:01 2025-01-01T00:02 2025-01-01T00:03");
    CHECK_INT(skipped(), 0);
    turned_close();
}

static void test_allow(void)
{
    open_slow(SW_OVERLAP_ALLOW);
    meet("2025-01-01T00:02");
    meet("2025-01-01T00:03");
    CHECK_INT(turned_home()->runs.count, 3);
    go = true;
    turned_close();
}

/* Whatever is to be done about a run that goes on, one that is stopped would end the schedule for ever. */
static void test_stopped_run(void)
{
    static const sw_overlap all[] = {SW_OVERLAP_SKIP, SW_OVERLAP_QUEUE, SW_OVERLAP_REPLACE};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        open_slow(all[i]);
        run_id first = look().row.run;
        turned_check(turned_send_stop(&first, "for the night"), 200, "");
        wait_for_state(&first, "stopped");
        meet("2025-01-01T00:02");
        turned_close();
    }
    open_slow(SW_OVERLAP_QUEUE); /* and it is stopped while a point waits for it */
    run_id first = look().row.run;
    pass_until("2025-01-01T00:02");
    TURN_UNTIL(look().row.waits_ms > 0);
    turned_check(turned_send_stop(&first, ""), 200, "");
    TURN_UNTIL(point_count == 2);
    turned_close();
}

/* Nobody knows whether a run has ended that cannot be read at the moment; one that stays so is as one that is stopped.
 */
static void test_unread_run(void)
{
    open_slow(SW_OVERLAP_SKIP);
    memory_fail_glances(turned_disk, true);
    pass_until("2025-01-01T00:02");
    turned_often();
    check_points("2025-01-01T00:01");
    CHECK_INT(skipped(), 0);
    memory_fail_glances(turned_disk, false);
    pass_until("2025-01-01T00:02:10");
    TURN_UNTIL(skipped() == 1); /* it goes on */
    check_points("2025-01-01T00:01");
    memory_fail_glances(turned_disk, true);
    pass_until("2025-01-01T00:03");
    turned_often();
    pass_until("2025-01-01T00:03:15");
    check_points("2025-01-01T00:01");
    pass_until("2025-01-01T00:03:25");
    TURN_UNTIL(look().row.point_ms == moment("2025-01-01T00:03"));
    memory_fail_glances(turned_disk, false);
    TURN_UNTIL(point_count == 2);
    check_points("2025-01-01T00:01 2025-01-01T00:03");
    CHECK_INT(skipped(), 1);
    go = true;
    turned_close();
}

/* One that has crashed the process is not followed by the next, until somebody has looked at it. */
static void test_crashed_run(void)
{
    static const sw_overlap all[] = {SW_OVERLAP_SKIP, SW_OVERLAP_QUEUE, SW_OVERLAP_REPLACE, SW_OVERLAP_ALLOW};
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        open_slow(all[i]);
        run_id first = look().row.run;
        CHECK(turned_slot(&first) && turned_slot(&first)->run);
        run_stop(turned_slot(&first)->run, STOP_CRASHES, 0, "it has crashed three times");
        wait_for_state(&first, "stopped");
        pass_until("2025-01-01T00:02");
        TURN_UNTIL(skipped() == 1);
        check_points("2025-01-01T00:01");
        (void)turned_reply(turned_ask_run("DELETE", &first, "", ""), text);
        wait_for_state(&first, "cancelled");
        meet("2025-01-01T00:03");
        turned_close();
    }
}

/* A point that waited for the last run, when that crashed, goes on waiting, over restarts too. A later one takes its
 * place; it begins when the run has been cancelled, or has been released and has ended. */
static void test_crashed_while_waiting(void)
{
    for (int is_released = 0; is_released < 2; is_released++) {
        open_slow(SW_OVERLAP_QUEUE);
        run_id first = look().row.run;
        pass_until("2025-01-01T00:02");
        TURN_UNTIL(look().row.waits_ms == moment("2025-01-01T00:02"));
        run_stop(turned_slot(&first)->run, STOP_CRASHES, 0, "it has crashed three times");
        wait_for_state(&first, "stopped");
        check_points("2025-01-01T00:01");
        pass_until("2025-01-01T00:03");
        TURN_UNTIL(look().row.waits_ms == moment("2025-01-01T00:03"));
        CHECK_INT(skipped(), 1);
        turned_end();
        begin();
        pass_until("2025-01-01T00:03:30");
        check_points("2025-01-01T00:01");
        go = true;
        turned_check(is_released ? turned_send_release(&first) : turned_ask_run("DELETE", &first, "", ""), 200, "");
        TURN_UNTIL(point_count == 2);
        check_points("2025-01-01T00:01 2025-01-01T00:03");
        CHECK(run_is(&first, is_released ? "succeeded" : "cancelled"));
        turned_close();
    }
}

static void test_no_resume(void)
{
    open_slow(SW_OVERLAP_ALLOW);
    turned_end();
    turned_open(routes, (const char *const[]){"--no-resume", NULL});
    pass_until("2025-01-01T00:02");
    check_points("2025-01-01T00:01");
    turned_close();
}

/* ---- The disk ---- */

static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++) {
        open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *"});
        memory_fail(turned_disk, faults[i], 0, false);
        meet("2025-01-01T00:01");
        TURN_UNTIL(gate_writable(turned_home()));
        check_points("2025-01-01T00:01");
        CHECK_INT(begun(), 1);
        meet("2025-01-01T00:02");
        turned_close();
    }
}

/* While the journal takes no writes points wait for it; what is too late then is missed. */
static void test_outage(void)
{
    open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "0 * * * *", .catch_up_ms = 30 * MINUTE_MS});
    memory_fail(turned_disk, MEMORY_LOSES, 0, true);
    pass_until("2025-01-01T01:00");
    TURN_UNTIL(!gate_writable(turned_home()));
    pass_until("2025-01-01T01:29");
    check_points("");
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    pass_until("2025-01-01T01:29:30");
    TURN_UNTIL(point_count == 1);
    memory_fail(turned_disk, MEMORY_LOSES, 0, true);
    pass_until("2025-01-01T02:00");
    TURN_UNTIL(!gate_writable(turned_home()));
    pass_until("2025-01-01T02:45");
    turned_often();
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    pass_until("2025-01-01T02:46");
    TURN_UNTIL(missed() == 1);
    check_points("2025-01-01T01:00");
    meet("2025-01-01T03:00");
    turned_close();
}

/* The rows cannot be read at first: nothing begins before it is known what has. */
static void test_unread(void)
{
    open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *"});
    meet("2025-01-01T00:01");
    turned_end();
    memory_fail_reads(turned_disk, true);
    turned_open(routes, NULL);
    turned_often();
    CHECK(!schedules_are_known(turned_app->schedules));
    memory_fail_reads(turned_disk, false);
    pass_until("2025-01-01T00:01:40");
    TURN_UNTIL(schedules_are_known(turned_app->schedules));
    check_points("2025-01-01T00:01");
    meet("2025-01-01T00:02");
    turned_close();
}

/* ---- Operators ---- */

static bool was_done;

static void on_done(void *arg, schedule_result result, const schedule_view *now, const char *error)
{
    (void)error;
    CHECK_INT(result, SCHEDULE_DONE);
    CHECK((now != NULL) == (*(schedule_act *)arg != SCHEDULE_FORGET));
    was_done = true;
}

static void change(schedule_act act)
{
    was_done = false;
    CHECK(schedules_change(turned_home(), &(schedule_wish){act, "report", "ops"}, on_done, &act));
    TURN_UNTIL(was_done);
}

static void test_paused(void)
{
    open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *", .catch_up_ms = HOUR_MS});
    change(SCHEDULE_PAUSE);
    CHECK(look().row.is_paused && strcmp(look().row.by, "ops") == 0);
    pass_until("2025-01-01T00:02");
    check_points("");
    turned_end();
    begin();
    pass_until("2025-01-01T00:03:01"); /* the point itself would begin, for a loop that is not yet there */
    check_points("");
    change(SCHEDULE_RESUME);
    check_points("");
    meet("2025-01-01T00:04");
    CHECK_INT(missed(), 0);
    turned_close();
    open_slow(SW_OVERLAP_QUEUE); /* what waits is dropped */
    pass_until("2025-01-01T00:02");
    TURN_UNTIL(look().row.waits_ms > 0);
    change(SCHEDULE_PAUSE);
    CHECK_INT(look().row.waits_ms, 0);
    go = true;
    check_points("2025-01-01T00:01");
    turned_close();
}

static void test_forgotten(void)
{
    open_at("2099-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *"});
    meet("2099-01-01T00:01");
    set_clock("2025-01-01T00:00:30"); /* it had been set wrong */
    pass_until("2025-01-01T00:02:01");
    check_points("2099-01-01T00:01");
    change(SCHEDULE_FORGET);
    TURN_UNTIL(look().has_row);
    meet("2025-01-01T00:03");
    turned_end();
    turned_open(other_routes, NULL);
    TURN_UNTIL(schedules_are_known(turned_app->schedules));
    CHECK(look().is_there);
    change(SCHEDULE_FORGET);
    CHECK(!look().is_there);
    CHECK_INT(turned_rows(SCHEDULES_TABLE), 0);
    turned_close();
}

static void test_stopped_function(void)
{
    open_at("2025-01-01T00:00:30", &(sw_function_options){.cron = "* * * * *", .catch_up_ms = HOUR_MS});
    turned_check(turned_ask("PUT", "/_sw/settings/endpoint:report", "{\"value\":{\"stopped\":true}}"), 200, "");
    pass_until("2025-01-01T00:01");
    TURN_UNTIL(turned_home()->counters.points_stopped == 1);
    check_points("");
    turned_check(turned_ask("DELETE", "/_sw/settings/endpoint:report", ""), 204, "");
    check_points("");
    meet("2025-01-01T00:02");
    turned_close();
}

/* ---- Refusals ---- */

static void check_refused(const sw_function_options *o, const char *why)
{
    sw_app *app = sw_app_new("refused");
    sw_function(app, "report", on_report, o);
    printf("# %s\n", app->mistake ? app->mistake : "-");
    CHECK(app->mistake && strstr(app->mistake, "sw_function \"report\": ") && strstr(app->mistake, why));
    app_free(app);
}

static void test_refused(void)
{
    check_refused(&(sw_function_options){.cron = "0 0 30 2 *"}, ".cron \"0 0 30 2 *\": it never fires");
    check_refused(&(sw_function_options){.cron = "0 0 * * *", .timezone = "Mars/Base"}, ".timezone \"Mars/Base\"");
    check_refused(&(sw_function_options){.timezone = "UTC"}, ".timezone is of no use without .cron");
    check_refused(&(sw_function_options){.overlap = SW_OVERLAP_QUEUE}, ".overlap is of no use without .cron");
    check_refused(&(sw_function_options){.catch_up_ms = 1}, ".catch_up_ms is of no use without .cron");
    check_refused(&(sw_function_options){.cron = "@daily", .catch_up_ms = -1}, ".catch_up_ms is negative");
    check_refused(&(sw_function_options){.cron = "@daily", .overlap = (sw_overlap)9}, ".overlap is SW_OVERLAP_SKIP");
}

static const check_case cases[] = {
    {"each night has its run, through changes of the clocks and restarts", test_nights},
    {"a run is given its point, and begins no earlier", test_input},
    {"of the points without a process the newest gets a run, if it is not too old", test_pause_of_process},
    {"a clock that is set back begins nothing again, one that is set forward the newest point", test_clock_set},
    {"other points begin with the next one; a schedule that left the program is kept", test_changed},
    {"skip: a point passes while the last run goes on", test_skip},
    {"queue: one point waits for the end of the last run, also over a restart", test_queue},
    {"replace: the last run is cancelled, and the next begins when it has ended", test_replace},
    {"allow: runs go on side by side", test_allow},
    {"a run that is stopped holds no point back", test_stopped_run},
    {"one that has crashed does", test_crashed_run},
    {"one that cannot be read does for a while", test_unread_run},
    {"a point that waited for it waits on, and begins when somebody has seen to that run", test_crashed_while_waiting},
    {"--no-resume begins nothing", test_no_resume},
    {"a write that fails, or seems to, neither loses a run nor doubles it", test_faults},
    {"points wait for a journal that takes no writes, and no longer than they may", test_outage},
    {"nothing begins before it is known what has begun", test_unread},
    {"a paused schedule lets its points pass", test_paused},
    {"a schedule that is forgotten begins anew", test_forgotten},
    {"a stopped function lets its points pass", test_stopped_function},
    {"a schedule that cannot be is refused", test_refused},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
