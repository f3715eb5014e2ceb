/* A store on a disk that takes no writes when it is opened: what is there can be read, nothing is written, and it goes
 * on by itself when there is room. On a real file system of some MiB. */
#include <dirent.h>
#include <inttypes.h>
#include <sys/wait.h>

#include "storage/rocks/rocks.h"
#include "storage/store_by_hand.h"
#include "tests/harness/small_disk.h"
#include "tests/harness/store_desk.h"

enum { DISK_MIB = 64, RUNS = 400, RUN_BYTES = 15008 };

static char disk[64], folder[128];
static char text[RUN_BYTES + 1];

static store_options in_folder(const char *name)
{
    snprintf(folder, sizeof folder, "%s/%s", disk, name);
    return (store_options){.path = folder, .sweep_interval_ms = 50, .retain_ms = 4000000000000};
}

/* Nothing that a compression finds a pattern in. */
static const char *text_of(unsigned seed)
{
    uint64_t n = seed + 1;
    for (size_t i = 0; i < RUN_BYTES; i += 16) {
        n ^= n << 13; /* xorshift64 */
        n ^= n >> 7;
        n ^= n << 17;
        snprintf(text + i, sizeof text - i, "%016" PRIx64, n);
    }
    return text;
}

static uint8_t number_of(size_t i) { return (uint8_t)(i % 251); }
static run_id run_of(size_t i) { return id_of(1000 + (int64_t)i, number_of(i)); }

/* ---- Other processes, which die with what they have done in the log ---- */

static char self[4096];

/* This program, with the name of what it is to do in the store. */
static void in_child(const char *what, const store_options *o)
{
    int status = 0;
    fflush(stdout);
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        const char *argv[] = {self, "--child", what, o->path, NULL};
        execv(self, (char **)(uintptr_t)argv);
        _exit(127);
    }
    CHECK(waitpid(pid, &status, 0) == pid);
    CHECK(WIFEXITED(status) && WEXITSTATUS(status) == 0);
}

static void fill_store(const store_options *o)
{
    desk d;
    open_desk(&d, o);
    CHECK_INT(store_epoch(d.store), 1);
    for (size_t i = 0; i < RUNS; i++)
        put(&d, run_of(i), 0, i % 2 ? STORE_LIVE_SET : STORE_LIVE_CLEAR, 0, text_of((unsigned)i));
}

static void check_all(desk *d)
{
    for (size_t i = 0; i < RUNS; i += 37) {
        CHECK(load(d, run_of(i)));
        CHECK_STR(got.data, text_of((unsigned)i));
        CHECK(got.j.live == (i % 2 == 1));
    }
}

static char failure[512];

static void on_failure(void *arg, const char *why)
{
    (void)arg;
    snprintf(failure, sizeof failure, "%s", why ? why : "");
    got.done = true;
}

static void on_copied(void *arg, store_backup_result result, uint64_t bytes, const char *why)
{
    (void)bytes;
    *(store_backup_result *)arg = result;
    on_failure(NULL, why);
}

static unsigned count_files(void)
{
    char path[160];
    unsigned n = 0;
    snprintf(path, sizeof path, "%s/journal", folder);
    DIR *d = opendir(path);
    CHECK(d);
    while (readdir(d)) n++;
    closedir(d);
    return n;
}

/* Nothing can be written, and whoever tries is told so. */
static void check_refuses(desk *d)
{
    store_backup_result result = STORE_BACKUP_DONE;
    char copy[160];
    size_t failed = d->failed;
    CHECK(!store_writable(d->port) && !store_takes_writes(d->store));
    put(d, id_of(1, 1), 0, STORE_LIVE_SET, 0, "refused");
    CHECK_INT(d->failed, failed + 1);
    CHECK(!load(d, id_of(1, 1)));
    run_id there = run_of(0);
    CHECK(store_delete(d->port, &there, on_failure, NULL));
    wait_done(d);
    CHECK(*failure && load(d, there));
    snprintf(copy, sizeof copy, "%s/copy", root);
    CHECK(store_backup(d->port, copy, on_copied, &result));
    wait_done(d);
    CHECK(result == STORE_BACKUP_NO_SPACE && strstr(failure, "takes no writes"));
    CHECK(store_list(d->port, NULL, 64, on_ids, NULL));
    wait_done(d);
    CHECK_INT(got.count, 64);
    CHECK(store_scan_live(d->port, &(store_live_range){NULL, 64, 0, 1, NULL}, on_rows, NULL));
    wait_done(d);
    CHECK_INT(got.count, 64);
}

static void await_writable(desk *d)
{
    while (!store_writable(d->port)) {
        uv_run(&d->loop, UV_RUN_NOWAIT);
        usleep(1000);
    }
}

static void check_goes_on(desk *d, uint64_t epoch)
{
    await_writable(d);
    CHECK_INT(store_epoch(d->store), epoch);
    check_all(d);
    size_t failed = d->failed;
    put(d, id_of(2, 2), (uint32_t)epoch, STORE_LIVE_SET, 0, "after");
    CHECK_INT(d->failed, failed);
    CHECK(load(d, id_of(2, 2)));
}

/* ---- Children ---- */

/* On a full disk, where nobody can note that it was there. */
static void open_and_die(const store_options *o)
{
    desk d;
    open_desk(&d, o);
    CHECK_INT(store_epoch(d.store), 2);
    check_all(&d);
}

static void open_in_vain(const store_options *o)
{
    CHECK(!store_open(o, error, sizeof error));
    if (!strstr(error, "it is in use by ")) printf("# %s\n", error);
    CHECK(strstr(error, "it is in use by "));
}

static int child(const char *what, const char *path)
{
    store_options o = {.path = path, .sweep_interval_ms = 50, .retain_ms = 4000000000000};
    if (strcmp(what, "fill") == 0) fill_store(&o);
    if (strcmp(what, "open and die") == 0) open_and_die(&o);
    if (strcmp(what, "open in vain") == 0) open_in_vain(&o);
    fflush(stdout);
    _Exit(0);
}

/* ---- The tests ---- */

static void remove_store(void)
{
    char command[160];
    snprintf(command, sizeof command, "rm -r %s", folder);
    CHECK_INT(system(command), 0);
}

/* With less than the 256 KiB of a probe nothing is tried; with more RocksDB begins and fails, since what its log has,
 * 6 MiB, becomes tables when it is opened. */
static void test_start(void)
{
    static const uint64_t left[] = {0, 4096, 65536, 300 << 10, 1 << 20, 5 << 20};
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        desk d;
        store_options o = in_folder("start");
        in_child("fill", &o);
        small_disk_leave(disk, left[i]);
        unsigned files = count_files();
        in_child("open and die", &o);
        open_desk(&d, &o);
        CHECK_INT(store_epoch(d.store), 2);
        check_all(&d);
        check_refuses(&d);
        if (left[i] > 65536) { /* it is tried again, in vain */
            usleep(300000);
            check_refuses(&d);
        }
        CHECK(left[i] > 65536 || count_files() == files);
        CHECK(count_files() <= files + 4);
        small_disk_empty(disk);
        check_goes_on(&d, 2);
        close_desk(&d);
        open_desk(&d, &o);
        check_goes_on(&d, 3);
        close_desk(&d);
        remove_store();
    }
}

/* Its lock is not RocksDB's, which takes none for reading. */
static void test_in_use(void)
{
    desk d;
    store_options o = in_folder("used");
    in_child("fill", &o);
    small_disk_leave(disk, 0);
    open_desk(&d, &o);
    in_child("open in vain", &o);
    small_disk_empty(disk);
    in_child("open in vain", &o);
    check_goes_on(&d, 2);
    in_child("open in vain", &o);
    small_disk_leave(disk, 0);
    in_child("open in vain", &o);
    small_disk_empty(disk);
    close_desk(&d);
    remove_store();
}

/* There is nothing to read, and what is left of the attempt is in nobody's way. */
static void test_new(void)
{
    static const uint64_t left[] = {0, 65536, 256 << 10, 270 << 10, 290 << 10, 330 << 10};
    unsigned refused = 0;
    for (size_t i = 0; i < sizeof left / sizeof left[0]; i++) {
        desk d;
        store_options o = in_folder("new");
        small_disk_leave(disk, left[i]);
        for (int round = 0; round < 2; round++) {
            store *s = store_open(&o, error, sizeof error);
            if (s) {
                store_close(s);
                continue;
            }
            refused++;
            if (!strstr(error, "No space left on device")) printf("# %s\n", error);
            CHECK(strstr(error, "No space left on device"));
        }
        small_disk_empty(disk);
        open_desk(&d, &o);
        CHECK(store_writable(d.port));
        put(&d, id_of(2, 2), 0, STORE_LIVE_SET, 0, "after");
        CHECK(d.failed == 0 && load(&d, id_of(2, 2)));
        close_desk(&d);
        remove_store();
    }
    CHECK(refused >= 4);
}

/* What a file system does that has found an error in itself. */
static void test_mounted_for_reading(void)
{
    desk d;
    store_options o = in_folder("mounted");
    in_child("fill", &o);
    small_disk_read_only(disk, true);
    open_desk(&d, &o);
    check_all(&d);
    check_refuses(&d);
    in_child("open in vain", &o);
    small_disk_read_only(disk, false);
    check_goes_on(&d, 2);
    in_child("open in vain", &o);
    close_desk(&d);
    remove_store();
}

static uint64_t epoch_of(const backend *b) { return b->ops->epoch(b); }

/* Should the locks not hold: both take the next epoch, which one of them puts there. RocksDB's locks are the process's,
 * so that here they are in nobody's way. */
static void test_fenced(void)
{
    store_options o = in_folder("fenced");
    in_child("fill", &o);
    small_disk_leave(disk, 0);
    backend *late = rocks_open(o.path, false, error, sizeof error);
    CHECK(late && late->ops->is_read_only(late) && epoch_of(late) == 2);
    small_disk_empty(disk);
    backend *first = rocks_open(o.path, false, error, sizeof error);
    CHECK(first && !first->ops->is_read_only(first) && epoch_of(first) == 2);
    first->ops->close(first);
    CHECK(!late->ops->reopen(late, error, sizeof error));
    if (!strstr(error, "another process has had it")) printf("# %s\n", error);
    CHECK(strstr(error, "another process has had it") && !strstr(error, "restore"));
    CHECK(late->ops->is_fenced(late));
    late->ops->close(late);
    first = rocks_open(o.path, false, error, sizeof error);
    CHECK(first && epoch_of(first) == 3);
    CHECK(first->ops->reopen(first, error, sizeof error) && epoch_of(first) == 3);
    first->ops->close(first);
    remove_store();
}

/* The disk is full while the store works: that too ends where RocksDB cannot be opened again for want of room, and
 * reads must go on. */
static void test_reopened(void)
{
    static char large[9 << 20];
    desk d;
    store_options o = in_folder("reopened");
    in_child("fill", &o);
    open_desk(&d, &o);
    size_t i = RUNS;
    for (; i < 3 * RUNS; i++) put(&d, run_of(i), 0, STORE_LIVE_SET, 0, text_of((unsigned)i));
    small_disk_leave(disk, 0);
    store_segment failing = {.run = run_of(i), .live = STORE_LIVE_SET, .retain_ms = -1, .data = large, .len = 9 << 20};
    memset(large, 'f', sizeof large);
    store_append(d.port, &failing); /* more than RocksDB has set aside */
    while (store_writable(d.port)) usleep(1000);
    CHECK(!store_writable(d.port));
    small_disk_leave(disk, 300 << 10);
    for (int k = 0; k < 20; k++) {
        usleep(50000);
        check_all(&d);
    }
    CHECK(!store_writable(d.port));
    small_disk_empty(disk);
    await_writable(&d);
    wait_for(&d, 2 * RUNS + 1);
    CHECK_INT(d.failed, 0);
    check_goes_on(&d, 2);
    close_desk(&d);
    remove_store();
}

static unsigned fenced;

static void on_fenced(void) { fenced++; }

/* Who opened the store is told, by whom the process ends. */
static void test_told_fenced(void)
{
    store_options o = in_folder("told");
    in_child("fill", &o);
    small_disk_leave(disk, 0);
    o.by_hand = true;
    o.on_fenced = on_fenced;
    store *late = store_open(&o, error, sizeof error);
    CHECK(late && !store_takes_writes(late));
    small_disk_empty(disk);
    backend *first = rocks_open(o.path, false, error, sizeof error);
    CHECK(first);
    first->ops->close(first);
    while (!fenced && !store_takes_writes(late)) store_hand_write(late);
    CHECK(fenced > 0 && !store_takes_writes(late));
    store_close(late);
    remove_store();
}

/* Each opening that fails wants more room, and says how much; until it is there nothing is tried, and nothing said. */
static void test_wants_room(void)
{
    store_options o = in_folder("room");
    in_child("fill", &o);
    small_disk_leave(disk, 300 << 10);
    backend *b = rocks_open(o.path, false, error, sizeof error);
    CHECK(b && b->ops->is_read_only(b));
    small_disk_leave(disk, 1 << 20);
    CHECK(!b->ops->reopen(b, error, sizeof error));
    if (!strstr(error, "tried again when 1024 KiB are free")) printf("# %s\n", error);
    CHECK(strstr(error, "tried again when 1024 KiB are free"));
    small_disk_leave(disk, 700 << 10);
    CHECK(!b->ops->reopen(b, error, sizeof error) && !*error);
    small_disk_empty(disk);
    CHECK(b->ops->reopen(b, error, sizeof error));
    b->ops->close(b);
    remove_store();
}

static const check_case cases[] = {{"a start on a full disk", test_start},
                                   {"a store that is read is in use", test_in_use},
                                   {"a new store on a full disk", test_new},
                                   {"a disk that is mounted for reading", test_mounted_for_reading},
                                   {"who is followed by another process is told", test_told_fenced},
                                   {"how much room is wanted is said", test_wants_room},
                                   {"another process has put the epoch there", test_fenced},
                                   {"reads go on when there is too little room to open it again", test_reopened}};

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "--child") == 0) return child(argv[2], argv[3]);
    CHECK(readlink("/proc/self/exe", self, sizeof self - 1) > 0);
    snprintf(root, sizeof root, "/tmp/stepwell-full-XXXXXX");
    CHECK(mkdtemp(root));
    snprintf(disk, sizeof disk, "%.40s/disk", root);
    CHECK(mkdir(disk, 0700) == 0);
    small_disk_mount(disk, DISK_MIB);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    CHECK(umount(disk) == 0 && rmdir(disk) == 0 && rmdir(root) == 0);
    return result;
}
