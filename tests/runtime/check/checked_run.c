/* What of a journal an execution of --check gets: nothing that would end or stop it before the handler has come as far
 * as it had. */
#include "runtime/check/checked_run.h"

#include "tests/harness/check.h"

typedef struct journal {
    msgpack_sbuffer bytes;
} journal;

static void add(journal *j, entry e)
{
    e.at_ms = e.at_ms ? e.at_ms : 1000;
    CHECK(entry_encode(&j->bytes, &e) == 0);
}

/* Reads the journal, and counts what is left of a kind. */
static unsigned kept(const journal *j, entry_kind kind, entry *last)
{
    arena a;
    checked_run r;
    const char *error = NULL;
    const run_id id = {.bytes = {1}};
    unsigned count = 0;
    arena_init(&a, NULL);
    CHECK(checked_run_read(&r, &a, &id, (entry_text){j->bytes.data, j->bytes.size}, &error));
    for (size_t at = 0, n; at < r.journal.size; at += n) {
        entry e;
        n = entry_decode(r.journal.data + at, r.journal.size - at, &e, &error);
        CHECK(n > 0);
        if (e.kind != kind) continue;
        count++;
        *last = e;
        last->error = last->function = (entry_text){.len = e.kind == ENTRY_STARTED ? e.function.len : e.error.len};
    }
    checked_run_free(&r);
    arena_free(&a);
    return count;
}

/* A run that has ended `generations` times, and was reopened but for the last time; each with a deadline, or without.
 */
static void make(journal *j, unsigned generations, int64_t due_ms)
{
    add(j, (entry){.kind = ENTRY_STARTED, .function = entry_text_of("GET /a"), .due_ms = due_ms});
    for (unsigned i = 0; i < generations; i++) {
        if (i > 0)
            add(j, (entry){.kind = ENTRY_REOPENED, .attempt = i, .error = entry_text_of("me"), .due_ms = due_ms + i});
        add(j, (entry){.kind = ENTRY_SLEEP, .path = 10 + i, .id = entry_text_of("nap"), .due_ms = 5000});
        add(j, (entry){.kind = ENTRY_RESPONSE, .status = 500});
        add(j, (entry){.kind = ENTRY_ENDED, .status = ENTRY_FAILED});
    }
}

static void test_deadlines(void)
{
    entry e;
    for (unsigned generations = 1; generations < 5; generations++) {
        for (int64_t due_ms = 0; due_ms < 3000; due_ms += 2000) {
            journal j;
            msgpack_sbuffer_init(&j.bytes);
            make(&j, generations, due_ms);
            CHECK_INT(kept(&j, ENTRY_STARTED, &e), 1);
            CHECK_INT(e.due_ms, 0);
            CHECK_INT(e.function.len, 6);
            CHECK_INT(kept(&j, ENTRY_REOPENED, &e), generations - 1);
            if (generations > 1) CHECK_INT(e.due_ms, 0);
            if (generations > 1) CHECK_INT(e.attempt, generations - 1);
            if (generations > 1) CHECK_INT(e.error.len, 2);
            CHECK_INT(kept(&j, ENTRY_SLEEP, &e), generations);
            CHECK_INT(e.due_ms, 5000); /* a sleep's is no deadline */
            CHECK_INT(kept(&j, ENTRY_ENDED, &e), 0);
            msgpack_sbuffer_destroy(&j.bytes);
        }
    }
}

static const check_case cases[] = {{"an execution has no deadline", test_deadlines}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
