/* sw_group_any: the first success decides a group, once: no execution comes to another, nothing of a loser begins again
 * or is journaled behind the decision, and no signal is taken by who has lost. */
#include "runtime/run/ctx.h"
#include "tests/harness/turned.h"

enum { MANY = 2000, STEPS = 5 };

typedef struct notes {
    unsigned executions, attempts[STEPS], ended[STEPS]; /* of steps that hold on until they may end */
    unsigned cleaned, branches;
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
    if (i == 4) sw_fail_fatal(c, "it cannot be done");
    return v;
}

static void clean_up(void *arg)
{
    (void)arg;
    seen.cleaned++;
}

static void reply(sw_ctx *c, size_t winner, sw_value v)
{
    sw_reply_json(c, 200, sw_array(c, 2, sw_int((int64_t)winner), v));
}

/* Two steps; before and behind them is more to do, so that a replay comes through. */
static void on_race(sw_ctx *c)
{
    sw_value v = sw_nil();
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "slow", hold, sw_int(0));
    sw_group_step(g, "fast", hold, sw_int(1));
    (void)sw_step(c, "beside", hold, sw_int(2));
    size_t winner = sw_group_any(g, "first", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    (void)sw_step(c, "behind", hold, sw_int(3));
    reply(c, winner, v);
}

static int64_t deadline_ms;

static void on_deadline(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "slow", hold, sw_int(0));
    sw_group_sleep(g, "deadline", deadline_ms);
    size_t winner = sw_group_any(g, "first", &v);
    reply(c, winner, v);
}

/* One of many, and what the others did not take. */
static void on_approval(sw_ctx *c)
{
    sw_value v = sw_nil(), next = sw_nil();
    seen.executions++;
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < MANY; i++)
        sw_group_wait_for(g, "ask", &(sw_wait){.signal = sw_printf(c, "s%d", i % (MANY / 2)), .timeout_ms = 5000000});
    sw_group_sleep(g, "deadline", 5000000);
    size_t winner = sw_group_any(g, "first", &v);
    bool has_come = sw_wait_for(c, "next", &(sw_wait){.signal = "s7"}, &next);
    sw_reply_json(c, 200, sw_array(c, 4, sw_int((int64_t)winner), v, sw_bool(has_come), next));
}

/* Does a part of its work, says so, and then holds on, in a group of its own. */
static sw_value work(sw_ctx *c, sw_value v)
{
    seen.branches++;
    sw_defer(c, clean_up, NULL);
    int64_t drawn = (int64_t)(sw_random(c) % 1000000);
    (void)sw_step(c, "part", hold, sw_int(2));
    sw_label(c, "part", "done");
    sw_push_chunk(c, sw_int(drawn));
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "one", hold, v);
    sw_group_wait_for(g, "two", &(sw_wait){.signal = "never"});
    (void)sw_group_wait(g);
    return sw_int(drawn);
}

static sw_value win(sw_ctx *c, sw_value v)
{
    sw_value out = sw_nil();
    (void)v;
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "win"}, &out);
    return sw_step(c, "last", hold, sw_int(3));
}

static bool asks_patch; /* the program was changed, behind the decision */

static void on_branches(sw_ctx *c)
{
    sw_value v = sw_nil();
    seen.executions++;
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "work", work, sw_int(0));
    sw_group_branch(g, "win", win, sw_nil());
    size_t winner = sw_group_any(g, "first", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    if (asks_patch) seen.is_new = sw_patch(c, "new");
    reply(c, winner, v);
}

static void on_failures(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "late", &(sw_wait){.signal = "a", .timeout_ms = SW_NO_WAIT});
    sw_group_step(g, "failing", hold, sw_int(4));
    (void)sw_group_any(g, "first", NULL);
    sw_reply_text(c, 200, "?");
}

/* At most one at a time. */
static void on_limited(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new_with(c, &(sw_group_options){.parallel_max = 1});
    for (int i = 0; i < 3; i++) sw_group_step(g, "one", hold, sw_int(i));
    size_t winner = sw_group_any(g, "first", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    reply(c, winner, v);
}

static void routes(sw_app *app)
{
    seen = (notes){.executions = 0};
    sw_endpoint(app, "POST /race", on_race, NULL);
    sw_endpoint(app, "POST /deadline", on_deadline, NULL);
    sw_endpoint(app, "POST /approval", on_approval, NULL);
    sw_endpoint(app, "POST /branches", on_branches, NULL);
    sw_endpoint(app, "POST /failures", on_failures, NULL);
    sw_endpoint(app, "POST /limited", on_limited, NULL);
    sw_endpoint(app, "POST /hasty", on_race, &(sw_endpoint_options){.durability = SW_RELAXED});
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

static void check_journal(const run_id *id, const char *expected)
{
    turned_journal j;
    turned_load(id, &j);
    if (strcmp(j.text, expected) != 0) printf("# %s\n", j.text);
    CHECK_STR(j.text, expected);
}

static run_id begin_held(const char *route, int step)
{
    run_id id = turned_begin(route)->id;
    TURN_UNTIL(seen.attempts[step] > 0 && turned_slot(&id));
    return id;
}

/* ---- Tests ---- */

/* The loser's attempt is cut, and none follows, in this process or the next; its result counts for nothing. */
static void test_race(void)
{
    for (int kills = 0; kills < 2; kills++) {
        turned_open(routes, NULL);
        run_id id = begin_held("POST /race", 1);
        seen.go[2] = true;
        TURN_UNTIL(seen.ended[2] == 1);
        seen.go[1] = true;
        TURN_UNTIL(is_parked(&id));
        CHECK_INT(seen.attempts[0], 1);
        CHECK_INT(seen.ended[0], 0);
        if (kills) {
            turned_end();
            turned_open(routes, NULL);
        }
        seen.go[3] = true;
        send_signal(&id, "more", "1");
        check_output(&id, 200, "[1,1]");
        CHECK_INT(seen.attempts[0] + seen.attempts[1], kills ? 0 : 2);
        CHECK_INT(seen.executions, kills ? 1 : 2);
        check_journal(&id, "started; step done beside; step done fast; won first; abandoned slow; wait more; signal; "
                           "taken more; step done behind; response; ended");
        turned_check(turned_ask_run("GET", &id, "", ""), 200, "\"kind\":\"won\"");
        turned_close();
    }
}

static void let_all_go(void)
{
    for (int i = 0; i < STEPS; i++) seen.go[i] = true;
}

/* Whenever the process ends, the winner stays who it was; also if the results of both are on disk by then. */
static void test_moments(void)
{
    unsigned decided = 0;
    for (int turns = 0; turns < 40; turns++) {
        turned_journal j;
        turned_open(routes, NULL);
        run_id id = begin_held("POST /race", 1);
        seen.go[turns % 2] = seen.go[2] = true;
        for (int i = 0; i < turns / 2; i++) CHECK(turned_turn());
        if (turns >= 36) TURN_UNTIL(is_parked(&id));
        let_all_go();
        turned_end();
        turned_open(routes, NULL);
        turned_load(&id, &j);
        bool was_decided = strstr(j.text, "won first"), has_slow = strstr(j.text, "done slow");
        bool has_both = has_slow && strstr(j.text, "done fast");
        decided += was_decided;
        let_all_go();
        send_signal(&id, "more", "1");
        check_output(&id, 200, was_decided && !has_slow ? "[1,1]" : "[");
        turned_load(&id, &j);
        const char *won = strstr(j.text, "won first");
        CHECK(won && !strstr(won + 1, "won first"));
        CHECK(!strstr(won, "done slow") && !strstr(won, "done fast"));
        if (was_decided || has_both) CHECK_INT(seen.attempts[0] + seen.attempts[1], 0);
        turned_close();
    }
    CHECK(decided >= 4);
}

static void test_deadline(void)
{
    for (int is_late = 0; is_late < 2; is_late++) {
        deadline_ms = is_late ? 1 : 3600000;
        turned_open(routes, NULL);
        run_id id = begin_held("POST /deadline", 0);
        if (!is_late) CHECK(!turned_slot(&id)->run->waits_long); /* nobody is sent on while the step is at work */
        seen.go[0] = !is_late;
        check_output(&id, 200, is_late ? "[1,null]" : "[0,0]");
        CHECK_INT(seen.ended[0], !is_late);
        turned_close();
    }
}

/* One signal is taken, and a later one of the same name is the next wait's. */
static void test_approval(void)
{
    turned_open(routes, NULL);
    run_id id = turned_park("POST /approval");
    send_signal(&id, "s7", "1");
    TURN_UNTIL(seen.executions == 2 && is_parked(&id));
    send_signal(&id, "s8", "2"); /* a loser's name: nobody waits for it any more */
    turned_often();
    CHECK_INT(seen.executions, 2);
    turned_end();
    turned_open(routes, NULL);
    send_signal(&id, "s7", "3");
    check_output(&id, 200, "[7,1,true,3]");
    turned_close();
}

/* Both have come: the first member takes its own, and the other stays. */
static void test_both_signals(void)
{
    turned_open(routes, NULL);
    turned_writes = true;
    run_id id = turned_park("POST /approval");
    CHECK_INT(turned_reply(turned_send_stop(&id, "both"), text), 200);
    send_signal(&id, "s7", "1");
    send_signal(&id, "s7", "2");
    send_signal(&id, "s5", "5");
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    check_output(&id, 200, "[5,5,true,1]");
    turned_close();
}

/* A branch that has lost is executed again as far as its journal goes, no further: nothing is unasked, what it has said
 * is said once, and code behind the decision takes the new way. */
static void test_branches(void)
{
    for (int kills = 0; kills < 2; kills++) {
        asks_patch = false;
        turned_open(routes, NULL);
        run_id id = begin_held("POST /branches", 2);
        seen.go[2] = seen.go[3] = true;
        TURN_UNTIL(seen.attempts[0] == 1);
        send_signal(&id, "win", "1");
        TURN_UNTIL(is_parked(&id));
        CHECK_INT(seen.cleaned, 1);
        CHECK_INT(seen.ended[0], 0);
        if (kills) {
            turned_end();
            turned_open(routes, NULL);
        }
        asks_patch = true;
        send_signal(&id, "more", "1");
        check_output(&id, 200, "[1,3]");
        CHECK_INT(seen.attempts[0], kills ? 0 : 1);
        CHECK_INT(seen.attempts[2], kills ? 0 : 1);
        CHECK_INT(seen.branches, kills ? 1 : 2);
        CHECK_INT(seen.cleaned, seen.branches);
        CHECK(seen.is_new);
        turned_journal j;
        turned_load(&id, &j);
        CHECK(!strstr(strstr(j.text, "won first") + 1, "label") && !strstr(strstr(j.text, "won first") + 1, "chunk"));
        CHECK(strstr(j.text, "won first; abandoned one; wait more"));
        CHECK_INT(turned_home()->counters.results_unasked, 0);
        turned_close();
    }
}

static void test_failures(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /failures", 4);
    seen.go[4] = true;
    check_output(&id, 500, "the wait \\\"late\\\" has timed out");
    check_journal(&id, "started; wait late; timed out late; step failed failing; response; ended");
    turned_close();
}

/* Members that have not begun never do. */
static void test_limited(void)
{
    for (int kills = 0; kills < 2; kills++) {
        turned_open(routes, NULL);
        run_id id = begin_held("POST /limited", 0);
        seen.go[0] = true;
        TURN_UNTIL(is_parked(&id));
        if (kills) {
            turned_end();
            turned_open(routes, NULL);
        }
        send_signal(&id, "more", "1");
        check_output(&id, 200, "[0,0]");
        CHECK_INT(seen.ended[1] + seen.ended[2], 0);
        turned_close();
    }
}

/* A cancel, a stop and a drain meet a group that is not decided. */
static void test_let_go(void)
{
    turned_open(routes, NULL);
    run_id id = begin_held("POST /race", 2);
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 200);
    CHECK_INT(seen.ended[0] + seen.ended[1], 0);
    turned_close();
    turned_open(routes, NULL);
    id = begin_held("POST /race", 2);
    seen.go[2] = true;
    TURN_UNTIL(seen.ended[2] == 1);
    turned_often();
    int fd = turned_send_stop(&id, "wait");
    for (int i = 0; i < 20; i++) CHECK(turned_turn());
    seen.go[0] = seen.go[1] = true;
    CHECK_INT(turned_reply(fd, text), 200);
    TURN_UNTIL(turned_slot(&id)->state == SLOT_STOPPED);
    CHECK_INT(seen.ended[0] + seen.ended[1], 2); /* what was under way counts */
    CHECK_INT(turned_reply(turned_send_release(&id), text), 200);
    seen.go[3] = true;
    send_signal(&id, "more", "1");
    check_output(&id, 200, "[0,0]"); /* both are there: the first one wins */
    CHECK_INT(seen.attempts[0] + seen.attempts[1], 2);
    turned_close();
}

static void test_refused(void)
{
    turned_open(routes, NULL);
    let_all_go();
    CHECK_INT(turned_reply(turned_send("POST", "/hasty", ""), text), 500);
    CHECK(strstr(text, "sw_group_any \\\"first\\\" in an endpoint with SW_RELAXED"));
    turned_close();
}

static const check_case cases[] = {{"two steps, one winner", test_race},
                                   {"the process ends at any moment", test_moments},
                                   {"a step with a deadline", test_deadline},
                                   {"one of thousands of waits", test_approval},
                                   {"signals that come together", test_both_signals},
                                   {"branches that lose", test_branches},
                                   {"all fail", test_failures},
                                   {"what has not begun never does", test_limited},
                                   {"a cancel, and a stop", test_let_go},
                                   {"where nobody may win", test_refused}};
CHECK_MAIN(cases)
