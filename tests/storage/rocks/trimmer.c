/* A deleted database file loses its blocks piece by piece, and no file is touched that a folder still names or somebody
 * has open. On file systems in memory: one that has room, and one on which room counts more than pieces. */
#include <dirent.h>
#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "storage/rocks/rocks.h"
#include "storage/rocks/rocks_trimmer.h"
#include "tests/harness/small_disk.h"
#include "tests/harness/store_desk.h"

enum { LARGE_DISK_MIB = 2048, SMALL_DISK_MIB = 64, PIECE_BYTES = 2 << 20, LOG_BYTES = 33 << 20 };

static char large[96], little[96], journal[128];

static const char *file_in(const char *folder, const char *name)
{
    static char path[2][256];
    static int last;
    last = !last;
    snprintf(path[last], sizeof path[last], "%s/%s", folder, name);
    return path[last];
}

static void make_file(const char *path, size_t bytes)
{
    static const char block[4096] = "a block";
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    for (; bytes > 0; bytes -= sizeof block) CHECK(write(fd, block, sizeof block) == (ssize_t)sizeof block);
    CHECK(close(fd) == 0);
}

/* How many descriptors of this process are of a file that has that name, or had it when it was deleted. *last: one of
 * them, or -1. */
static unsigned find_open(const char *path, bool deleted, int *last)
{
    char link[280], is[280], name[280];
    unsigned n = 0;
    snprintf(name, sizeof name, "%s%s", path, deleted ? " (deleted)" : "");
    *last = -1;
    DIR *d = opendir("/proc/self/fd");
    CHECK(d);
    for (const struct dirent *e; (e = readdir(d));) {
        snprintf(link, sizeof link, "/proc/self/fd/%s", e->d_name);
        ssize_t len = readlink(link, is, sizeof is - 1);
        is[len > 0 ? len : 0] = 0;
        if (strcmp(is, name) != 0) continue;
        n++;
        *last = atoi(e->d_name);
    }
    (void)closedir(d);
    return n;
}

static unsigned count_open(const char *path)
{
    int ignored;
    return find_open(path, false, &ignored) + find_open(path, true, &ignored);
}

static void await_open(const char *path, unsigned n)
{
    while (count_open(path) != n) usleep(2000);
}

static rocks_trimmer *start_in(const char *disk)
{
    snprintf(journal, sizeof journal, "%s/journal", disk);
    CHECK(mkdir(journal, 0700) == 0);
    make_file(file_in(journal, "CURRENT"), 4096);
    rocks_trimmer *t = rocks_trimmer_start(journal);
    CHECK(t);
    return t;
}

static void stop_and_clear(rocks_trimmer *t)
{
    char command[192];
    rocks_trimmer_stop(t);
    snprintf(command, sizeof command, "rm -rf %s", journal);
    CHECK(system(command) == 0);
}

/* Makes the file while the trimmer is at work, which then holds it. Returns its path, until the next one is made. */
static const char *make_held(const char *name)
{
    static char path[256];
    snprintf(path, sizeof path, "%s/%s", journal, name);
    make_file(path, LOG_BYTES);
    await_open(path, 1);
    return path;
}

static int open_own(const char *path)
{
    int own = open(path, O_RDONLY | O_CLOEXEC);
    CHECK(own >= 0);
    return own;
}

static off_t size_of(int fd)
{
    struct stat st;
    CHECK(fstat(fd, &st) == 0);
    return st.st_size;
}

/* The size of the deleted file that only the trimmer has open, by the trimmer's own descriptor; -1: it was let go. */
static off_t size_held(const char *path)
{
    struct stat st;
    int fd;
    return find_open(path, true, &fd) == 1 && fstat(fd, &st) == 0 && st.st_nlink == 0 ? st.st_size : -1;
}

/* Waits until the deleted file is freed, and counts in how many sizes it was met, each a whole number of pieces from
 * the first. */
static unsigned await_cut(const char *path)
{
    unsigned sizes = 0;
    off_t before = 0;
    for (off_t size; (size = size_held(path)) >= 0; usleep(100)) {
        CHECK_INT((LOG_BYTES - size) % PIECE_BYTES, 0);
        sizes += size != before;
        before = size;
    }
    return sizes;
}

static void test_pieces(void)
{
    static const char *const names[] = {"000012.log", "000013.sst", "000014.blob"};
    rocks_trimmer *t = start_in(large);
    for (size_t i = 0; i < 3; i++) {
        const char *path = make_held(names[i]);
        CHECK(unlink(path) == 0);
        CHECK_INT(size_held(path), LOG_BYTES);
        CHECK(await_cut(path) > 2);
    }
    stop_and_clear(t);
}

/* Somebody deletes files of a database that is open, or copies them while RocksDB deletes them. */
static void test_read(void)
{
    rocks_trimmer *t = start_in(large);
    const char *path = make_held("000012.sst");
    int own = open_own(path);
    CHECK(unlink(path) == 0);
    usleep(2500000); /* longer than it waits for pieces to be cut */
    CHECK_INT(size_of(own), LOG_BYTES);
    CHECK_INT(count_open(path), 2);
    CHECK(close(own) == 0);
    CHECK(await_cut(path) > 2);
    stop_and_clear(t);
}

/* A table of an opening that failed, and of the next one. */
static void test_number(void)
{
    int ignored;
    rocks_trimmer *t = start_in(large);
    const char *path = make_held("000012.sst"), *next = file_in(journal, "next");
    make_file(next, 4096);
    CHECK(rename(next, path) == 0);
    while (find_open(path, true, &ignored) > 0) usleep(2000);
    while (find_open(path, false, &ignored) != 1) usleep(2000); /* the other one is held in its place */
    stop_and_clear(t);
}

static void test_linked(void)
{
    rocks_trimmer *t = start_in(large);
    const char *path = make_held("000012.sst");
    int own = open_own(path);
    CHECK(link(path, file_in(large, "backup")) == 0);
    CHECK(unlink(path) == 0);
    await_open(file_in(large, "backup"), 0); /* the kernel names a descriptor by the name that was opened */
    await_open(path, 1);
    CHECK_INT(size_of(own), LOG_BYTES);
    stop_and_clear(t);
    CHECK_INT(size_of(own), LOG_BYTES);
    CHECK(close(own) == 0 && unlink(file_in(large, "backup")) == 0);
}

static void test_whole_journal(void)
{
    rocks_trimmer *t = start_in(large);
    const char *path = make_held("000012.log");
    CHECK(unlink(file_in(journal, "CURRENT")) == 0);
    CHECK(unlink(path) == 0);
    usleep(1500000); /* longer than it waits for pieces to be cut */
    CHECK_INT(size_held(path), LOG_BYTES);
    stop_and_clear(t);
}

/* Where a count of names may be wrong, nothing is held. */
static void test_file_system(void) { CHECK(!rocks_trimmer_start("/proc/self")); }

static void test_little_room(void)
{
    rocks_trimmer *t = start_in(little);
    uint64_t before = small_disk_room(little);
    const char *path = make_held("000012.log");
    int own = open_own(path);
    CHECK(small_disk_room(little) < before);
    CHECK(unlink(path) == 0);
    await_open(path, 1);
    CHECK_INT(size_of(own), LOG_BYTES); /* it was not cut, only let go */
    CHECK(close(own) == 0);
    CHECK_INT(small_disk_room(little), before);
    stop_and_clear(t);
}

static void test_oldest_gives_way(void)
{
    struct rlimit before, few;
    char path[256];
    CHECK(getrlimit(RLIMIT_NOFILE, &before) == 0);
    few = before;
    few.rlim_cur = 4 * 32;
    CHECK(setrlimit(RLIMIT_NOFILE, &few) == 0);
    rocks_trimmer *t = start_in(large);
    for (int i = 1; i <= 6; i++) {
        snprintf(path, sizeof path, "%s/%06d.sst", journal, i);
        make_file(path, 4096);
        await_open(path, 1);
    }
    for (int i = 1; i <= 6; i++) {
        snprintf(path, sizeof path, "%s/%06d.sst", journal, i);
        CHECK_INT(count_open(path), i > 2);
    }
    stop_and_clear(t);
    CHECK(setrlimit(RLIMIT_NOFILE, &before) == 0);
}

/* A process loses its lock on a file when it closes any descriptor of it. */
static void test_lock(void)
{
    struct flock lock = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
    rocks_trimmer *t = start_in(large);
    int fd = open(file_in(journal, "LOCK"), O_RDWR | O_CREAT | O_CLOEXEC, 0600), status = 0;
    CHECK(fd >= 0 && fcntl(fd, F_SETLK, &lock) == 0);
    (void)make_held("000012.log");
    rocks_trimmer_stop(t);
    fflush(stdout);
    pid_t child = fork();
    if (child == 0) _exit(fcntl(fd, F_GETLK, &lock) == 0 && lock.l_type == F_WRLCK ? 0 : 1);
    CHECK(waitpid(child, &status, 0) == child && status == 0);
    CHECK(close(fd) == 0);
    stop_and_clear(NULL);
}

/* Waits until the trimmer holds the logs in `journal`, which RocksDB has open. Returns one. */
static const char *await_logs(void)
{
    static char path[256];
    DIR *folder = opendir(journal);
    CHECK(folder);
    for (const struct dirent *e; (e = readdir(folder));) {
        if (!strstr(e->d_name, ".log")) continue;
        snprintf(path, sizeof path, "%s/%.64s", journal, e->d_name);
        await_open(path, 2); /* RocksDB's and the trimmer's */
    }
    (void)closedir(folder);
    return path;
}

static void test_store(void)
{
    desk d;
    store_options o = options_for("disk/large/data");
    open_desk(&d, &o);
    snprintf(journal, sizeof journal, "%.100s/journal", o.path);
    const char *path = await_logs();
    close_desk(&d);
    CHECK_INT(count_open(path), 0);
}

/* Somebody puts another folder in the place of a running database's: what the former one had is let go. */
static void test_replaced(void)
{
    int ignored;
    char former[256], command[512];
    store_options o = options_for("disk/large/data");
    backend *b = rocks_open(o.path, false, error, sizeof error);
    CHECK(b);
    snprintf(journal, sizeof journal, "%.100s/journal", o.path);
    snprintf(former, sizeof former, "%s", await_logs());
    snprintf(command, sizeof command, "cd %.100s && cp -a journal next && rm -r journal && mv next journal", o.path);
    CHECK_INT(system(command), 0);
    CHECK(b->ops->reopen(b, error, sizeof error));
    (void)await_logs();
    CHECK_INT(find_open(former, true, &ignored), 0);
    b->ops->close(b);
}

static const check_case cases[] = {
    {"a deleted file is cut off piece by piece", test_pieces},
    {"a file that another folder names stays whole", test_linked},
    {"a deleted file that somebody has open stays whole", test_read},
    {"a deleted file is freed although another has its number", test_number},
    {"a journal that is deleted as a whole is not cut", test_whole_journal},
    {"on a file system of another kind nothing is held", test_file_system},
    {"on a disk with little room a deleted file is freed at once", test_little_room},
    {"the oldest file gives way when the process may open few", test_oldest_gives_way},
    {"the lock of the database stays", test_lock},
    {"the files of an open store are held, and let go when it closes", test_store},
    {"those of the folder that it is opened in anew", test_replaced},
};

int main(int argc, char **argv)
{
    snprintf(root, sizeof root, "/tmp/stepwell-trimmer-XXXXXX");
    CHECK(mkdtemp(root));
    char disk[80];
    snprintf(disk, sizeof disk, "%.40s/disk", root);
    CHECK(mkdir(disk, 0700) == 0);
    small_disk_mount(disk, LARGE_DISK_MIB);
    snprintf(large, sizeof large, "%s/large", disk);
    snprintf(little, sizeof little, "%s/little", disk);
    CHECK(mkdir(large, 0700) == 0 && mkdir(little, 0700) == 0);
    char size[32];
    snprintf(size, sizeof size, "size=%dm", SMALL_DISK_MIB);
    CHECK(mount("tmpfs", little, "tmpfs", 0, size) == 0);
    int result = check_run(cases, sizeof cases / sizeof cases[0], argc, argv);
    CHECK(umount(little) == 0 && umount(disk) == 0 && rmdir(disk) == 0 && rmdir(root) == 0);
    return result;
}
