/* Two nodes of a cluster on one memory: runs call functions, and their children spread over both nodes. Each call has
 * one child, executed by the node that owns it, and its result comes back once, whichever node dies, and when; cancel
 * and deadline go down to the children of the other node. */
#include <sys/wait.h>

#include "runtime/run/notice.h"
#include "tests/harness/pair.h"

enum { FIRST, SECOND, CROWD = 1000, CALLS = 8, KILLS = SANITIZED ? 15 : 60 };

static const char *const flags[] = {"--park-after", "0", NULL};

typedef struct notes {
    unsigned executed[PAIR_NODES]; /* steps of children */
    unsigned begun, ended;         /* executions of the caller, and ends */
    unsigned cancelled[PAIR_NODES];
    unsigned parked_begun; /* executions of children that wait */
    int64_t sum;
    char error[128];
    char worked[CROWD][RUN_ID_TEXT + 1]; /* which child has worked for the call */
    unsigned others;                     /* times that another one has */
    bool is_mended;
} notes;
static notes seen;
static int calls;

/* ---- The program ---- */

static sw_value work(sw_ctx *c, sw_value input)
{
    run_id id;
    char *worked = seen.worked[sw_as_int(input, 0)];
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &id));
    CHECK_INT(cluster_owner_of(&pair[0].of, &id), pair_at);
    if (!*worked) strcpy(worked, sw_run_id(c));
    seen.others += strcmp(worked, sw_run_id(c)) != 0;
    seen.executed[pair_at]++;
    return sw_int(sw_as_int(input, 0) * 10);
}

static sw_value on_child(sw_ctx *c, sw_value input)
{
    if (sw_as_int(input, 0) < 0) sw_fail_fatal(c, "it fails");
    return sw_step(c, "work", work, input);
}

static sw_value break_down(sw_ctx *c, sw_value input)
{
    if (!seen.is_mended) sw_fail_fatal(c, "it is broken");
    return input;
}

/* Pays, and fails until it is mended. */
static sw_value on_fragile(sw_ctx *c, sw_value input)
{
    sw_value paid = sw_step(c, "work", work, input);
    sw_step(c, "fragile", break_down, input);
    return paid;
}

static void note_cancelled(void *arg)
{
    (void)arg;
    seen.cancelled[pair_at]++;
}

/* Waits for ever. */
static sw_value on_waiter(sw_ctx *c, sw_value input)
{
    seen.parked_begun++;
    sw_defer(c, note_cancelled, NULL);
    (void)sw_wait_for(c, "wait", &(sw_wait){.signal = "go"}, NULL);
    return input;
}

/* One after the other: a failure is not the caller's. */
static void on_row(sw_ctx *c)
{
    int64_t sum = 0;
    seen.begun++;
    for (int i = 0; i < calls; i++) {
        sw_value v = sw_int(0);
        sw_error err = {.message = ""};
        if (!sw_try_call(c, "call", "child", sw_int(i == 7 ? -1 : i), &v, &err))
            snprintf(seen.error, sizeof seen.error, "%s", err.message);
        sum += sw_as_int(v, 0);
    }
    seen.sum = sum;
    seen.ended++;
    sw_reply_json(c, 200, sw_int(sum));
}

static void on_crowd(sw_ctx *c)
{
    int64_t sum = 0;
    seen.begun++;
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < calls; i++) sw_group_call(g, "member", "child", sw_int(i));
    sw_value results = sw_group_wait(g);
    CHECK_INT(sw_len(results), calls);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    seen.sum = sum;
    seen.ended++;
    sw_reply_json(c, 200, sw_int(sum));
}

static void on_mends(sw_ctx *c)
{
    int64_t sum = 0;
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < calls; i++) sw_group_call(g, "member", "fragile", sw_int(i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    seen.sum = sum;
    seen.ended++;
    sw_reply_json(c, 200, sw_int(sum));
}

static void on_waiters(sw_ctx *c)
{
    seen.begun++;
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < calls; i++) sw_group_call(g, "member", "waiter", sw_int(i));
    (void)sw_group_wait(g);
}

/* Its children have deadlines, and it has none. */
static void on_late(sw_ctx *c)
{
    unsigned late = 0;
    for (int i = 0; i < calls; i++) {
        sw_error err = {.message = ""};
        if (!sw_try_call_with(c, "call", "waiter", sw_int(i), &(sw_call_options){.timeout_ms = 5000}, NULL, &err))
            late++;
        snprintf(seen.error, sizeof seen.error, "%s", err.message);
    }
    seen.sum = late;
    seen.ended++;
}

/* Children that begin in an hour, and of which nobody waits for the half. */
static void on_later(sw_ctx *c)
{
    const int64_t at_ms = sw_now(c) + 3600000;
    for (int i = 0; i < calls; i++)
        (void)sw_call_with(c, "call", "child", sw_int(i), &(sw_call_options){.at_ms = at_ms, .detached = true});
    seen.ended++;
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /row", on_row, NULL);
    sw_endpoint(app, "POST /crowd", on_crowd, NULL);
    sw_endpoint(app, "POST /waiters", on_waiters, NULL);
    sw_endpoint(app, "POST /due", on_waiters, &(sw_endpoint_options){.timeout_ms = 20000});
    sw_endpoint(app, "POST /late", on_late, NULL);
    sw_endpoint(app, "POST /later", on_later, NULL);
    sw_endpoint(app, "POST /mends", on_mends, NULL);
    sw_function(app, "child", on_child, NULL);
    sw_function(app, "fragile", on_fragile, NULL);
    sw_function(app, "waiter", on_waiter, NULL);
}

static void open_nodes(int count)
{
    seen = (notes){.begun = 0};
    calls = count;
    pair_open(routes, flags);
}

/* ---- Looking ---- */

static bool node_is_quiet(unsigned n)
{
    const home *h = &(n == pair_at ? turned_app : pair[n].app)->loops[0].home;
    return h->slots.all_found && h->slots.count == 0 && h->runs.count == 0 && h->outbox.in_flight == 0 &&
           h->mailboxes.count == 0;
}

static bool is_quiet(void) { return node_is_quiet(FIRST) && node_is_quiet(SECOND); }

static void expect_nothing_left(void)
{
    PAIR_UNTIL(is_quiet());
    pair_often();
    CHECK(is_quiet());
    CHECK_INT(turned_rows(letter_table), 0);
    CHECK_INT(turned_rows(notice_table), 0);
}

/* ---- Cases ---- */

static void test_row(void)
{
    for (unsigned n = 0; n < PAIR_NODES; n++) {
        open_nodes(CALLS * 2);
        (void)pair_begin(n, "POST /row");
        PAIR_UNTIL(seen.ended == 1);
        CHECK_INT(seen.sum, 10 * (CALLS * 2 * (CALLS * 2 - 1) / 2 - 7));
        CHECK_STR(seen.error, "it fails");
        CHECK(seen.executed[0] > 0 && seen.executed[1] > 0);
        CHECK_INT(seen.executed[0] + seen.executed[1], CALLS * 2 - 1);
        expect_nothing_left();
        pair_close();
    }
}

static void expect_crowd(void)
{
    CHECK_INT(seen.sum, 10 * (CROWD * (CROWD - 1) / 2));
    CHECK_INT(seen.others, 0);
    CHECK(seen.executed[0] > CROWD / 4 && seen.executed[1] > CROWD / 4);
}

static void test_crowd(void)
{
    open_nodes(CROWD);
    (void)pair_begin(FIRST, "POST /crowd");
    PAIR_UNTIL(seen.ended == 1);
    expect_crowd();
    CHECK_INT(seen.executed[0] + seen.executed[1], CROWD);
    CHECK(seen.begun <= 10); /* it is woken when all have returned, not by each */
    printf("# the caller was executed %u times\n", seen.begun);
    expect_nothing_left();
    pair_close();
}

/* Of a caller in memory or not. */
static void cancel(bool is_parked)
{
    open_nodes(CALLS * 2);
    const run_id id = pair_begin(FIRST, "POST /waiters");
    PAIR_UNTIL(seen.parked_begun == CALLS * 2 && (!is_parked || pair_is_parked(FIRST, &id)));
    turned_check(turned_ask_run("DELETE", &id, "", ""), 200, "");
    expect_nothing_left();
    CHECK(seen.cancelled[0] + seen.cancelled[1] >= CALLS * 2);
    pair_close();
}

static void test_cancel(void)
{
    cancel(false);
    cancel(true);
}

/* Before the other node has looked for its children once. */
static void test_cancel_early(void)
{
    open_nodes(CALLS * 2);
    const run_id id = pair_begin(FIRST, "POST /waiters");
    for (int i = 0; i < 10; i++) CHECK(turned_turn());
    turned_check(turned_ask_run("DELETE", &id, "", ""), 200, "");
    expect_nothing_left();
    pair_close();
}

static void test_deadline(void)
{
    open_nodes(CALLS * 2);
    (void)pair_begin(FIRST, "POST /due");
    PAIR_UNTIL(seen.parked_begun == CALLS * 2);
    CHECK(!is_quiet());
    for (int i = 0; i < 30; i++) pair_often();
    expect_nothing_left();
    pair_close();
}

static void test_late_children(void)
{
    open_nodes(CALLS);
    (void)pair_begin(FIRST, "POST /late");
    PAIR_UNTIL(seen.ended == 1);
    CHECK_INT(seen.sum, CALLS);
    CHECK(strstr(seen.error, "deadline") || strstr(seen.error, "cancel"));
    expect_nothing_left();
    pair_close();
}

static void test_later(void)
{
    open_nodes(CALLS * 2);
    (void)pair_begin(FIRST, "POST /later");
    PAIR_UNTIL(seen.ended == 1);
    pair_often();
    CHECK_INT(seen.executed[0] + seen.executed[1], 0);
    pair_pass(3600000);
    PAIR_UNTIL(seen.executed[0] + seen.executed[1] == CALLS * 2);
    CHECK(seen.executed[0] > 0 && seen.executed[1] > 0);
    expect_nothing_left();
    pair_close();
}

/* A caller that is resumed has those go on that have failed, whichever node has them: what they have paid for stays. */
static void resume_all(bool is_killed)
{
    open_nodes(CALLS * 2);
    const run_id id = pair_begin(FIRST, "POST /mends");
    PAIR_UNTIL(seen.executed[0] + seen.executed[1] == CALLS * 2);
    expect_nothing_left();
    seen.is_mended = true;
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 202, "\"generation\":1");
    if (is_killed) {
        pair_kill(SECOND);
        for (int i = 0; i < 20; i++) CHECK(turned_turn());
        pair_open_node(SECOND, routes, flags);
    }
    PAIR_UNTIL(seen.ended == 1);
    CHECK_INT(seen.sum, 10 * (CALLS * 2 * (CALLS * 2 - 1) / 2));
    CHECK(seen.executed[0] > 0 && seen.executed[1] > 0);
    CHECK_INT(seen.executed[0] + seen.executed[1], CALLS * 2);
    CHECK_INT(seen.others, 0);
    expect_nothing_left();
    pair_close();
}

static void test_resumed(void)
{
    resume_all(false);
    resume_all(true);
}

/* One of the nodes dies in each of many turns, and comes back at once or later. */
static void kill_at(unsigned node, int turns, int away)
{
    open_nodes(CALLS);
    (void)pair_begin(FIRST, "POST /crowd");
    PAIR_UNTIL(seen.begun > 0 && memory_writes(turned_disk) > 2);
    for (int i = 0; i < turns; i++) {
        CHECK(turned_turn());
        if (i % 8 == 7) pair_pass(1000);
    }
    pair_kill(node);
    for (int i = 0; i < away; i++) {
        pair_pass(1000);
        for (int n = 0; n < 10; n++) CHECK(turned_turn());
    }
    pair_open_node(node, routes, flags);
    PAIR_UNTIL(seen.ended > 0);
    CHECK_INT(seen.others, 0);
    CHECK_INT(seen.sum, 10 * (CALLS * (CALLS - 1) / 2));
    expect_nothing_left();
    pair_close();
}

/* In a process of its own, since a node that is killed frees nothing. */
static void kill_apart(unsigned node, int turns)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        kill_at(node, turns, turns % 3);
        _exit(0);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    if (status != 0) printf("# node %u was killed in turn %d\n", node, turns);
    CHECK_INT(status, 0);
}

static void test_killed(void)
{
    for (unsigned node = 0; node < PAIR_NODES; node++)
        for (int turns = 0; turns < KILLS; turns++) kill_apart(node, turns);
}

/* A crowd of which one node dies, the caller's or the other, with hundreds of children under way. */
static void test_crowd_killed(void)
{
    for (unsigned node = 0; node < PAIR_NODES; node++) {
        open_nodes(CROWD);
        (void)pair_begin(FIRST, "POST /crowd");
        PAIR_UNTIL(seen.executed[node] > 100);
        pair_kill(node);
        for (int i = 0; i < 50; i++) CHECK(turned_turn());
        pair_open_node(node, routes, flags);
        PAIR_UNTIL(seen.ended > 0);
        expect_crowd();
        expect_nothing_left();
        pair_close();
    }
}

/* Writes that fail, on either node: what is not there is done again. */
static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (unsigned skip = 0; skip < 24; skip++) {
        open_nodes(CALLS);
        (void)pair_begin(FIRST, "POST /crowd");
        PAIR_UNTIL(seen.begun > 0 && memory_writes(turned_disk) > 0);
        memory_fail(turned_disk, faults[skip % 3], skip / 3, false);
        PAIR_UNTIL(seen.ended > 0);
        CHECK_INT(seen.others, 0);
        CHECK_INT(seen.sum, 10 * (CALLS * (CALLS - 1) / 2));
        expect_nothing_left();
        pair_close();
    }
}

static const check_case cases[] = {
    {"calls of a row are executed where their children are owned", test_row},
    {"1,000 children on two nodes", test_crowd},
    {"a caller that is cancelled cancels its children", test_cancel},
    {"also those that their node has not found yet", test_cancel_early},
    {"a caller over its deadline cancels its children", test_deadline},
    {"children have deadlines of their own", test_late_children},
    {"children that begin later, and nobody waits for", test_later},
    {"a caller that is resumed has its children go on, on both nodes", test_resumed},
    {"either node is killed in any turn", test_killed},
    {"and with hundreds of children under way", test_crowd_killed},
    {"writes that fail", test_faults},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
