/* Wishes that cannot be fulfilled now: what is said of them is true after the next start, too. */
#include "runtime/run/slot_core.h"
#include "tests/runtime/run/mended.h"

static void open_program(void)
{
    static const char *const flags[] = {"--park-after", "0", NULL};
    turned_open(mended_routes, flags);
}

static const counters *counts(void) { return &turned_home()->counters; }

static run_id fail_work(void)
{
    mended = false;
    run_id id = turned_begin("POST /work")->id;
    TURN_UNTIL(counts()->runs_failed == 1 && !turned_slot(&id));
    mended = true;
    return id;
}

/* ---- A write of which nobody knows whether it is on disk ---- */

/* A wish for a run that sleeps, or that has failed of what is mended by now. */
typedef struct wish_case {
    bool is_for_sleeper;
    const char *method, *what; /* of the run's URL */
    const char *told;
} wish_case;

/* Whether the wish has been fulfilled. */
static bool is_done(void) { return counts()->runs_cancelled + counts()->runs_succeeded == 1; }

/* The write of the wish fails, and the process ends before it knows more. The next one does what is on disk. */
static void try_in_doubt(const wish_case *w, memory_fault fault)
{
    open_program();
    const run_id id = w->is_for_sleeper ? turned_park("POST /nap") : fail_work();
    memory_fail(turned_disk, fault, 0, true);
    int fd = turned_ask_run(w->method, &id, w->what, "");
    TURN_UNTIL(!gate_writable(turned_home()));
    turned_often();
    store_give_up(turned_home()->port);
    turned_check(fd, 503, w->told);
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    turned_end();
    open_program();
    TURN_UNTIL(turned_home()->slots.recovered);
    if (fault == MEMORY_APPEARS) TURN_UNTIL(is_done());
    turned_often();
    CHECK_INT(is_done(), fault == MEMORY_APPEARS);
    turned_close();
}

static void test_in_doubt(void)
{
    static const memory_fault faults[] = {MEMORY_LOSES, MEMORY_APPEARS};
    static const wish_case wishes[] = {
        {true, "DELETE", "", "nobody knows yet whether it will be done: look at the run before you ask again"},
        {false, "POST", "/fork", "nobody knows yet whether the fork has begun"},
        {false, "POST", "/resume", "nobody knows yet whether the run goes on: ask again, for the same generation"}};
    for (size_t i = 0; i < sizeof wishes / sizeof *wishes; i++)
        for (size_t k = 0; k < sizeof faults / sizeof *faults; k++) try_in_doubt(&wishes[i], faults[k]);
}

/* ---- A write that is refused ---- */

static void test_fork_refused(void)
{
    open_program();
    run_id id = fail_work();
    memory_fail(turned_disk, MEMORY_REFUSES, 0, false);
    turned_check(turned_ask_run("POST", &id, "/fork", ""), 503, "nothing was begun");
    TURN_UNTIL(gate_writable(turned_home()));
    turned_often();
    CHECK_INT(counts()->runs_succeeded, 0);
    turned_check(turned_ask_run("POST", &id, "/fork", ""), 202, "forkedFrom");
    TURN_UNTIL(counts()->runs_succeeded == 1);
    turned_close();
}

/* ---- Two who ask ---- */

/* A stop is on its way to the disk, for the run as it was: it must not be obeyed when the run goes on. */
static void test_two(void)
{
    open_program();
    run_id id = fail_work();
    turned_writes = false;
    int stop = turned_send_stop(&id, "wait");
    TURN_UNTIL(turned_slot(&id) && turned_slot(&id)->letters_in_flight);
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 503, "somebody else asks something of the run");
    turned_writes = true;
    turned_check(stop, 409, "the run has ended");
    TURN_UNTIL(turned_home()->outbox.in_flight == 0 && !turned_slot(&id));
    turned_check(turned_ask_run("POST", &id, "/resume", ""), 202, "\"generation\":1");
    TURN_UNTIL(counts()->runs_succeeded == 1);
    turned_close();
}

static const check_case cases[] = {{"nobody knows whether they are on disk", test_in_doubt},
                                   {"a fork that is not written", test_fork_refused},
                                   {"a resume while somebody stops the run", test_two}};
CHECK_MAIN(cases)
