/* The index when something cannot be read: runs, blocks of its own rows, or nothing at all for a while. Lists find what
 * can be read, and once the reason is gone the index is whole again. */
#include "storage/find.h"
#include "storage/glance.h"
#include "storage/index_core.h"
#include "tests/storage/subject.h"

enum { RUNS = 45, BAD = 17, ROUNDS = 200 };

static run_id ids[RUNS];
static run_index *x;

/* ---- What cannot be read: the subject's functions with damage ---- */

static const backend_ops *real;
static bool run_is_bad, all_is_closed, row_is_bad;
static uint8_t bad_key[INDEX_KEY_BYTES]; /* row_is_bad: the row that no scan comes past */
static unsigned drops;                   /* of the index */

static void glance_damaged(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg)
{
    out->is_closed = all_is_closed;
    if (all_is_closed || (run_is_bad && run_id_equal(&out->run, &ids[BAD])))
        out->error = "it cannot be read";
    else
        real->glance(b, out, on_segment, arg);
}

static int compare(store_bytes a, store_bytes b)
{
    size_t len = a.len < b.len ? a.len : b.len;
    int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order ? order : (a.len > b.len) - (a.len < b.len);
}

static backend_scan scan_damaged(backend *b, const store_range *range, backend_on_row *on_row, void *arg,
                                 const char **error)
{
    const store_bytes bad = {bad_key, sizeof bad_key};
    store_range before = *range;
    bool comes_past =
        row_is_bad && compare(range->from, bad) <= 0 && (range->to.len == 0 || compare(bad, range->to) < 0);
    if (all_is_closed) *error = "it is closed";
    if (all_is_closed) return BACKEND_SCAN_FAILED;
    if (!comes_past) return real->scan(b, range, on_row, arg, error);
    before.to = bad;
    backend_scan got = compare(before.from, bad) < 0 ? real->scan(b, &before, on_row, arg, error) : BACKEND_SCAN_END;
    if (got != BACKEND_SCAN_END) return got;
    *error = "a damaged block";
    return BACKEND_SCAN_FAILED;
}

static bool drop_index_damaged(backend *b, const char **error)
{
    drops++;
    row_is_bad = false;
    return real->drop_index(b, error);
}

static void index_open(void)
{
    static backend_ops damaged;
    real = subject.b->ops;
    damaged = *real;
    damaged.glance = glance_damaged;
    damaged.scan = scan_damaged;
    damaged.drop_index = drop_index_damaged;
    subject.b->ops = &damaged;
    x = run_index_new(subject.b);
    CHECK(x);
    x->tally_runs = 10;
}

static void index_again(void)
{
    run_index_free(x);
    subject_again();
    index_open();
}

/* ---- Runs: every third has failed, the others have succeeded ---- */

static bool has_failed(int i) { return i % 3 == BAD % 3; }

static void make_runs(void)
{
    msgpack_sbuffer bytes;
    msgpack_sbuffer_init(&bytes);
    for (int i = 0; i < RUNS; i++) {
        ids[i] = subject_id(1000 + i, (uint8_t)i);
        bytes.size = 0;
        CHECK_INT(
            entry_encode(&bytes, &(entry){.kind = ENTRY_STARTED, .at_ms = 5, .function = entry_text_of("GET /a")}), 0);
        CHECK_INT(entry_encode(&bytes, &(entry){.kind = ENTRY_ENDED,
                                                .at_ms = 6,
                                                .status = has_failed(i) ? ENTRY_FAILED : ENTRY_SUCCEEDED,
                                                .error = entry_text_of(has_failed(i) ? "no card" : "")}),
                  0);
        store_segment s = {
            .run = ids[i], .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = bytes.data, .len = bytes.size};
        CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    }
    msgpack_sbuffer_destroy(&bytes);
}

/* True: all is counted and looked at. */
static bool settles(void)
{
    for (int i = 0; i < ROUNDS; i++) {
        if (!run_index_take(x, 100000)) continue;
        if (!run_index_has_more(x)) return true;
        (void)run_index_go_on(x);
    }
    return false;
}

static size_t found_count(unsigned fates, const char *function, const char *error)
{
    static store_summary runs[RUNS];
    const run_query q = {.fates = fates, .function = function, .error = error, .limit = RUNS, .bytes_max = 65536};
    memset(runs, 0, sizeof runs);
    find_result found = {.runs = runs};
    find_runs(subject.b, x, &q, &found);
    CHECK(!found.error);
    for (size_t i = 0; i < found.count; i++) glance_free(&runs[i]);
    return found.count;
}

static uint64_t counted(run_fate fate)
{
    uint64_t n = 0;
    index_sum sum = {.recent_from_ms = 0};
    run_index_sum(x, &sum);
    CHECK(!sum.error && sum.whole);
    for (size_t i = 0; i < sum.count; i++)
        if (sum.classes[i].fate == fate) n += sum.classes[i].runs;
    index_sum_free(&sum);
    return n;
}

static void check_lists(size_t unreadable)
{
    CHECK_INT(found_count(FATE_FAILED, NULL, NULL), RUNS / 3 - unreadable);
    CHECK_INT(found_count(FATE_FAILED, "GET /a", "CARD"), RUNS / 3 - unreadable);
    CHECK_INT(found_count(FATE_FAILED | FATE_CANCELLED, "GET /b", NULL), 0);
    CHECK_INT(found_count(FATE_SUCCEEDED, NULL, NULL), RUNS / 3 * 2);
    CHECK_INT(found_count(FATE_UNREADABLE, NULL, NULL), unreadable);
}

/* ---- Tests ---- */

static void test_run(void)
{
    run_is_bad = true;
    make_runs();
    index_open();
    CHECK(settles());
    CHECK(counted(FATE_UNREADABLE) == 1 && counted(FATE_FAILED) == RUNS / 3 - 1);
    check_lists(1);
    run_is_bad = false; /* another program can read it */
    check_lists(0);
    index_again();
    CHECK(settles());
    CHECK(counted(FATE_UNREADABLE) == 0 && counted(FATE_FAILED) == RUNS / 3);
    check_lists(0);
    run_index_free(x);
}

static void test_closed(void)
{
    make_runs();
    index_open();
    CHECK(run_index_take(x, 100000) && run_index_go_on(x));
    all_is_closed = true;
    CHECK(!run_index_go_on(x));
    all_is_closed = false;
    CHECK(settles());
    CHECK(counted(FATE_UNREADABLE) == 0 && counted(FATE_FAILED) == RUNS / 3);
    CHECK_INT(drops, 0);
    run_index_free(x);
}

typedef struct some_key {
    index_kind kind;
    unsigned number; /* which of these rows */
    bool found;
} some_key;

static void on_key(void *arg, store_bytes key, store_bytes value)
{
    some_key *s = arg;
    run_id id;
    (void)value;
    if (s->found || !index_key_read(key, s->kind, &id) || s->number-- > 0) return;
    memcpy(bad_key, key.data, key.len);
    s->found = true;
}

static void check_block(index_kind kind, unsigned number)
{
    const char *error = NULL;
    some_key some = {.kind = kind, .number = number};
    make_runs();
    index_open();
    CHECK(settles());
    CHECK(real->scan(subject.b, &(store_range){.table = INDEX_TABLE, .rows_max = SIZE_MAX}, on_key, &some, &error) ==
          BACKEND_SCAN_END);
    CHECK(some.found);
    row_is_bad = true;
    drops = 0;
    check_lists(0);
    index_again();
    check_lists(0);
    CHECK(settles());
    CHECK_INT(drops, 1);
    check_lists(0);
    CHECK(counted(FATE_FAILED) == RUNS / 3 && counted(FATE_SUCCEEDED) == RUNS / 3 * 2);
    row_is_bad = false;
    run_index_free(x);
}

static void both(void (*test)(void))
{
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        subject_begin(in_memory);
        test();
        subject_end();
    }
}

static void block_of_cursor(void) { check_block(INDEX_CURSOR, 0); }
static void block_of_first_tally(void) { check_block(INDEX_TALLY, 0); }
static void block_of_a_tally(void) { check_block(INDEX_TALLY, 2); }
static void block_of_first_row(void) { check_block(INDEX_RUN, 0); }
static void block_of_a_row(void) { check_block(INDEX_RUN, 9); }

static void both_run(void) { both(test_run); }
static void both_closed(void) { both(test_closed); }

static void both_block(void)
{
    both(block_of_cursor);
    both(block_of_first_tally);
    both(block_of_a_tally);
    both(block_of_first_row);
    both(block_of_a_row);
}

static const check_case cases[] = {{"a run that cannot be read, and can be later", both_run},
                                   {"nothing can be read for a while", both_closed},
                                   {"a block of the index cannot be read", both_block}};

int main(int argc, char **argv) { return subject_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
