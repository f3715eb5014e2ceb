/* What comes together when a run leaves memory: a drain, a commit that fails, a cancel. In each order its clients are
 * told what is true, and nothing follows an entry that is not on disk. */
#include "tests/harness/turned.h"

typedef struct notes {
    unsigned steps, ends; /* that began */
    int go;               /* atomic: the step goes on */
    bool noted;           /* the other one does */
    bool spins;           /* atomic: a thread has begun */
} notes;
static notes seen;

static bool may_go(void) { return __atomic_load_n(&seen.go, __ATOMIC_SEQ_CST) != 0; }
static void go(void) { __atomic_store_n(&seen.go, 1, __ATOMIC_SEQ_CST); }

static sw_value held(sw_ctx *c, sw_value v)
{
    seen.steps++;
    while (!may_go()) sw_sleep(c, "poll", 1);
    return v;
}

/* On a thread that nothing interrupts. */
static void *spin(void *arg)
{
    __atomic_store_n(&seen.spins, true, __ATOMIC_SEQ_CST);
    while (!may_go()) usleep(100);
    return arg;
}

/* A function for which no thread has been found yet would be taken out of the pool's queue when its run unwinds. */
static void await_spin(void) { TURN_UNTIL(__atomic_load_n(&seen.spins, __ATOMIC_SEQ_CST)); }

static sw_value held_fast(sw_ctx *c, sw_value v)
{
    seen.steps++;
    sw_blocking(c, spin, NULL);
    return v;
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static void on_step_and_nap(sw_ctx *c)
{
    (void)sw_step(c, "held", held, sw_nil());
    sw_sleep(c, "nap", 3600000);
    seen.ends++;
    sw_reply_text(c, 200, "rested");
}

static sw_value until_noted(sw_ctx *c, sw_value v)
{
    while (!seen.noted) sw_sleep(c, "poll", 1);
    return v;
}

static void on_blocking(sw_ctx *c)
{
    (void)sw_step(c, "quick", quick, sw_nil());
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "blocking", held_fast, sw_nil());
    sw_group_step(g, "noted", until_noted, sw_nil());
    (void)sw_group_wait(g);
    seen.ends++;
    sw_reply_text(c, 200, "done");
}

static void on_alone(sw_ctx *c)
{
    (void)sw_step(c, "blocking", held_fast, sw_nil());
    seen.ends++;
    sw_reply_text(c, 200, "done");
}

static void on_quick(sw_ctx *c) { sw_reply_text(c, 200, "done"); }

/* Its handler sleeps while a member is at work. */
static void on_apart(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "held", held, sw_nil());
    sw_sleep(c, "nap", 3600000);
    (void)sw_group_wait(g);
    sw_reply_text(c, 200, "together");
}

static void routes(sw_app *app)
{
    seen = (notes){.go = 0};
    sw_endpoint(app, "POST /nap", on_step_and_nap, NULL);
    sw_endpoint(app, "POST /blocking", on_blocking, NULL);
    sw_endpoint(app, "POST /alone", on_alone, NULL);
    sw_endpoint(app, "POST /apart", on_apart, NULL);
    sw_endpoint(app, "POST /quick", on_quick, NULL);
    sw_endpoint(app, "POST /relaxed", on_quick, &(sw_endpoint_options){.durability = SW_RELAXED});
}

static void open_program(void)
{
    static const char *const flags[] = {"--park-after", "2h", "--hold", "1h", NULL};
    turned_open(routes, flags);
}

/* The one that began last, and is not on disk. */
static run *newest(void)
{
    run *r = TAILQ_LAST(&turned_home()->runs.slotless, slotless_runs);
    CHECK(r);
    return r;
}

/* It was unwound for the drain before it was known that nothing of it is on disk: no URL of it leads anywhere. */
static void test_drain_then_refused(void)
{
    char text[TURNED_TEXT];
    open_program();
    turned_writes = false;
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    turned_drain();
    TURN_UNTIL(turned_home()->draining);
    go();
    TURN_UNTIL(r->state == RUN_LEAVING); /* at its nap it has noticed the drain */
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 500);
    CHECK(strstr(text, "may have been done"));
    turned_close();
}

/* The drain finds a run of which an entry is lost while a thread works for it: what the thread brings is not journaled
 * behind the hole. */
static void test_lost_then_drain(void)
{
    char text[TURNED_TEXT];
    open_program();
    int fd = turned_send("POST", "/blocking", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    run_id id = r->id;
    await_spin();
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    seen.noted = true;
    TURN_UNTIL(run_has_lost(r));
    TURN_UNTIL(store_writable(turned_home()->port));
    turned_drain();
    turned_often();
    CHECK(run_has_lost(r));
    go();
    CHECK_INT(turned_reply(fd, text), 303);
    turned_end();
    open_program();
    turned_journal j;
    turned_load(&id, &j);
    CHECK(j.found && j.live);
    CHECK_STR(j.text, "started; step done quick");
    go();
    seen.noted = true;
    CHECK_INT(turned_reply(turned_send_to("GET", &id, "/output"), text), 200);
    turned_close();
}

/* A run that is being cancelled ends here, whatever the drain wants. */
static void test_cancel_then_drain(void)
{
    char text[TURNED_TEXT];
    open_program();
    int fd = turned_send("POST", "/alone", ""), other;
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    run_id id = r->id;
    await_spin();
    TURN_UNTIL(run_is_durable(r));
    other = turned_send_to("DELETE", &id, "");
    TURN_UNTIL(r->state == RUN_CANCELLING);
    turned_drain();
    turned_often();
    CHECK_INT(r->state, RUN_CANCELLING);
    go();
    CHECK_INT(turned_reply(other, text), 200);
    CHECK(strstr(text, "cancelled"));
    CHECK_INT(turned_reply(fd, text), 410);
    turned_close();
}

/* It has been unwound, and its last entries are on their way: a cancel ends it without another execution. */
static void test_cancel_while_leaving(void)
{
    char text[TURNED_TEXT];
    open_program();
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    run_id id = r->id;
    TURN_UNTIL(run_is_durable(r));
    turned_writes = false;
    turned_drain();
    turned_often();
    go();
    TURN_UNTIL(r->state == RUN_LEAVING);
    run_cancel(r, ENTRY_CANCEL_ASKED);
    CHECK_INT(r->state, RUN_ENDING);
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 410);
    turned_end();
    open_program();
    turned_journal j;
    turned_load(&id, &j);
    CHECK(j.found && !j.live);
    CHECK_STR(j.text, "started; step done held; sleep nap; cancel; response; ended");
    turned_close();
}

/* It comes while the response is on its way, and then the response is lost: the run is not done again. */
static void test_cancel_then_lost(void)
{
    char text[TURNED_TEXT];
    open_program();
    int fd = turned_send("POST", "/alone", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    run_id id = r->id;
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    turned_writes = false;
    go();
    TURN_UNTIL(r->state == RUN_ENDING);
    int other = turned_send_to("DELETE", &id, "");
    TURN_UNTIL(r->cancel);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_writes = true;
    CHECK_INT(turned_reply(other, text), 200);
    CHECK_INT(turned_reply(fd, text), 303);
    CHECK_INT(turned_reply(turned_send_to("GET", &id, "/output"), text), 410);
    CHECK_INT(seen.steps, 1);
    turned_close();
}

/* The handler has been unwound for a drain, and a member of it is still at work. */
static run *leave_apart(run_id *id)
{
    char text[TURNED_TEXT];
    open_program();
    int fd = turned_send("POST", "/apart", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    *id = r->id;
    CHECK_INT(turned_reply(fd, text), 303); /* its nap is long */
    turned_drain();
    TURN_UNTIL(r->state == RUN_LEAVING);
    turned_often();
    CHECK_INT(r->task.strand_count, 1);
    return r;
}

static void check_next_process(const run_id *id, const char *journal)
{
    turned_journal j;
    turned_end();
    open_program();
    turned_load(id, &j);
    CHECK(j.found);
    CHECK_STR(j.text, journal);
    turned_close();
}

/* It may finish, and its result counts. */
static void test_member_finishes(void)
{
    run_id id;
    (void)leave_apart(&id);
    go();
    check_next_process(&id, "started; sleep nap; step done held");
}

/* Until --drain is over. */
static void test_member_is_hurried(void)
{
    run_id id;
    run *r = leave_apart(&id);
    turned_home()->hurried = true;
    run_drain(r);
    check_next_process(&id, "started; sleep nap");
}

/* A cancel cuts it: nothing of it comes behind the end. */
static void test_member_is_cancelled(void)
{
    run_id id;
    run *r = leave_apart(&id);
    turned_writes = false;
    run_cancel(r, ENTRY_CANCEL_ASKED);
    turned_often();
    go();
    turned_often();
    turned_writes = true;
    check_next_process(&id, "started; sleep nap; cancel; response; ended");
}

/* 202 says that the run will be cancelled, whatever happens to the process: not before that is on disk. */
static void test_promise(void)
{
    char text[TURNED_TEXT];
    static const char *const flags[] = {"--hold", "100ms", NULL};
    turned_open(routes, flags);
    (void)turned_send("POST", "/alone", "Prefer: respond-async\r\n");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    run_id id = r->id;
    await_spin();
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    turned_writes = false;
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 503);
    CHECK(strstr(text, "ask again"));
    CHECK_INT(r->state, RUN_CANCELLING);
    turned_writes = true;
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    CHECK_INT(turned_reply(turned_send_to("DELETE", &id, ""), text), 202);
    go();
    TURN_UNTIL(turned_home()->runs.count == 0);
    turned_journal j;
    turned_load(&id, &j);
    CHECK_STR(j.text, "started; cancel; response; ended");
    turned_close();
}

/* The response of SW_RELAXED leaves before it is on disk. 202 with a URL of the run does not: nobody would find it. */
static void test_relaxed(void)
{
    char text[TURNED_TEXT], promise[TURNED_TEXT] = "";
    turned_open(routes, NULL);
    turned_writes = false;
    int async = turned_send("POST", "/relaxed", "Prefer: respond-async\r\n");
    TURN_UNTIL(turned_home()->runs.count == 1);
    CHECK_INT(turned_reply(turned_send("POST", "/relaxed", ""), text), 200);
    CHECK(turned_read(async, promise));
    CHECK_STR(promise, "");
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_writes = true;
    CHECK_INT(turned_reply(async, promise), 503);
    TURN_UNTIL(turned_home()->runs.count == 0 && store_writable(turned_home()->port));
    CHECK_INT(turned_reply(turned_send("POST", "/relaxed", "Prefer: respond-async\r\n"), promise), 202);
    TURN_UNTIL(turned_home()->runs.count == 0);
    turned_close();
}

/* Neither the end that is refused, nor one that is lost and comes once more, is counted before it is on disk. */
static void test_counted(void)
{
    char text[TURNED_TEXT];
    open_program();
    const counters *n = &turned_home()->counters;
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    CHECK_INT(turned_reply(turned_send("POST", "/quick", ""), text), 503);
    CHECK_INT(n->runs_succeeded, 0);
    TURN_UNTIL(store_writable(turned_home()->port));
    int fd = turned_send("POST", "/alone", "");
    TURN_UNTIL(seen.steps == 1);
    run *r = newest();
    TURN_UNTIL(r->commit == COMMIT_DURABLE);
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    go();
    CHECK_INT(turned_reply(fd, text), 303);
    TURN_UNTIL(turned_home()->slots.count == 0);
    CHECK_INT(n->runs_succeeded, 1);
    turned_close();
}

static const check_case cases[] = {
    {"an end is counted when it is on disk", test_counted},
    {"unwound for a drain, and then nothing is on disk", test_drain_then_refused},
    {"a drain after a loss", test_lost_then_drain},
    {"a drain after a cancel", test_cancel_then_drain},
    {"a cancel while the last entries are on their way", test_cancel_while_leaving},
    {"a cancel while the response is on its way, which is lost", test_cancel_then_lost},
    {"a member that outlives its handler finishes", test_member_finishes},
    {"a member that outlives its handler is hurried", test_member_is_hurried},
    {"a member that outlives its handler is cut by a cancel", test_member_is_cancelled},
    {"a cancel is promised when it is on disk", test_promise},
    {"a URL is given out when its run is on disk, with SW_RELAXED too", test_relaxed},
};
CHECK_MAIN(cases)
