/* Damage: whatever byte of the journal changes or goes, what was reported as committed is there after the next start,
 * or that is refused and says what is wrong; and an incomplete last record, which no commit waited for, is forgiven. */
#include <dirent.h>
#include <fcntl.h>
#include <stdarg.h>
#include <sys/stat.h>

#include "storage/rocks/rocks_synced.h"
#include "storage/store_by_hand.h"
#include "tests/harness/store_desk.h"

enum { RUNS = 30 };

static char whole[128]; /* a data folder with RUNS runs, cleanly closed */

static __attribute__((format(printf, 1, 2))) void shell(const char *format, ...)
{
    char command[512];
    va_list args;
    va_start(args, format);
    vsnprintf(command, sizeof command, format, args);
    va_end(args);
    CHECK_INT(system(command), 0);
}

static run_id run_of(int i) { return id_of(1000 + i, (uint8_t)i); }

/* By hand: a sweeper would write its time somewhere between, or behind them. */
static void make_whole(void)
{
    char data[2000];
    desk d;
    store_options o = options_for("whole");
    o.by_hand = true;
    snprintf(whole, sizeof whole, "%s", o.path);
    open_desk(&d, &o);
    for (int i = 0; i < RUNS; i++) {
        memset(data, 'a' + i % 26, sizeof data - 1);
        data[sizeof data - 1] = 0;
        store_segment s = {.run = run_of(i),
                           .live = i % 2 ? STORE_LIVE_SET : STORE_LIVE_CLEAR,
                           .retain_ms = -1,
                           .data = data,
                           .len = sizeof data - 1};
        store_append(d.port, &s);
        store_hand_write(d.store);
        wait_for(&d, (size_t)i + 1);
    }
    close_desk(&d);
}

/* A copy of it, to be damaged. */
static store_options fresh(void)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/copy", root);
    shell("rm -rf %s && cp -a %s %s", path, whole, path);
    return (store_options){.path = path, .sweep_interval_ms = 1000, .retain_ms = 4000000000000};
}

/* The file of the copied database whose name begins or ends with `part`; the largest of them. */
static const char *file_of(const char *part)
{
    static char file[512];
    char folder[256];
    off_t largest = -1;
    snprintf(folder, sizeof folder, "%s/copy/journal", root);
    DIR *dir = opendir(folder);
    CHECK(dir);
    for (struct dirent *e; (e = readdir(dir));) {
        struct stat st;
        if (!strstr(e->d_name, part) || fstatat(dirfd(dir), e->d_name, &st, 0) != 0 || st.st_size <= largest) continue;
        largest = st.st_size;
        snprintf(file, sizeof file, "%s/%s", folder, e->d_name);
    }
    closedir(dir);
    CHECK(largest >= 0);
    return file;
}

static const char *damaged_path(void)
{
    static char path[160];
    snprintf(path, sizeof path, "%s/copy", root);
    return path;
}

static off_t size_of(const char *file)
{
    struct stat st;
    CHECK(stat(file, &st) == 0);
    return st.st_size;
}

static void flip(const char *file, off_t at, uint8_t bits)
{
    uint8_t byte;
    int fd = open(file, O_RDWR | O_CLOEXEC);
    CHECK(fd >= 0 && pread(fd, &byte, 1, at) == 1);
    byte ^= bits;
    CHECK(pwrite(fd, &byte, 1, at) == 1 && close(fd) == 0);
}

static void delete_synced(void)
{
    char file[256];
    snprintf(file, sizeof file, "%s/copy/synced", root);
    CHECK(unlink(file) == 0);
}

static int runs_there(desk *d)
{
    int n = 0;
    for (int i = 0; i < RUNS; i++) n += load(d, run_of(i));
    return n;
}

/* Refused with these words; then accepted, with at least `least` runs left. */
static void refused(const char *words, int least)
{
    char path[160];
    desk d;
    snprintf(path, sizeof path, "%s/copy", root);
    store_options o = {.path = path, .sweep_interval_ms = 1000, .retain_ms = 4000000000000};
    for (int i = 0; i < 2; i++) { /* refusing changes nothing */
        CHECK(!store_open(&o, error, sizeof error));
        if (!strstr(error, words)) printf("# %s\n", error);
        CHECK(strstr(error, words) && strstr(error, "--accept-journal-loss"));
    }
    o.accept_loss = true;
    open_desk(&d, &o);
    CHECK(runs_there(&d) >= least);
    put(&d, id_of(9000, 1), 0, STORE_LIVE_SET, 0, "goes on");
    close_desk(&d);
    o.accept_loss = false;
    open_desk(&d, &o); /* accepted once, it is over */
    CHECK(load(&d, id_of(9000, 1)));
    close_desk(&d);
    shell("ls -d %s/lost-* > /dev/null", path);
}

static void opens(int runs)
{
    char path[160];
    desk d;
    snprintf(path, sizeof path, "%s/copy", root);
    open_desk(&d, &(store_options){.path = path, .sweep_interval_ms = 1000, .retain_ms = 4000000000000});
    CHECK_INT(runs_there(&d), runs);
    close_desk(&d);
}

static void test_middle(void)
{
    for (int has_synced = 0; has_synced < 2; has_synced++) {
        (void)fresh();
        if (!has_synced) delete_synced();
        const char *log = file_of(".log");
        flip(log, size_of(log) / 2, 4);
        refused("is damaged at byte", RUNS / 2 - 2);
        (void)fresh();
        flip(log, size_of(log) / 2, 4);
        CHECK(!store_open(&(store_options){.path = damaged_path()}, error, sizeof error));
        CHECK(strstr(error, "14 later commits") || strstr(error, "15 later commits"));
        CHECK(strstr(error, " 14 runs (") || strstr(error, " 15 runs ("));
    }
}

static void test_last_record(void)
{
    (void)fresh();
    const char *log = file_of(".log");
    flip(log, size_of(log) - 100, 1);
    refused("is damaged at byte", RUNS - 1);
    (void)fresh(); /* also without the file `synced`: the record is whole, so it was written */
    delete_synced();
    flip(log, size_of(log) - 100, 1);
    refused("is damaged at byte", RUNS - 1);
}

static void test_incomplete(void)
{
    for (int cut = 1; cut < 2000; cut += 333) {
        (void)fresh();
        delete_synced();
        const char *log = file_of(".log");
        CHECK(truncate(log, size_of(log) - cut) == 0);
        opens(RUNS - 1);
    }
    (void)fresh(); /* a file that has grown before its data came */
    const char *log = file_of(".log");
    CHECK(truncate(log, size_of(log) + 100000) == 0);
    opens(RUNS);
    (void)fresh(); /* `synced` has more of the log: the record was whole once */
    CHECK(truncate(log, size_of(log) - 1) == 0);
    refused("of it were on disk", RUNS - 1);
}

static void test_missing(void)
{
    char folder[256];
    (void)fresh();
    CHECK(unlink(file_of(".log")) == 0);
    refused(".log is missing", 0);
    (void)fresh();
    CHECK(unlink(file_of("CURRENT")) == 0);
    refused("CURRENT is missing", 0);
    (void)fresh();
    flip(file_of("CURRENT"), 3, 1);
    refused("CURRENT is damaged", 0);
    (void)fresh();
    snprintf(folder, sizeof folder, "%s/copy/journal", root);
    shell("rm -r %s", folder);
    CHECK(!store_open(&(store_options){.path = damaged_path()}, error, sizeof error));
    CHECK(strstr(error, "journal is missing"));
    (void)fresh();
    CHECK(unlink(file_of("MANIFEST")) == 0);
    refused("cannot be read", 0);
}

static void test_manifest(void)
{
    (void)fresh();
    const char *manifest = file_of("MANIFEST");
    CHECK(truncate(manifest, size_of(manifest) - 10) == 0);
    CHECK(!store_open(&(store_options){.path = damaged_path()}, error, sizeof error));
    CHECK(strstr(error, "MANIFEST") && strstr(error, "byte"));
}

/* Any byte of any of the files: refused, or nothing is lost. */
static void test_any_byte(void)
{
    enum { ROUNDS = 150 };
    unsigned seed = (unsigned)now_ms(), refusals = 0;
    for (int round = 0; round < ROUNDS; round++) {
        desk d;
        store_options o = fresh();
        const char *file = file_of(round % 5 ? ".log" : "MANIFEST");
        off_t at = (off_t)((unsigned)rand_r(&seed) % (unsigned)size_of(file));
        flip(file, at, (uint8_t)(1u << (unsigned)rand_r(&seed) % 8));
        if (round % 2) delete_synced();
        store *s = store_open(&o, error, sizeof error);
        if (!s) {
            refusals++;
            continue;
        }
        store_close(s);
        open_desk(&d, &o);
        int there = runs_there(&d);
        if (there != RUNS) printf("# %s, byte %lld\n", file, (long long)at);
        CHECK_INT(there, RUNS);
        close_desk(&d);
    }
    printf("# %u of %d refused\n", refusals, ROUNDS);
    CHECK(refusals > ROUNDS / 2);
}

/* The file `synced` has a limit, and the rest is counted. */
static void test_many_logs(void)
{
    enum { LOGS = ROCKS_SYNCED_FILES + 5 };
    static rocks_synced synced, again;
    char path[160];
    snprintf(path, sizeof path, "%s/logs", root);
    shell("mkdir -p %s/journal", path);
    for (int i = 0; i < LOGS; i++) shell("echo %d > %s/journal/%06d.log", i, path, i);
    CHECK(rocks_synced_measure(&synced, path));
    CHECK_INT(synced.count, ROCKS_SYNCED_FILES);
    CHECK_INT(synced.left_out, LOGS - ROCKS_SYNCED_FILES);
    CHECK(rocks_synced_write(&synced, path, true) && rocks_synced_read(&again, path));
    CHECK_INT(again.count, ROCKS_SYNCED_FILES);
    for (unsigned i = 0; i < synced.count; i++)
        CHECK_INT(rocks_synced_bytes(&again, synced.files[i].name), synced.files[i].bytes);
}

/* A bound of the check is said, not taken for the end of the journal. */
static void test_too_many_logs(void)
{
    enum { MORE = 4200 };
    store_options o = fresh();
    for (int i = 0; i < MORE; i++) {
        char file[256];
        (void)snprintf(file, sizeof file, "%s/journal/%06d.log", o.path, 900000 + i);
        FILE *log = fopen(file, "w");
        CHECK(log && fclose(log) == 0);
    }
    refused("more than 4096 cannot be checked", 0);
}

/* Killed before RocksDB had made its database: nothing was ever there. */
static void test_first_start(void)
{
    char path[160];
    desk d;
    snprintf(path, sizeof path, "%s/early", root);
    shell("mkdir -p %s/journal && echo 1 > %s/FORMAT && cd %s/journal && echo id > IDENTITY && touch LOCK && echo m > "
          "MANIFEST-000001",
          path, path, path);
    open_desk(&d, &(store_options){.path = path, .sweep_interval_ms = 1000, .retain_ms = 4000000000000});
    put(&d, id_of(9000, 1), 0, STORE_LIVE_SET, 0, "goes on");
    CHECK(d.failed == 0 && load(&d, id_of(9000, 1)));
    close_desk(&d);
}

/* The folder goes while the store has it open: commits fail, instead of going to files that nobody will find. */
static void test_folder_deleted(void)
{
    desk d;
    store_options o = fresh();
    open_desk(&d, &o);
    put(&d, id_of(5000, 1), 0, STORE_LIVE_SET, 0, "before");
    shell("mv %s %s.gone", o.path, o.path);
    for (int i = 0; i < 1000 && d.failed == 0; i++) {
        put(&d, id_of(6000 + i, 1), 0, STORE_LIVE_SET, 0, "after");
        usleep(10000);
    }
    CHECK_INT(d.failed, 1);
    CHECK(mkdir(o.path, 0700) == 0); /* an empty one in its place is not taken for it */
    usleep(700000);
    CHECK(!store_writable(d.port));
    close_desk(&d);
}

static const check_case cases[] = {{"a bit in the middle of a log", test_middle},
                                   {"a bit in the last record", test_last_record},
                                   {"an incomplete last record", test_incomplete},
                                   {"files that are missing", test_missing},
                                   {"a MANIFEST that is cut", test_manifest},
                                   {"any bit: refused, or nothing is lost", test_any_byte},
                                   {"the data folder is deleted", test_folder_deleted},
                                   {"more logs than `synced` has room for", test_many_logs},
                                   {"a first start that ended early", test_first_start},
                                   {"more logs than can be checked", test_too_many_logs}};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/tmp/stepwell-damage-XXXXXX");
    CHECK(mkdtemp(root));
    make_whole();
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    shell("rm -rf %s", root);
    return result;
}
