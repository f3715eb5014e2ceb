/* What the list of runs is made of: lines out of both ends of a journal, however long that is, with RocksDB and with
 * memory; and the runs beside a damaged one. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "storage/glance.h"
#include "tests/storage/subject.h"

enum { LIMIT = 1000, PIECE = 400 };

/* ---- Journals ---- */

static msgpack_sbuffer bytes; /* of the segment in the making */
static uint32_t seq;          /* entries so far */
static uint32_t seq_segment;  /* of the segment's first */

static void add(const entry *e)
{
    CHECK_INT(entry_encode(&bytes, e), 0);
    seq++;
}

static void add_step(size_t result)
{
    static const char filler[1 << 16];
    add(&(entry){.kind = ENTRY_STEP_DONE, .path = seq, .id = entry_text_of("step"), .value = {filler, result}});
}

static void commit_due(const run_id *id, store_live live, int64_t due_ms)
{
    store_segment s = {.run = *id,
                       .seq = seq_segment,
                       .live = live,
                       .has_live_row = seq_segment > 0,
                       .due_ms = due_ms,
                       .retain_ms = -1,
                       .data = bytes.data,
                       .len = bytes.size};
    CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    bytes.size = 0;
    seq_segment = seq;
}

static void commit(const run_id *id, store_live live) { commit_due(id, live, 0); }

static void begin(const run_id *id, const char *target)
{
    seq = seq_segment = 0;
    add(&(entry){.kind = ENTRY_STARTED,
                 .at_ms = 5,
                 .epoch = 3,
                 .function = entry_text_of("GET /a"),
                 .target = entry_text_of(target),
                 .body = entry_text_of("a body")});
    commit(id, STORE_LIVE_SET);
}

static void steps(const run_id *id, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        add_step(PIECE);
        commit(id, STORE_LIVE_UNCHANGED);
    }
}

static void end(const run_id *id)
{
    add(&(entry){.kind = ENTRY_RESPONSE, .status = 200, .body = entry_text_of("answer")});
    add(&(entry){.kind = ENTRY_ENDED, .at_ms = 9, .status = ENTRY_FAILED, .error = entry_text_of("for good")});
    commit(id, STORE_LIVE_CLEAR);
}

static store_summary look(const run_id *id)
{
    store_summary s = {.run = *id};
    glance_take(subject.b, &s, LIMIT);
    CHECK(!s.error && !s.of.error);
    if (s.found) {
        CHECK_INT(s.of.started.kind, ENTRY_STARTED);
        CHECK(s.of.started.at_ms == 5 && s.of.started.epoch == 3 && s.of.started.body.len == 0);
        CHECK(s.of.started.function.len == 6 && memcmp(s.of.started.function.data, "GET /a", 6) == 0);
        CHECK_INT(s.of.entries, seq);
    }
    return s;
}

/* ---- Tests ---- */

static void test_short(void)
{
    run_id id = subject_id(1000, 1);
    begin(&id, "/a");
    add(&(entry){.kind = ENTRY_STEP_FAILED, .path = 7, .id = entry_text_of("step"), .error = entry_text_of("no")});
    commit(&id, STORE_LIVE_UNCHANGED);
    add_step(10);
    end(&id);
    store_summary s = look(&id);
    CHECK(s.found && !s.live && !s.cut);
    CHECK(s.of.steps == 1 && s.of.failures == 1 && s.of.ended.at_ms == 9 && s.of.ended.status == ENTRY_FAILED);
    CHECK(s.of.ended.error.len == 8 && memcmp(s.of.ended.error.data, "for good", 8) == 0);
    glance_free(&s);
    run_id none = subject_id(1000, 2);
    s = look(&none);
    CHECK(!s.found && !s.live && !s.of.started.kind);
    glance_free(&s);
}

static void test_long(void)
{
    run_id id = subject_id(1000, 1);
    begin(&id, "/a");
    steps(&id, 50);
    store_summary s = look(&id);
    CHECK(s.live && s.cut && !s.of.ended.kind && !s.of.stopped.kind);
    glance_free(&s);
    end(&id);
    s = look(&id);
    CHECK(!s.live && s.cut && s.of.ended.at_ms == 9 && s.of.ended.error.len == 8);
    glance_free(&s);
}

/* Attempts that were under way add to a stopped run. */
static void test_stopped(void)
{
    for (unsigned after = 0; after < 3; after++) {
        run_id id = subject_id(1000, (uint8_t)after);
        begin(&id, "/a");
        steps(&id, 20);
        add(&(entry){.kind = ENTRY_STOPPED, .status = ENTRY_STOP_CRASHES, .error = entry_text_of("why"), .path = 7});
        commit(&id, STORE_LIVE_UNCHANGED);
        steps(&id, after);
        store_summary s = look(&id);
        CHECK(s.cut && s.of.stopped.kind && s.of.stopped.status == ENTRY_STOP_CRASHES && s.of.stopped.error.len == 3);
        glance_free(&s);
        add(&(entry){.kind = ENTRY_RELEASED, .epoch = 77});
        commit(&id, STORE_LIVE_UNCHANGED);
        steps(&id, after);
        s = look(&id);
        CHECK(s.cut && !s.of.stopped.kind && s.of.released_epoch == 77);
        glance_free(&s);
        end(&id);
        s = look(&id);
        CHECK(s.of.ended.kind && !s.of.stopped.kind);
        glance_free(&s);
    }
}

/* Released in what is not read: the stop at the beginning is not its last word. */
static void test_stopped_long_ago(void)
{
    run_id id = subject_id(1000, 1);
    begin(&id, "/a");
    add(&(entry){.kind = ENTRY_STOPPED, .status = ENTRY_STOP_CRASHES, .error = entry_text_of("why"), .path = 7});
    commit(&id, STORE_LIVE_UNCHANGED);
    store_summary s = look(&id);
    CHECK(!s.cut && s.of.stopped.kind);
    glance_free(&s);
    steps(&id, 3);
    add(&(entry){.kind = ENTRY_RELEASED, .epoch = 77});
    commit(&id, STORE_LIVE_UNCHANGED);
    steps(&id, 20);
    s = look(&id);
    CHECK(s.live && s.cut && !s.of.stopped.kind && !s.of.ended.kind);
    glance_free(&s);
}

/* A run that has ended goes on, and ends again: wherever that stands in a journal that is not read whole, it has ended
 * if it says so last, and has not if it is live. */
static void test_reopened(void)
{
    for (unsigned after = 0; after < 30; after += 3) {
        run_id id = subject_id(1000, (uint8_t)after);
        begin(&id, "/a");
        steps(&id, after % 2 * 20);
        end(&id);
        add(&(entry){.kind = ENTRY_REOPENED, .attempt = 2, .epoch = 77});
        commit(&id, STORE_LIVE_REOPEN);
        store_summary s = look(&id);
        CHECK(s.live && !s.of.ended.kind && !s.of.stopped.kind && s.of.reopened == 2 && s.of.released_epoch == 77);
        glance_free(&s);
        steps(&id, after);
        s = look(&id);
        CHECK(s.live && !s.of.ended.kind && !s.of.stopped.kind);
        glance_free(&s);
        end(&id);
        s = look(&id);
        CHECK(!s.live && s.of.ended.kind && s.of.ended.error.len == 8);
        CHECK(s.cut || s.of.reopened == 2);
        glance_free(&s);
    }
}

static bool is_by(const store_summary *s, const char *name)
{
    const entry_text by = s->of.cancelled_by;
    return by.len == strlen(name) && (by.len == 0 || memcmp(by.data, name, by.len) == 0);
}

/* The run is cancelled by `by`, ends after some attempts that were under way, and is looked at. */
static void cancel_and_end(const run_id *id, const char *by, unsigned attempts)
{
    add(&(entry){.kind = ENTRY_CANCEL, .status = ENTRY_CANCEL_ASKED, .error = entry_text_of(by)});
    commit(id, STORE_LIVE_UNCHANGED);
    steps(id, attempts);
    end(id);
    store_summary s = look(id);
    CHECK(is_by(&s, by) || (s.cut && is_by(&s, "")));
    CHECK(attempts > 0 || is_by(&s, by));
    glance_free(&s);
}

/* Who has cancelled a run is told, or nothing: never who has cancelled it before it went on. */
static void test_cancelled(void)
{
    for (unsigned attempts = 0; attempts < 30; attempts += 3) {
        run_id id = subject_id(1000, (uint8_t)attempts);
        begin(&id, "/a");
        cancel_and_end(&id, "ann", attempts);
        add(&(entry){.kind = ENTRY_REOPENED, .attempt = 1, .epoch = 77});
        commit(&id, STORE_LIVE_REOPEN);
        store_summary s = look(&id);
        CHECK(is_by(&s, ""));
        glance_free(&s);
        steps(&id, attempts);
        s = look(&id);
        CHECK(is_by(&s, ""));
        glance_free(&s);
        cancel_and_end(&id, "bob", attempts);
    }
}

/* Attempts that were under way stream on for longer than is read of each end. */
static void test_streams_on(void)
{
    for (unsigned before = 0; before < 2; before++) {
        run_id id = subject_id(1000, (uint8_t)before);
        begin(&id, "/a");
        steps(&id, before * 20);
        add(&(entry){.kind = ENTRY_STOPPED, .status = ENTRY_STOP_EXHAUSTED, .error = entry_text_of("why"), .path = 7});
        commit_due(&id, STORE_LIVE_SET, STORE_DUE_STOPPED);
        for (unsigned i = 0; i < 20; i++) {
            add_step(PIECE);
            commit_due(&id, STORE_LIVE_SET, STORE_DUE_STOPPED);
        }
        store_summary s = look(&id);
        CHECK(s.live && s.cut && s.of.stopped.status == ENTRY_STOP_EXHAUSTED && s.of.stopped.error.len == 3);
        glance_free(&s);
        add(&(entry){.kind = ENTRY_RELEASED, .epoch = 77});
        commit(&id, STORE_LIVE_SET);
        steps(&id, 20);
        s = look(&id);
        CHECK(s.live && s.cut && !s.of.stopped.kind);
        glance_free(&s);
    }
}

/* However long what it shows is, and whatever of it. */
static void test_texts(void)
{
    static char target[GLANCE_TEXT_MAX * 3];
    run_id id = subject_id(1000, 1);
    for (size_t i = 0; i + 3 < sizeof target; i += 3) memcpy(target + i, "\xe2\x82\xac", 3); /* the euro sign */
    begin(&id, target);
    store_summary s = look(&id);
    const entry_text *got = &s.of.started.target;
    CHECK(got->len <= GLANCE_TEXT_MAX + 3 && got->len > GLANCE_TEXT_MAX - 3 && got->len % 3 == 0);
    CHECK(memcmp(got->data, target, got->len - 3) == 0 && memcmp(got->data + got->len - 3, "...", 3) == 0);
    glance_free(&s);
}

static void add_label(const char *key, const char *text)
{
    add(&(entry){.kind = ENTRY_LABEL, .id = entry_text_of(key), .value = entry_text_of(text)});
}

static void add_usage(int64_t sum)
{
    add(&(entry){.kind = ENTRY_USAGE, .used = {1}, .used_sum = {sum, sum + 1, sum + 2}});
}

/* What both ends of a journal say, the newest of each. */
static void test_remarks(void)
{
    for (unsigned between = 0; between < 40; between += 20) {
        run_id id = subject_id(1000, (uint8_t)between);
        begin(&id, "/a");
        add_label("early", "one");
        add_label("both", "old");
        add(&(entry){.kind = ENTRY_STATUS, .value = entry_text_of("\x01")});
        add_usage(10);
        commit(&id, STORE_LIVE_UNCHANGED);
        store_summary s = look(&id);
        const run_remarks *r = &s.of.remarks;
        CHECK(r->label_count == 2 && entry_text_is(r->status, "\x01") && r->has_used && r->used[ENTRY_UNITS] == 12);
        glance_free(&s);
        steps(&id, between);
        add_label("both", "new");
        add_label("late", "");
        add(&(entry){.kind = ENTRY_STATUS, .value = entry_text_of("\x02")});
        add_usage(20);
        commit(&id, STORE_LIVE_UNCHANGED);
        add(&(entry){.kind = ENTRY_STATUS, .value = entry_text_of("\x03")});
        commit(&id, STORE_LIVE_UNCHANGED);
        s = look(&id);
        CHECK(s.cut == (between > 0) && r->label_count == 3 && entry_text_is(r->status, "\x03"));
        CHECK(r->used[ENTRY_INPUT_TOKENS] == 20 && r->used[ENTRY_OUTPUT_TOKENS] == 21);
        CHECK(entry_text_is(r->labels[0].key, "early") && entry_text_is(r->labels[0].value, "one"));
        CHECK(entry_text_is(r->labels[1].key, "both") && entry_text_is(r->labels[1].value, "new"));
        CHECK(entry_text_is(r->labels[2].key, "late") && r->labels[2].value.len == 0);
        glance_free(&s);
    }
}

/* The end says all, also what is in the middle, which is not read; what cannot be read of it costs nothing else. */
static void test_remarks_at_the_end(void)
{
    run_id id = subject_id(1000, 1);
    msgpack_sbuffer all;
    msgpack_sbuffer_init(&all);
    begin(&id, "/a");
    steps(&id, 20);
    add_label("middle", "yes");
    commit(&id, STORE_LIVE_UNCHANGED);
    steps(&id, 20);
    store_summary s = look(&id);
    CHECK(s.cut && s.of.remarks.label_count == 0);
    glance_free(&s);
    CHECK_INT(entry_encode(&all, &(entry){.kind = ENTRY_LABEL, .id = {"middle", 6}, .value = {"yes", 3}}), 0);
    CHECK_INT(entry_encode(&all, &(entry){.kind = ENTRY_USAGE, .used_sum = {5, 6, 7}}), 0);
    CHECK_INT(msgpack_sbuffer_write(&all, "x", 1), 0);
    add(&(entry){.kind = ENTRY_ENDED, .at_ms = 9, .remarks = {all.data, all.size}});
    commit(&id, STORE_LIVE_CLEAR);
    s = look(&id);
    CHECK(s.cut && s.of.ended.at_ms == 9 && s.of.remarks.label_count == 1 && s.of.remarks.used[ENTRY_UNITS] == 7);
    CHECK(entry_text_is(s.of.remarks.labels[0].value, "yes"));
    glance_free(&s);
    msgpack_sbuffer_destroy(&all);
}

/* More labels than a run may have, and longer ones, which a later version may write. */
static void test_remarks_beyond(void)
{
    static char large[GLANCE_STATUS_MAX + 1];
    run_id id = subject_id(1000, 1);
    memset(large, 'x', sizeof large - 1);
    begin(&id, "/a");
    for (int i = 0; i < 2 * REMARKS_LABELS_MAX; i++) {
        char key[16];
        (void)snprintf(key, sizeof key, "key %d", i);
        add_label(key, large);
    }
    add(&(entry){.kind = ENTRY_STATUS, .value = {large, sizeof large}});
    commit(&id, STORE_LIVE_UNCHANGED);
    store_summary s = look(&id);
    CHECK(s.of.remarks.label_count == REMARKS_LABELS_MAX && s.of.remarks.status.len == 0);
    CHECK(entry_text_is(s.of.remarks.labels[7].key, "key 7") &&
          s.of.remarks.labels[7].value.len <= GLANCE_TEXT_MAX + 3);
    glance_free(&s);
}

static void test_damaged_entry(void)
{
    run_id id = subject_id(1000, 1);
    begin(&id, "/a");
    CHECK_INT(msgpack_sbuffer_write(&bytes, "x", 1), 0);
    commit(&id, STORE_LIVE_UNCHANGED);
    store_summary s = {.run = id};
    glance_take(subject.b, &s, LIMIT);
    CHECK(s.found && s.live && !s.error && s.of.error && s.of.started.kind);
    glance_free(&s);
}

/* ---- Runs beside a damaged one: RocksDB's blob files, whose values are of 16 KiB and more ---- */

enum { RUNS = 9, BLOB = 20000 };

static bool damage_in(int fd, char of)
{
    static char text[1 << 20];
    ssize_t len = read(fd, text, sizeof text);
    char value[64];
    memset(value, of, sizeof value);
    const char *at = len > 0 ? memmem(text, (size_t)len, value, sizeof value) : NULL;
    return at && pwrite(fd, "?", 1, at - text + BLOB / 2) == 1;
}

static void damage(char of)
{
    char folder[128];
    unsigned count = 0;
    snprintf(folder, sizeof folder, "%s/journal", subject.path);
    DIR *dir = opendir(folder);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strstr(e->d_name, ".blob")) continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
        CHECK(fd >= 0);
        count += damage_in(fd, of);
        CHECK(close(fd) == 0);
    }
    closedir(dir);
    CHECK_INT(count, 1);
}

/* Runs that have ended, of one millisecond or of several, of which those in `bad` (digits) are damaged. */
static void check_beside(int64_t apart_ms, const char *bad)
{
    static char value[BLOB];
    run_id ids[RUNS], got[RUNS];
    char expected[RUNS + 1] = "", listed[RUNS + 1] = "";
    const char *error = NULL;
    subject_begin(false);
    for (int i = 0; i < RUNS; i++) {
        ids[i] = subject_id(1000 + i * apart_ms, (uint8_t)(i + 1));
        memset(value, 'a' + i, sizeof value);
        store_segment s = {.run = ids[i], .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = value, .len = BLOB};
        CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    }
    subject_again(); /* from the log into tables and blob files */
    subject.ops->close(subject.b);
    for (const char *at = bad; *at; at++) damage((char)('a' + *at - '0'));
    subject_open();
    for (int i = RUNS - 1; i >= 0; i--)
        if (!strchr(bad, '0' + i)) expected[strlen(expected)] = (char)('0' + i);
    for (size_t limit = 1; limit <= RUNS; limit += RUNS - 1) {
        memset(listed, 0, sizeof listed);
        for (const run_id *before = NULL; strlen(listed) < RUNS;) {
            long n = subject.ops->list(subject.b, before, limit, got, &error);
            CHECK(n >= 0);
            for (long i = 0; i < n; i++)
                for (int k = 0; k < RUNS; k++)
                    if (run_id_equal(&got[i], &ids[k])) listed[strlen(listed)] = (char)('0' + k);
            if (n == 0) break;
            before = &got[n - 1];
        }
        CHECK_STR(listed, expected);
    }
    subject_end();
}

/* A client may ask for what lies before the highest id that there could be. */
static void check_before_all(void)
{
    static char value[BLOB];
    run_id last, got[2];
    const char *error = NULL;
    subject_begin(false);
    const run_id ids[] = {subject_id(1000, 1), subject_id(2000, 2)};
    for (int i = 0; i < 2; i++) {
        memset(value, 'a' + i, sizeof value);
        store_segment s = {.run = ids[i], .live = STORE_LIVE_CLEAR, .retain_ms = -1, .data = value, .len = BLOB};
        CHECK_INT(subject_commit(&s, 1000), STORE_DONE);
    }
    subject_again(); /* from the log into tables and blob files */
    subject.ops->close(subject.b);
    damage('b');
    subject_open();
    memset(last.bytes, 0xff, sizeof last.bytes);
    CHECK_INT(subject.ops->list(subject.b, &last, 2, got, &error), 1);
    CHECK(run_id_equal(&got[0], &ids[0]));
    subject_end();
}

static void test_beside_damage(void)
{
    check_before_all();
    for (int64_t apart_ms = 0; apart_ms < 1000; apart_ms = apart_ms * 900 + 1) {
        check_beside(apart_ms, "");
        check_beside(apart_ms, "4");
        check_beside(apart_ms, "8");
        check_beside(apart_ms, "0");
        check_beside(apart_ms, "43");
        check_beside(apart_ms, "62");
    }
}

static void with_both(void (*test)(void))
{
    for (int in_memory = 0; in_memory < 2; in_memory++) {
        subject_begin(in_memory);
        test();
        subject_end();
    }
}

static void both_short(void) { with_both(test_short); }
static void both_long(void) { with_both(test_long); }
static void both_stopped(void) { with_both(test_stopped); }
static void both_streams_on(void) { with_both(test_streams_on); }
static void both_reopened(void) { with_both(test_reopened); }
static void both_cancelled(void) { with_both(test_cancelled); }
static void both_stopped_long_ago(void) { with_both(test_stopped_long_ago); }
static void both_texts(void) { with_both(test_texts); }
static void both_remarks(void) { with_both(test_remarks); }
static void both_remarks_ended(void) { with_both(test_remarks_at_the_end); }
static void both_remarks_beyond(void) { with_both(test_remarks_beyond); }
static void both_damaged(void) { with_both(test_damaged_entry); }

static const check_case cases[] = {
    {"a short journal is counted", both_short},       {"a long one is read at its ends", both_long},
    {"stopped and released", both_stopped},           {"a stop behind which attempts stream on", both_streams_on},
    {"released out of sight", both_stopped_long_ago}, {"ended, and goes on", both_reopened},
    {"cancelled by somebody", both_cancelled},        {"long texts are cut", both_texts},
    {"what a run says of itself", both_remarks},      {"its end says it all", both_remarks_ended},
    {"more than it may say", both_remarks_beyond},    {"a damaged entry is told", both_damaged},
    {"runs beside damaged ones", test_beside_damage}};

int main(int argc, char **argv)
{
    msgpack_sbuffer_init(&bytes);
    int result = subject_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    msgpack_sbuffer_destroy(&bytes);
    return result;
}
