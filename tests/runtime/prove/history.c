/* What is on disk at each crash point of runs that call one another: calls with what they begin, and each letter from
 * the entry that has put it to the entry that has taken it. */
#include "runtime/prove/history.h"

#include <stdlib.h>
#include <string.h>

#include "runtime/run/letter.h"
#include "tests/harness/check.h"

enum { FACTS_MAX = 8, ROWS_MAX = 4 };
static const uint64_t PATH_A = 11, PATH_B = 22;

static const run_id root = {{1}}, child_a = {{2}}, child_b = {{3}};

/* ---- What processes tell ---- */

static msgpack_sbuffer bytes[FACTS_MAX], packed[FACTS_MAX];
static fact facts[FACTS_MAX];
static size_t fact_count;
static store_row rows[ROWS_MAX];
static uint8_t keys[ROWS_MAX][LETTER_KEY_BYTES];
static size_t row_count;

static entry_text id_of(const run_id *id) { return (entry_text){(const char *)id->bytes, RUN_ID_BYTES}; }

/* A segment of the run begins; entries and rows that follow are its own. */
static void segment(const run_id *run, uint32_t flags)
{
    facts[fact_count++] = (fact){.kind = FACT_SEGMENT, .id = id_of(run), .flags = flags};
    CHECK(fact_count <= FACTS_MAX);
    row_count = 0;
}

static void add(entry e)
{
    msgpack_sbuffer *to = &bytes[fact_count - 1];
    CHECK_INT(entry_encode(to, &e), 0);
    facts[fact_count - 1].data = (entry_text){to->data, to->size};
}

static void add_row(store_row_op op, const run_id *to, uint64_t arrival, const char *value)
{
    msgpack_sbuffer *all = &packed[fact_count - 1];
    store_row *r = &rows[row_count];
    letter_write_key(to, arrival, keys[row_count++]);
    CHECK(row_count <= ROWS_MAX);
    *r = (store_row){.op = op, .table = letter_table, .key = {keys[row_count - 1], LETTER_KEY_BYTES}};
    r->value = (store_bytes){value, strlen(value)};
    CHECK(history_pack_rows(all, r));
    facts[fact_count - 1].text = (entry_text){all->data, all->size};
}

static const entry started = {.kind = ENTRY_STARTED, .params = {"\x80", 1}, .headers = {"\x90", 1}};
static const entry response = {.kind = ENTRY_RESPONSE, .status = 200, .headers = {"\x90", 1}};

static entry called(uint64_t path, const run_id *child)
{
    return (entry){.kind = ENTRY_CALLED, .path = path, .child = id_of(child)};
}

static entry returned(uint64_t path, const run_id *child)
{
    return (entry){.kind = ENTRY_RETURNED, .path = path, .child = id_of(child)};
}

/* ---- What is on disk ---- */

static execution x;
static arena memory;
static disk on_disk;

static void make(void)
{
    x = (execution){.facts = facts, .fact_count = fact_count};
    arena_init(&memory, NULL);
    CHECK(history_make(&x, &(disk){.runs = NULL}));
}

static void forget(void)
{
    x.facts = NULL;
    execution_free(&x);
    arena_free(&memory);
    for (size_t i = 0; i < fact_count; i++) {
        msgpack_sbuffer_destroy(&bytes[i]);
        msgpack_sbuffer_destroy(&packed[i]);
    }
    memset(bytes, 0, sizeof bytes);
    memset(packed, 0, sizeof packed);
    fact_count = 0;
}

/* Looks at the disk with the first `count` entries. */
static void look(size_t count) { CHECK(history_disk(&memory, &x, count, &on_disk)); }

static bool has_letter(const run_id *to, uint64_t arrival)
{
    uint8_t key[LETTER_KEY_BYTES];
    letter_write_key(to, arrival, key);
    for (size_t i = 0; i < on_disk.row_count; i++)
        if (entry_text_equal(on_disk.rows[i].key, (entry_text){(const char *)key, sizeof key})) return true;
    return false;
}

static size_t entries_of(const run_id *id)
{
    const char *error = NULL;
    size_t count = 0;
    entry e;
    for (size_t i = 0; i < on_disk.run_count; i++) {
        const disk_run *r = &on_disk.runs[i];
        if (memcmp(r->id.bytes, id->bytes, RUN_ID_BYTES) != 0) continue;
        for (size_t at = 0; at < r->len; count++) at += entry_decode(r->journal + at, r->len - at, &e, &error);
    }
    return count;
}

/* ---- Tests ---- */

static void begin_two_calls(void)
{
    segment(&root, FACT_JOINED);
    add(started);
    add(called(PATH_A, &child_a));
    add(called(PATH_B, &child_b));
    segment(&child_a, FACT_JOINED);
    add(started);
    segment(&child_b, 0);
    add(started);
}

static void test_calls(void)
{
    begin_two_calls();
    make();
    CHECK_INT(x.run_count, 3);
    CHECK_INT(x.entry_count, 5); /* started, called, child_a's start, called, child_b's start */
    static const bool may_end[] = {true, false, true, false, false};
    for (size_t i = 0; i < x.entry_count; i++) CHECK_INT(history_may_end_at(&x, i), may_end[i]);
    look(3);
    CHECK_INT(entries_of(&root), 2);
    CHECK_INT(entries_of(&child_a), 1);
    CHECK_INT(entries_of(&child_b), 0);
    CHECK_INT(on_disk.run_count, 2);
    CHECK(x.runs[1].lineage == lineage_of_call(LINEAGE_ROOT, PATH_A, 0));
    CHECK(x.runs[2].lineage == lineage_of_call(LINEAGE_ROOT, PATH_B, 0));
    CHECK(execution_run(&x, x.runs[2].lineage) == &x.runs[2]);
    forget();
}

/* The process dies while it tells of a commit: nothing of that is there. */
static void test_cut_joint(void)
{
    begin_two_calls();
    facts[2].flags = FACT_JOINED;
    make();
    CHECK_INT(x.run_count, 0);
    CHECK_INT(x.entry_count, 0);
    forget();
}

static void test_returns(void)
{
    begin_two_calls();
    segment(&child_a, 0);
    add(response);
    add((entry){.kind = ENTRY_ENDED});
    add_row(STORE_ROW_PUT, &root, letter_of_call(0, 2), "a");
    segment(&child_b, 0);
    add(response);
    add((entry){.kind = ENTRY_ENDED});
    add_row(STORE_ROW_PUT, &root, letter_of_call(0, 3), "b");
    segment(&root, 0);
    add(returned(PATH_A, &child_a));
    add(returned(PATH_B, &child_b));
    add((entry){.kind = ENTRY_LABEL, .id = {"k", 1}, .value = {"v", 1}});
    add_row(STORE_ROW_DELETE, &root, letter_of_call(0, 3), "");
    add_row(STORE_ROW_DELETE, &root, letter_of_call(0, 2), "");
    make();
    CHECK_INT(x.entry_count, 12);
    CHECK(!history_may_end_at(&x, 5)); /* a response is on disk with the end */
    look(6);
    CHECK(!has_letter(&root, letter_of_call(0, 2)));
    look(7);
    CHECK(has_letter(&root, letter_of_call(0, 2)));
    CHECK(!has_letter(&root, letter_of_call(0, 3)));
    look(9);
    CHECK_INT(on_disk.row_count, 2);
    look(10); /* one is taken */
    CHECK(!has_letter(&root, letter_of_call(0, 2)));
    CHECK(has_letter(&root, letter_of_call(0, 3)));
    look(11);
    CHECK_INT(on_disk.row_count, 0);
    forget();
}

/* Letters of one commit to one run, of two signals and of the end. */
static void test_sent(void)
{
    static const char first[] = "first's id has 16", second[] = "other's id has 16";
    begin_two_calls();
    segment(&child_a, 0);
    add((entry){.kind = ENTRY_SENT, .path = 5, .letter = {first, ENTRY_LETTER_BYTES}, .answer = true});
    add((entry){.kind = ENTRY_SENT, .path = 6, .letter = {second, ENTRY_LETTER_BYTES}, .answer = true});
    add(response);
    add((entry){.kind = ENTRY_ENDED});
    add_row(STORE_ROW_PUT, &root, letter_of_call(0, 2), "the end");
    add_row(STORE_ROW_PUT, &root, 8, second);
    add_row(STORE_ROW_PUT, &root, 7, first);
    make();
    look(6);
    CHECK_INT(on_disk.row_count, 1);
    CHECK(has_letter(&root, 7));
    look(7);
    CHECK_INT(on_disk.row_count, 2);
    CHECK(has_letter(&root, 8));
    look(9);
    CHECK(has_letter(&root, letter_of_call(0, 2)));
    forget();
}

/* Calls that lose are given up in one commit, each with its letter; what the letter came to deletes it. */
static void test_given_up(void)
{
    begin_two_calls();
    segment(&root, 0);
    add((entry){.kind = ENTRY_ABANDONED, .path = PATH_A});
    add((entry){.kind = ENTRY_ABANDONED, .path = PATH_B});
    add_row(STORE_ROW_PUT, &child_b, letter_of_call(0, LETTER_OF_RECALL), "");
    add_row(STORE_ROW_PUT, &child_a, letter_of_call(0, LETTER_OF_RECALL), "");
    segment(&child_a, 0);
    add((entry){.kind = ENTRY_CANCEL, .status = ENTRY_CANCEL_ASKED});
    add(response);
    add((entry){.kind = ENTRY_ENDED, .status = ENTRY_CANCELLED});
    add_row(STORE_ROW_DELETE, &child_a, letter_of_call(0, LETTER_OF_RECALL), "");
    make();
    look(6);
    CHECK(has_letter(&child_a, letter_of_call(0, LETTER_OF_RECALL)));
    CHECK(!has_letter(&child_b, letter_of_call(0, LETTER_OF_RECALL)));
    look(7);
    CHECK_INT(on_disk.row_count, 2);
    look(8);
    CHECK(!has_letter(&child_a, letter_of_call(0, LETTER_OF_RECALL)));
    CHECK(has_letter(&child_b, letter_of_call(0, LETTER_OF_RECALL)));
    forget();
}

static const check_case cases[] = {{"a call is on disk with what it begins", test_calls},
                                   {"half a commit is none", test_cut_joint},
                                   {"a result is there from the end to the return", test_returns},
                                   {"signals are there from when they were sent", test_sent},
                                   {"calls that lose are given up one by one", test_given_up}};
CHECK_MAIN(cases)
