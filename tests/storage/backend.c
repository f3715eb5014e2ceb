/* The backends' contract (storage/backend.h): each case runs with RocksDB and with memory. */
#include "tests/storage/subject.h"

#include <pthread.h>
#include <stdatomic.h>

static store_bytes text_of(const char *text) { return (store_bytes){text, strlen(text)}; }

static store_segment segment(run_id id, uint32_t seq, store_live live, const char *data)
{
    return (store_segment){.run = id,
                           .seq = seq,
                           .live = live,
                           .has_live_row = seq > 0,
                           .retain_ms = -1,
                           .data = data,
                           .len = strlen(data),
                           .outcome = STORE_UNKNOWN};
}

static void put(run_id id, uint32_t seq, store_live live, const char *data)
{
    store_segment s = segment(id, seq, live, data);
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    CHECK_INT(s.outcome, STORE_DONE);
}

/* ---- Runs ---- */

static store_journal load_part(run_id id, size_t bytes_max)
{
    store_journal j = {.run = id};
    subject.ops->load(subject.b, &j, bytes_max);
    CHECK(!j.error);
    return j;
}

static void check_journal(run_id id, bool live, int64_t due_ms, const char *data)
{
    store_journal j = load_part(id, 0);
    CHECK_INT(j.found, *data != 0);
    CHECK_INT(j.live, live);
    CHECK_INT(j.due_ms, due_ms);
    CHECK(!j.cut && j.len == strlen(data) && (j.len == 0 || memcmp(j.data, data, j.len) == 0));
    free(j.data);
}

static void test_journals(void)
{
    run_id one = subject_id(1000, 1), two = subject_id(2000, 2);
    put(one, 0, STORE_LIVE_SET, "one,");
    put(two, 0, STORE_LIVE_CLEAR, "two");
    store_segment s = segment(one, 300, STORE_LIVE_SET, "more,"); /* seq is a number, no text */
    s.due_ms = 77;
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    put(one, 301, STORE_LIVE_UNCHANGED, "and more");
    check_journal(one, true, 77, "one,more,and more");
    check_journal(two, false, 0, "two");
    check_journal(subject_id(1500, 3), false, 0, "");
    store_journal j = load_part(one, 0);
    CHECK_INT(j.seq_next, 302);
    free(j.data);
    put(one, 302, STORE_LIVE_CLEAR, ".");
    subject_again();
    check_journal(one, false, 0, "one,more,and more.");
}

static void test_limit(void)
{
    run_id id = subject_id(1000, 1);
    put(id, 0, STORE_LIVE_SET, "0123456789");
    put(id, 1, STORE_LIVE_UNCHANGED, "0123456789");
    for (size_t most = 1; most <= 21; most++) {
        store_journal j = load_part(id, most);
        CHECK(j.found && j.live);
        CHECK_INT(j.cut, most < 20);
        CHECK_INT(j.len, most < 10 ? 0 : most < 20 ? 10 : 20);
        free(j.data);
    }
}

/* What a glance tells, in a line: "first seq text, ..." */
typedef struct glanced {
    char line[4096];
    size_t firsts, lasts; /* after so many it is enough */
} glanced;

static bool on_segment(void *arg, backend_end end, uint32_t seq, store_bytes segment)
{
    glanced *g = arg;
    size_t len = strlen(g->line);
    snprintf(g->line + len, sizeof g->line - len, "%s%u %.*s", end == BACKEND_FIRST ? "+" : "-", seq, (int)segment.len,
             (const char *)segment.data);
    return --*(end == BACKEND_FIRST ? &g->firsts : &g->lasts) > 0;
}

static store_summary glance(run_id id, size_t firsts, size_t lasts, const char *line)
{
    glanced g = {.firsts = firsts, .lasts = lasts};
    store_summary s = {.run = id};
    subject.ops->glance(subject.b, &s, on_segment, &g);
    CHECK(!s.error);
    CHECK_INT(s.found, *line != 0);
    CHECK_STR(g.line, line);
    return s;
}

static void test_glances(void)
{
    store_key key = {.hash = {1, 2}, .fingerprint = {3}};
    run_id id = subject_id(1000, 2);
    put(subject_id(1000, 1), 0, STORE_LIVE_SET, "before");
    put(subject_id(1000, 3), 0, STORE_LIVE_SET, "after");
    store_segment s = segment(id, 0, STORE_LIVE_SET, "a");
    s.key = &key; /* is no segment of entries */
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    put(id, 2, STORE_LIVE_UNCHANGED, "b");
    put(id, 300, STORE_LIVE_UNCHANGED, "c");
    s = segment(id, 70000, STORE_LIVE_SET, "d");
    s.due_ms = 77;
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    for (int again = 0; again < 2; again++) {
        (void)glance(id, 9, 9, "+0 a+2 b+300 c+70000 d");
        (void)glance(id, 4, 9, "+0 a+2 b+300 c+70000 d");
        (void)glance(id, 3, 9, "+0 a+2 b+300 c-70000 d");
        (void)glance(id, 1, 9, "+0 a-70000 d-300 c-2 b");
        (void)glance(id, 1, 2, "+0 a-70000 d-300 c");
        store_summary got = glance(id, 1, 1, "+0 a-70000 d");
        CHECK(got.live && got.due_ms == 77);
        (void)glance(subject_id(1000, 1), 1, 1, "+0 before");
        (void)glance(subject_id(1000, 4), 1, 1, "");
        subject_again();
    }
    store_segment lone = segment(subject_id(2000, 1), 0, STORE_LIVE_CLEAR, "lone");
    lone.retain_ms = 1000000; /* has an empty second segment beside it */
    CHECK_INT(subject_commit(&lone, 1000), STORE_DONE);
    CHECK(!glance(lone.run, 9, 9, "+0 lone").live);
}

static void test_lists(void)
{
    enum { RUNS = 40 };
    run_id ids[RUNS], got[RUNS];
    store_live_row rows[RUNS];
    const char *error = NULL;
    bool end;
    for (int i = 0; i < RUNS; i++) {
        ids[i] = subject_id(1000 + i / 2, (uint8_t)i);
        put(ids[i], 0, i % 4 == 0 ? STORE_LIVE_CLEAR : STORE_LIVE_SET, "run");
        put(ids[i], 1, STORE_LIVE_UNCHANGED, "more");
    }
    CHECK_INT(subject.ops->list(subject.b, NULL, 10, got, &error), 10);
    for (int i = 0; i < 10; i++) CHECK(run_id_equal(&got[i], &ids[RUNS - 1 - i]));
    CHECK_INT(subject.ops->list(subject.b, &got[9], RUNS, got, &error), RUNS - 10);
    CHECK(run_id_equal(&got[RUNS - 11], &ids[0]));
    CHECK_INT(subject.ops->list(subject.b, &ids[0], RUNS, got, &error), 0);
    size_t seen = 0;
    for (unsigned loop = 0; loop < 3; loop++) {
        const run_id *after = NULL;
        for (end = false; !end;) {
            long n =
                subject.ops->scan_live(subject.b, &(store_live_range){after, 4, loop, 3, NULL}, rows, &end, &error);
            CHECK(n >= 0 && n <= 4);
            for (long i = 0; i < n; i++) CHECK_INT(run_id_loop(&rows[i].run, 3), loop);
            seen += (size_t)n;
            if (n > 0) ids[0] = rows[n - 1].run;
            after = &ids[0];
        }
    }
    CHECK_INT(seen, RUNS * 3 / 4);
}

static void test_keys(void)
{
    store_key key = {.hash = {1, 2}, .fingerprint = {3}};
    store_key_row row;
    const char *error = NULL;
    run_id id = subject_id(1000, 1);
    store_segment s = segment(id, 0, STORE_LIVE_SET, "keyed");
    s.key = &key;
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    put(subject_id(1000, 2), 0, STORE_LIVE_SET, "stays");
    CHECK(subject.ops->find_key(subject.b, key.hash, &row, &error) && run_id_equal(&row.run, &id));
    CHECK(memcmp(row.fingerprint, key.fingerprint, STORE_KEY_BYTES) == 0);
    check_journal(id, true, 0, "keyed");
    CHECK(subject.ops->delete_run(subject.b, &id, &error));
    check_journal(id, false, 0, "");
    check_journal(subject_id(1000, 2), true, 0, "stays");
    CHECK(!subject.ops->find_key(subject.b, key.hash, &row, &error) && !error);
}

/* A key leads to one run for as long as that is there: of two runs that come with it the second is not begun. */
static void test_taken_keys(void)
{
    store_key key = {.hash = {1, 2}, .fingerprint = {3}}, other = {.hash = {1, 2}, .fingerprint = {4}};
    store_key_row row;
    const char *error = NULL;
    run_id first = subject_id(1000, 1), second = subject_id(1000, 2), third = subject_id(1000, 3);
    store_segment s[3] = {segment(first, 0, STORE_LIVE_SET, "first"), segment(second, 0, STORE_LIVE_SET, "second"),
                          segment(third, 0, STORE_LIVE_SET, "third")};
    s[0].key = s[1].key = &key;
    s[0].next = &s[1];
    s[1].next = &s[2];
    CHECK_INT(subject_commit(&s[0], 1000), STORE_DONE); /* both in one batch */
    for (int again = 0; again < 2; again++) {
        CHECK(s[0].outcome == STORE_DONE && s[1].outcome == STORE_KEY_TAKEN && s[2].outcome == STORE_DONE);
        CHECK(subject.ops->find_key(subject.b, key.hash, &row, &error) && run_id_equal(&row.run, &first));
        check_journal(first, true, 0, "first");
        check_journal(second, false, 0, "");
        check_journal(third, true, 0, "third");
        subject_again();
        s[0].outcome = s[2].outcome = STORE_DONE;
        s[1].next = NULL;
        s[1].key = again ? &other : &key;
        CHECK_INT(subject_commit(&s[1], 1000), STORE_DONE); /* one after the other */
    }
    s[0].next = NULL;
    CHECK_INT(subject_commit(&s[0], 1000), STORE_DONE); /* the same once more: a commit that is repeated */
    CHECK_INT(s[0].outcome, STORE_DONE);
    CHECK(subject.ops->delete_run(subject.b, &first, &error));
    CHECK_INT(subject_commit(&s[1], 1000), STORE_DONE); /* it is free again */
    CHECK_INT(s[1].outcome, STORE_DONE);
    CHECK(subject.ops->find_key(subject.b, key.hash, &row, &error) && run_id_equal(&row.run, &second));
    CHECK_INT(row.fingerprint[0], 4);
}

static void test_identity(void)
{
    uint8_t secret[STORE_SECRET_BYTES];
    char node[64];
    uint64_t epoch = subject.ops->epoch(subject.b);
    memcpy(secret, subject.ops->secret(subject.b), sizeof secret);
    snprintf(node, sizeof node, "%s", subject.ops->node(subject.b));
    const cluster *alone = subject.ops->cluster(subject.b); /* nobody has told the database of others */
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) CHECK(!alone->has_others && cluster_owns_slot(alone, slot));
    CHECK_INT(strlen(node), 32);
    clock_belief belief = {.believed_ms = 1234567890123, .grace_ms = 17}, read;
    subject.ops->swept(subject.b, &read);
    CHECK_INT(read.believed_ms, 0);
    subject.ops->set_swept(subject.b, &belief);
    subject_again();
    CHECK_INT(subject.ops->epoch(subject.b), epoch + 1);
    CHECK_STR(subject.ops->node(subject.b), node);
    CHECK(memcmp(secret, subject.ops->secret(subject.b), sizeof secret) == 0);
    subject.ops->swept(subject.b, &read);
    CHECK(read.believed_ms == belief.believed_ms && read.grace_ms == belief.grace_ms);
}

/* The highest wall clock of all commits, also when it was set back, and whoever made them. */
static void test_seen(void)
{
    static const int64_t at_ms[] = {1234567890123, 1234567890200, 1000};
    CHECK_INT(subject.ops->seen_ms(subject.b), 0);
    for (uint8_t i = 0; i < 3; i++) {
        store_segment s = segment(subject_id(1000, i), 0, STORE_LIVE_CLEAR, "x");
        CHECK_INT(subject_commit(&s, at_ms[i]), STORE_DONE);
    }
    CHECK_INT(subject.ops->seen_ms(subject.b), 0); /* it tells of those before it was opened */
    for (int i = 0; i < 2; i++) {
        subject_again();
        CHECK_INT(subject.ops->seen_ms(subject.b), at_ms[1]);
    }
}

/* ---- Tables ---- */

static char scanned[4096];
static bool scan_ended;

static void on_row(void *arg, store_bytes key, store_bytes value)
{
    (void)arg;
    size_t len = strlen(scanned);
    snprintf(scanned + len, sizeof scanned - len, "%.*s=%.*s ", (int)key.len, (const char *)key.data, (int)value.len,
             (const char *)value.data);
}

static const char *scan(const char *table, const char *from, const char *to, size_t rows, size_t bytes)
{
    const char *error = NULL;
    store_range range = {table, text_of(from), text_of(to), rows, bytes};
    scanned[0] = 0;
    backend_scan result = subject.ops->scan(subject.b, &range, on_row, NULL, &error);
    CHECK(result != BACKEND_SCAN_FAILED);
    scan_ended = result == BACKEND_SCAN_END;
    return scanned;
}

static store_row row(store_row_op op, const char *table, const char *key, const char *value)
{
    return (store_row){.op = op, .table = table, .key = text_of(key), .value = text_of(value)};
}

/* A commit of rows alone. */
static store_outcome write_row(store_row_op op, const char *table, const char *key, const char *value)
{
    store_row r = row(op, table, key, value);
    store_segment s = {.run = subject_id(1, 1), .live = STORE_LIVE_UNCHANGED, .retain_ms = -1, .rows = &r};
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    return s.outcome;
}

static void check_ranges(const char *table)
{
    static const char *const keys[] = {"b", "a", "ab", "c", "aa", ""};
    CHECK_STR(scan(table, "", "", 100, 0), "");
    for (size_t i = 0; i < sizeof keys / sizeof *keys; i++)
        CHECK_INT(write_row(STORE_ROW_PUT, table, keys[i], "v"), STORE_DONE);
    CHECK_STR(scan(table, "", "", 100, 0), "=v a=v aa=v ab=v b=v c=v ");
    CHECK(scan_ended);
    CHECK_STR(scan(table, "a", "b", 100, 0), "a=v aa=v ab=v ");
    CHECK_STR(scan(table, "aa", "", 100, 0), "aa=v ab=v b=v c=v ");
    CHECK_STR(scan(table, "d", "", 100, 0), "");
    CHECK_STR(scan(table, "a", "", 2, 0), "a=v aa=v ");
    CHECK(!scan_ended);
    CHECK_STR(scan(table, "b", "", 2, 0), "b=v c=v ");
    CHECK(scan_ended);
    CHECK_STR(scan(table, "a", "", 100, 4), "a=v aa=v ");
    CHECK(!scan_ended);
    CHECK_INT(write_row(STORE_ROW_DELETE, table, "aa", ""), STORE_DONE);
    CHECK_INT(write_row(STORE_ROW_DELETE, table, "nothing", ""), STORE_DONE);
    CHECK_INT(write_row(STORE_ROW_PUT, table, "ab", ""), STORE_DONE);
    subject_again();
    CHECK_STR(scan(table, "a", "b", 100, 0), "a=v ab= ");
}

static void test_tables(void)
{
    check_ranges("waits");
    check_ranges("inbox");
    check_ranges("tries");
    check_ranges("grants");
    CHECK_STR(scan("waits", "a", "b", 100, 0), "a=v ab= ");
}

static void test_insert(void)
{
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "k", "one"), STORE_DONE);
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "k", "one"), STORE_DONE); /* as when it is written again */
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "k", "two"), STORE_KEY_TAKEN);
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "k", ""), STORE_KEY_TAKEN);
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "kk", ""), STORE_DONE);
    CHECK_INT(write_row(STORE_ROW_INSERT, "inbox", "k", "another table's"), STORE_DONE);
    CHECK_STR(scan("turns", "", "", 9, 0), "k=one kk= ");
    CHECK_INT(write_row(STORE_ROW_DELETE, "turns", "k", ""), STORE_DONE);
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "k", "two"), STORE_DONE);
    CHECK_STR(scan("turns", "", "", 9, 0), "k=two kk= ");
}

static void count_row(void *arg, store_bytes key, store_bytes value)
{
    (void)key, (void)value;
    ++*(size_t *)arg;
}

static size_t rows_of(const char *table)
{
    size_t count = 0;
    const char *error = NULL;
    const store_range range = {.table = table, .rows_max = 100};
    CHECK(subject.ops->scan(subject.b, &range, count_row, &count, &error) == BACKEND_SCAN_END);
    return count;
}

/* Rows of a run in the one table that goes with runs; no others, and in no other table. */
static void test_marks(void)
{
    const run_id gone = subject_id(1000, 1), stays = subject_id(1000, 2);
    const char *error = NULL;
    uint8_t keys[3][2 * RUN_ID_BYTES];
    store_row rows[4];
    memset(keys, 'k', sizeof keys);
    memcpy(keys[0], gone.bytes, RUN_ID_BYTES);
    memcpy(keys[1], gone.bytes, RUN_ID_BYTES);
    memcpy(keys[2], stays.bytes, RUN_ID_BYTES);
    keys[1][RUN_ID_BYTES] = 'l';
    for (int i = 0; i < 4; i++)
        rows[i] = (store_row){.next = i < 3 ? &rows[i + 1] : NULL,
                              .op = STORE_ROW_PUT,
                              .table = i < 3 ? STORE_MARKS_TABLE : "waits",
                              .key = {keys[i % 3], sizeof keys[0]},
                              .value = {"v", 1}};
    store_segment s = segment(gone, 0, STORE_LIVE_SET, "gone");
    s.rows = rows;
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    put(stays, 0, STORE_LIVE_SET, "stays");
    CHECK(subject.ops->delete_run(subject.b, &gone, &error));
    CHECK_INT(rows_of(STORE_MARKS_TABLE), 1);
    CHECK_INT(rows_of("waits"), 1);
    CHECK(subject.ops->delete_run(subject.b, &stays, &error));
    CHECK_INT(rows_of(STORE_MARKS_TABLE), 0);
    CHECK_INT(rows_of("waits"), 1);
}

/* In one batch: an insert sees what came before it, and a taken one leaves no trace of its group, whose rows others do
 * not see either. */
static void test_groups(void)
{
    enum { SEGMENTS = 6 };
    store_segment s[SEGMENTS];
    store_row r[SEGMENTS], second = row(STORE_ROW_PUT, "turns", "trace", "of a group left out");
    CHECK_INT(write_row(STORE_ROW_INSERT, "turns", "old", "there"), STORE_DONE);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        s[i] = segment(subject_id(1000, (uint8_t)i), 0, STORE_LIVE_SET, "segment");
        s[i].next = i + 1 < SEGMENTS ? &s[i + 1] : NULL;
        s[i].rows = &r[i];
    }
    r[0] = row(STORE_ROW_INSERT, "turns", "new", "first");
    r[1] = row(STORE_ROW_INSERT, "turns", "new", "second"); /* taken by the one before */
    r[2] = row(STORE_ROW_PUT, "turns", "part", "2");
    r[2].next = &second;
    s[2].joined = true;
    r[3] = row(STORE_ROW_INSERT, "turns", "old", "taken"); /* so 2 is not there either */
    r[4] = row(STORE_ROW_DELETE, "turns", "old", "");
    s[4].joined = true;
    r[5] = row(STORE_ROW_INSERT, "turns", "old", "free again");
    CHECK_INT(subject_commit(s, 1000), STORE_DONE);
    for (unsigned i = 0; i < SEGMENTS; i++) {
        bool taken = i >= 1 && i <= 3;
        CHECK_INT(s[i].outcome, taken ? STORE_KEY_TAKEN : STORE_DONE);
        check_journal(s[i].run, !taken, 0, taken ? "" : "segment");
    }
    CHECK_STR(scan("turns", "", "", 9, 0), "new=first old=free again ");
    CHECK_INT(subject_commit(&s[3], 1000), STORE_DONE); /* the rest of the list is as good as a list */
    CHECK_INT(s[3].outcome, STORE_KEY_TAKEN);
}

/* ---- One moment ---- */

enum { MOMENT_RUNS = 3000 };

typedef struct moments {
    atomic_uint at;
    atomic_bool over;
} moments;

static void *read_moments(void *arg)
{
    moments *m = arg;
    while (!m->over) {
        unsigned n = m->at;
        store_journal j = {.run = subject_id(1000 + n, 1)};
        subject.ops->load(subject.b, &j, 0);
        CHECK(!j.error && (!j.found || j.live == (j.len == 5)));
        free(j.data);
    }
    return NULL;
}

static void test_moment(void)
{
    moments m = {.at = 0};
    pthread_t reader;
    CHECK(pthread_create(&reader, NULL, read_moments, &m) == 0);
    unsigned runs = subject.in_memory ? MOMENT_RUNS : MOMENT_RUNS / 10;
    for (unsigned i = 0; i < runs; i++) {
        run_id id = subject_id(1000 + i, 1);
        m.at = i;
        put(id, 0, STORE_LIVE_SET, "begun");
        put(id, 1, STORE_LIVE_CLEAR, "ended");
    }
    m.over = true;
    CHECK(pthread_join(reader, NULL) == 0);
}

/* ---- Retention ---- */

static long sweep_age(backend_sweep *s, int64_t now_ms)
{
    long sum = 0;
    subject.ops->sweep_begin(s, now_ms, 1000);
    do {
        long n = subject.ops->sweep_age(subject.b, s, 2);
        CHECK(n >= 0);
        sum += n;
    } while (!s->done);
    return sum;
}

static void end_run(run_id id, int64_t now_ms, int64_t retain_ms)
{
    store_segment s = segment(id, 1, STORE_LIVE_CLEAR, "ended");
    s.retain_ms = retain_ms;
    put(id, 0, STORE_LIVE_SET, "begun");
    CHECK_INT(subject_commit(&s, now_ms), STORE_DONE);
}

static void test_age(void)
{
    backend_sweep sweep = {.done = false};
    for (uint8_t i = 0; i < 5; i++) {
        put(subject_id(10000, i), 0, STORE_LIVE_CLEAR, "in one commit");
        put(subject_id(20000, i), 0, STORE_LIVE_SET, "goes on");
        end_run(subject_id(30000, i), 10000, -1); /* counts from its end, whatever its id says */
        end_run(subject_id(40000, i), 10000, 5000);
    }
    CHECK_INT(sweep_age(&sweep, 10900), 0);
    CHECK_INT(sweep_age(&sweep, 11001), 10);
    CHECK_INT(sweep_age(&sweep, 14999), 0);
    CHECK_INT(sweep_age(&sweep, 15001), 5);
    for (uint8_t i = 0; i < 5; i++) check_journal(subject_id(20000, i), true, 0, "goes on");
    CHECK_INT(sweep_age(&sweep, 1000000), 0);
    run_id ids[9];
    const char *error = NULL;
    CHECK_INT(subject.ops->list(subject.b, NULL, 9, ids, &error), 5);
}

/* ---- Runs that had ended and go on ---- */

static void reopen(run_id id, uint32_t seq, store_outcome expected)
{
    store_segment s = segment(id, seq, STORE_LIVE_REOPEN, "again");
    s.has_live_row = false;
    CHECK_INT(subject_commit(&s, 10500), STORE_DONE);
    CHECK_INT(s.outcome, expected);
}

static void end_again(run_id id, uint32_t seq, int64_t now_ms, int64_t retain_ms)
{
    store_segment s = segment(id, seq, STORE_LIVE_CLEAR, "ended");
    s.was_reopened = true;
    s.retain_ms = retain_ms;
    CHECK_INT(subject_commit(&s, now_ms), STORE_DONE);
}

/* However it had ended: in one commit or two, with a key, with a retention of its own. */
static void begin_and_end(run_id id, unsigned how, const store_key *key)
{
    store_segment one = segment(id, 0, STORE_LIVE_CLEAR, "begun");
    if (how < 2) {
        end_run(id, 10000, how == 0 ? -1 : 700);
        return;
    }
    one.key = how == 2 ? key : NULL;
    one.retain_ms = how == 3 ? 700 : -1;
    CHECK_INT(subject_commit(&one, 10000), STORE_DONE);
}

static void check_lives(run_id id)
{
    store_journal j = load_part(id, 0);
    CHECK(j.found && j.live && j.due_ms == 0);
    free(j.data);
}

/* Retention forgets when the run had ended. */
static void test_reopened(void)
{
    backend_sweep sweep = {.done = false};
    const char *error = NULL;
    for (unsigned how = 0; how < 5; how++) {
        const store_key key = {.hash = {(uint8_t)how, 7}, .fingerprint = {8}};
        run_id id = subject_id(10000, (uint8_t)how);
        store_key_row row;
        begin_and_end(id, how, &key);
        reopen(id, 2, STORE_DONE);
        check_lives(id);
        CHECK_INT(sweep_age(&sweep, 11500), 0); /* a first end would be over by now */
        check_lives(id);
        subject_again();
        put(id, 3, STORE_LIVE_UNCHANGED, "more");
        end_again(id, 4, 20000, how == 4 ? 500 : -1);
        CHECK_INT(sweep_age(&sweep, 20400), 0);
        check_journal(id, false, 0, how < 2 ? "begunendedagainmoreended" : "begunagainmoreended");
        reopen(id, 5, STORE_DONE);
        CHECK_INT(sweep_age(&sweep, 21500), 0);
        check_lives(id);
        end_again(id, 6, 30000, -1);
        CHECK_INT(sweep_age(&sweep, 30900), 0);
        CHECK_INT(subject.ops->find_key(subject.b, key.hash, &row, &error), how == 2);
        CHECK_INT(sweep_age(&sweep, 31001), 1);
        check_journal(id, false, 0, "");
        CHECK(!subject.ops->find_key(subject.b, key.hash, &row, &error) && !error);
    }
}

/* Nothing comes of a run that retention has deleted, and others of the batch are written. */
static void test_reopened_too_late(void)
{
    backend_sweep sweep = {.done = false};
    run_id gone = subject_id(10000, 1), other = subject_id(10000, 2);
    reopen(subject_id(10000, 3), 1, STORE_GONE);
    end_run(gone, 10000, -1);
    CHECK_INT(sweep_age(&sweep, 11001), 1);
    store_segment late = segment(gone, 2, STORE_LIVE_REOPEN, "again"), beside = segment(other, 0, STORE_LIVE_SET, "x");
    late.next = &beside;
    CHECK_INT(subject_commit(&late, 11002), STORE_DONE);
    CHECK_INT(late.outcome, STORE_GONE);
    CHECK_INT(beside.outcome, STORE_DONE);
    check_journal(gone, false, 0, "");
    check_journal(other, true, 0, "x");
}

enum { RACES = 300 };

static void *sweep_on(void *arg)
{
    backend_sweep sweep = {.done = false};
    while (!atomic_load((atomic_bool *)arg)) (void)sweep_age(&sweep, 11001);
    return NULL;
}

/* The sweeper deletes ended runs while they are reopened: each run is whole and goes on, or is not there. */
static void test_reopened_as_it_is_deleted(void)
{
    atomic_bool done = false;
    pthread_t sweeper;
    unsigned gone = 0;
    CHECK(pthread_create(&sweeper, NULL, sweep_on, &done) == 0);
    for (unsigned i = 0; i < RACES; i++) {
        run_id id = subject_id(10000 + i / 200, (uint8_t)i);
        begin_and_end(id, i % 2 * 4, NULL);
        usleep(i % 8 * 250);
        store_segment s = segment(id, 2, STORE_LIVE_REOPEN, "again");
        CHECK_INT(subject_commit(&s, 10500), STORE_DONE);
        gone += s.outcome == STORE_GONE;
        CHECK(s.outcome == STORE_GONE || s.outcome == STORE_DONE);
        if (s.outcome == STORE_DONE) check_journal(id, true, 0, i % 2 ? "begunagain" : "begunendedagain");
        if (s.outcome == STORE_GONE) {
            store_journal j = load_part(id, 0);
            CHECK(!j.live);
            free(j.data);
        }
    }
    atomic_store(&done, true);
    CHECK(pthread_join(sweeper, NULL) == 0);
    printf("# %u of %u runs were deleted first\n", gone, (unsigned)RACES);
    for (unsigned i = 0; i < RACES; i++) {
        store_journal j = load_part(subject_id(10000 + i / 200, (uint8_t)i), 0);
        CHECK_INT(j.found, j.live); /* nothing is left of a run that is gone */
        free(j.data);
    }
}

static void test_bytes(void)
{
    backend_sweep sweep = {.done = false};
    uint64_t freed = 0, sum = 0;
    long by_bytes = 0;
    for (uint8_t i = 0; i < 5; i++) put(subject_id(1000, i), 0, STORE_LIVE_SET, "goes on");
    for (uint8_t i = 0; i < 10; i++) end_run(subject_id(2000 + i, i), 10000, 999999);
    subject.ops->sweep_begin(&sweep, 10000, 1000);
    for (int rounds = 0; sum < 120 && !sweep.done; rounds++) {
        CHECK(rounds < 20);
        long n = subject.ops->sweep_bytes(subject.b, &sweep, 120 - sum, 2, &freed);
        CHECK(n >= 0);
        by_bytes += n;
        sum += freed;
    }
    CHECK(sum >= 120);
    subject.ops->sweep_give_back(subject.b, &sweep);
    for (uint8_t i = 0; i < 5; i++) check_journal(subject_id(1000, i), true, 0, "goes on");
    check_journal(subject_id(2000, 0), false, 0, "");
    check_journal(subject_id(2009, 9), false, 0, "begunended");
    CHECK_INT(sweep_age(&sweep, 100000000), 10 - by_bytes); /* none of them counts twice */
}

/* ---- Failures ---- */

static void check_unknown(unsigned how, store_segment *s, bool rows_alone)
{
    const char *error = NULL;
    bool there;
    subject_break(how);
    CHECK_INT(subject_commit(s, 1000), STORE_UNKNOWN);
    disk_set(&subject.disk, DISK_GOOD);
    store_segment later = segment(subject_id(5000, (uint8_t)how), 0, STORE_LIVE_SET, "later");
    CHECK(subject_commit(&later, 1000) != STORE_DONE); /* until it was opened again */
    subject_mend();
    CHECK(subject.ops->find_commit(subject.b, s, &there, &error));
    if (subject.in_memory) CHECK_INT(there, how % 2);
    check_journal(s->run, there && !rows_alone, 0, there && !rows_alone ? "unknown" : "");
    CHECK_STR(scan("turns", "unknown", "", 9, 0), there ? "unknown=v " : "");
    check_journal(later.run, false, 0, "");
    subject_again();
    check_journal(s->run, there && !rows_alone, 0, there && !rows_alone ? "unknown" : "");
    if (there) CHECK_INT(write_row(STORE_ROW_DELETE, "turns", "unknown", ""), STORE_DONE);
}

static void test_unknown(void)
{
    store_row r = row(STORE_ROW_PUT, "turns", "unknown", "v");
    CHECK_INT(write_row(STORE_ROW_PUT, "turns", "before", "v"), STORE_DONE);
    for (unsigned how = 0; how < 4; how++) {
        store_segment s = segment(subject_id(1000, (uint8_t)how), 0, STORE_LIVE_SET, "unknown");
        store_segment alone = {.run = subject_id(2000, (uint8_t)how), .live = STORE_LIVE_UNCHANGED, .rows = &r};
        s.rows = &r;
        check_unknown(how, &s, false);
        check_unknown(how, &alone, true);
    }
}

static const check_case contract[] = {{"journals", test_journals},
                                      {"a journal up to a limit of bytes", test_limit},
                                      {"a journal from both ends", test_glances},
                                      {"lists of runs and of live rows", test_lists},
                                      {"keys, and deleting a run", test_keys},
                                      {"a run's key is taken", test_taken_keys},
                                      {"epoch, node, secret and the sweeper's clock", test_identity},
                                      {"the highest wall clock so far", test_seen},
                                      {"tables and their ranges", test_tables},
                                      {"an insert finds its key taken", test_insert},
                                      {"marks go with the run that has put them", test_marks},
                                      {"a group is there or not", test_groups},
                                      {"live row and segments are of one moment", test_moment},
                                      {"retention by age", test_age},
                                      {"retention by size", test_bytes},
                                      {"a run that had ended goes on", test_reopened},
                                      {"a run goes on that retention has deleted", test_reopened_too_late},
                                      {"a run goes on as retention deletes it", test_reopened_as_it_is_deleted},
                                      {"a commit of unknown outcome is found out", test_unknown}};

int main(int argc, char **argv) { return subject_run_both(contract, sizeof contract / sizeof contract[0], argc, argv); }
