/* What works for a member that has lost: selects and groups in its branches unwind, in the execution that decides and
 * in every replay; a replay comes to all that the journal has of it, and begins nothing. */
#include "runtime/run/ctx.h"
#include "runtime/run/question_look.h"
#include "tests/harness/turned.h"

enum { STEPS = 6 };

typedef struct notes {
    unsigned executions, attempts[STEPS], ended[STEPS]; /* of steps that hold on until they may end */
    unsigned behind;                                    /* branches that have come behind their group */
    bool go[STEPS];
    bool is_new; /* what sw_patch has said */
} notes;
static notes seen;
static char text[TURNED_TEXT];

/* ---- The program ---- */

/* Its input is the number of the step. */
static sw_value hold(sw_ctx *c, sw_value v)
{
    int64_t i = sw_as_int(v, 0);
    seen.attempts[i]++;
    while (!seen.go[i]) sw_sleep(c, "poll", 1);
    seen.ended[i]++;
    return v;
}

static sw_value hold_in_branch(sw_ctx *c, sw_value v) { return sw_step(c, "held", hold, v); }

/* What a branch that is to lose does. */
static sw_step_fn loser;

static sw_value two_steps(sw_ctx *c, sw_value v)
{
    sw_value out = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "one", hold, sw_int(0));
    sw_group_step(g, "two", hold, sw_int(1));
    (void)sw_group_any(g, "inner", &out);
    seen.behind++;
    (void)sw_step(c, "last", hold, sw_int(3));
    return v;
}

static sw_value step_and_branch(sw_ctx *c, sw_value v)
{
    sw_value out = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "one", hold, sw_int(0));
    sw_group_branch(g, "two", hold_in_branch, sw_int(1));
    sw_group_sleep(g, "long", 3600000);
    sw_group_wait_for(g, "never", &(sw_wait){.signal = "never"});
    (void)sw_group_any(g, "inner", &out);
    seen.behind++;
    (void)sw_step(c, "last", hold, sw_int(3));
    return v;
}

/* Three levels. */
static sw_value two_deep(sw_ctx *c, sw_value v)
{
    sw_value out = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "left", two_steps, v);
    sw_group_branch(g, "right", step_and_branch, v);
    (void)sw_group_any(g, "middle", &out);
    seen.behind++;
    return v;
}

/* Comes behind a group whose sleep and wait are over, and holds on there. */
static sw_value past_a_sleep(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new(c);
    sw_group_sleep(g, "short", 1);
    sw_group_wait_for(g, "late", &(sw_wait){.signal = "never", .timeout_ms = 1});
    sw_group_step(g, "two", hold, sw_int(1));
    (void)sw_group_settle(g);
    seen.behind++;
    sw_label(c, "part", "done");
    (void)sw_step(c, "one", hold, sw_int(0));
    return v;
}

/* Another thread does. */
static void read_large_json(sw_ctx *c)
{
    enum { BYTES = 300000 };
    char *large = sw_alloc(c, BYTES);
    memset(large, ' ', BYTES);
    large[BYTES - 1] = '7';
    (void)sw_json_parse(c, large, BYTES);
}

/* Waits for another thread between a result and what it says of it. */
static sw_value past_large_json(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "two", hold, sw_int(1));
    for (int i = 0; i < 3; i++) read_large_json(c);
    seen.behind++;
    (void)sw_now(c);
    sw_label(c, "part", "done");
    (void)sw_step(c, "one", hold, sw_int(0));
    return v;
}

static bool is_patched; /* the program was changed */

static sw_value past_a_patch(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "two", hold, sw_int(1));
    if (is_patched && sw_patch(c, "new")) sw_fail_fatal(c, "another way than that of the journal");
    seen.behind++;
    (void)sw_now(c);
    (void)sw_step(c, "one", hold, sw_int(0));
    return v;
}

static sw_value win(sw_ctx *c, sw_value v)
{
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "win"}, NULL);
    return v;
}

static void on_nested(sw_ctx *c)
{
    sw_value v = sw_nil();
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "loser", loser, sw_int(0));
    sw_group_branch(g, "winner", win, sw_int(5));
    if (loser == past_large_json) read_large_json(c); /* a replay comes to its decision while the loser waits */
    size_t winner = sw_group_any(g, "outer", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    seen.is_new = sw_patch(c, "behind");
    sw_reply_json(c, 200, sw_array(c, 2, sw_int((int64_t)winner), v));
}

static sw_value fail_at_last(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "held", hold, v);
    sw_fail_fatal(c, "it cannot be done");
}

/* One branch at a time: when the second one loses, the first has failed. */
static void on_limited(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new_with(c, &(sw_group_options){.parallel_max = 1});
    sw_group_branch(g, "failing", fail_at_last, sw_int(1));
    sw_group_branch(g, "loser", past_a_sleep, sw_int(0));
    sw_group_branch(g, "not begun", hold_in_branch, sw_int(2));
    sw_group_wait_for(g, "win", &(sw_wait){.signal = "win"});
    size_t winner = sw_group_any(g, "outer", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    seen.is_new = sw_patch(c, "behind");
    sw_reply_json(c, 200, sw_array(c, 2, sw_int((int64_t)winner), v));
}

static sw_value say_behind(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "held", hold, v);
    sw_log(c, "behind");
    return v;
}

/* Waits for something else while its group is at work. */
static sw_value wait_beside(sw_ctx *c, sw_value v)
{
    sw_group *g = sw_group_new_with(c, &(sw_group_options){.parallel_max = 1});
    sw_group_branch(g, "one", say_behind, sw_int(0));
    sw_group_branch(g, "two", say_behind, sw_int(1));
    (void)sw_wait_for(c, "beside", &(sw_wait){.signal = "beside"}, NULL);
    (void)sw_group_wait(g);
    return v;
}

static void on_beside(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "waits", wait_beside, sw_int(1));
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "done");
}

static void *nap_beside(void *arg)
{
    usleep(arg ? 20000 : 1000);
    return arg;
}

/* Cannot be cut, and reads what lies in the frame of who waits for it. */
static sw_value read_frame(sw_ctx *c, sw_value v)
{
    const int *frame = sw_arg(c);
    seen.attempts[sw_as_int(v, 0)]++;
    sw_blocking(c, nap_beside, sw_as_int(v, 0) == 0 ? &seen : NULL);
    CHECK_INT(*frame, 42);
    seen.ended[sw_as_int(v, 0)]++;
    return v;
}

static sw_value three_groups(sw_ctx *c, sw_value v)
{
    int frame = 42;
    const sw_step_options options = {.arg = &frame};
    for (int i = 0; i < 3; i++) {
        sw_group *g = sw_group_new(c);
        sw_group_step_with(g, "reads", read_frame, sw_int(i), &options);
    }
    sw_group *last = sw_group_new(c);
    sw_group_step(last, "holds", hold, sw_int(3));
    (void)sw_group_wait(last);
    return v;
}

static char listener[RUN_ID_TEXT + 1];
static bool tells; /* the program was changed */

static sw_value tell(sw_ctx *c, sw_value v)
{
    (void)sw_step(c, "held", hold, v);
    if (tells) (void)sw_send_signal(c, "tell", listener, "told", v);
    (void)sw_step(c, "behind", hold, sw_int(3));
    return v;
}

static void on_telling(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "loser", tell, sw_int(0));
    sw_group_branch(g, "winner", hold_in_branch, sw_int(1));
    (void)sw_group_any(g, "outer", NULL);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_text(c, 200, "decided");
}

static void on_listen(sw_ctx *c)
{
    sw_value v = sw_nil();
    (void)sw_wait_for(c, "told", &(sw_wait){.signal = "told"}, &v);
    sw_reply_json(c, 200, v);
}

/* Nobody waits for b from the decision until "more"; then three waits do. */
static void on_kept(sw_ctx *c)
{
    sw_value got[3] = {sw_nil(), sw_nil(), sw_nil()};
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "a", &(sw_wait){.signal = "a"});
    sw_group_wait_for(g, "b", &(sw_wait){.signal = "b"});
    (void)sw_group_any(g, "first", NULL);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    for (int i = 0; i < 3; i++) (void)sw_wait_for(c, "b", &(sw_wait){.signal = "b"}, &got[i]);
    sw_reply_json(c, 200, sw_array(c, 3, got[0], got[1], got[2]));
}

static void on_calling(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "loser", "child", sw_int(0));
    sw_group_step(g, "fast", hold, sw_int(1));
    (void)sw_group_any(g, "first", NULL);
    if (!seen.go[2]) sw_fail_fatal(c, "not yet");
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_text(c, 200, "done");
}

/* The program was changed: what it asks of the group. */
static enum { FIRST, RENAMED, RESULTS, SETTLED, NOTHING } asks;
static bool in_branch; /* what loses is a branch */

static void on_changed(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new(c);
    if (asks != RENAMED) sw_group_step(g, "fast", hold, sw_int(1));
    if (in_branch)
        sw_group_branch(g, "slow", hold_in_branch, sw_int(0));
    else
        sw_group_step(g, "slow", hold, sw_int(0));
    if (asks == NOTHING) sw_fail_fatal(c, "\"slow\" has lost there");
    if (asks <= RENAMED) (void)sw_group_any(g, asks == RENAMED ? "renamed" : "first", &v);
    if (asks == RESULTS) v = sw_group_wait(g);
    if (asks == SETTLED) v = sw_group_settle(g);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    sw_reply_json(c, 200, v);
}

static void routes(sw_app *app)
{
    seen = (notes){.executions = 0};
    sw_endpoint(app, "POST /changed", on_changed, NULL);
    sw_endpoint(app, "POST /stopping", on_changed, &(sw_endpoint_options){.on_difference = SW_STOP});
    sw_endpoint(app, "POST /nested", on_nested, NULL);
    sw_endpoint(app, "POST /limited", on_limited, NULL);
    sw_endpoint(app, "POST /beside", on_beside, NULL);
    sw_endpoint(app, "POST /kept", on_kept, NULL);
    sw_endpoint(app, "POST /telling", on_telling, NULL);
    sw_endpoint(app, "POST /listen", on_listen, NULL);
    sw_endpoint(app, "POST /calling", on_calling, NULL);
    sw_function(app, "child", hold_in_branch, NULL);
}

/* ---- Asking ---- */

static bool is_parked(const run_id *id)
{
    const slot *s = turned_slot(id);
    return s && s->state == SLOT_PARKED;
}

static void send_signal(const run_id *id, const char *name, const char *body)
{
    CHECK_INT(turned_reply(turned_send_signal(id, name, NULL, body), text), 202);
}

static void check_output(const run_id *id, int status, const char *part)
{
    TURN_UNTIL(!turned_slot(id));
    turned_check(turned_send_to("GET", id, "/output"), status, part);
}

/* ---- Tests ---- */

/* The outer select is decided while the inner one waits, or in the turn in which its members come to an end. */
static void check_nested(sw_step_fn of, unsigned together, unsigned turns)
{
    loser = of;
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /nested")->id;
    TURN_UNTIL(seen.attempts[0] > 0 && seen.attempts[1] > 0 && turned_slot(&id));
    int fd = turned_send_signal(&id, "win", NULL, "1");
    for (unsigned i = 0; i < turns; i++) CHECK(turned_turn());
    seen.go[0] = together & 1;
    seen.go[1] = together & 2;
    CHECK_INT(turned_reply(fd, text), 202);
    TURN_UNTIL(is_parked(&id));
    for (int i = 0; i < STEPS; i++) seen.go[i] = true;
    if (turns % 2) {
        turned_end();
        turned_open(routes, NULL);
    }
    memset(seen.attempts, 0, sizeof seen.attempts);
    send_signal(&id, "more", "1");
    check_output(&id, 200, "[1,5]");
    for (int i = 0; i < STEPS; i++) CHECK_INT(seen.attempts[i], 0);
    CHECK(seen.is_new); /* the code has come to all that the journal has */
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    turned_close();
}

static void test_nested(void)
{
    static const sw_step_fn all[] = {two_steps, step_and_branch, two_deep};
    for (unsigned i = 0; i < sizeof all / sizeof *all; i++)
        for (unsigned together = 0; together < 4; together++)
            for (unsigned turns = 0; turns < 8; turns++) check_nested(all[i], together, turns);
}

/* A replay comes to what the journal has of a branch, also behind sleeps that are over, and work of other threads. */
static void check_past(sw_step_fn of)
{
    for (unsigned ends = 0; ends < 2; ends++) {
        loser = of;
        turned_open(routes, NULL);
        run_id id = turned_begin("POST /nested")->id;
        seen.go[1] = true;
        TURN_UNTIL(seen.attempts[0] > 0 && turned_slot(&id));
        send_signal(&id, "win", "1");
        TURN_UNTIL(is_parked(&id));
        if (ends) {
            turned_end();
            turned_open(routes, NULL);
        }
        seen.behind = 0;
        is_patched = of == past_a_patch;
        send_signal(&id, "more", "1");
        check_output(&id, 200, "[1,5]");
        CHECK_INT(seen.behind, 1);
        CHECK(seen.is_new);
        CHECK_INT(turned_home()->counters.results_unasked, 0);
        turned_close();
        is_patched = false;
    }
}

static void test_slept(void) { check_past(past_a_sleep); }
static void test_threads(void) { check_past(past_large_json); }
static void test_patched(void) { check_past(past_a_patch); }

static void test_limited(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /limited")->id;
    TURN_UNTIL(seen.attempts[1] > 0 && turned_slot(&id));
    seen.go[1] = true;
    TURN_UNTIL(seen.attempts[0] > 0);
    send_signal(&id, "win", "7");
    TURN_UNTIL(is_parked(&id));
    CHECK_INT(seen.attempts[2], 0);
    turned_end();
    turned_open(routes, NULL);
    send_signal(&id, "more", "1");
    check_output(&id, 200, "[3,7]");
    CHECK_INT(seen.attempts[0] + seen.attempts[1] + seen.attempts[2], 0);
    CHECK_INT(seen.behind, 1);
    CHECK(seen.is_new);
    CHECK_INT(turned_home()->counters.results_unasked, 0);
    turned_close();
}

/* A branch leaves, since its run is to stop, before what it has begun. */
static void test_beside(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /beside")->id;
    TURN_UNTIL(seen.attempts[0] > 0 && turned_slot(&id));
    int fd = turned_send_stop(&id, "wait");
    for (int i = 0; i < 20; i++) CHECK(turned_turn());
    send_signal(&id, "beside", "1");
    turned_often();
    seen.go[0] = true;
    CHECK_INT(turned_reply(fd, text), 200);
    TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
    CHECK_INT(seen.ended[0], 1);
    CHECK_INT(seen.attempts[1], 0);
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    seen.go[1] = true;
    check_output(&id, 200, "done");
    CHECK_INT(seen.attempts[0] + seen.attempts[1], 2);
    turned_close();
}

/* What a loser has in hand is waited for, in whichever of its groups: it reads the loser's frames. */
static void test_frames(void)
{
    loser = three_groups;
    for (int i = 0; i < 10; i++) {
        turned_open(routes, NULL);
        run_id id = turned_begin("POST /nested")->id;
        TURN_UNTIL(seen.attempts[0] + seen.attempts[1] + seen.attempts[2] >= 3 && turned_slot(&id));
        send_signal(&id, "win", "1");
        TURN_UNTIL(is_parked(&id));
        send_signal(&id, "more", "1");
        check_output(&id, 200, "[1,5]");
        turned_close();
    }
}

/* The next program has a signal where the loser was cut: it is not sent. */
static void test_telling(void)
{
    turned_open(routes, NULL);
    tells = false;
    run_id to = turned_park("POST /listen");
    run_id_format(&to, listener);
    run_id id = turned_begin("POST /telling")->id;
    seen.go[0] = true;
    TURN_UNTIL(seen.attempts[3] > 0 && seen.attempts[1] > 0 && turned_slot(&id));
    seen.go[1] = true;
    TURN_UNTIL(is_parked(&id));
    tells = true;
    send_signal(&id, "more", "1");
    check_output(&id, 200, "decided");
    turned_often();
    CHECK(is_parked(&to));
    CHECK_INT(seen.attempts[3], 1);
    turned_close();
}

/* The other run cannot get a signal yet, so the loser asks again; the group is decided before. */
static void test_asks_again(void)
{
    turned_open(routes, NULL);
    tells = true;
    run_id id = turned_begin("POST /telling")->id;
    TURN_UNTIL(seen.attempts[0] > 0 && seen.attempts[1] > 0 && turned_slot(&id));
    turned_often();
    turned_writes = false;
    run_id to = turned_begin("POST /listen")->id;
    run_id_format(&to, listener);
    seen.go[0] = true;
    turned_often();
    CHECK_INT(seen.attempts[3], 0); /* it waits to ask again */
    seen.go[1] = true;
    TURN_UNTIL(seen.ended[1] == 1);
    turned_often();
    turned_writes = true;
    TURN_UNTIL(is_parked(&id));
    turned_often();
    CHECK(is_parked(&to));
    CHECK_INT(turned_rows("inbox"), 0);
    turned_end();
    turned_open(routes, NULL);
    send_signal(&id, "more", "1");
    check_output(&id, 200, "decided");
    CHECK(is_parked(&to));
    CHECK_INT(seen.attempts[3], 0);
    turned_close();
}

/* Signals for a wait that has lost, also one that was there before the decision, are kept for the next waits of their
 * name, in order, and count until they are taken. */
static void test_kept(void)
{
    turned_open(routes, (const char *const[]){"--signals-max", "3", NULL});
    run_id id = turned_park("POST /kept");
    CHECK_INT(turned_reply(turned_send_stop(&id, "both"), text), 200);
    send_signal(&id, "a", "0");
    send_signal(&id, "b", "1");
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    TURN_UNTIL(seen.executions == 2 && is_parked(&id));
    send_signal(&id, "b", "2");
    turned_end();
    turned_open(routes, (const char *const[]){"--signals-max", "3", NULL});
    send_signal(&id, "b", "3");
    turned_check(turned_send_signal(&id, "more", NULL, "1"), 429, "--signals-max");
    turned_end();
    turned_open(routes, (const char *const[]){"--signals-max", "4", NULL});
    send_signal(&id, "more", "1");
    check_output(&id, 200, "[1,2,3]");
    turned_close();
}

/* A run that goes on after its end makes calls again that have no result; but for those that have lost. */
static void test_called(void)
{
    turned_open(routes, NULL);
    run_id id = turned_begin("POST /calling")->id;
    TURN_UNTIL(seen.attempts[0] > 0 && seen.attempts[1] > 0);
    seen.go[1] = true;
    check_output(&id, 500, "not yet");
    turned_often();
    seen.go[2] = true;
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 202, "");
    TURN_UNTIL(is_parked(&id));
    turned_often();
    CHECK_INT(seen.attempts[0], 1);
    CHECK_INT(seen.attempts[1], 1);
    send_signal(&id, "more", "1");
    check_output(&id, 200, "done");
    turned_close();
}

/* The journal has a loser, and the code wants its end: the run fails or stops, and the process goes on. */
static void test_changed(void)
{
    for (int now = RENAMED; now <= NOTHING; now++) {
        for (int i = 0; i < 4; i++) {
            bool stops = i % 2 && now != NOTHING;
            asks = FIRST;
            in_branch = i / 2;
            turned_open(routes, NULL);
            run_id id = turned_begin(stops ? "POST /stopping" : "POST /changed")->id;
            TURN_UNTIL(seen.attempts[1] > 0 && turned_slot(&id));
            seen.go[1] = true;
            TURN_UNTIL(is_parked(&id));
            asks = now;
            send_signal(&id, "more", "1");
            if (stops) {
                TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
                turned_check(turned_ask_run("GET", &id, "", ""), 200, "\\\"slow\\\" has lost there");
            } else {
                check_output(&id, 500, "\\\"slow\\\" has lost there");
            }
            CHECK_INT(seen.attempts[0], 1);
            turned_close();
        }
    }
}

static const check_case cases[] = {{"a select in a branch of another", test_nested},
                                   {"a branch that has slept", test_slept},
                                   {"a branch that has waited for another thread", test_threads},
                                   {"a branch that asks sw_patch only now", test_patched},
                                   {"a branch that waits for its place", test_limited},
                                   {"a branch that leaves before its members", test_beside},
                                   {"frames of a loser", test_frames},
                                   {"a signal that is not sent", test_telling},
                                   {"one that was to be asked for again", test_asks_again},
                                   {"a call that is not made again", test_called},
                                   {"signals for what has lost", test_kept},
                                   {"code that knows no decision", test_changed}};
CHECK_MAIN(cases)
