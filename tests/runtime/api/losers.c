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
    size_t winner = sw_group_any(g, "outer", &v);
    (void)sw_wait_for(c, "more", &(sw_wait){.signal = "more"}, NULL);
    seen.is_new = sw_patch(c, "behind");
    sw_reply_json(c, 200, sw_array(c, 2, sw_int((int64_t)winner), v));
}

/* The program was changed: what it asks of the group. */
static enum { FIRST, RENAMED, RESULTS, SETTLED } asks;

static void on_changed(sw_ctx *c)
{
    sw_value v = sw_nil();
    sw_group *g = sw_group_new(c);
    if (asks != RENAMED) sw_group_step(g, "fast", hold, sw_int(1));
    sw_group_step(g, "slow", hold, sw_int(0));
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

/* The journal has a loser, and the code wants its end: the run fails or stops, and the process goes on. */
static void test_changed(void)
{
    for (int now = RENAMED; now <= SETTLED; now++) {
        for (int stops = 0; stops < 2; stops++) {
            asks = FIRST;
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
                                   {"code that knows no decision", test_changed}};
CHECK_MAIN(cases)
