/* What a process leaves to the next one of runs that end with their clients, when it drains before it has found those
 * of the one before, or is killed after the journal failed. */
#include "runtime/recovery/settle.h"
#include "runtime/run/ties.h"
#include "tests/harness/turned.h"

static char folder[] = "/tmp/stepwell-test-XXXXXX";

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static sw_value quick(sw_ctx *c, sw_value v)
{
    sw_sleep(c, "pace", 1);
    return v;
}

static void on_steps(sw_ctx *c)
{
    for (int i = 0; i < 1000; i++) (void)sw_step(c, "quick", quick, sw_nil());
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /steps", on_steps, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "POST /nap", on_nap, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
}

static ties *open_ties(void)
{
    ties *t = ties_open(folder, 10000, true);
    CHECK(t);
    return t;
}

/* On disk, with a row in the live table. */
static run_id leave_run(void)
{
    char text[TURNED_TEXT];
    turned_open(routes, NULL);
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(turned_only_slot());
    run_id id = turned_only_slot()->id;
    CHECK_INT(turned_reply(fd, text), 303);
    turned_end();
    return id;
}

static void test_drained(void)
{
    ties_close(open_ties(), false); /* as if it were killed while it serves: the run is its own */
    run_id id = leave_run();
    /* A wait that is longer than that would show that the client was sent on. */
    turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
    ties *t = turned_app->ties = open_ties();
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    turned_drain();
    while (turned_turn()) continue;
    by_hand_close(turned_app); /* and the ties */
    t = open_ties();
    CHECK_INT(ties_former_end(t), FOLDER_IN_USE); /* a list without the run would untie it */
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    ties_close(t, true);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* The live table cannot be read: it does not wait for that, and unties nothing. */
static void test_unreadable(void)
{
    ties_close(open_ties(), true);
    ties_close(open_ties(), false);
    run_id id = leave_run();
    memory_fail_reads(turned_disk, true);
    turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
    ties *t = turned_app->ties = open_ties();
    turned_often();
    CHECK(!turned_home()->slots.recovered);
    turned_drain();
    while (turned_turn()) continue;
    by_hand_close(turned_app); /* and the ties */
    memory_fail_reads(turned_disk, false);
    t = open_ties();
    CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
    ties_close(t, true);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* An entry of the run is not on disk, so its client is sent on, for which the journal has no reason. */
static void test_failing(void)
{
    char text[TURNED_TEXT];
    ties_close(open_ties(), true);
    turned_open(routes, NULL);
    ties *t = turned_app->ties = open_ties();
    int fd = turned_send("POST", "/steps", "");
    TURN_UNTIL(turned_only_slot());
    run_id id = turned_only_slot()->id;
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    CHECK_INT(turned_reply(fd, text), 303);
    ties_close(t, false);
    turned_app->ties = NULL;
    t = open_ties();
    CHECK_INT(ties_former_end(t), FOLDER_IN_USE);
    CHECK_INT(ties_find(t, &id), FORMER_ALONE);
    ties_close(t, true);
    turned_close();
}

/* As if the process were killed: what it knows, and has not noted, is lost. */
static void kill_it(ties *t)
{
    ties_close(t, false);
    turned_app->ties = NULL;
    turned_end();
}

/* Its client was sent on since it waits for an hour; the next process would send nobody on for that. */
static void test_other_flags(void)
{
    char text[TURNED_TEXT];
    ties_close(open_ties(), true);
    turned_open(routes, NULL);
    ties *t = turned_app->ties = open_ties();
    int fd = turned_send("POST", "/nap", "");
    TURN_UNTIL(turned_only_slot());
    run_id id = turned_only_slot()->id;
    CHECK_INT(turned_reply(fd, text), 303);
    kill_it(t);
    for (int i = 0; i < 2; i++) {
        turned_open(routes, (const char *const[]){"--redirect-after", "2h", NULL});
        t = turned_app->ties = ties_open(folder, 7200000, true);
        CHECK_INT(ties_find(t, &id), FORMER_UNKNOWN);
        TURN_UNTIL(turned_home()->slots.recovered);
        slot *s = slot_find(&turned_home()->slots, &id);
        turned_home()->slots.clients_are_back = true;
        slot_wake(turned_home(), s);
        TURN_UNTIL(s->is_known_here);
        CHECK_INT(s->tie, TIE_NONE);
        CHECK_INT(s->cancel, ENTRY_CANCEL_NONE);
        kill_it(t);
    }
    memory_disk_free(turned_disk);
    turned_disk = NULL;
}

/* ---- Who has ended ---- */

enum { LIVE = 5000, LISTED = 100 };

static run_id run_of(int n)
{
    const uint8_t random[10] = {(uint8_t)(n >> 8), (uint8_t)n};
    static int64_t to_come_ms; /* the process that is killed has begun before */
    if (to_come_ms == 0) to_come_ms = clock_wall_ms() + 1000000;
    return run_id_make(to_come_ms, random, 0, 1);
}

static void put_live(store *journals)
{
    settling *s = settle_open(journals);
    CHECK(s);
    for (int i = 0; i < LIVE; i++) {
        char text[] = "x";
        store_segment one = {.run = run_of(2 * i), .live = STORE_LIVE_SET, .retain_ms = -1, .data = text, .len = 1};
        CHECK(!settle_append(s, &one));
    }
    settle_close(s);
}

static long file_bytes(void)
{
    char path[64];
    snprintf(path, sizeof path, "%s/end", folder);
    FILE *f = fopen(path, "r");
    CHECK(f && fseek(f, 0, SEEK_END) == 0);
    long bytes = ftell(f);
    fclose(f);
    return bytes;
}

/* The list of a process that was killed is not handed on for ever: who has ended is none of it. */
static void test_ended(void)
{
    memory_disk *disk = memory_disk_new();
    char error[256];
    store *journals = store_open(&(store_options){.backend = memory_open(disk), .by_hand = true, .retain_ms = 1000},
                                 error, sizeof error);
    CHECK(journals);
    put_live(journals);
    ties_close(open_ties(), true);
    ties *t = open_ties();
    for (int i = 0; i < LISTED; i++) {
        const run_id live = run_of(100 * i), over = run_of(100 * i + 1);
        ties_append(t, &over, FORMER_ALONE);
        ties_append(t, &live, i % 2 ? FORMER_ALONE : FORMER_AWAITED);
    }
    long noted = file_bytes();
    ties_close(t, false);
    memory_fail_reads(disk, true); /* all are kept */
    t = open_ties();
    ties_forget_ended(t, journals);
    ties_close(t, false);
    memory_fail_reads(disk, false);
    for (int round = 0; round < 3; round++) {
        t = open_ties();
        CHECK_INT(ties_former_end(t), FOLDER_IN_USE);
        ties_forget_ended(t, journals);
        for (int i = 0; i < LISTED; i++) {
            const run_id live = run_of(100 * i), over = run_of(100 * i + 1);
            CHECK_INT(ties_find(t, &live), i % 2 ? FORMER_ALONE : FORMER_AWAITED);
            CHECK_INT(ties_find(t, &over), FORMER_UNKNOWN); /* as any that is not in the list */
        }
        CHECK(file_bytes() < noted * 2 / 3);
        ties_close(t, false);
    }
    ties_close(open_ties(), true);
    store_close(journals);
    memory_disk_free(disk);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        {"a drain at once", test_drained},
        {"a drain while nothing can be read", test_unreadable},
        {"killed after the journal failed", test_failing},
        {"a process with another --redirect-after", test_other_flags},
        {"runs that have ended", test_ended},
    };
    char path[64];
    CHECK(mkdtemp(folder));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    snprintf(path, sizeof path, "%s/end", folder);
    CHECK(unlink(path) == 0 && rmdir(folder) == 0);
    return result;
}
