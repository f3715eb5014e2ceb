/* Calls that lose (sw_group_any): their runs are cancelled when it is decided, not when their caller ends; once, also
 * if a write fails, or the process ends behind the decision. */
#include "runtime/run/mailbox.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

static struct {
    int slow, slow_ended, quick, decided, ended;
    size_t winner;
    run_id children[4]; /* the slow ones, in the order of their calls */
} seen;

/* ---- The program ---- */

static sw_value on_slow(sw_ctx *c, sw_value input)
{
    if (seen.slow < 4) CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &seen.children[seen.slow]));
    seen.slow++;
    sw_wait_for(c, "never", &(sw_wait){.signal = "never"}, NULL);
    seen.slow_ended++;
    return input;
}

static sw_value on_quick(sw_ctx *c, sw_value input)
{
    (void)c;
    seen.quick++;
    return input;
}

static sw_value on_branch(sw_ctx *c, sw_value input)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "slow", input);
    sw_group_call(g, "slow", "slow", input);
    return sw_group_wait(g);
}

/* A decision of its own, which it does not come to. */
static sw_value on_race(sw_ctx *c, sw_value input)
{
    sw_value first = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "slow", input);
    sw_group_wait_for(g, "never", &(sw_wait){.signal = "never"});
    (void)sw_group_any(g, "inner", &first);
    return first;
}

static sw_value on_calls(sw_ctx *c, sw_value input) { return sw_call(c, "slow", "slow", input); }

/* Behind the decision it waits for a signal. */
static void end_later(sw_ctx *c, sw_group *g)
{
    seen.winner = sw_group_any(g, "first", NULL);
    seen.decided++;
    sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, NULL);
    seen.ended++;
    sw_reply_text(c, 200, "over");
}

static void on_members(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "slow", sw_int(1));
    sw_group_call(g, "quick", "quick", sw_int(2));
    end_later(c, g);
}

static void on_branches(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "group", on_branch, sw_int(1));
    sw_group_branch(g, "call", on_calls, sw_int(2));
    sw_group_branch(g, "race", on_race, sw_int(3));
    sw_group_call(g, "quick", "quick", sw_int(4));
    end_later(c, g);
}

/* It is decided in the commit of the calls: who has not begun is cancelled before its home is told of it. */
static void on_later(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    int64_t at_ms = sw_now(c) + 3600000;
    sw_group_call_with(g, "slow", "slow", sw_int(1), &(sw_call_options){.at_ms = at_ms});
    sw_group_call_with(g, "quick", "quick", sw_int(2), &(sw_call_options){.detached = true});
    end_later(c, g);
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /later", on_later, NULL);
    sw_endpoint(app, "POST /members", on_members, NULL);
    sw_endpoint(app, "POST /branches", on_branches, NULL);
    sw_function(app, "slow", on_slow, NULL);
    sw_function(app, "quick", on_quick, NULL);
}

static void open_it(void) { turned_open(routes, (const char *const[]){"--park-after", "0", NULL}); }

static void check_cancelled(const run_id *child)
{
    turned_journal j;
    turned_load(child, &j);
    if (!strstr(j.text, "cancel; response; ended")) printf("# %s\n", j.text);
    CHECK(j.found && !j.live && strstr(j.text, "cancel; response; ended"));
}

/* The caller alone is left, and waits. */
static bool waits_alone(const run_id *caller)
{
    const slot *s = turned_slot(caller);
    return seen.decided > 0 && turned_home()->slots.count == 1 && s && s->state == SLOT_PARKED;
}

static void go_on(const run_id *caller, int slow)
{
    TURN_UNTIL(waits_alone(caller));
    for (int i = 0; i < slow; i++) check_cancelled(&seen.children[i]);
    CHECK_INT(seen.slow_ended, 0);
    turned_check(turned_send_signal(caller, "go", NULL, "1"), 202, "");
    TURN_UNTIL(seen.ended > 0 && turned_home()->slots.count == 0 && turned_home()->mailboxes.count == 0);
    CHECK_INT(turned_rows(letter_table), 0);
}

/* ---- Tests ---- */

static void test_members(void)
{
    memset(&seen, 0, sizeof seen);
    open_it();
    run_id id = turned_begin("POST /members")->id;
    go_on(&id, 1);
    CHECK_INT(seen.winner, 1);
    CHECK_INT(seen.slow, 1);
    turned_journal j;
    turned_load(&id, &j);
    if (!strstr(j.text, "won first; abandoned slow")) printf("# %s\n", j.text);
    CHECK(strstr(j.text, "won first; abandoned slow"));
    CHECK(!strstr(strstr(j.text, "abandoned slow") + 1, "abandoned"));
    turned_close();
}

static void test_branches(void)
{
    memset(&seen, 0, sizeof seen);
    open_it();
    run_id id = turned_begin("POST /branches")->id;
    go_on(&id, 4);
    CHECK_INT(seen.winner, 3);
    turned_close();
}

/* No process keeps a child for a time to come that has ended. */
static void test_later(void)
{
    static clocks_state passing;
    clocks = &passing;
    memset(&seen, 0, sizeof seen);
    open_it();
    run_id id = turned_begin("POST /later")->id;
    TURN_UNTIL(seen.decided > 0 && seen.quick > 0);
    turned_often();
    clocks->slept_ms += 10000; /* what its home could not be told at first has come to it */
    clocks_tell();
    turned_often();
    CHECK(waits_alone(&id));
    go_on(&id, 0);
    CHECK_INT(seen.slow, 0);
    turned_close();
    clocks = NULL;
}

/* Any of the first writes. */
static void test_failing(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (unsigned skip = 1; skip < 9; skip++) {
            memset(&seen, 0, sizeof seen);
            open_it();
            run_id id = turned_begin("POST /branches")->id;
            memory_fail(turned_disk, faults[i], skip, false);
            TURN_UNTIL(waits_alone(&id));
            memory_fail(turned_disk, MEMORY_GOOD, 0, false);
            TURN_UNTIL(gate_writable(turned_home()) && waits_alone(&id));
            CHECK_INT(seen.slow_ended, 0);
            turned_check(turned_send_signal(&id, "go", NULL, "1"), 202, "");
            TURN_UNTIL(seen.ended > 0 && turned_home()->slots.count == 0 && turned_home()->mailboxes.count == 0);
            CHECK_INT(turned_rows(letter_table), 0);
            turned_close();
        }
}

/* The process ends when so many writes are there, and the next one goes on. */
static void test_next_process(void)
{
    for (uint64_t writes = 1; writes < 12; writes++) {
        memset(&seen, 0, sizeof seen);
        open_it();
        run_id id = turned_begin("POST /branches")->id;
        uint64_t from = memory_writes(turned_disk);
        TURN_UNTIL(memory_writes(turned_disk) - from >= writes || waits_alone(&id));
        turned_end();
        open_it();
        seen.decided = 1;
        TURN_UNTIL(waits_alone(&id));
        CHECK_INT(seen.slow_ended, 0);
        turned_check(turned_send_signal(&id, "go", NULL, "1"), 202, "");
        TURN_UNTIL(seen.ended > 0 && turned_home()->slots.count == 0 && turned_home()->mailboxes.count == 0);
        turned_close();
    }
}

static const check_case cases[] = {{"members of a group", test_members},
                                   {"calls in branches", test_branches},
                                   {"one that begins later", test_later},
                                   {"a write fails", test_failing},
                                   {"the next process goes on", test_next_process}};

CHECK_MAIN(cases)
