/* A run that journals every kind of choice: it waits, asks, sends, calls, lets others win, fails, and goes on after its
 * end. Its process dies behind any write, so that each prefix of its journal which a disk can have is replayed, by a
 * process that the next kill ends, or by one that lives on. What the journal has is not made again, each call has one
 * child, and in the end all is as if nothing had happened. */
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "tests/harness/lives.h"

enum { KILLED = 3, TURNS_MAX = 400000, LIVES_MAX = 400, STEPS = 16, CHILDREN = 8, ANSWER = 1110 };

typedef struct shared {
    run_id parent;
    bool has_begun, is_mended;
    bool done[STEPS];                      /* the journal of the parent has the step's result */
    char child[CHILDREN][RUN_ID_TEXT + 1]; /* the run that has worked for the call */
    int others, repeated, waited;          /* another one has; a step was made again; who was to be cancelled went on */
    int64_t answer;
} shared;
static shared *seen;

/* ---- The program ---- */

static sw_value work(sw_ctx *c, sw_value input)
{
    (void)c;
    seen->repeated += seen->done[sw_as_int(input, 0)];
    return input;
}

/* What comes before it is on disk when its attempt begins. */
static void settle(sw_ctx *c, int n) { (void)sw_step(c, sw_printf(c, "s%d", n), work, sw_int(n)); }

static void note_child(sw_ctx *c, int64_t n)
{
    if (!*seen->child[n]) strcpy(seen->child[n], sw_run_id(c));
    seen->others += strcmp(seen->child[n], sw_run_id(c)) != 0;
}

/* It loses. */
static sw_value on_waits(sw_ctx *c, sw_value input)
{
    (void)sw_wait_for(c, "never", &(sw_wait){.signal = "never"}, NULL);
    seen->waited++;
    return input;
}

/* Number 5 sends its caller a signal, and is cancelled for it; number 3 fails. */
static sw_value on_child(sw_ctx *c, sw_value input)
{
    int64_t n = sw_as_int(sw_at(input, 0), 0);
    note_child(c, n);
    if (n == 5) (void)sw_send_signal(c, "tell", sw_cstr(c, sw_at(input, 1)), "told", sw_int(100));
    if (n == 5) return on_waits(c, input);
    if (n == 3) sw_fail_fatal(c, "it fails");
    return sw_int(n * 10);
}

static sw_value on_branch(sw_ctx *c, sw_value input)
{
    (void)sw_random(c);
    (void)sw_wait_for(c, "never", &(sw_wait){.signal = "never"}, NULL);
    return input;
}

static sw_value need(sw_ctx *c, sw_value input)
{
    if (!seen->is_mended) sw_fail_fatal(c, "not mended");
    return input;
}

static sw_value child_input(sw_ctx *c, int64_t n) { return sw_array(c, 2, sw_int(n), sw_str(c, sw_run_id(c))); }

/* 1: taken; and 0 of a wait that nobody ends. */
static int64_t wait_and_ask(sw_ctx *c)
{
    sw_value early = sw_nil(), none = sw_nil();
    settle(c, 0);
    (void)sw_send_signal(c, "self", sw_run_id(c), "early", sw_int(1));
    settle(c, 1);
    bool has_come = sw_wait_for(c, "early", &(sw_wait){.signal = "early"}, &early);
    settle(c, 2);
    bool is_over = !sw_wait_for(c, "late", &(sw_wait){.signal = "late", .timeout_ms = 1}, &none);
    settle(c, 3);
    (void)sw_signal_url(c, "ask", "answer", NULL);
    (void)sw_now(c);
    settle(c, 4);
    is_over = !sw_wait_for(c, "answer", &(sw_wait){.signal = "answer", .timeout_ms = 1}, &none) && is_over;
    return has_come && is_over && sw_patch(c, "new") ? sw_as_int(early, -1) : -1000;
}

/* 10 + 100: what number 1 returns, and what number 5 has sent. */
static int64_t call_and_race(sw_ctx *c)
{
    sw_value won = sw_nil();
    int64_t first = sw_as_int(sw_call(c, "first", "child", child_input(c, 1)), -1);
    settle(c, 5);
    sw_group *g = sw_group_new(c);
    sw_group_wait_for(g, "told", &(sw_wait){.signal = "told"});
    sw_group_sleep(g, "long", 3600000);
    sw_group_call(g, "loser", "waits", sw_int(0));
    sw_group_call(g, "teller", "child", child_input(c, 5));
    sw_group_branch(g, "branch", on_branch, sw_int(0));
    size_t winner = sw_group_any(g, "race", &won);
    settle(c, 6);
    return first + (winner == 0 ? sw_as_int(won, -1) : -1000);
}

/* 20 + 979: what number 2 returns, and that number 3 has failed. */
static int64_t call_many(sw_ctx *c)
{
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "member", "child", child_input(c, 2));
    sw_group_call(g, "member", "child", child_input(c, 3));
    sw_value results = sw_group_settle(g);
    bool has_failed = !sw_as_bool(sw_get(sw_at(results, 1), "ok"), true);
    (void)sw_call_with(c, "alone", "child", child_input(c, 4), &(sw_call_options){.detached = true});
    settle(c, 7);
    return sw_as_int(sw_get(sw_at(results, 0), "value"), -1) + (has_failed ? 979 : -1000);
}

static void on_parent(sw_ctx *c)
{
    int64_t sum = wait_and_ask(c) + call_and_race(c) + call_many(c);
    sw_label(c, "part", "last");
    sw_push_chunk(c, sw_int(sum));
    sw_sleep(c, "nap", 1);
    (void)sw_step_with(c, "need", need, sw_int(0), &(sw_step_options){.retries = SW_NO_RETRIES});
    settle(c, 8);
    seen->answer = sum;
    sw_reply_json(c, 200, sw_int(sum));
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /parent", on_parent, NULL);
    sw_function(app, "child", on_child, NULL);
    sw_function(app, "waits", on_waits, NULL);
}

/* ---- Lives ---- */

static bool is_quiet(void)
{
    const home *h = turned_home();
    return h->slots.recovered && h->slots.count == 0 && h->runs.count == 0 && h->outbox.in_flight == 0 &&
           h->mailboxes.count == 0;
}

/* What the journal of the parent has by now. */
static void note_done(void)
{
    turned_journal j;
    char part[24];
    turned_load(&seen->parent, &j);
    for (int n = 0; n < STEPS; n++) {
        (void)snprintf(part, sizeof part, "step done s%d", n);
        const char *at = strstr(j.text, part);
        seen->done[n] = at && (at[strlen(part)] == ';' || at[strlen(part)] == 0);
    }
}

/* How often the journal has the entry. */
static int count_of(const turned_journal *j, const char *what)
{
    int count = 0;
    for (const char *at = j->text; (at = strstr(at, what)); at += strlen(what)) {
        const char end = at[strlen(what)];
        count += (at == j->text || at[-1] == ' ') && (end == ';' || end == 0);
    }
    return count;
}

/* Nothing is there twice, nor missing. Of calls there are two entries each, but for who has lost, or is not waited for.
 */
static void check_journal(void)
{
    static const struct {
        const char *what;
        int count;
    } all[] = {
        {"sent self", 1},        {"wait early", 1},   {"taken early", 1}, {"wait late", 1},      {"timed out late", 1},
        {"timed out answer", 1}, {"value ask", 1},    {"other new", 1},   {"other first", 2},    {"wait told", 1},
        {"won race", 1},         {"taken told", 1},   {"other loser", 1}, {"other teller", 1},   {"abandoned loser", 1},
        {"abandoned teller", 1}, {"other member", 4}, {"other alone", 1}, {"step done need", 1}, {"signal", 2},
        {"step done s8", 1},     {"ended", 2}};
    turned_journal j;
    turned_load(&seen->parent, &j);
    for (size_t i = 0; i < sizeof all / sizeof *all; i++) {
        if (count_of(&j, all[i].what) != all[i].count) printf("# %s: %s\n", all[i].what, j.text);
        CHECK_INT(count_of(&j, all[i].what), all[i].count);
    }
}

static char text[TURNED_TEXT];

/* The parent has failed, and is mended now; or nothing of it was on disk when its first process died. */
static int resume_parent(void)
{
    seen->is_mended = true;
    return turned_reply(turned_ask_run("POST", &seen->parent, "/resume", ""), text);
}

static void begin(void)
{
    turned_open(routes, (const char *const[]){"--park-after", "0", "--public-url", "http://here", NULL});
    TURN_UNTIL(turned_home()->slots.all_found);
    if (seen->has_begun) {
        note_done();
        return;
    }
    seen->parent = turned_begin("POST /parent")->id;
    seen->has_begun = true;
}

/* Lives until so many writes are on disk, or all has ended. */
static int live(uint64_t writes)
{
    bool is_resumed = false;
    begin();
    uint64_t from = memory_writes(turned_disk);
    for (int turns = 1; turns < TURNS_MAX; turns++) {
        store *s = turned_app->store;
        while (store_hand_reads(s) > 0) store_hand_read(s, 0);
        if (store_hand_write_due_ms(s) == 0) store_hand_write(s);
        if (memory_writes(turned_disk) - from >= writes) return KILLED;
        CHECK(uv_run(&turned_app->loops[0].uv, UV_RUN_NOWAIT) != 0);
        CHECK_INT(turned_home()->counters.results_unasked, 0);
        if (turns % 64 == 63) usleep(1000);
        if (turns < 8 || !is_quiet()) continue;
        if (seen->answer > 0 || is_resumed) break;
        int status = resume_parent();
        if (status == 404) return 0;
        is_resumed = status == 202;
    }
    CHECK_INT(turned_rows(letter_table), 0);
    CHECK(is_quiet());
    check_journal();
    return 0;
}

/* Returns whether the first life was killed. */
static bool run_through(uint64_t first, uint64_t step)
{
    seen = lives_begin();
    int end = lives_live(live, first), count = 1;
    const bool was_killed = end == KILLED;
    for (; end == KILLED && count < LIVES_MAX; count++) end = lives_live(live, step > 0 ? step : UINT64_MAX);
    CHECK_INT(end, 0);
    CHECK_INT(seen->others, 0);
    CHECK_INT(seen->repeated, 0);
    CHECK_INT(seen->waited, 0);
    if (seen->answer == 0) CHECK(was_killed && first <= 2); /* nothing of it was on disk */
    if (seen->answer > 0) CHECK_INT(seen->answer, ANSWER);
    for (int n = 1; n <= 5 && seen->answer > 0; n++) CHECK(*seen->child[n]);
    lives_end();
    return was_killed;
}

/* ---- Tests ---- */

static void test_once(void)
{
    uint64_t first = 1;
    while (run_through(first, 0)) first++;
    printf("# killed behind each of %llu writes\n", (unsigned long long)first - 1);
}

static void test_often(void)
{
    for (uint64_t step = 2; step <= 7; step++) (void)run_through(step, step);
}

static const check_case cases[] = {{"every kind, killed behind each write", test_once},
                                   {"killed again and again", test_often}};

CHECK_MAIN(cases)
