/* What the index counts while it works, and which runs it takes for recent, however few there are. */
#include "storage/find.h"
#include "storage/glance.h"
#include "storage/index_core.h"
#include "tests/storage/subject.h"

enum { MINUTE_MS = 60000, HOUR_MS = 60 * MINUTE_MS };

static run_index *x;
static int64_t now_ms;
static unsigned begun, at_least;

static uint64_t counted(int64_t recent_from_ms, bool recent, bool *whole)
{
    uint64_t n = 0;
    index_sum sum = {.recent_from_ms = recent_from_ms};
    run_index_sum(x, &sum);
    CHECK(!sum.error);
    for (size_t i = 0; i < sum.count; i++) n += recent ? sum.classes[i].recent : sum.classes[i].runs;
    if (whole) *whole = sum.whole;
    index_sum_free(&sum);
    return n;
}

/* ---- A reader in the middle of the indexer's work ---- */

static const backend_ops *real;
static bool is_watched;

static void look(void)
{
    bool whole;
    if (!is_watched) return;
    is_watched = false; /* a count reads too */
    uint64_t n = counted(0, false, &whole);
    CHECK(n <= begun && (!whole || n >= at_least));
    is_watched = true;
}

static backend_scan scan_watched(backend *b, const store_range *range, backend_on_row *on_row, void *arg,
                                 const char **error)
{
    look();
    return real->scan(b, range, on_row, arg, error);
}

static void glance_watched(backend *b, store_summary *out, backend_on_segment *on_segment, void *arg)
{
    look();
    real->glance(b, out, on_segment, arg);
}

static bool write_rows_watched(backend *b, const store_row *rows, const char **error)
{
    look();
    bool ok = real->write_rows(b, rows, error);
    look();
    return ok;
}

static void index_open(void)
{
    static backend_ops watched;
    real = subject.b->ops;
    watched = *real;
    watched.scan = scan_watched;
    watched.glance = glance_watched;
    watched.write_rows = write_rows_watched;
    subject.b->ops = &watched;
    x = run_index_new(subject.b);
    CHECK(x);
    x->tally_runs = 10;
}

static void begin(bool described)
{
    msgpack_sbuffer bytes;
    const run_id id = run_id_make(now_ms, (const uint8_t[10]){(uint8_t)(begun >> 8), (uint8_t)begun}, 0, 1);
    msgpack_sbuffer_init(&bytes);
    CHECK_INT(entry_encode(&bytes, &(entry){.kind = ENTRY_STARTED, .at_ms = 5, .function = entry_text_of("GET /a")}),
              0);
    CHECK_INT(entry_encode(&bytes, &(entry){.kind = ENTRY_ENDED, .at_ms = 6, .status = ENTRY_SUCCEEDED}), 0);
    store_segment s = {.run = id,
                       .live = STORE_LIVE_CLEAR,
                       .retain_ms = -1,
                       .data = bytes.data,
                       .len = bytes.size,
                       .function = described ? "GET /a" : NULL,
                       .version = described ? "" : NULL,
                       .fate = described ? FATE_SUCCEEDED : 0};
    CHECK_INT(subject_commit(run_index_expect(x, &s), now_ms), STORE_DONE);
    run_index_tell(x, &s);
    msgpack_sbuffer_destroy(&bytes);
    begun++;
}

static void take(void)
{
    CHECK(run_index_take(x, now_ms));
    while (run_index_has_more(x)) CHECK(run_index_go_on(x));
}

/* ---- Tests ---- */

/* No run counts twice, and none that was counted is missing, whenever somebody asks. */
static void test_while_it_works(void)
{
    begun = at_least = 0;
    now_ms = 1700000000000;
    index_open();
    for (unsigned i = 0; i < 60; i++) {
        for (unsigned n = i * 7 % 40; n > 0; n--, now_ms += 3) begin(n % 5 > 0);
        now_ms += i % 3 * 2500;
        is_watched = true;
        take();
        is_watched = false;
        at_least = begun;
        CHECK_INT(counted(0, false, NULL), begun);
    }
    run_index_free(x);
}

static unsigned tally_count(void);

/* A run every `every_ms`, for five hours: those of the last hour are told, also after a restart. */
static void check_recent(int64_t every_ms)
{
    begun = 0;
    now_ms = 1700000000000;
    index_open();
    for (int64_t end_ms = now_ms + 5 * HOUR_MS; now_ms < end_ms; now_ms += every_ms) {
        begin(true);
        take();
        if (begun % 50 == 49) {
            run_index_free(x);
            subject_again();
            index_open();
            take();
        }
        uint64_t all = (uint64_t)((now_ms - 1700000000000) / every_ms + 1),
                 slot = (uint64_t)(TALLY_SLOT_MS / every_ms) + 1;
        uint64_t of_hour = (uint64_t)(HOUR_MS / every_ms) + 1, truth = all < of_hour ? all : of_hour;
        uint64_t recent = counted(now_ms - HOUR_MS, true, NULL);
        CHECK(recent + slot >= truth && recent <= truth + slot);
        CHECK_INT(counted(0, false, NULL), begun);
    }
    CHECK(tally_count() <= begun / 5 + 20); /* old ones of few runs were made one */
    run_index_free(x);
}

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    (void)key, (void)value;
    ++*(unsigned *)arg;
}

static unsigned tally_count(void)
{
    static const run_id lowest;
    run_id highest;
    index_bounds bounds;
    const char *error = NULL;
    unsigned n = 0;
    memset(highest.bytes, 0xff, RUN_ID_BYTES);
    const store_range range = index_range(&bounds, INDEX_TALLY, &lowest, &highest, SIZE_MAX);
    CHECK(real->scan(subject.b, &range, on_row, &n, &error) == BACKEND_SCAN_END);
    return n;
}

static void test_recent(void)
{
    check_recent(20 * MINUTE_MS);
    subject_end();
    subject_begin(subject.in_memory);
    check_recent(3 * MINUTE_MS);
    subject_end();
    subject_begin(subject.in_memory);
    check_recent(20000);
}

static void both(void (*test)(void))
{
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        subject_begin(in_memory);
        test();
        subject_end();
    }
}

static void both_while_it_works(void) { both(test_while_it_works); }
static void both_recent(void) { both(test_recent); }

static const check_case cases[] = {{"no run counts twice", both_while_it_works}, {"the last hour", both_recent}};

int main(int argc, char **argv) { return subject_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
