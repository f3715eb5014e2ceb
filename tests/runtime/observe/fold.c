/* fold: a journal's entries become steps with their attempts, whatever order the entries come in. */
#include "runtime/observe/fold.h"

#include <endian.h>
#include <string.h>

#include "tests/harness/check.h"

enum { T = 1000000 };

static msgpack_sbuffer journal;
static arena memory;
static fold f;

static void has(entry e)
{
    if ((int)e.kind < ENTRY_PASSABLE && e.at_ms == 0) e.at_ms = T;
    CHECK_INT(entry_encode(&journal, &e), 0);
}

static void begin(void)
{
    journal.size = 0;
    has((entry){.kind = ENTRY_STARTED, .function = entry_text_of("POST /orders")});
}

static entry step(entry_kind kind, uint64_t path, const char *id, uint32_t attempt, int64_t at_ms)
{
    return (entry){.kind = kind,
                   .path = path,
                   .id = entry_text_of(id),
                   .attempt = attempt,
                   .at_ms = at_ms,
                   .duration_ms = 10,
                   .branch = 77,
                   .value = entry_text_of("\xc3")};
}

static entry failed(uint64_t path, uint32_t attempt, int64_t at_ms, int64_t due_ms)
{
    entry e = step(ENTRY_STEP_FAILED, path, "charge", attempt, at_ms);
    e.error = entry_text_of("no");
    e.due_ms = due_ms;
    return e;
}

static void has_chunk(uint64_t path, const char *label)
{
    has((entry){.kind = ENTRY_CHUNK, .path = path, .id = entry_text_of(label), .value = entry_text_of("\x01")});
}

static void read_all(void)
{
    arena_free(&memory);
    fold_read(&f, &memory, journal.data, journal.size);
    CHECK(!f.is_short);
}

static const fold_step *found(uint64_t path)
{
    const fold_step *s = fold_find(&f, path);
    CHECK(s && s->path == path);
    return s;
}

static void test_attempts(void)
{
    begin();
    has(failed(1, 1, T + 100, T + 300));
    has(step(ENTRY_STEP_DONE, 2, "quick", 1, T + 150));
    has(failed(1, 2, T + 310, T + 900));
    read_all();
    const fold_step *s = found(1);
    CHECK_INT(s->state, FOLD_RETRYING);
    CHECK_INT(s->begun_ms, T + 90);
    CHECK_INT(s->ended_ms, 0);
    CHECK_INT(s->due_ms, T + 900);
    CHECK_INT(s->tried, 2);
    CHECK_INT(s->branch, 77);
    CHECK_INT(fold_entry(&f, s->first->at).attempt, 1);
    CHECK_INT(fold_entry(&f, s->first->next->at).attempt, 2);
    CHECK(s->last == s->first->next && !s->last->next);
    CHECK(f.steps == s && s->next == found(2) && !s->next->next);
    has(step(ENTRY_STEP_DONE, 1, "charge", 3, T + 1000));
    read_all();
    CHECK_INT(found(1)->state, FOLD_DONE);
    CHECK_INT(found(1)->ended_ms, T + 1000);
    CHECK_INT(found(1)->due_ms, 0);
    CHECK_INT(fold_entry(&f, found(1)->last->at).kind, ENTRY_STEP_DONE);
}

static void test_failure(void)
{
    begin();
    has(failed(1, 1, T + 100, T + 300));
    has(failed(1, 2, T + 310, 0));
    read_all();
    CHECK_INT(found(1)->state, FOLD_FAILED);
    CHECK_INT(found(1)->ended_ms, T + 310);
    CHECK(!fold_waiting_from(f.steps));
    CHECK(!fold_find(&f, 2));
}

static void test_waiting(void)
{
    begin();
    has((entry){.kind = ENTRY_SLEEP, .path = 3, .id = entry_text_of("over"), .due_ms = T + 50});
    has((entry){.kind = ENTRY_SLEEP, .path = 4, .id = entry_text_of("night"), .due_ms = T + 5000});
    has(failed(1, 1, T + 100, T + 9000));
    read_all();
    CHECK(found(3)->is_sleep && !found(1)->is_sleep);
    CHECK(fold_waiting_from(f.steps) == found(3));
    CHECK(fold_waiting_from(found(3)->next) == found(4));
    CHECK(fold_waiting_from(found(4)->next) == found(1));
    CHECK(!fold_waiting_from(found(1)->next));
}

static void has_of_wait(entry_kind kind, uint64_t path, const char *letter)
{
    has((entry){.kind = kind,
                .path = path,
                .id = entry_text_of("decision"),
                .at_ms = T + kind,
                .signal = entry_text_of(kind == ENTRY_WAIT ? "approve" : ""),
                .letter = entry_text_of(letter)});
}

/* What each wait has got is found, in whatever order signals come and are taken. */
static void test_waits(void)
{
    static const char *const letters[] = {"letter of 16 b 1", "letter of 16 b 2"};
    begin();
    for (uint64_t path = 5; path <= 8; path++) has_of_wait(ENTRY_WAIT, path, "");
    for (int i = 0; i < 2; i++)
        has((entry){.kind = ENTRY_SIGNAL,
                    .letter = entry_text_of(letters[i]),
                    .value = entry_text_of(i ? "\x02" : "\x01"),
                    .by = entry_text_of("ann")});
    has_of_wait(ENTRY_TAKEN, 6, letters[1]);
    has_of_wait(ENTRY_TAKEN, 5, letters[0]);
    has_of_wait(ENTRY_TIMED_OUT, 7, "");
    read_all();
    for (uint64_t path = 5; path <= 6; path++) {
        CHECK_INT(found(path)->state, FOLD_DONE);
        CHECK_INT(found(path)->ended_ms, T + ENTRY_TAKEN);
        CHECK(entry_text_is(fold_entry(&f, found(path)->signal_at).value, path == 5 ? "\x01" : "\x02"));
    }
    CHECK_INT(found(7)->state, FOLD_TIMED_OUT);
    CHECK_INT(found(7)->signal_at, 0);
    CHECK_INT(found(8)->state, FOLD_WAITING);
    CHECK(entry_text_is(found(8)->signal, "approve"));
    CHECK(fold_waiting_from(f.steps) == found(8));
}

static void test_chunks(void)
{
    begin();
    has_chunk(0, "");
    has_chunk(1, "outer/write:1");
    read_all();
    CHECK_INT(found(1)->state, FOLD_OPEN);
    CHECK(found(1)->id.len == 13 && found(1)->begun_ms == 0 && !found(1)->first);
    has_chunk(1, "outer/write:1");
    read_all();
    CHECK_INT(found(1)->chunks, 2);
    has((entry){.kind = ENTRY_ROLLBACK, .path = 1, .id = entry_text_of("outer/write:1")});
    has_chunk(1, "outer/write:1");
    has(step(ENTRY_STEP_DONE, 1, "write", 1, T + 10));
    has_chunk(2, "charge");
    has(failed(2, 1, T + 20, T + 30));
    read_all();
    CHECK_INT(found(1)->chunks, 1);
    CHECK(found(1)->id.len == 5);
    CHECK_INT(found(2)->chunks, 0); /* a failure takes them back */
    CHECK_INT(f.chunks, 1);
}

static void test_release(void)
{
    uint64_t cause = htobe64(1);
    begin();
    has(failed(1, 1, T + 1, 0));
    has(failed(2, 1, T + 2, 0)); /* which the code has dealt with */
    has(failed(3, 1, T + 3, T + 99));
    entry stop = {.kind = ENTRY_STOPPED, .status = ENTRY_STOP_EXHAUSTED, .error = entry_text_of("charge has")};
    stop.causes = (entry_text){(const char *)&cause, sizeof cause};
    has(stop);
    read_all();
    CHECK_INT(f.stopped.kind, ENTRY_STOPPED);
    CHECK_INT(found(1)->state, FOLD_FAILED);
    has((entry){.kind = ENTRY_RELEASED});
    read_all();
    CHECK_INT(f.stopped.kind, 0);
    CHECK_INT(found(1)->state, FOLD_OPEN);
    CHECK_INT(found(1)->tried, 0);
    CHECK_INT(found(2)->state, FOLD_FAILED);
    CHECK_INT(found(3)->state, FOLD_OPEN);
    CHECK(!fold_waiting_from(f.steps));
    CHECK_INT(fold_entry(&f, found(1)->last->at).attempt, 1); /* what was tried is still shown */
}

static void test_rest(void)
{
    begin();
    has((entry){.kind = ENTRY_BRANCH, .path = 50, .branch = 60, .id = entry_text_of("left"), .occurrence = 1});
    has((entry){.kind = ENTRY_BRANCH, .path = 51, .branch = 50, .id = entry_text_of("deep")});
    has((entry){.kind = ENTRY_CRASHED, .path = 1, .id = entry_text_of("charge"), .status = 11});
    has((entry){.kind = ENTRY_CRASHED, .path = 1, .id = entry_text_of("charge"), .status = 11});
    read_all();
    CHECK_INT(found(1)->crashes, 2);
    has(step(ENTRY_STEP_DONE, 1, "charge", 1, T + 10));
    has((entry){.kind = ENTRY_DIFFERS, .path = 1, .id = entry_text_of("charge")});
    has((entry){.kind = ENTRY_RESPONSE, .status = 201});
    has((entry){.kind = ENTRY_ENDED});
    read_all();
    CHECK_INT(found(1)->differs, 1);
    CHECK_INT(fold_entry(&f, f.response_at).status, 201);
    CHECK(f.branches->path == 50 && f.branches->parent == 60 && f.branches->occurrence == 1);
    CHECK(f.branches->next->path == 51 && f.branches->next->parent == 50 && !f.branches->next->next);
}

/* Paths collide in the table, and it grows: each is found with its own attempts. */
static void test_many(void)
{
    enum { STEPS = 3000 };
    begin();
    for (uint64_t round = 1; round <= 2; round++)
        for (uint64_t i = 1; i <= STEPS; i++) has(failed(i << 32 | 5, (uint32_t)round, T, T + (int64_t)i));
    read_all();
    CHECK_INT(f.step_count, STEPS);
    size_t count = 0;
    for (const fold_step *s = f.steps; s; s = s->next) {
        count++;
        CHECK(s->path == ((uint64_t)count << 32 | 5) && found(s->path) == s);
        CHECK(s->tried == 2 && s->first && s->first->next == s->last);
    }
    CHECK_INT(count, STEPS);
    CHECK(fold_waiting_from(f.steps) == f.steps);
}

static void has_won(uint64_t path, uint64_t winner, const uint64_t *losers, size_t count)
{
    has((entry){.kind = ENTRY_WON,
                .path = path,
                .id = entry_text_of("first"),
                .winner = winner,
                .at_ms = T + 7,
                .causes = {(const char *)losers, count * sizeof *losers}});
}

static void has_branch(uint64_t path, uint64_t parent)
{
    has((entry){.kind = ENTRY_BRANCH, .path = path, .branch = parent, .id = entry_text_of("branch")});
}

static void has_wait_in(uint64_t path, uint64_t branch)
{
    has((entry){.kind = ENTRY_WAIT,
                .path = path,
                .branch = branch,
                .id = entry_text_of("decision"),
                .signal = entry_text_of("approve")});
}

/* What is open in a branch that has lost is cut, also in branches within it, however their entries come; what is over
 * stays, and so does all that has not lost. */
static void test_lost_branch(void)
{
    const uint64_t losers[] = {htobe64(20), htobe64(1), htobe64(99)};
    begin();
    has_branch(20, 7);
    has_wait_in(30, 21); /* before the entry of its branch */
    has_branch(21, 20);
    has_branch(22, 7);
    has_wait_in(31, 20);
    has_wait_in(32, 22);
    has_wait_in(1, 7);
    has_wait_in(33, 21);
    has_of_wait(ENTRY_TIMED_OUT, 33, "");
    has_won(5, 22, losers, 3);
    has_branch(20, 20); /* damaged: a circle */
    has_won(6, 22, losers, 3);
    read_all();
    CHECK_INT(found(30)->state, FOLD_CUT);
    CHECK_INT(found(30)->ended_ms, T + 7);
    CHECK_INT(found(31)->state, FOLD_CUT);
    CHECK_INT(found(1)->state, FOLD_CUT);
    CHECK_INT(found(32)->state, FOLD_WAITING);
    CHECK_INT(found(33)->state, FOLD_TIMED_OUT);
}

/* One decision with ten thousand branches that lose, and as many decisions as there are steps: each step and branch is
 * looked at a few times. */
static void test_many_lost(void)
{
    enum { MANY = 10000 };
    static uint64_t losers[MANY];
    begin();
    for (uint64_t i = 0; i < MANY; i++) {
        losers[i] = htobe64(1000000 + i);
        has_branch(1000000 + i, i % 100 > 0 ? 1000000 + i - 1 : 7); /* a hundred deep */
        has_wait_in(2000000 + i, 1000000 + i);
    }
    has_won(5, 6, losers, MANY);
    for (uint64_t i = 0; i < MANY; i++) {
        const uint64_t loser = htobe64(3000000 + i);
        has_branch(3000000 + i, 7);
        has_wait_in(4000000 + i, 3000000 + i);
        has_won(5000000 + i, 6, &loser, 1);
    }
    read_all();
    for (uint64_t i = 0; i < MANY; i++)
        CHECK(found(2000000 + i)->state == FOLD_CUT && found(4000000 + i)->state == FOLD_CUT);
    CHECK(f.looks >= 4 * MANY && f.looks <= 8 * MANY);
}

/* A journal that is cut, or damaged, is folded as far as it can be read. */
static void test_damaged(void)
{
    begin();
    has(step(ENTRY_STEP_DONE, 1, "a", 1, T));
    size_t whole = journal.size;
    has(step(ENTRY_STEP_DONE, 2, "b", 1, T));
    for (size_t len = 0; len <= journal.size; len++) {
        arena_free(&memory);
        fold_read(&f, &memory, journal.data, len);
        CHECK((fold_find(&f, 1) != NULL) == (len >= whole));
        CHECK((fold_find(&f, 2) != NULL) == (len == journal.size));
    }
}

static fold_again again(uint64_t path) { return fold_step_again(&f, found(path)); }

/* Steps 1 and 2 fail for good, of which the end or the stop names the first; 3 waits for its second attempt, 4 has
 * streamed a chunk, 5 is done. */
static void has_all_kinds(entry end)
{
    uint64_t cause = htobe64(1);
    begin();
    has(failed(1, 1, T + 1, 0));
    has(failed(2, 1, T + 2, 0));
    has(failed(3, 1, T + 3, T + 99));
    has_chunk(4, "ship");
    has(step(ENTRY_STEP_DONE, 5, "reserve", 1, T + 4));
    has((entry){.kind = ENTRY_SLEEP, .path = 6, .id = entry_text_of("night"), .due_ms = T + 500});
    for (uint64_t path = 7; path < 9; path++) /* a wait and a sleep that were given up */
        has((entry){.kind = path == 7 ? ENTRY_WAIT : ENTRY_SLEEP,
                    .path = path,
                    .id = entry_text_of("member"),
                    .signal = entry_text_of(path == 7 ? "go" : ""),
                    .due_ms = T + 500});
    for (uint64_t path = 7; path < 9; path++)
        has((entry){.kind = ENTRY_ABANDONED, .path = path, .id = entry_text_of("member"), .at_ms = T + 6});
    end.causes = (entry_text){(const char *)&cause, sizeof cause};
    has(end);
    read_all();
    CHECK_INT(again(1), FOLD_ANEW);
    CHECK_INT(again(2), FOLD_STAYS);
    CHECK_INT(again(4), FOLD_NEXT);
    CHECK_INT(again(5), FOLD_STAYS);
    CHECK_INT(again(6), FOLD_STAYS);
    for (uint64_t path = 7; path < 9; path++) {
        CHECK_INT(found(path)->state, FOLD_CUT);
        CHECK_INT(found(path)->ended_ms, T + 6);
        CHECK_INT(again(path), FOLD_ANEW); /* if the code comes to it, and what failed then does not fail */
    }
}

static void test_again(void)
{
    const entry exhausted = {.kind = ENTRY_STOPPED, .status = ENTRY_STOP_EXHAUSTED};
    has_all_kinds((entry){.kind = ENTRY_ENDED, .status = ENTRY_FAILED});
    CHECK_INT(again(3), FOLD_NEXT); /* its attempts go on counting */
    uint64_t cause = htobe64(1);
    has((entry){.kind = ENTRY_REOPENED, .attempt = 1, .causes = {(const char *)&cause, sizeof cause}});
    read_all();
    CHECK_INT(again(1), FOLD_NEXT); /* it has begun anew */
    CHECK_INT(found(3)->tried, 1);
    CHECK_INT(again(7), FOLD_NEXT);
    has((entry){.kind = ENTRY_WAIT, .path = 7, .id = entry_text_of("member"), .signal = entry_text_of("go")});
    read_all();
    CHECK(found(7)->state == FOLD_WAITING && found(7)->ended_ms == 0);
    CHECK_INT(again(7), FOLD_STAYS);
    has_all_kinds(exhausted);
    CHECK_INT(again(3), FOLD_ANEW);
    has((entry){.kind = ENTRY_CANCEL});
    has((entry){.kind = ENTRY_ENDED, .status = ENTRY_CANCELLED}); /* while it stood still */
    read_all();
    CHECK_INT(again(1), FOLD_ANEW);
    CHECK_INT(again(3), FOLD_NEXT);
}

static const check_case cases[] = {{"attempts are listed, and the last one decides", test_attempts},
                                   {"a failure for good ends a step", test_failure},
                                   {"what waits for a time is found", test_waiting},
                                   {"waits are decided once, by their own signals", test_waits},
                                   {"chunks count unless they are taken back", test_chunks},
                                   {"a release gives retries anew", test_release},
                                   {"what a release or a resume does again", test_again},
                                   {"branches, crashes, differences and the response", test_rest},
                                   {"thousands of steps are found", test_many},
                                   {"what is open in a branch that has lost is cut", test_lost_branch},
                                   {"thousands of losers are looked at once", test_many_lost},
                                   {"a damaged journal is folded up to the damage", test_damaged}};

int main(int argc, char **argv)
{
    msgpack_sbuffer_init(&journal);
    arena_init(&memory, NULL);
    return check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
}
