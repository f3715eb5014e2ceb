/* A run calls functions, and the process dies behind any write, before a loop has been told of it; the next one goes on
 * with what the disk has. Each call has one child, whichever loop has it, and nothing of the calls is left over. Each
 * process of these is one: the disk lies in memory that they share. */
#include "runtime/run/mailbox.h"
#include "tests/harness/lives.h"

enum { CALLS = 7, LIVES_MAX = 400, KILLED = 3, TURNS_MAX = 200000 };

/* In memory that all processes share. */
typedef struct shared {
    char child[CALLS][RUN_ID_TEXT + 1]; /* the run that has worked for the call */
    int others;                         /* times that another one has */
    int64_t answer;
} shared;
static shared *seen;

/* ---- The program ---- */

static sw_value work(sw_ctx *c, sw_value input)
{
    char *id = seen->child[sw_as_int(input, 0)];
    if (!*id) strcpy(id, sw_run_id(c));
    seen->others += strcmp(id, sw_run_id(c)) != 0;
    return sw_int(sw_as_int(input, 0) * 10);
}

/* Number 2 calls number 6 itself; number 5 fails. */
static sw_value on_child(sw_ctx *c, sw_value input)
{
    sw_value done = sw_step(c, "work", work, input);
    if (sw_as_int(input, 0) == 2)
        return sw_int(sw_as_int(done, 0) + sw_as_int(sw_call(c, "own", "child", sw_int(6)), 0));
    if (sw_as_int(input, 0) == 5) sw_fail_fatal(c, "it fails");
    return done;
}

static void on_parent(sw_ctx *c)
{
    int64_t sum = sw_as_int(sw_call(c, "first", "child", sw_int(1)), 0);
    sw_group *g = sw_group_new(c);
    for (int i = 2; i <= 4; i++) sw_group_call(g, "member", "child", sw_int(i));
    sw_value results = sw_group_wait(g);
    for (size_t i = 0; i < sw_len(results); i++) sum += sw_as_int(sw_at(results, i), 0);
    sw_error err = {.message = ""};
    if (!sw_try_call(c, "bad", "child", sw_int(5), NULL, &err) && strcmp(err.message, "it fails") == 0) sum += 1000;
    seen->answer = sum;
    sw_reply_json(c, 200, sw_int(sum));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /parent", on_parent, NULL);
    sw_function(app, "child", on_child, NULL);
}

/* ---- Lives ---- */

static home *home_of(unsigned loop) { return &turned_app->loops[loop].home; }

static bool is_quiet(void)
{
    for (unsigned i = 0; i < turned_loops; i++) {
        const home *h = home_of(i);
        if (!h->slots.recovered || h->slots.count > 0 || h->runs.count > 0 || h->outbox.in_flight > 0) return false;
        if (h->mailboxes.count > 0) return false;
    }
    return true;
}

/* What happens to a write of the first life. */
static struct {
    memory_fault fault;
    unsigned skip;
} failing;

/* Lives until so many writes are on disk, or all has ended. */
static int live(bool is_first, uint64_t writes)
{
    turned_open(routes, (const char *const[]){"--park-after", "0", NULL});
    uint64_t from = memory_writes(turned_disk);
    if (is_first && failing.fault != MEMORY_GOOD) memory_fail(turned_disk, failing.fault, failing.skip, false);
    if (is_first) (void)turned_begin("POST /parent");
    for (int turns = 0; turns < TURNS_MAX; turns++) {
        store *s = turned_app->store;
        while (store_hand_reads(s) > 0) store_hand_read(s, 0);
        if (store_hand_write_due_ms(s) == 0) store_hand_write(s);
        if (memory_writes(turned_disk) - from >= writes) return KILLED;
        for (unsigned i = 0; i < turned_loops; i++) CHECK(uv_run(&turned_app->loops[i].uv, UV_RUN_NOWAIT) != 0);
        if (turns > 3 && is_quiet()) return 0;
        if (turns % 64 == 63) usleep(1000);
    }
    CHECK(!"it did not come to an end");
    return 1;
}

static int live_first(uint64_t writes) { return live(true, writes); }
static int live_on(uint64_t writes) { return live(false, writes); }

/* `first`: writes of the first life; `step`: of all later ones; 0: they last. Returns whether the first one was killed.
 */
static bool run_through(uint64_t first, uint64_t step)
{
    seen = lives_begin();
    int end = lives_live(live_first, first), count = 1;
    const bool was_killed = end == KILLED;
    for (; end == KILLED && count < LIVES_MAX; count++) end = lives_live(live_on, step > 0 ? step : UINT64_MAX);
    CHECK_INT(end, 0);
    CHECK_INT(seen->others, 0);
    if (seen->answer > 0 || !was_killed || first > 2) CHECK_INT(seen->answer, 10 + (20 + 60) + 30 + 40 + 1000);
    for (int i = 1; i < CALLS && seen->answer > 0; i++) CHECK(*seen->child[i]);
    lives_end();
    return was_killed;
}

/* ---- Tests ---- */

static void killed_once(unsigned loops)
{
    turned_loops = loops;
    for (uint64_t first = 1; run_through(first, 0); first++) continue;
    turned_loops = 1;
}

static void killed_often(unsigned loops)
{
    turned_loops = loops;
    for (uint64_t step = 2; step <= 9; step++) (void)run_through(step, step);
    turned_loops = 1;
}

/* A write is refused, or nobody knows at first whether it is there: runs are lost and loaded again, and calls are made
 * again that are not on disk. */
static void test_failing(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    for (turned_loops = 1; turned_loops <= 2; turned_loops++)
        for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
            for (failing.skip = 1; failing.skip < 9; failing.skip++) {
                failing.fault = faults[i];
                CHECK(!run_through(UINT64_MAX, 0));
            }
    failing.fault = MEMORY_GOOD;
    turned_loops = 1;
}

static void test_once(void) { killed_once(1); }
static void test_once_on_two(void) { killed_once(2); }
static void test_often(void) { killed_often(1); }
static void test_often_on_two(void) { killed_often(2); }

static const check_case cases[] = {{"killed behind each write", test_once},
                                   {"killed behind each write, on two loops", test_once_on_two},
                                   {"a write fails", test_failing},
                                   {"killed again and again", test_often},
                                   {"killed again and again, on two loops", test_often_on_two}};

CHECK_MAIN(cases)
