/* A bulk action on a disk that fails: at whichever write, however the write fails, each run is acted on once and none
 * is left out. So it is when a loop is busy, and when a run's journal is long, damaged, or cannot be read. */
#include "runtime/run/slot_core.h"
#include "storage/memory/memory_core.h"
#include "tests/harness/turned.h"

enum { NAPS = 6, PAD = 70000, PADS = 3 };
static run_id naps[NAPS];
static int level; /* how much of the upstream is mended */
static char text[TURNED_TEXT];

static void on_nap(sw_ctx *c)
{
    sw_sleep(c, "nap", 3600000);
    sw_reply_text(c, 200, "rested");
}

static sw_value need(sw_ctx *c, sw_value least)
{
    if (level < sw_as_int(least, 0)) sw_fail_fatal(c, "not mended");
    return sw_nil();
}

static sw_value pad(sw_ctx *c, sw_value v)
{
    char *bytes = sw_alloc(c, PAD);
    (void)v;
    memset(bytes, 'x', PAD);
    return sw_bin(c, bytes, PAD);
}

/* What comes between its first step and its last is more than a glance reads. */
static void on_long(sw_ctx *c)
{
    (void)sw_step(c, "first", need, sw_int(1));
    for (int i = 0; i < PADS; i++) (void)sw_step_with(c, "pad", pad, sw_nil(), &(sw_step_options){.sync = true});
    (void)sw_step(c, "last", need, sw_int(2));
    sw_reply_text(c, 200, "through");
}

static void routes(sw_app *app)
{
    sw_endpoint(app, "POST /nap", on_nap, NULL);
    sw_endpoint(app, "POST /long", on_long, NULL);
}

static void open_with_naps(void)
{
    static const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(routes, flags);
    for (int i = 0; i < NAPS; i++) naps[i] = turned_begin("POST /nap")->id;
    for (int i = 0; i < NAPS; i++) TURN_UNTIL(turned_slot(&naps[i]) && turned_slot(&naps[i])->state == SLOT_PARKED);
}

static bool begin_bulk_of(const char *route, const char *action, run_id *id)
{
    char body[256];
    (void)snprintf(body, sizeof body, "{\"action\":\"%s\",\"filter\":{\"endpoint\":\"%s\"},\"perSecond\":10000}",
                   action, route);
    int status = turned_reply(turned_ask("POST", "/_sw/bulk", body), text);
    const char *at = strstr(text, "\"runId\":\"");
    if (status != 202) return false;
    CHECK(at && run_id_parse(at + 9, RUN_ID_TEXT, id));
    return true;
}

static bool begin_bulk(const char *action, run_id *id) { return begin_bulk_of("POST /nap", action, id); }

/* Reads the response; the run may have to come back first. */
static void finish(const run_id *id)
{
    int status;
    do status = turned_reply(turned_send_to("GET", id, "/output"), text);
    while (status == 303 || status == 503);
    if (status != 200) printf("# %s\n", text);
    CHECK_INT(status, 200);
}

static void check_naps(const char *expected)
{
    turned_journal j;
    for (int i = 0; i < NAPS; i++) {
        turned_load(&naps[i], &j);
        CHECK_STR(j.text, expected);
    }
}

/* Returns whether the fault has come before the end. */
static bool try_fault(memory_fault fault, unsigned skip)
{
    run_id id;
    open_with_naps();
    uint64_t before = memory_writes(turned_disk);
    memory_fail(turned_disk, fault, skip, false);
    bool begun = begin_bulk("stop", &id);
    if (!begun) { /* it was not done, which the answer says */
        TURN_UNTIL(gate_writable(turned_home()));
        begun = begin_bulk("stop", &id);
    }
    CHECK(begun);
    finish(&id);
    bool has_come = memory_writes(turned_disk) - before > skip;
    bool all_done = strstr(text, "{\"action\":\"stop\",\"done\":6,\"pending\":0,\"skipped\":{}}") != NULL;
    if (!all_done) printf("# fault %d at write %u: %s\n", (int)fault, skip, text);
    CHECK(all_done);
    check_naps("started; sleep nap; stopped");
    TURN_UNTIL(!turned_home()->undeleted && turned_home()->outbox.in_flight == 0);
    CHECK_INT(turned_rows("inbox"), 0);
    CHECK_INT(turned_rows("bulk"), 0);
    memory_fail(turned_disk, fault, 1000000, false);
    turned_close();
    return has_come;
}

static void test_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (unsigned skip = 0; skip < 40 && try_fault(faults[i], skip); skip++) tried++;
    printf("# %u writes failed\n", tried);
    CHECK(tried > 12);
}

/* Runs that stand, sleep, have ended: all in one action. */
static void test_mixed(void)
{
    run_id id;
    open_with_naps();
    CHECK_INT(turned_reply(turned_send_to("DELETE", &naps[0], ""), text), 200);
    CHECK_INT(turned_reply(turned_send_stop(&naps[1], "by hand"), text), 200);
    CHECK(begin_bulk("stop", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":4,\"pending\":0,\"skipped\":{\"stopped already\":1,\"ended\":1}") ||
          strstr(text, "\"done\":4,\"pending\":0,\"skipped\":{\"ended\":1,\"stopped already\":1}"));
    CHECK(begin_bulk("release", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":5,\"pending\":0,\"skipped\":{\"ended\":1}"));
    CHECK(begin_bulk("cancel", &id));
    finish(&id);
    CHECK(strstr(text, "\"done\":5,\"pending\":0,\"skipped\":{\"ended\":1}"));
    CHECK_INT(turned_rows("bulk"), 0);
    turned_close();
}

/* POST /_sw/runs would not ask what a bulk action may be asked. */
static void test_begun_by_others(void)
{
    static const char body[] =
        "{\"endpoint\":\"POST /_sw/bulk\",\"target\":\"/_sw/bulk\",\"body\":{\"action\":\"cancel\","
        "\"filter\":{},\"by\":\"somebody else\"}}";
    open_with_naps();
    CHECK_INT(turned_reply(turned_ask("POST", "/_sw/runs", body), text), 404);
    check_naps("started; sleep nap");
    turned_close();
}

/* ---- Runs that have failed ---- */

static void finish_bulk(const char *route, const char *action, const char *expected)
{
    run_id id;
    CHECK(begin_bulk_of(route, action, &id));
    finish(&id);
    if (!strstr(text, expected)) printf("# %s\n", text);
    CHECK(strstr(text, expected));
    CHECK_INT(turned_rows("bulk"), 0);
}

static run_id begin_long(void)
{
    uint64_t before = turned_home()->counters.runs_failed;
    run_id id = turned_begin("POST /long")->id;
    TURN_UNTIL(turned_home()->counters.runs_failed > before);
    return id;
}

/* In the part of its journal that a glance reads a run was resumed once, or never; in the whole of it more often. */
static void test_resumed_again(void)
{
    const counters *n = NULL;
    level = 0;
    turned_open(routes, NULL);
    n = &turned_home()->counters;
    (void)begin_long();
    level = 1;
    (void)begin_long();
    for (int i = 1; i <= 3; i++) {
        finish_bulk("POST /long", "resume", "{\"action\":\"resume\",\"done\":2,\"pending\":0,\"skipped\":{}}");
        TURN_UNTIL(n->runs_failed == 2U + 2U * (unsigned)i);
    }
    level = 2;
    finish_bulk("POST /long", "resume", "\"done\":2,");
    TURN_UNTIL(n->runs_succeeded == 4 + 2);
    finish_bulk("POST /long", "resume", "\"done\":0,\"pending\":0,\"skipped\":{\"succeeded\":2}}");
    turned_close();
}

/* Returns whether the fault has come before the end. Whoever is resumed twice fails twice more. */
static bool try_resume(memory_fault fault, unsigned skip)
{
    run_id id;
    level = 1;
    turned_open(routes, NULL);
    const counters *n = &turned_home()->counters;
    (void)begin_long();
    (void)begin_long();
    uint64_t before = memory_writes(turned_disk);
    CHECK(begin_bulk_of("POST /long", "resume", &id));
    memory_fail(turned_disk, fault, skip, false);
    finish(&id);
    bool all_done = strstr(text, "\"done\":2,\"pending\":0,\"skipped\":{}}") != NULL;
    if (!all_done) printf("# fault %d at write %u: %s\n", (int)fault, skip, text);
    CHECK(all_done);
    TURN_UNTIL(n->runs_failed >= 4 && gate_writable(turned_home()));
    turned_often();
    CHECK_INT(n->runs_failed, 4);
    bool has_come = memory_writes(turned_disk) - before > skip;
    memory_fail(turned_disk, fault, 1000000, false);
    CHECK_INT(turned_rows("bulk"), 0);
    turned_close();
    return has_come;
}

static void test_resume_faults(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    unsigned tried = 0;
    for (size_t i = 0; i < sizeof faults / sizeof *faults; i++)
        for (unsigned skip = 0; skip < 12 && try_resume(faults[i], skip); skip++) tried++;
    printf("# %u writes failed\n", tried);
    CHECK(tried > 12);
}

/* Spoils an entry in the middle of the run's journal. */
static void damage(const run_id *id)
{
    pthread_mutex_lock(&turned_disk->lock);
    memory_table *t = &turned_disk->tables[MEMORY_SEGMENTS];
    size_t found = 0;
    for (size_t i = 0; i < t->count; i++) {
        memory_row *row = &t->rows[i];
        bool is_its = row->key_len > RUN_ID_BYTES && memcmp(row->key, id->bytes, RUN_ID_BYTES) == 0;
        if (is_its && row->value_len > PAD && ++found == 2) row->key[row->key_len] = 0xc1;
    }
    pthread_mutex_unlock(&turned_disk->lock);
    CHECK_INT(found, PADS);
}

/* The others are resumed, and the action says which it passes over. */
static void test_damaged(void)
{
    level = 1;
    turned_open(routes, NULL);
    (void)begin_long();
    run_id id = begin_long();
    (void)begin_long();
    damage(&id);
    level = 2;
    finish_bulk("POST /long", "resume", "\"done\":2,\"pending\":0,\"skipped\":{\"unreadable\":1}}");
    turned_close();
}

/* The disk gives lists of runs, and no journal: that is tried again, and not for ever. */
static void test_unread(void)
{
    run_id id;
    level = 1;
    turned_open(routes, NULL);
    run_id failed = begin_long();
    TURN_UNTIL(!turned_slot(&failed));
    CHECK(begin_bulk_of("POST /long", "resume", &id));
    TURN_UNTIL(turned_slot(&failed) && slot_is_loading(turned_slot(&failed)));
    memory_fail_reads(turned_disk, true);
    TURN_UNTIL(turned_home()->counters.runs_succeeded == 1);
    memory_fail_reads(turned_disk, false);
    finish(&id);
    CHECK(strstr(text, "\"done\":0,\"pending\":0,\"skipped\":{\"unreadable\":1}}"));
    turned_close();
}

static void routes_without_naps(sw_app *app) { sw_endpoint(app, "POST /long", on_long, NULL); }

static void test_no_endpoint(void)
{
    open_with_naps();
    finish_bulk("POST /nap", "cancel", "\"done\":6,");
    turned_end();
    level = 1;
    turned_open(routes_without_naps, NULL);
    finish_bulk("POST /nap", "resume", "\"done\":0,\"pending\":0,\"skipped\":{\"no endpoint\":6}}");
    turned_close();
}

/* ---- Two loops ---- */

static home *home_of(unsigned loop) { return &turned_app->loops[loop].home; }

static bool turn_loop(unsigned loop)
{
    while (store_hand_reads(turned_app->store) > 0) store_hand_read(turned_app->store, 0);
    if (store_hand_write_due_ms(turned_app->store) == 0) store_hand_write(turned_app->store);
    return uv_run(&turned_app->loops[loop].uv, UV_RUN_NOWAIT) != 0;
}

static void close_both(void)
{
    for (unsigned i = 0; i < 2; i++) loop_drain(&turned_app->loops[i], LOOP_STOPPED);
    for (bool goes_on = true; goes_on;) goes_on = turn_loop(0) | turn_loop(1);
    by_hand_close(turned_app);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
    turned_loops = 1;
}

/* The first loop, whose runs are acted on, does not turn for longer than a page waits to be told of letters that are on
 * disk. What a loop has not taken is not on disk: the page waits on, and nobody is left out. */
static void test_busy_loop(void)
{
    turned_loops = 2;
    open_with_naps();
    int fd = turned_ask("POST", "/_sw/bulk",
                        "{\"action\":\"stop\",\"filter\":{\"endpoint\":\"POST /nap\"},\"perSecond\":10000}");
    text[0] = 0;
    while (turned_read(fd, text)) CHECK(turn_loop(1));
    close(fd);
    CHECK(strstr(text, "HTTP/1.1 202 "));
    for (int64_t end_ms = clock_steady_ms() + 10500; clock_steady_ms() < end_ms; usleep(1000)) CHECK(turn_loop(1));
    CHECK_INT(home_of(1)->counters.runs_succeeded, 0);
    while (home_of(1)->counters.runs_succeeded == 0) CHECK(turn_loop(0) && turn_loop(1));
    check_naps("started; sleep nap; stopped");
    CHECK_INT(turned_rows("bulk"), 0);
    close_both();
}

static const check_case cases[] = {{"a write fails, each in turn", test_faults},
                                   {"runs in all states", test_mixed},
                                   {"a run is resumed again and again", test_resumed_again},
                                   {"a write fails while runs are resumed", test_resume_faults},
                                   {"a journal is damaged", test_damaged},
                                   {"no journal can be read", test_unread},
                                   {"the program lacks an endpoint", test_no_endpoint},
                                   {"a loop is busy", test_busy_loop},
                                   {"nobody begins one past its checks", test_begun_by_others}};
CHECK_MAIN(cases)
