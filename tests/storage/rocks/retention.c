/* Retention: a run that has just ended stays, whatever the sweep saw of it before; a clock that jumps deletes nothing
 * before it is believed. */
#include <dirent.h>
#include <dlfcn.h>
#include <rocksdb/c.h>
#include <stdatomic.h>
#include <sys/stat.h>

#include "storage/clock_belief.h"
#include "tests/harness/disk_faults.h"
#include "tests/harness/store_desk.h"

enum { HOUR_MS = 3600000, DAY_MS = 24 * HOUR_MS };

/* Stands before RocksDB's: the sweeper stops where it asks whether the run `asked_for` is live. */
static struct {
    run_id id;
    atomic_bool armed, reached, go_on;
} asked_for;

__attribute__((visibility("default"))) char *rocksdb_get_cf(rocksdb_t *db, const rocksdb_readoptions_t *how,
                                                            rocksdb_column_family_handle_t *table, const char *key,
                                                            size_t key_len, size_t *len, char **why)
{
    char *(*real)(rocksdb_t *, const rocksdb_readoptions_t *, rocksdb_column_family_handle_t *, const char *, size_t,
                  size_t *, char **);
    *(void **)&real = dlsym(RTLD_NEXT, "rocksdb_get_cf");
    if (asked_for.armed && key_len == RUN_ID_BYTES && memcmp(key, asked_for.id.bytes, RUN_ID_BYTES) == 0) {
        asked_for.armed = false;
        asked_for.reached = true;
        while (!asked_for.go_on) usleep(1000);
    }
    return real(db, how, table, key, key_len, len, why);
}

/* A sweep has counted the segments of an old run, one, when the run ends with a second one. */
static void test_just_ended(void)
{
    desk d;
    store_options o = options_for("just-ended");
    o.retain_ms = HOUR_MS;
    o.sweep_interval_ms = 10;
    run_id id = id_of(now_ms() - 2 * HOUR_MS, 1);
    asked_for.id = id;
    asked_for.armed = true;
    open_desk(&d, &o);
    put(&d, id, 0, STORE_LIVE_SET, 0, "begun,");
    while (!asked_for.reached) usleep(1000);
    put(&d, id, 1, STORE_LIVE_CLEAR, 0, "ended");
    asked_for.go_on = true;
    usleep(300000); /* the sweep goes on, and others follow */
    CHECK(load(&d, id));
    CHECK_STR(got.data, "begun,ended");
    close_desk(&d);
}

enum { LARGE = 50000 };

/* Changes a byte in the middle of the value that is made of this letter. */
static void damage_value(const char *folder, char letter)
{
    static char bytes[8 * LARGE], wanted[64];
    char path[512];
    int touched = 0;
    snprintf(path, sizeof path, "%s/journal", folder);
    memset(wanted, letter, sizeof wanted);
    DIR *dir = opendir(path);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        if (!strstr(e->d_name, ".blob")) continue;
        int fd = openat(dirfd(dir), e->d_name, O_RDWR | O_CLOEXEC);
        ssize_t n = fd >= 0 ? read(fd, bytes, sizeof bytes) : 0;
        const char *at = n > 0 ? memmem(bytes, (size_t)n, wanted, sizeof wanted) : NULL;
        if (at && pwrite(fd, "!", 1, at - bytes + LARGE / 2) == 1) touched++;
        if (fd >= 0) close(fd);
    }
    closedir(dir);
    CHECK_INT(touched, 1);
}

/* One run whose value is damaged does not keep the others for ever, before it and behind it. */
static void test_damaged(void)
{
    desk d;
    run_id ids[5];
    store_options o = options_for("damaged");
    o.retain_ms = 10 * DAY_MS;
    open_desk(&d, &o);
    for (int i = 0; i < 5; i++) {
        static char value[LARGE + 1];
        memset(value, 'a' + i, LARGE);
        ids[i] = id_of(now_ms() - 5 * HOUR_MS + i * 1000, 1);
        put(&d, ids[i], 0, STORE_LIVE_CLEAR, 0, value);
    }
    close_desk(&d);
    open_desk(&d, &o); /* what the log has goes to tables and files */
    close_desk(&d);
    damage_value(o.path, 'c');
    o.retain_ms = HOUR_MS;
    o.sweep_interval_ms = 10;
    open_desk(&d, &o);
    for (int i = 0; i < 5; i++)
        for (int tries = 0; i != 2 && load(&d, ids[i]); tries++) {
            CHECK(tries < 6000);
            usleep(10000);
        }
    close_desk(&d);
}

/* ---- Marks of what was deleted ---- */

enum { SWEPT = 10500, FAMILIES = 5 /* of runs; tables with a name come behind them */, FAMILIES_MAX = 16 };

/* What the sweeper has had written to files. Stands before RocksDB's. */
static struct {
    rocksdb_t *db;
    rocksdb_column_family_handle_t *families[FAMILIES_MAX];
    atomic_uint count;
} flushed;

__attribute__((visibility("default"))) void rocksdb_flush_cf(rocksdb_t *db, const rocksdb_flushoptions_t *how,
                                                             rocksdb_column_family_handle_t *family, char **why)
{
    void (*real)(rocksdb_t *, const rocksdb_flushoptions_t *, rocksdb_column_family_handle_t *, char **);
    *(void **)&real = dlsym(RTLD_NEXT, "rocksdb_flush_cf");
    real(db, how, family, why);
    flushed.db = db;
    CHECK(flushed.count < FAMILIES_MAX);
    flushed.families[flushed.count] = family;
    flushed.count++;
}

/* Whether the family has a mark of a deleted row, in memory or in its files. */
static bool has_marks(rocksdb_column_family_handle_t *family)
{
    static const char *const in_memory[] = {"rocksdb.num-deletes-active-mem-table",
                                            "rocksdb.num-deletes-imm-mem-tables"};
    for (size_t i = 0; i < 2; i++) {
        uint64_t n = 0;
        CHECK(rocksdb_property_int_cf(flushed.db, family, in_memory[i], &n) == 0);
        if (n > 0) return true;
    }
    char *all = rocksdb_property_value_cf(flushed.db, family, "rocksdb.aggregated-table-properties");
    const char *marks = all ? strstr(all, "# deletions=") : NULL;
    CHECK(marks);
    bool has = atoi(marks + strlen("# deletions=")) > 0;
    rocksdb_free(all);
    return has;
}

static void put_many(desk *d, size_t count)
{
    static store_segment all[SWEPT];
    for (size_t i = 0; i < count; i++) {
        all[i] = (store_segment){.run = id_of(now_ms() - 5 * HOUR_MS + (int64_t)i, 1),
                                 .live = STORE_LIVE_CLEAR,
                                 .retain_ms = -1,
                                 .data = "ended",
                                 .len = 5};
        all[i].next = i + 1 < count ? &all[i + 1] : NULL;
    }
    append(d, all, count);
    CHECK_INT(d->failed, 0);
}

/* Lists would pass each mark: many are written to files and compacted there, until none is left. */
static void test_marks(void)
{
    desk d;
    store_options o = options_for("marks");
    o.retain_ms = 10 * DAY_MS;
    open_desk(&d, &o);
    put_many(&d, SWEPT);
    close_desk(&d);
    o.retain_ms = HOUR_MS;
    o.sweep_interval_ms = 10;
    open_desk(&d, &o); /* the runs are in files, so that marks are needed */
    while (flushed.count < FAMILIES) usleep(1000);
    for (unsigned i = 0; i < FAMILIES; i++)
        while (has_marks(flushed.families[i])) usleep(1000);
    close_desk(&d);
}

static void test_belief(void)
{
    const int64_t start = 1800000000000;
    bool jumped;
    clock_belief b = {.believed_ms = 0};
    CHECK_INT(clock_believe(&b, start, 1000, &jumped), start); /* nothing was known */
    CHECK(!jumped);
    CHECK_INT(clock_believe(&b, start + 60000, 61000, &jumped), start + 60000);
    CHECK_INT(clock_believe(&b, start + 50000, 62000, &jumped), start + 50000); /* set back: at once */
    CHECK_INT(clock_believe(&b, start + 365LL * DAY_MS, 63000, &jumped), start + 51000);
    CHECK(jumped);
    CHECK_INT(clock_believe(&b, start + 365LL * DAY_MS, 64000, &jumped), start + 52000);
    CHECK(!jumped);                                                             /* said once */
    CHECK_INT(clock_believe(&b, start + 53000, 65000, &jumped), start + 53000); /* set right again */
    CHECK_INT(b.grace_ms, 0);
    /* A jump is believed after the grace, also when processes come and go in it. */
    int64_t steady = 65000, wall = start + 365LL * DAY_MS, hours = 0;
    for (; clock_believe(&b, wall, steady, &jumped) != wall; hours++) {
        CHECK(hours < 100);
        if (hours % 5 == 4) b.steady_ms = 0; /* another process */
        steady += HOUR_MS;
        wall += HOUR_MS;
    }
    CHECK(hours >= 24 && hours <= 32);
    /* A machine that was off for days is no jump, for months it is. */
    b = (clock_belief){.believed_ms = start};
    CHECK_INT(clock_believe(&b, start + 6LL * DAY_MS, 1000, &jumped), start + 6LL * DAY_MS);
    b = (clock_belief){.believed_ms = start};
    CHECK_INT(clock_believe(&b, start + 60LL * DAY_MS, 1000, &jumped), start);
    CHECK(jumped);
}

static atomic_llong shift_ms;
static int64_t shifted_ms(void) { return now_ms() + shift_ms; }

static void wait_sweeps(void) { usleep(300000); }

static void test_year_ahead(void)
{
    desk d;
    store_options o = options_for("year-ahead");
    o.retain_ms = DAY_MS;
    o.sweep_interval_ms = 10;
    o.wall_ms = shifted_ms;
    run_id a = id_of(now_ms(), 1), b = id_of(now_ms(), 2);
    open_desk(&d, &o);
    end_run(&d, a, -1, false);
    end_run(&d, b, -1, true);
    wait_sweeps();
    shift_ms = 365LL * DAY_MS;
    wait_sweeps();
    CHECK(load(&d, a) && load(&d, b));
    close_desk(&d);
    open_desk(&d, &o); /* and by the next process */
    wait_sweeps();
    CHECK(load(&d, a) && load(&d, b));
    close_desk(&d);
    shift_ms = 0; /* set right again */
    open_desk(&d, &o);
    wait_sweeps();
    CHECK(load(&d, a) && load(&d, b));
    close_desk(&d);
    shift_ms = 2LL * DAY_MS; /* the machine was off for two days */
    open_desk(&d, &o);
    for (int i = 0; i < 3000 && (load(&d, a) || load(&d, b)); i++) usleep(20000);
    CHECK(!load(&d, a) && !load(&d, b));
    close_desk(&d);
}

static void test_parent_synced(void)
{
    static disk_state state;
    struct stat parent;
    desk d;
    store_options o = options_for("synced");
    CHECK(stat(root, &parent) == 0);
    disk = &state;
    open_desk(&d, &o);
    bool synced = false;
    for (unsigned i = 0; i < state.synced_count && i < 64; i++) synced = synced || state.synced[i] == parent.st_ino;
    CHECK(synced);
    close_desk(&d);
    disk = NULL;
}

static const check_case cases[] = {{"a run that has just ended stays", test_just_ended},
                                   {"a damaged run keeps no others", test_damaged},
                                   {"marks of many deleted runs are compacted", test_marks},
                                   {"a clock's jump is believed after a day", test_belief},
                                   {"a clock a year ahead deletes nothing", test_year_ahead},
                                   {"a new data folder is durable in its parent", test_parent_synced}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/tmp/stepwell-retention-XXXXXX");
    CHECK(mkdtemp(root));
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", root);
    CHECK_INT(system(command), 0);
    return result;
}
