/* Letters to runs: whoever wrote one is named by what it leads to, they are obeyed in the order in which they were
 * written, also when the clock is set back, and none that was for a run before its end is obeyed after its resume. */
#include "runtime/run/board.h"
#include "tests/runtime/run/mended.h"

static char text[TURNED_TEXT];

/* ---- Names ---- */

static bool is_read;

static void on_journal(void *arg, store_journal *j, size_t count)
{
    char *by = arg;
    const char *mistake = NULL;
    CHECK(count == 1 && !j->error);
    is_read = true;
    (void)snprintf(by, LETTER_BY_MAX + 1, "no cancel");
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        CHECK((n = entry_decode(j->data + at, j->len - at, &e, &mistake)) > 0);
        if (e.kind == ENTRY_CANCEL)
            (void)snprintf(by, LETTER_BY_MAX + 1, "%.*s", (int)e.error.len, e.error.len ? e.error.data : "");
    }
}

/* The process has not come to the run's row yet: it does not know whether there is such a run. */
static void test_named(void)
{
    static const char *const flags[] = {"--park-after", "0", NULL};
    char by[LETTER_BY_MAX + 1] = "";
    turned_open(mended_routes, flags);
    run_id id = turned_park("POST /nap");
    turned_end();
    turned_open(mended_routes, flags);
    int fd = turned_ask_run("DELETE", &id, "", "");
    while (!turned_slot(&id)) CHECK(turned_turn_unread());
    CHECK_INT(turned_slot(&id)->has_live_row, false);
    CHECK_INT(turned_reply(fd, text), 200);
    CHECK(store_load(turned_home()->port, &id, 1, on_journal, by));
    TURN_UNTIL(is_read);
    CHECK_STR(by, "admin");
    turned_close();
}

/* ---- Order ---- */

/* The clock of the process before was an hour ahead. What is written now comes behind its letters all the same. */
static void test_clock_back(void)
{
    static const char *const flags[] = {"--park-after", "0", NULL}, *const held[] = {"--no-resume", NULL};
    turned_open(mended_routes, flags);
    run_id id = turned_park("POST /nap");
    uint64_t ahead = (uint64_t)(clock_wall_ms() + 3600000) << 20;
    turned_home()->last_letter = ahead;
    int fd = turned_send_stop(&id, "ahead");
    while (!turned_slot(&id)->letters) CHECK(turned_turn_unread());
    turned_drain(); /* nothing is read any more: the letter is left to the next process */
    while (turned_turn()) continue;
    by_hand_close(turned_app);
    close(fd);
    turned_open(mended_routes, held);
    TURN_UNTIL(turned_home()->slots.recovered);
    CHECK(turned_home()->last_letter > ahead);
    turned_close();
}

/* ---- The end between ---- */

/* The run has ended before the letter is on disk, and goes on: the letter was not for that. */
static void test_before_the_end(void)
{
    const letter_wish wish = {.kind = LETTER_CANCEL, .by = "ann"};
    letter_fate fate = LETTER_KEPT;
    mended = false;
    turned_open(mended_routes, NULL);
    const counters *n = &turned_home()->counters;
    run_id id = turned_begin("POST /work")->id, sender = turned_begin("POST /work")->id;
    TURN_UNTIL(n->runs_failed == 2 && !turned_slot(&id));
    mended = true;
    turned_writes = false;
    board_batch *t = board_begin(turned_app->board, &sender, &wish, 1);
    CHECK(t && board_send(t, &id) == 0);
    TURN_UNTIL(board_stage_of(t, 0, &fate) == BOARD_TAKEN);
    int fd = turned_ask_run("POST", &id, "/resume", "");
    TURN_UNTIL(turned_slot(&id)->state == SLOT_REOPENING);
    turned_writes = true;
    CHECK_INT(turned_reply(fd, text), 202);
    TURN_UNTIL(n->runs_succeeded + n->runs_cancelled == 1);
    CHECK_INT(n->runs_succeeded, 1);
    CHECK_INT(board_stage_of(t, 0, &fate), BOARD_TOLD);
    CHECK_INT(fate, LETTER_IN_VAIN);
    board_end(t);
    turned_close();
}

/* A stop comes for a run that has ended, and its journal cannot be read at that moment: so nobody knows here whether it
 * has ended, but that is no reason to say that it has not. */
static void test_unreadable(void)
{
    mended = false;
    turned_open(mended_routes, NULL);
    const counters *n = &turned_home()->counters;
    run_id id = turned_begin("POST /work")->id;
    TURN_UNTIL(n->runs_failed == 1 && !turned_slot(&id));
    memory_fail_reads(turned_disk, true);
    int fd = turned_send_stop(&id, "hold on");
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->stop == STOP_UNREADABLE);
    CHECK_INT(turned_reply(turned_ask_run("POST", &id, "/resume", ""), text), 503);
    memory_fail_reads(turned_disk, false);
    mended = true;
    CHECK_INT(turned_reply(turned_ask_run("POST", &id, "/resume", ""), text), 202);
    TURN_UNTIL(n->runs_succeeded == 1);
    close(fd);
    turned_close();
}

/* As long as it cannot be read, it is taken for a run of the former process, which --no-resume holds back. */
static void test_unreadable_not_resumed(void)
{
    mended = false;
    turned_open(mended_routes, NULL);
    run_id id = turned_begin("POST /work")->id;
    TURN_UNTIL(turned_home()->counters.runs_failed == 1 && !turned_slot(&id));
    turned_end();
    turned_open(mended_routes, (const char *const[]){"--no-resume", NULL});
    const counters *n = &turned_home()->counters;
    TURN_UNTIL(turned_home()->slots.all_found);
    memory_fail_reads(turned_disk, true);
    int fd = turned_send_stop(&id, "hold on");
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->stop == STOP_UNREADABLE);
    memory_fail_reads(turned_disk, false);
    mended = true;
    CHECK_INT(turned_reply(turned_ask_run("POST", &id, "/resume", ""), text), 202);
    turned_often();
    CHECK_INT(n->runs_succeeded, 1);
    CHECK_INT(turned_home()->slots.stopped, 0);
    close(fd);
    turned_close();
}

static const check_case cases[] = {{"named, also of a run that nobody has looked up", test_named},
                                   {"in order, also when the clock is set back", test_clock_back},
                                   {"not obeyed beyond an end", test_before_the_end},
                                   {"a run that a letter found unreadable may be resumed", test_unreadable},
                                   {"also where --no-resume holds runs back", test_unreadable_not_resumed}};
CHECK_MAIN(cases)
