/* Room in the journal's queue: runs that call others, that return to them, and that come back wait for it, so that a
 * slow disk makes them slow, and does not fill the memory. */
#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum {
    RESULT_BYTES = 128 * 1024,
    CHILDREN = 60,
    MANY = 2000,
    AT_ONCE = 256,
    QUEUE_BYTES = 1024 * 1024,
    NAP_MS = 60000 /* by the test's own clock */
};

static struct {
    int begun, largest, ended, filled;
    int64_t bytes;
} seen;

/* ---- The program ---- */

static sw_value on_large(sw_ctx *c, sw_value input)
{
    (void)input;
    seen.begun++;
    char *bytes = sw_alloc(c, RESULT_BYTES);
    memset(bytes, 'r', RESULT_BYTES);
    return sw_strn(c, bytes, RESULT_BYTES);
}

static sw_value on_small(sw_ctx *c, sw_value input)
{
    (void)c;
    seen.begun++;
    return input;
}

static void on_fan(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < CHILDREN; i++) sw_group_call(g, "large", "large", sw_int(i));
    sw_value results = sw_group_wait(g);
    seen.bytes = 0;
    for (size_t i = 0; i < sw_len(results); i++) seen.bytes += sw_at(results, i).via.str.size;
    seen.ended++;
    sw_reply_json(c, 200, sw_int(seen.bytes));
}

static void on_many(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < MANY; i++) sw_group_call(g, "small", "small", sw_int(i));
    seen.bytes = (int64_t)sw_len(sw_group_wait(g));
    seen.ended++;
    sw_reply_json(c, 200, sw_int(seen.bytes));
}

/* More than the queue may have. */
static void on_fills(sw_ctx *c)
{
    for (int i = 0; i < 2 * QUEUE_BYTES / RESULT_BYTES; i++) sw_push_chunk(c, on_large(c, sw_nil()));
    seen.filled++;
    sw_reply_text(c, 200, "full");
}

/* Each result is an entry, which the next step need not wait for. */
static void on_steps(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    for (int i = 0; i < 2 * QUEUE_BYTES / RESULT_BYTES; i++) sw_group_step(g, "large", on_large, sw_nil());
    (void)sw_group_wait(g);
    seen.filled++;
    sw_reply_text(c, 200, "done");
}

static void on_naps(sw_ctx *c)
{
    sw_sleep(c, "nap", NAP_MS);
    seen.ended++;
    sw_reply_text(c, 200, "rested");
}

static sw_value on_slow(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "nap", NAP_MS);
    return input;
}

/* Looks when one of its calls has returned, and the other is about to. */
static void on_late(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "slow", sw_int(1));
    sw_group_call(g, "large", "large", sw_int(2));
    sw_sleep(c, "nap", 2 * NAP_MS);
    seen.bytes = (int64_t)sw_len(sw_group_wait(g));
    seen.ended++;
    sw_reply_json(c, 200, sw_int(seen.bytes));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /late", on_late, NULL);
    sw_function(app, "slow", on_slow, NULL);
    sw_endpoint(app, "POST /fan", on_fan, NULL);
    sw_endpoint(app, "POST /many", on_many, NULL);
    sw_endpoint(app, "POST /fills", on_fills, NULL);
    sw_endpoint(app, "POST /steps", on_steps, NULL);
    sw_endpoint(app, "POST /naps", on_naps, NULL);
    sw_function(app, "large", on_large, NULL);
    sw_function(app, "small", on_small, NULL);
}

static void open_room_with(const char *park_after)
{
    memset(&seen, 0, sizeof seen);
    turned_open(routes, (const char *const[]){"--park-after", park_after, "--journal-queue-max", "1MiB", NULL});
}

static void open_room(void) { open_room_with("0"); }

static void pass_nap(void)
{
    clocks->slept_ms += NAP_MS;
    clocks_tell();
}

static int64_t queued(void)
{
    store_stats now;
    store_stats_get(turned_app->store, &now);
    return (int64_t)(now.queue_bytes + turned_home()->gate.open_bytes);
}

static bool is_over(void) { return seen.ended > 0 && turned_home()->runs.count == 0; }

/* ---- Tests ---- */

/* Of the children, which end in the same turn, and of their caller, for which all results lie there. */
static void test_results(void)
{
    int64_t most = 0;
    open_room();
    (void)turned_begin("POST /fan");
    while (!is_over()) {
        CHECK(turned_turn());
        if (queued() > most) most = queued();
    }
    if (most > QUEUE_BYTES + 3 * RESULT_BYTES) printf("# %lld bytes\n", (long long)most);
    CHECK(most > QUEUE_BYTES / 2 && most <= QUEUE_BYTES + 3 * RESULT_BYTES); /* the last one has its response, too */
    CHECK_INT(seen.begun, CHILDREN);
    CHECK_INT(seen.bytes, CHILDREN * RESULT_BYTES);
    turned_close();
}

/* The process ends while results wait for room. */
static void test_resumed(void)
{
    open_room();
    (void)turned_begin("POST /fan");
    TURN_UNTIL(seen.begun >= CHILDREN);
    turned_writes = false;
    turned_often();
    turned_writes = true;
    turned_end();
    CHECK_INT(seen.ended, 0);
    open_room();
    TURN_UNTIL(is_over());
    CHECK_INT(seen.bytes, CHILDREN * RESULT_BYTES);
    turned_close();
}

/* What is called goes to the disk in pieces, and others have their turn between them. */
static void test_calls(void)
{
    open_room();
    run *r = turned_begin("POST /many");
    turned_writes = false;
    for (int i = 0; i < 5; i++) CHECK(turned_turn());
    CHECK_INT(r->call_count, AT_ONCE + 1);
    CHECK_INT(turned_home()->outbox.in_flight, AT_ONCE + 1);
    turned_writes = true;
    TURN_UNTIL(is_over());
    CHECK_INT(seen.begun, MANY);
    CHECK_INT(seen.bytes, MANY);
    turned_close();
}

/* A run that waits at the gate while it calls is cancelled like any other. */
static void test_cancelled(void)
{
    open_room();
    run_id id = turned_begin("POST /many")->id;
    turned_writes = false;
    for (int i = 0; i < 5; i++) CHECK(turned_turn());
    turned_writes = true;
    turned_check(turned_ask_run("DELETE", &id, "", ""), 200, "cancelled");
    TURN_UNTIL(turned_home()->runs.count == 0 && turned_home()->slots.count == 0);
    CHECK(seen.begun < MANY);
    CHECK_INT(seen.ended, 0);
    turned_close();
}

/* A result comes while the caller waits for room for another one, which came before. */
static void test_late(void)
{
    static clocks_state passing;
    clocks = &passing;
    open_room_with("1h");
    (void)turned_begin("POST /late");
    TURN_UNTIL(turned_rows(letter_table) == 1);
    turned_often();
    turned_writes = false;
    pass_nap();
    turned_often();
    (void)turned_begin("POST /fills");
    TURN_UNTIL(turned_home()->gate.waiting == 1);
    pass_nap();
    TURN_UNTIL(turned_home()->gate.waiting == 2);
    CHECK_INT(turned_rows(letter_table), 1);
    turned_writes = true;
    TURN_UNTIL(seen.ended == 1 && turned_home()->runs.count == 0);
    CHECK_INT(seen.bytes, 2);
    turned_close();
}

static void test_loads(void)
{
    static clocks_state passing;
    clocks = &passing;
    open_room();
    run_id id = turned_park("POST /naps");
    turned_writes = false;
    (void)turned_begin("POST /fills");
    while (turned_home()->gate.waiting == 0) CHECK(turned_turn());
    pass_nap();
    while (turned_slot(&id)->state == SLOT_PARKED) CHECK(turned_turn());
    turned_often();
    CHECK_INT(turned_slot(&id)->state, SLOT_DUE);
    CHECK(queued() > QUEUE_BYTES);
    turned_writes = true;
    TURN_UNTIL(is_over());
    turned_close();
}

static home *home_of(unsigned loop) { return &turned_app->loops[loop].home; }

static void begin_on(unsigned loop, const char *route)
{
    static const run_origin nobody = {.key = NULL};
    const run_input none = {.method = {"POST", 4}, .target = {"/", 1}, .body = {"", 0}};
    run_refusal why;
    CHECK(run_begin(home_of(loop), app_endpoint(turned_app, route, strlen(route)), &none, &nobody, &why));
}

static bool turn_loop(unsigned loop) { return uv_run(&turned_app->loops[loop].uv, UV_RUN_NOWAIT) != 0; }

/* Runs of two loops fill one queue. Whose turn comes when, and when a write, the test draws. */
static void go_through_two_loops(unsigned seed)
{
    const int runs = 3;
    memset(&seen, 0, sizeof seen);
    turned_open(routes, (const char *const[]){"--journal-queue-max", "1MiB", NULL});
    for (int i = 0; i < runs; i++)
        for (unsigned loop = 0; loop < 2; loop++) begin_on(loop, i % 2 ? "POST /fills" : "POST /steps");
    for (unsigned n = seed; home_of(0)->runs.count + home_of(1)->runs.count > 0; n = n * 1103515245 + 12345) {
        const unsigned drawn = n >> 16;
        while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
        if (drawn % 5 == 0 && store_hand_write_due_ms(turned_app->store) == 0) store_hand_write(turned_app->store);
        CHECK(turn_loop(drawn / 5 % 3 ? 0 : 1));
        CHECK_INT(home_of(0)->gate.open_bytes > 4 * QUEUE_BYTES, 0);
    }
    CHECK_INT(seen.filled, 2 * runs);
    for (unsigned loop = 0; loop < 2; loop++) {
        CHECK_INT(home_of(loop)->gate.waiting, 0);
        loop_drain(&turned_app->loops[loop], LOOP_STOPPED);
    }
    while (turned_turn() || uv_loop_alive(&turned_app->loops[0].uv) || uv_loop_alive(&turned_app->loops[1].uv))
        (void)turn_loop(1);
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

static void test_two_loops(void)
{
    turned_loops = 2;
    for (unsigned seed = 1; seed <= 40; seed++) go_through_two_loops(seed);
    turned_loops = 1;
}

static const check_case cases[] = {{"results are returned, and taken, as there is room", test_results},
                                   {"a process ends while results wait", test_resumed},
                                   {"calls reach the disk in pieces", test_calls},
                                   {"a run that waits while it calls is cancelled", test_cancelled},
                                   {"a result that comes while its caller waits for room", test_late},
                                   {"runs that are due stay outside memory", test_loads},
                                   {"runs of two loops", test_two_loops}};

CHECK_MAIN(cases)
