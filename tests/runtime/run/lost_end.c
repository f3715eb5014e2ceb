/* A run that is lost when its end has been appended, and not written: that is on disk all the same, and with it all
 * that goes with an end: the live row, the letter to the caller, the deletion of the run's own letters. */
#include "runtime/run/letter.h"
#include "runtime/run/mailbox_core.h"
#include "runtime/run/run_core.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum { HOUR_MS = 3600000 };

static struct {
    int executions, attempts, ended;
    bool go;
    run_id child;
    char error[256];
} seen;

/* ---- The program ---- */

static void note_child(sw_ctx *c)
{
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &seen.child));
    seen.executions++;
}

static sw_value hold(sw_ctx *c, sw_value v)
{
    seen.attempts++;
    while (!seen.go) sw_sleep(c, "poll", 1);
    return v;
}

/* Its first step is being written when it ends. */
static sw_value on_steps(sw_ctx *c, sw_value v)
{
    note_child(c);
    (void)sw_step(c, "one", hold, v);
    seen.go = false;
    (void)sw_step(c, "two", hold, v);
    return v;
}

/* Looks for a letter that came while it was not in memory. */
static sw_value on_asks(sw_ctx *c, sw_value v)
{
    note_child(c);
    sw_sleep(c, "night", HOUR_MS);
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "a"}, &v);
    return v;
}

static sw_value on_quick(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

/* Looks for what a run has returned while this one was not in memory. */
static sw_value on_calls(sw_ctx *c, sw_value v)
{
    note_child(c);
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "quick", "quick", v);
    sw_sleep(c, "night", HOUR_MS);
    (void)sw_now(c);
    return sw_group_wait(g);
}

static const char *called;

static void on_caller(sw_ctx *c)
{
    sw_error err = {.message = "none"};
    (void)sw_try_call(c, "child", called, sw_int(7), NULL, &err);
    (void)snprintf(seen.error, sizeof seen.error, "%s", err.message);
    seen.ended++;
    sw_reply_text(c, 200, "over");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /caller", on_caller, NULL);
    sw_function(app, "steps", on_steps, NULL);
    sw_function(app, "asks", on_asks, NULL);
    sw_function(app, "calls", on_calls, NULL);
    sw_function(app, "quick", on_quick, NULL);
}

/* ---- Tests ---- */

static void begin(const char *function)
{
    static clocks_state own;
    memset(&seen, 0, sizeof seen);
    clocks = &own;
    called = function;
    turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
    (void)turned_begin("POST /caller");
}

static run *child_run(void)
{
    const slot *s = turned_slot(&seen.child);
    return s ? s->run : NULL;
}

static bool is_parked(void)
{
    const slot *s = turned_slot(&seen.child);
    return s && s->state == SLOT_PARKED;
}

/* The caller has the child's end, nothing waits any more, and no letter is left. */
static void end(const char *error)
{
    const home *h = turned_home();
    turned_writes = true;
    TURN_UNTIL(seen.ended > 0 && h->runs.count == 0 && h->slots.count == 0 && h->mailboxes.count == 0);
    CHECK_STR(seen.error, error);
    CHECK_INT(turned_rows(letter_table), 0);
    turned_journal j;
    turned_load(&seen.child, &j);
    const char *first = strstr(j.text, "; ended");
    CHECK(!j.live && first && strcmp(first, "; ended") == 0);
    turned_close();
}

/* Behind its end, of which nothing is on disk yet. */
static void test_lost(void)
{
    begin("steps");
    TURN_UNTIL(seen.attempts == 1 && child_run() && turned_home()->outbox.in_flight == 0);
    turned_writes = false;
    seen.go = true;
    TURN_UNTIL(seen.attempts == 2);
    CHECK(run_commit_is_under_way(child_run()->commit));
    seen.go = true;
    TURN_UNTIL(child_run()->state == RUN_ENDING);
    run_lose_for_memory(child_run());
    end("none");
    CHECK_INT(seen.executions, 1);
}

/* A read of what has come for the run fails after it has ended. */
static void read_late(const char *function, bool is_return)
{
    begin(function);
    TURN_UNTIL(seen.executions == 1 && is_parked());
    if (is_return)
        TURN_UNTIL(mailbox_of(turned_home(), &seen.child) &&
                   mailbox_of(turned_home(), &seen.child)->returns.count == 1);
    else
        turned_check(turned_send_signal(&seen.child, "a", NULL, "1"), 202, "");
    turned_often();
    CHECK(is_parked());
    clocks->slept_ms += HOUR_MS;
    clocks_tell();
    TURN_UNTIL(child_run() && seen.executions == 2);
    turned_writes = false;
    while (store_hand_reads(turned_app->store) == 0) CHECK(turned_turn_unread());
    run_cancel(child_run(), ENTRY_CANCEL_ASKED);
    while (child_run()->state != RUN_ENDING) CHECK(turned_turn_unread());
    CHECK(run_commit_is_under_way(child_run()->commit) && child_run()->open_has_end);
    memory_fail_reads(turned_disk, true);
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    for (int i = 0; i < 5; i++) CHECK(turned_turn_unread());
    memory_fail_reads(turned_disk, false);
    clocks->slept_ms = 0;
    end("the run was cancelled");
    CHECK_INT(seen.executions, 2);
}

static void test_signal_unread(void) { read_late("asks", false); }
static void test_return_unread(void) { read_late("calls", true); }

static const check_case cases[] = {{"lost behind its end", test_lost},
                                   {"a read of its signals fails behind its end", test_signal_unread},
                                   {"a read of its returns fails behind its end", test_return_unread}};
CHECK_MAIN(cases)
