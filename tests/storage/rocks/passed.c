/* What a reading passes: deleted rows of the own table are its price, those of other tables and runs are not. RocksDB
 * counts what it skips. */
#include <rocksdb/c.h>

#include "storage/kin.h"
#include "tests/storage/subject.h"

enum { DELETED = 500 };

/* The first and the last one by name, and what lies between. */
static const char *const tables[] = {"bulk", "inbox", "kin", "notices", "tries", "of_its_own"};
enum { TABLES = sizeof tables / sizeof tables[0] };

static rocksdb_perfcontext_t *skipped;

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
}

/* Puts or deletes `count` rows of the table: "PREFIX0000", "PREFIX0001", ... */
static void write_rows(const char *table, store_row_op op, const char *prefix, size_t count)
{
    static char keys[DELETED][16];
    static store_row rows[DELETED];
    CHECK(count <= DELETED);
    for (size_t i = 0; i < count; i++) {
        snprintf(keys[i], sizeof keys[i], "%s%04zu", prefix, i);
        rows[i] = (store_row){
            .next = i + 1 < count ? &rows[i + 1] : NULL, .op = op, .table = table, .key = {keys[i], strlen(keys[i])}};
    }
    store_segment s = {.run = subject_id(1, 1), .live = STORE_LIVE_SET, .retain_ms = -1, .rows = rows};
    CHECK_INT(subject_commit(&s, 1), STORE_DONE);
}

/* Rows b..., and deleted ones before and behind them. */
static void fill(const char *table)
{
    write_rows(table, STORE_ROW_PUT, "b", 3);
    write_rows(table, STORE_ROW_PUT, "a", DELETED);
    write_rows(table, STORE_ROW_DELETE, "a", DELETED);
    write_rows(table, STORE_ROW_PUT, "c", DELETED);
    write_rows(table, STORE_ROW_DELETE, "c", DELETED);
}

/* Reads from `from` on to before `to`, in pages. Returns how many deleted rows were passed. */
static uint64_t scan(const char *table, const char *from, const char *to, size_t expected)
{
    const char *error = NULL;
    size_t count = 0;
    const store_range range = {
        .table = table, .from = {from, strlen(from)}, .to = {to, strlen(to)}, .rows_max = expected};
    rocksdb_perfcontext_reset(skipped);
    backend_scan how = subject.ops->scan(subject.b, &range, on_row, &count, &error);
    uint64_t passed = rocksdb_perfcontext_metric(skipped, rocksdb_internal_delete_skipped_count);
    CHECK(how == BACKEND_SCAN_END); /* also of a page that is full: there is no more row */
    CHECK_INT(count, expected);
    return passed;
}

static void test_scans(void)
{
    for (size_t i = 0; i < TABLES; i++) fill(tables[i]);
    for (size_t i = 0; i < TABLES; i++) {
        CHECK_INT(scan(tables[i], "b", "c", 3), 0);
        CHECK_INT(scan(tables[i], "b0001", "b0002", 1), 0);
        CHECK_INT(scan(tables[i], "b", "", 3), DELETED); /* behind them, of its own */
    }
}

/* Deleting runs, the newest first: each passes the marks of all that were newer, if nothing says where the run ends. */
static void test_runs(void)
{
    enum { RUNS = 50 };
    const char *error = NULL;
    for (uint8_t n = 0; n < RUNS; n++) {
        store_segment s = {
            .run = subject_id(10 + n, n), .live = STORE_LIVE_SET, .retain_ms = -1, .data = "begun", .len = 5};
        CHECK_INT(subject_commit(&s, 10), STORE_DONE);
    }
    rocksdb_perfcontext_reset(skipped);
    for (uint8_t n = RUNS; n-- > 0;) {
        const run_id id = subject_id(10 + n, n);
        CHECK(subject.ops->delete_run(subject.b, &id, &error));
    }
    CHECK_INT(rocksdb_perfcontext_metric(skipped, rocksdb_internal_delete_skipped_count), 0);
}

static void run_with(void (*test)(void))
{
    subject_begin(false);
    test();
    subject_end();
}

static void run_scans(void) { run_with(test_scans); }
static void run_runs(void) { run_with(test_runs); }

int main(int argc, char **argv)
{
    static const check_case cases[] = {{"a scan passes no deleted rows of other tables", run_scans},
                                       {"the deletion of a run passes no deleted runs", run_runs}};
    rocksdb_set_perf_level(rocksdb_enable_count);
    skipped = rocksdb_perfcontext_create();
    int result = subject_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    rocksdb_perfcontext_destroy(skipped);
    return result;
}
