/* What a start makes of the records that died processes have left: each of them is entered once, whatever the clock
 * said, and the third in a row stops the run. */
#include "runtime/recovery/crash.h"

#include <fcntl.h>
#include <unistd.h>

#include "runtime/recovery/presence.h"
#include "runtime/recovery/settle.h"
#include "runtime/run/program.h"
#include "runtime/run/suspects.h"
#include "runtime/run/ties.h"
#include "storage/entry.h"
#include "storage/memory/memory.h"
#include "storage/store_by_hand.h"
#include "tests/harness/check.h"

enum { AT_MS = 1700000 };

static memory_disk *disk;
static char data[64];
static run_id run;
static const char *step = "charge";

/* ---- A process ---- */

static store *open_store(void)
{
    char error[256];
    store *s = store_open(&(store_options){.backend = memory_open(disk), .by_hand = true, .retain_ms = 4000000000000},
                          error, sizeof error);
    CHECK(s);
    return s;
}

static void append(store *s, const entry *e)
{
    msgpack_sbuffer text;
    msgpack_sbuffer_init(&text);
    CHECK(entry_encode(&text, e) == 0);
    store_segment segment = {.run = run, .live = STORE_LIVE_SET, .retain_ms = -1, .data = text.data, .len = text.size};
    settling *desk = settle_open(s);
    CHECK(desk && !settle_append(desk, &segment));
    settle_close(desk);
    msgpack_sbuffer_destroy(&text);
}

/* What the signal handler leaves. */
static void leave(uint64_t epoch, int64_t at_ms)
{
    char path[96];
    crash_record record = {.path = 5, .epoch = epoch, .at_ms = at_ms, .attempt = 1, .number = 11};
    memcpy(record.step, step, strnlen(step, sizeof record.step - 1)); /* cut where the room ends */
    memcpy(record.magic, crash_magic, sizeof record.magic);
    memcpy(record.run, run.bytes, sizeof record.run);
    snprintf(path, sizeof path, "%s/crashes", data);
    int fd = open(path, O_WRONLY | O_CREAT | O_APPEND, 0600);
    CHECK(fd >= 0 && write(fd, &record, sizeof record) == (ssize_t)sizeof record && close(fd) == 0);
}

/* ---- The journal ---- */

typedef struct tally {
    unsigned crashed, stopped;
    size_t step_len; /* of the last */
} tally;

static void count(void *arg, const store_journal *j)
{
    tally *t = arg;
    const char *error = NULL;
    CHECK(j->found && !j->error);
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        CHECK(n > 0);
        t->crashed += e.kind == ENTRY_CRASHED;
        if (e.kind == ENTRY_CRASHED) t->step_len = e.id.len;
        t->stopped += e.kind == ENTRY_STOPPED;
    }
}

/* The next process starts, finds what is in the file, and ends. */
static tally start(void)
{
    tally t = {.crashed = 0};
    store *s = open_store();
    (void)crash_start(s, data);
    settling *desk = settle_open(s);
    CHECK(desk);
    settle_load(desk, &run, count, &t);
    settle_close(desk);
    crash_end();
    store_close(s);
    return t;
}

/* A disk with one run, which goes on. */
static void begin(void)
{
    char path[96];
    snprintf(path, sizeof path, "%s/crashes", data);
    (void)unlink(path);
    disk = memory_disk_new();
    run = run_id_make(AT_MS, (const uint8_t[10]){1}, 0, 1);
    store *s = open_store();
    append(s, &(entry){.kind = ENTRY_STARTED, .method = {"POST", 4}, .target = {"/", 1}});
    store_close(s);
}

static void end(void) { memory_disk_free(disk); }

/* ---- Tests ---- */

static void test_three(void)
{
    begin();
    for (unsigned i = 1; i <= CRASHES_MAX; i++) {
        leave(i, AT_MS + i);
        tally t = start();
        CHECK_INT(t.crashed, i);
        CHECK_INT(t.stopped, i == CRASHES_MAX);
    }
    end();
}

static void test_same_moment(void)
{
    begin();
    for (unsigned i = 1; i <= CRASHES_MAX; i++) {
        leave(i, AT_MS);
        tally t = start();
        CHECK_INT(t.crashed, i);
        CHECK_INT(t.stopped, i == CRASHES_MAX);
    }
    end();
}

static void test_entered(void)
{
    begin();
    leave(1, AT_MS);
    CHECK_INT(start().crashed, 1);
    leave(1, AT_MS); /* the start before ended before it had emptied the file */
    CHECK_INT(start().crashed, 1);
    end();
}

/* Of two bytes each: the last one has no room. */
static void test_long_name(void)
{
    static char name[513];
    for (size_t i = 0; i < sizeof name - 1; i += 2) memcpy(name + i, "\xc3\xa9", 2);
    step = name;
    begin();
    leave(1, AT_MS);
    tally t = start();
    CHECK(t.crashed == 1 && t.step_len > 100 && t.step_len % 2 == 0);
    end();
    step = "charge";
}

/* The descriptor of the file; there is one. */
static int crashes_open(void)
{
    int found = -1;
    for (int fd = 3; fd < 256; fd++) {
        char link[64], file[256] = "";
        snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (readlink(link, file, sizeof file - 1) <= 0 || !strstr(file, "/crashes")) continue;
        CHECK_INT(found, -1);
        found = fd;
    }
    return found;
}

/* Loops run when a start is made up for, and one of them may be dying meanwhile. */
static void test_same_descriptor(void)
{
    begin();
    store *s = open_store();
    (void)crash_start(s, data);
    int before = crashes_open();
    CHECK(before >= 0);
    (void)crash_start(s, data);
    CHECK_INT(crashes_open(), before);
    crash_end();
    CHECK_INT(crashes_open(), -1);
    store_close(s);
    end();
}

/* The disk is full when a crash is to be entered, and nobody knows what is there: the start does not wait for it, and
 * when the disk takes writes again the crash is there once, whatever had been written. */
static void test_full_again(void)
{
    static const memory_fault faults[] = {MEMORY_LOSES, MEMORY_APPEARS};
    for (size_t i = 0; i < sizeof faults / sizeof faults[0]; i++) {
        tally t = {.crashed = 0};
        begin();
        leave(1, AT_MS);
        store *s = open_store();
        memory_fail(disk, faults[i], 0, true);
        (void)crash_start(s, data);
        CHECK(!store_takes_writes(s));
        (void)crash_start(s, data); /* refused at once */
        memory_fail(disk, MEMORY_GOOD, 0, false);
        while (!store_takes_writes(s)) store_hand_write(s);
        (void)crash_start(s, data);
        settling *desk = settle_open(s);
        settle_load(desk, &run, count, &t);
        settle_close(desk);
        CHECK_INT(t.crashed, 1);
        crash_end();
        store_close(s);
        CHECK_INT(start().crashed, 1);
        end();
    }
}

/* The disk is full only for the crash: the start has marked the folder as in use before, and is made up for later. */
static void test_full_for_crash(void)
{
    tally t = {.crashed = 0};
    presence own;
    begin();
    leave(1, AT_MS);
    sw_app app = {.store = open_store(), .loop_count = 1, .opt.data = data};
    memory_fail(disk, MEMORY_REFUSES, 0, true);
    CHECK(presence_open(&own, &app));
    CHECK(app.put_off);
    memory_fail(disk, MEMORY_GOOD, 0, false);
    while (!store_takes_writes(app.store)) store_hand_write(app.store);
    presence_go_on(&own, &app);
    CHECK(!app.put_off);
    settling *desk = settle_open(app.store);
    settle_load(desk, &run, count, &t);
    settle_close(desk);
    CHECK_INT(t.crashed, 1);
    presence_end(&app, true);
    crash_end();
    suspects_free(app.suspects);
    store_close(app.store);
    end();
}

int main(int argc, char **argv)
{
    static const check_case cases[] = {
        {"the third crash in a row stops the run", test_three},
        {"ends of one moment of a clock that was set back are two", test_same_moment},
        {"a record that a former start has entered is not entered again", test_entered},
        {"the file that a dying loop writes to keeps its descriptor", test_same_descriptor},
        {"a disk that is full when a crash is entered keeps no start waiting", test_full_again},
        {"a start that found no room for a crash alone goes on when there is", test_full_for_crash},
        {"a step's name is cut between characters", test_long_name},
    };
    snprintf(data, sizeof data, "/tmp/stepwell-crash-start-XXXXXX");
    CHECK(mkdtemp(data));
    int rc = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    static const char *const files[] = {"crashes", "end", "process"};
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        char path[96];
        snprintf(path, sizeof path, "%s/%s", data, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(data);
    return rc;
}
