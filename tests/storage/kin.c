/* The rows of `kin` (storage/kin.h): which runs came of which is read as a plain model has it, and whoever deletes a
 * run leaves no row of it. Each case runs with RocksDB and with memory. */
#include "storage/kin.h"

#include "tests/storage/subject.h"

enum { RUNS = 40, ROUNDS = 6, KEPT_MS = 1000 };

/* Which runs there are, and which of them are forks of which: by their numbers, from 1. */
typedef struct model {
    bool is_there[RUNS];
    bool is_fork[RUNS][RUNS]; /* [source][fork] */
} model;

static model m;
static unsigned dice_state = 1;

static unsigned dice(unsigned n)
{
    dice_state = dice_state * 1664525 + 1013904223;
    return (dice_state >> 8) % n;
}

/* Their ids ascend with their numbers, several within a millisecond. */
static run_id id_of(unsigned n) { return subject_id(10000 + n / 3, (uint8_t)n); }

static unsigned number_of(const run_id *id)
{
    for (unsigned i = 0; i < RUNS; i++) {
        run_id of = id_of(i);
        if (run_id_equal(&of, id)) return i;
    }
    printf("# a row leads to a run that never was\n");
    CHECK(false);
    return 0;
}

/* ---- Writing ---- */

/* The run begins as a fork of `source`, if that is not the run itself. How it ends decides who will delete it. */
static void begin(unsigned n, unsigned source)
{
    run_id of = id_of(source), id = id_of(n);
    kin_pair pair;
    store_segment s = {.run = id, .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = "begun", .len = 5};
    if (source != n) kin_pair_fill(&pair, &of, KIN_FORK, &id);
    if (source != n) s.rows = pair.rows;
    if (n % 3 == 1) s.retain_ms = KEPT_MS;
    if (n % 3 == 2) s.live = STORE_LIVE_SET;
    CHECK_INT(subject_commit(&s, 10000), STORE_DONE);
    store_segment end = {.run = id,
                         .seq = 1,
                         .live = STORE_LIVE_CLEAR,
                         .has_live_row = true,
                         .retain_ms = -1,
                         .data = "ended",
                         .len = 5};
    if (n % 3 == 2) CHECK_INT(subject_commit(&end, 10000), STORE_DONE);
    m.is_there[n] = true;
    if (source != n) m.is_fork[source][n] = true;
}

/* Each is a fork of an earlier one, of a few of them mostly; or of none. */
static void begin_all(void)
{
    memset(&m, 0, sizeof m);
    for (unsigned n = 0; n < RUNS; n++) begin(n, n == 0 || dice(5) == 0 ? n : dice(4) == 0 ? dice(n) : dice(n) % 3);
}

/* ---- Reading ---- */

typedef struct read_rows {
    unsigned of, count;
    bool seen[RUNS];
    unsigned last;
} read_rows;

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    read_rows *r = arg;
    run_id other;
    CHECK(kin_key_read(key, &other) && value.len == 0);
    unsigned n = number_of(&other);
    CHECK(r->count == 0 || n < r->last); /* the newest first */
    r->last = n;
    r->seen[n] = true;
    r->count++;
}

/* How the scan ended. */
static backend_scan read_range(read_rows *r, kin_tie tie, const unsigned *before, size_t rows_max)
{
    const char *error = NULL;
    kin_bounds b;
    run_id of = id_of(r->of), id = before ? id_of(*before) : of;
    const store_range range = kin_range(&b, &of, tie, before ? &id : NULL, rows_max);
    backend_scan how = subject.ops->scan(subject.b, &range, on_row, r, &error);
    CHECK(how != BACKEND_SCAN_FAILED);
    return how;
}

static bool leads_to(kin_tie tie, unsigned of, unsigned other)
{
    return tie == KIN_FORK ? m.is_fork[of][other] : m.is_fork[other][of];
}

/* A page of at most rows_max below each run, and the whole. */
static void check_run_of(unsigned of, kin_tie tie)
{
    for (unsigned before = 0; before <= RUNS; before++) {
        const unsigned rows_max = 1 + dice(5);
        unsigned expected = 0, more = 0;
        read_rows r = {.of = of};
        backend_scan how = read_range(&r, tie, before < RUNS ? &before : NULL, rows_max);
        for (unsigned n = before; n-- > 0;) {
            if (!leads_to(tie, of, n)) continue;
            bool fits = expected < rows_max;
            CHECK_INT(r.seen[n], fits);
            expected += fits;
            more += !fits;
        }
        CHECK_INT(r.count, expected);
        CHECK_INT(how == BACKEND_SCAN_MORE, more > 0);
    }
}

static void count_row(void *arg, store_bytes key, store_bytes value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
}

static size_t rows_of(const char *table)
{
    const char *error = NULL;
    size_t count = 0;
    const store_range range = {.table = table, .rows_max = 100000};
    CHECK(subject.ops->scan(subject.b, &range, count_row, &count, &error) == BACKEND_SCAN_END);
    return count;
}

static void check_all(void)
{
    size_t pairs = 0;
    for (unsigned a = 0; a < RUNS; a++)
        for (unsigned b = 0; b < RUNS; b++) pairs += m.is_fork[a][b];
    CHECK_INT(rows_of(KIN_TABLE), 2 * pairs);
    for (unsigned n = 0; n < RUNS; n++) {
        check_run_of(n, KIN_FORK);
        check_run_of(n, KIN_SOURCE);
    }
}

/* ---- Deleting ---- */

static void forget(unsigned n)
{
    m.is_there[n] = false;
    for (unsigned i = 0; i < RUNS; i++) m.is_fork[n][i] = m.is_fork[i][n] = false;
}

static void delete_one(unsigned n)
{
    const char *error = NULL;
    run_id id = id_of(n);
    CHECK(subject.ops->delete_run(subject.b, &id, &error));
    forget(n);
}

/* As retention does, which tells what it has deleted. */
static void forget_deleted(const backend_sweep *s)
{
    for (size_t i = 0; i < s->deleted_count; i++) forget(number_of(&s->deleted[i]));
}

static void sweep_some_bytes(backend_sweep *s)
{
    uint64_t freed = 0;
    CHECK(subject.ops->sweep_bytes(subject.b, s, 1 + dice(200), 2 + dice(3), &freed) >= 0);
    forget_deleted(s);
}

static void sweep_some_of_age(backend_sweep *s)
{
    CHECK(subject.ops->sweep_age(subject.b, s, 2 + dice(3)) >= 0);
    forget_deleted(s);
}

static bool any_is_there(void)
{
    for (unsigned n = 0; n < RUNS; n++)
        if (m.is_there[n]) return true;
    return false;
}

static void test_reads(void)
{
    memset(&m, 0, sizeof m);
    check_all(); /* nothing was ever written */
    begin_all();
    check_all();
    subject_again();
    check_all();
}

static void test_deletions(void)
{
    const char *error = NULL;
    for (unsigned round = 0; round < ROUNDS; round++) {
        run_id deleted[64];
        backend_sweep sweep = {.deleted = deleted};
        begin_all();
        subject.ops->sweep_begin(&sweep, 10000, KEPT_MS); /* nothing is over yet */
        for (unsigned i = 0; i < RUNS / 2; i++) {
            if (dice(3) > 0)
                delete_one(dice(RUNS));
            else
                sweep_some_bytes(&sweep);
            if (i % 5 == 0) check_all();
        }
        subject.ops->sweep_begin(&sweep, 1000000, KEPT_MS);
        for (unsigned i = 0; any_is_there(); i++) {
            CHECK(i < 1000);
            sweep_some_of_age(&sweep);
            check_all();
        }
        CHECK_INT(rows_of(KIN_TABLE), 0);
        run_id ids[1];
        CHECK_INT(subject.ops->list(subject.b, NULL, 1, ids, &error), 0);
    }
}

/* ---- What is not as usual ---- */

static void put_row(const char *table, const void *key, size_t len)
{
    const store_row row = {.op = STORE_ROW_PUT, .table = table, .key = {key, len}};
    store_segment s = {.run = subject_id(1, 1), .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &row};
    CHECK_INT(subject_commit(&s, 10000), STORE_DONE);
}

/* Retention was quicker than the commit of the fork. */
static void test_late_fork(void)
{
    memset(&m, 0, sizeof m);
    begin(1, 1);
    delete_one(1);
    begin(5, 1);
    check_all();
    delete_one(5);
    CHECK_INT(rows_of(KIN_TABLE), 0);
}

/* Of a program to come, with other ties; and one that is damaged. */
static void test_unknown_rows(void)
{
    run_id a = id_of(1), b = id_of(2);
    kin_pair pair;
    memset(&m, 0, sizeof m);
    begin(1, 1);
    begin(2, 2);
    kin_pair_fill(&pair, &a, (kin_tie)9, &b);
    for (int i = 0; i < 2; i++) put_row(KIN_TABLE, pair.keys[i], KIN_KEY_BYTES);
    put_row(KIN_TABLE, pair.keys[0], KIN_KEY_BYTES - 1);
    put_row(KIN_TABLE, a.bytes, RUN_ID_BYTES);
    put_row("waits", a.bytes, RUN_ID_BYTES);
    for (unsigned n = 1; n <= 2; n++) {
        check_run_of(n, KIN_FORK); /* has none */
        check_run_of(n, KIN_SOURCE);
    }
    delete_one(1);
    CHECK_INT(rows_of(KIN_TABLE), 0);
    CHECK_INT(rows_of("waits"), 1);
}

/* ---- All of it ---- */

static const check_case contract[] = {
    {"the runs that came of one are read, the newest first, from any of them on", test_reads},
    {"a run that is deleted leaves no row of it", test_deletions},
    {"a fork that begins when its original has gone leaves no row either", test_late_fork},
    {"ties that are not known go with their run, other tables stay", test_unknown_rows}};

int main(int argc, char **argv) { return subject_run_both(contract, sizeof contract / sizeof contract[0], argc, argv); }
