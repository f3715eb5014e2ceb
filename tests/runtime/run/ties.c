/* What one process leaves to the next about runs that end with their clients: read as it was written, through ends and
 * deaths of any number of processes, and whatever else is in the file. */
#include "runtime/run/ties.h"

#include <pthread.h>
#include <stdint.h>

#include "runtime/base/clock.h"
#include "tests/harness/served.h"

enum { RUNS = 300, THREADS = 3 };

static char folder[64];
static run_id runs[RUNS];

/* `age_ms` before now; below zero: to come. */
static run_id run_of(int64_t age_ms, int n)
{
    const uint8_t random[10] = {(uint8_t)(n >> 8), (uint8_t)n};
    return run_id_make(clock_wall_ms() - age_ms, random, (unsigned)n % THREADS, THREADS);
}

static ties *open_ties(void)
{
    ties *t = ties_open(folder, 10000, true);
    CHECK(t);
    return t;
}

/* Opened, and killed. */
static void die(folder_end was, const run_id *run, former_tie knows)
{
    ties *t = open_ties();
    CHECK_INT(ties_former_end(t), was);
    CHECK_INT(ties_find(t, run), knows);
    ties_close(t, false);
}

static void put_end(const char *text)
{
    char path[128];
    snprintf(path, sizeof path, "%s/end", folder);
    FILE *f = fopen(path, "w");
    CHECK(f && fputs(text, f) >= 0 && fclose(f) == 0);
}

static former_tie tie_of(int n) { return n % 3 == 0 ? FORMER_ALONE : n % 3 == 1 ? FORMER_AWAITED : FORMER_UNKNOWN; }

static void *leave_some(void *arg)
{
    static int next;
    ties *t = arg;
    for (int i; (i = __atomic_fetch_add(&next, 1, __ATOMIC_RELAXED)) < RUNS;)
        if (tie_of(i) != FORMER_ALONE) ties_leave(t, &runs[i], tie_of(i));
    return NULL;
}

/* As several loops leave them at once; then by processes that settle some of them, or none. */
static void test_left(void)
{
    pthread_t threads[THREADS];
    ties *t = open_ties();
    for (int i = 0; i < RUNS; i++) runs[i] = run_of(1000, i);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_create(&threads[i], NULL, leave_some, t) == 0);
    for (int i = 0; i < THREADS; i++) CHECK(pthread_join(threads[i], NULL) == 0);
    ties_close(t, true);
    for (int round = 0; round < 3; round++) {
        t = open_ties();
        CHECK_INT(ties_former_end(t), FOLDER_ENDED);
        for (int i = 0; i < RUNS; i++) CHECK_INT(ties_find(t, &runs[i]), i < round * 100 ? FORMER_ALONE : tie_of(i));
        for (int i = round * 100; i < (round + 1) * 100; i++) ties_settle(t, &runs[i]);
        ties_close(t, true);
    }
}

/* A process that is killed forgets nothing of what was left to it, and knows nothing of runs of its own. */
static void test_killed(void)
{
    ties *t = open_ties();
    run_id awaited = run_of(1000, 1), alone = run_of(1000, 2);
    ties_leave(t, &awaited, FORMER_AWAITED);
    ties_close(t, true);
    die(FOLDER_ENDED, &alone, FORMER_ALONE);
    run_id own = run_of(-1000, 3);
    die(FOLDER_IN_USE, &alone, FORMER_PRESUMED);
    die(FOLDER_IN_USE, &awaited, FORMER_AWAITED);
    die(FOLDER_IN_USE, &own, FORMER_UNKNOWN);
}

/* What it has noted is known when it is killed: the last note of a run counts, and outlives the next ones too. */
static void test_noted(void)
{
    run_id own = run_of(-1000, 1), missed = run_of(-1000, 2), awaited = run_of(1000, 3), other = run_of(-1000, 4);
    ties *t = open_ties();
    ties_close(t, true);
    t = open_ties();
    ties_leave(t, &awaited, FORMER_AWAITED);
    ties_close(t, true);
    t = open_ties();
    CHECK_INT(ties_find_next(t, &own), FORMER_UNKNOWN);
    CHECK_INT(ties_find_next(t, &awaited), FORMER_AWAITED);
    ties_append(t, &own, FORMER_ALONE);
    ties_append(t, &missed, FORMER_ALONE);
    ties_append(t, &missed, FORMER_AWAITED);
    ties_append(t, &awaited, FORMER_ALONE);
    ties_close(t, false);
    for (int i = 0; i < 2; i++) {
        die(FOLDER_IN_USE, &own, FORMER_ALONE);
        die(FOLDER_IN_USE, &missed, FORMER_AWAITED);
        die(FOLDER_IN_USE, &awaited, FORMER_ALONE);
        die(FOLDER_IN_USE, &other, FORMER_UNKNOWN);
    }
    ties_close(open_ties(), true);
    die(FOLDER_ENDED, &own, FORMER_ALONE);
    die(FOLDER_IN_USE, &missed, FORMER_AWAITED);
}

/* So is what is noted before the folder can be written, once it can. */
static void test_noted_early(void)
{
    run_id own = run_of(-1000, 1), missed = run_of(-1000, 2), awaited = run_of(1000, 3), late = run_of(-1000, 4);
    ties *t = open_ties();
    ties_leave(t, &awaited, FORMER_AWAITED);
    ties_close(t, true);
    t = ties_open(folder, 10000, false);
    CHECK(t);
    ties_append(t, &own, FORMER_ALONE);
    ties_append(t, &missed, FORMER_ALONE);
    ties_append(t, &missed, FORMER_AWAITED);
    ties_append(t, &awaited, FORMER_ALONE);
    ties_mark(t);
    ties_append(t, &late, FORMER_ALONE);
    ties_close(t, false);
    for (int i = 0; i < 2; i++) {
        die(FOLDER_IN_USE, &own, FORMER_ALONE);
        die(FOLDER_IN_USE, &missed, FORMER_AWAITED);
        die(FOLDER_IN_USE, &awaited, FORMER_ALONE);
        die(FOLDER_IN_USE, &late, FORMER_ALONE);
    }
    ties_close(open_ties(), true);
}

/* A start that marked the folder and had to be made up for later marks it once more: what was noted meanwhile stays. */
static void test_noted_between(void)
{
    run_id own = run_of(-1000, 1), late = run_of(-1000, 2);
    ties_close(open_ties(), true);
    ties *t = open_ties();
    ties_append(t, &own, FORMER_ALONE);
    ties_mark(t);
    ties_append(t, &late, FORMER_ALONE);
    ties_close(t, false);
    die(FOLDER_IN_USE, &own, FORMER_ALONE);
    die(FOLDER_IN_USE, &late, FORMER_ALONE);
    ties_close(open_ties(), true);
}

/* There is a limit; what is over it is said, and forgotten. */
static void test_noted_too_early(void)
{
    const run_id first = run_of(-1000, 1);
    run_id over = first;
    ties_close(open_ties(), true);
    ties *t = ties_open(folder, 10000, false);
    CHECK(t);
    for (int i = 0; i <= 1 << 16; i++) {
        const uint8_t random[10] = {(uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i};
        over = i == 0 ? first : run_id_make(clock_wall_ms() + 1000, random, 0, 1);
        ties_append(t, &over, FORMER_ALONE);
    }
    ties_mark(t);
    ties_close(t, false);
    die(FOLDER_IN_USE, &first, FORMER_ALONE);
    die(FOLDER_IN_USE, &over, FORMER_UNKNOWN);
    ties_close(open_ties(), true);
}

/* A process that has not found all runs of one that was killed leaves no list that would untie the others. */
static void test_part(void)
{
    run_id found = run_of(-1000, 1), unfound = run_of(-1000, 2), sent_on = run_of(-1000, 3);
    ties_close(open_ties(), true);
    ties_close(open_ties(), false);
    for (int i = 0; i < 2; i++) {
        ties *t = open_ties();
        CHECK_INT(ties_former_end(t), FOLDER_IN_USE);
        ties_append(t, &sent_on, FORMER_ALONE);
        ties_leave(t, &found, FORMER_AWAITED);
        ties_leave_unfound(t);
        ties_close(t, true);
        die(FOLDER_IN_USE, &found, FORMER_AWAITED);
        die(FOLDER_IN_USE, &unfound, FORMER_UNKNOWN);
        die(FOLDER_IN_USE, &sent_on, FORMER_ALONE);
    }
}

/* How a process that was killed dealt with its clients counts for as long as something is judged by that. */
static void test_sent_on(void)
{
    const run_id run = run_of(1000, 1);
    const struct {
        int64_t own_ms, known_ms;
        bool well, unknown; /* how it ends, and whether it leaves a run of which nobody knows */
    } rows[] = {{5000, 5000, true, false},  {5000, 5000, false, false}, {9000, 5000, false, false},
                {7000, 5000, true, true},   {9000, 5000, true, false},  {9000, 9000, true, false},
                {9000, 9000, false, false}, {3000, 3000, false, false}, {9000, 3000, true, false}};
    ties_close(ties_open(folder, 5000, true), true);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        ties *t = ties_open(folder, rows[i].own_ms, true);
        CHECK(t);
        CHECK_INT(ties_sent_on_after_ms(t), rows[i].known_ms);
        if (rows[i].unknown) ties_leave(t, &run, FORMER_UNKNOWN);
        ties_settle(t, &run);
        ties_close(t, rows[i].well);
    }
}

static void test_other_files(void)
{
    char text[256], id[RUN_ID_TEXT + 1];
    run_id run = run_of(1000, 1), other = run_of(1000, 2);
    run_id_format(&run, id);
    put_end("ended\n"); /* of a version that left no list */
    die(FOLDER_ENDED, &run, FORMER_PRESUMED);
    put_end("in use\n");
    die(FOLDER_IN_USE, &run, FORMER_UNKNOWN);
    put_end("");
    die(FOLDER_ENDED, &run, FORMER_PRESUMED);
    snprintf(text, sizeof text, "ended\ntied runs:\n\nno run at all\n%s later\n%s awaited\n%.20s", id, id, id);
    put_end(text);
    die(FOLDER_ENDED, &run, FORMER_AWAITED);
    put_end(text);
    die(FOLDER_ENDED, &other, FORMER_ALONE);
    put_end("in use\nsince x\ntied runs:\n");
    die(FOLDER_IN_USE, &run, FORMER_UNKNOWN);
    put_end("leaving\n");
    die(FOLDER_ENDED, &run, FORMER_PRESUMED);
    snprintf(text, sizeof text, "in use\nsince 0\ntied runs:\n%s alone\n%s awai\n%s unknown\n%.9s", id, id, id, id);
    put_end(text);
    die(FOLDER_IN_USE, &run, FORMER_UNKNOWN);
    snprintf(text, sizeof text, "in use\nsince 0\ntied runs:\n%s unknown\n%s alo\n%s alone\n", id, id, id);
    put_end(text);
    die(FOLDER_IN_USE, &run, FORMER_ALONE);
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"what loops leave is found by the next process", test_left},
                                       {"also when one is killed in between", test_killed},
                                       {"what is noted is known at once", test_noted},
                                       {"what is noted before the folder is in use", test_noted_early},
                                       {"too much noted before the folder is in use", test_noted_too_early},
                                       {"what is noted before the folder is marked once more", test_noted_between},
                                       {"one that has not found all", test_part},
                                       {"after how long a wait clients were sent on", test_sent_on},
                                       {"other files", test_other_files}};
    make_folder(folder);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    remove_tree(folder);
    return result;
}
