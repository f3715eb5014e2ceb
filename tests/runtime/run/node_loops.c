/* Two nodes on one memory, of two loops each: a run calls functions whose runs are on all four loops, hears from each
 * by a signal, answers it by another, and gets its result; also if a node dies meanwhile, or both end and come back. */
#include "runtime/run/endpoint.h"
#include "runtime/run/notice.h"
#include "tests/harness/pair.h"

enum { FIRST, SECOND, LOOPS = 2, CALLS = 24 };

static struct {
    unsigned ended;
    int64_t sum;
} seen;
static unsigned called;                   /* executions of children, since both were opened */
static unsigned begun[PAIR_NODES][LOOPS]; /* executions of children, by where */
static char caller[RUN_ID_TEXT + 1];

/* ---- The program ---- */

static sw_value on_child(sw_ctx *c, sw_value input)
{
    sw_value v = sw_nil();
    run_id id;
    CHECK(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &id));
    CHECK(home_owns(c->task->home, &id) && run_id_loop(&id, LOOPS) == c->task->home->index);
    called++;
    begun[pair_at][c->task->home->index]++;
    CHECK(sw_send_signal(c, "here", sw_cstr(c, sw_at(input, 1)), "here", sw_str(c, sw_run_id(c))));
    (void)sw_wait_for(c, "go", &(sw_wait){.signal = "go"}, &v);
    return sw_int(sw_as_int(sw_at(input, 0), 0) + sw_as_int(v, 0));
}

static void on_caller(sw_ctx *c)
{
    int64_t sum = 0;
    strcpy(caller, sw_run_id(c));
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < CALLS; i++) sw_group_call(g, "child", "child", sw_array(c, 2, sw_int(i), sw_str(c, caller)));
    for (int i = 0; i < CALLS; i++) {
        sw_value child = sw_nil();
        (void)sw_wait_for(c, "here", &(sw_wait){.signal = "here"}, &child);
        CHECK(sw_send_signal(c, "go", sw_cstr(c, child), "go", sw_int(1000)));
    }
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    seen.sum = sum;
    seen.ended++;
    sw_reply_json(c, 200, sw_int(sum));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /caller", on_caller, NULL);
    sw_function(app, "child", on_child, NULL);
}

/* ---- Both nodes, and both loops of each ---- */

static void turn_second_loop(void)
{
    if (turned_app && uv_loop_alive(&turned_app->loops[1].uv)) (void)uv_run(&turned_app->loops[1].uv, UV_RUN_NOWAIT);
}

static void turn_others(void)
{
    turn_second_loop();
    pair_turn_other();
}

static void open_node(unsigned n) { pair_open_node(n, routes, (const char *const[]){"--park-after", "0", NULL}); }

static void open_nodes(void)
{
    memset(&seen, 0, sizeof seen);
    called = 0;
    turned_loops = LOOPS;
    pair_open(routes, (const char *const[]){"--park-after", "0", NULL});
    turned_also = turn_others;
}

static void end_node(unsigned n)
{
    pair_use(n);
    for (unsigned i = 0; i < LOOPS; i++) loop_drain(&turned_app->loops[i], LOOP_STOPPED);
    while (turned_turn() || uv_loop_alive(&turned_app->loops[1].uv)) continue;
    by_hand_close(turned_app);
    turned_app = pair[n].app = NULL;
}

static void close_nodes(void)
{
    for (unsigned n = 0; n < PAIR_NODES; n++) end_node(n);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
    turned_also = NULL;
    turned_loops = 1;
    turned_cluster = &cluster_alone;
}

static unsigned homes_begun(void)
{
    unsigned count = 0;
    for (unsigned n = 0; n < PAIR_NODES; n++)
        for (unsigned i = 0; i < LOOPS; i++) count += begun[n][i] > 0;
    return count;
}

static bool is_all_over(void)
{
    bool is_over = seen.ended > 0;
    for (unsigned n = 0; n < PAIR_NODES; n++) {
        const sw_app *app = n == pair_at ? turned_app : pair[n].app;
        for (unsigned i = 0; i < LOOPS && app; i++)
            is_over = is_over && app->loops[i].home.runs.count == 0 && app->loops[i].home.slots.count == 0 &&
                      app->loops[i].home.mailboxes.count == 0;
    }
    return is_over;
}

static void go_on(void)
{
    PAIR_UNTIL(is_all_over());
    CHECK_INT(seen.sum, CALLS * (CALLS - 1) / 2 + 1000 * CALLS);
    pair_often();
    CHECK_INT(turned_rows(letter_table), 0);
    CHECK_INT(turned_rows(notice_table), 0);
}

/* ---- Tests ---- */

static void test_all(void)
{
    for (unsigned at = 0; at < PAIR_NODES; at++) {
        open_nodes();
        pair_use(at);
        (void)pair_begin(at, "POST /caller");
        go_on();
        CHECK_INT(seen.ended, 1);
        close_nodes();
    }
    CHECK_INT(homes_begun(), PAIR_NODES * LOOPS);
}

/* In any turn; the other node goes on, and the dead one comes back. */
static void test_killed(void)
{
    for (unsigned turns = 1; turns < 400; turns += SANITIZED ? 131 : 67)
        for (unsigned victim = 0; victim < PAIR_NODES; victim++) {
            open_nodes();
            run_id id = pair_begin(FIRST, "POST /caller");
            PAIR_UNTIL(pair_slot(FIRST, &id) && (pair_is_parked(FIRST, &id) || called > 0));
            for (unsigned n = 0; n < turns && !seen.ended; n++) {
                CHECK(turned_turn());
                if (n % 20 == 0) pair_pass(1000);
            }
            pair_kill(victim);
            for (int n = 0; n < 50; n++) CHECK(turned_turn());
            open_node(victim);
            pair_use(FIRST);
            turned_also = turn_others;
            go_on();
            close_nodes();
        }
}

/* Both end, and come back. */
static void test_ended(void)
{
    for (unsigned turns = 1; turns < 200; turns += 66) {
        open_nodes();
        (void)pair_begin(FIRST, "POST /caller");
        for (unsigned n = 0; n < turns; n++) {
            CHECK(turned_turn());
            if (n % 20 == 0) pair_pass(1000);
        }
        for (unsigned n = 0; n < PAIR_NODES; n++) end_node(n);
        for (unsigned n = PAIR_NODES; n-- > 0;) open_node(n);
        go_on();
        close_nodes();
    }
}

static const check_case cases[] = {{"calls and signals between all loops", test_all},
                                   {"a node is killed", test_killed},
                                   {"both nodes end", test_ended}};
CHECK_MAIN(cases)
