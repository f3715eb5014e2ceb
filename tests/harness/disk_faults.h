/* disk_faults: a disk that fails on demand. The functions here stand before libc's for everything in the program, also
 * for RocksDB, which comes as a shared library. Included by one file of a program; `disk` is set before the first use
 * and may lie in memory that another process writes. Only regular files fail. */
#ifndef TESTS_HARNESS_DISK_FAULTS_H
#define TESTS_HARNESS_DISK_FAULTS_H

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#define DISK_SHOWN __attribute__((visibility("default")))

typedef enum disk_fault {
    DISK_GOOD,
    DISK_FULL,       /* ENOSPC from each write */
    DISK_MARKED,     /* ENOSPC from each write that has `mark` in it */
    DISK_QUOTA,      /* EDQUOT from each write to one of RocksDB's tables: what is small still has room */
    DISK_SYNC_FAILS, /* EIO from each fsync, what was written may be there */
    DISK_SYNC_HANGS, /* fsync returns when the fault is over */
    DISK_READ_FAILS  /* EIO from each pread */
} disk_fault;

typedef struct disk_state {
    disk_fault fault;         /* set by disk_set */
    char mark[32];            /* set before the fault is */
    volatile unsigned failed; /* calls that did */
    volatile bool links_hang; /* link returns when this is over: what a backup that takes long looks like */
    volatile bool linking;    /* one hangs there */
    ino_t synced[64];         /* folders that were synced, the last 64 */
    unsigned synced_count;
} disk_state;

static disk_state *disk;

/* From any thread or process: everything in disk_state is read and written at once. */
static inline void disk_set(disk_state *d, disk_fault fault) { __atomic_store_n(&d->fault, fault, __ATOMIC_SEQ_CST); }

/* How many calls have failed. */
static inline unsigned disk_failed(const disk_state *d) { return __atomic_load_n(&d->failed, __ATOMIC_SEQ_CST); }

static bool disk_has(int fd, disk_fault fault)
{
    struct stat st;
    return disk && __atomic_load_n(&disk->fault, __ATOMIC_SEQ_CST) == fault && fstat(fd, &st) == 0 &&
           S_ISREG(st.st_mode);
}

static int disk_fail(int reason)
{
    (void)__atomic_add_fetch(&disk->failed, 1, __ATOMIC_SEQ_CST);
    errno = reason;
    return -1;
}

static bool disk_is_full(int fd, const void *data, size_t len)
{
    if (disk_has(fd, DISK_MARKED)) return memmem(data, len, disk->mark, strlen(disk->mark)) != NULL;
    return disk_has(fd, DISK_FULL);
}

static bool disk_is_over(int fd)
{
    char link[64], file[4096] = "";
    if (!disk_has(fd, DISK_QUOTA)) return false;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, file, sizeof file - 1);
    return n > 4 && strcmp(file + n - 4, ".sst") == 0;
}

static int disk_sync(int fd, long call)
{
    if (disk_has(fd, DISK_SYNC_FAILS)) return disk_fail(EIO);
    if (disk_has(fd, DISK_SYNC_HANGS)) (void)__atomic_add_fetch(&disk->failed, 1, __ATOMIC_SEQ_CST);
    while (disk_has(fd, DISK_SYNC_HANGS)) usleep(1000);
    int rc = (int)syscall(call, fd);
    struct stat st;
    if (disk && rc == 0 && fstat(fd, &st) == 0 && S_ISDIR(st.st_mode))
        __atomic_store_n(&disk->synced[__atomic_fetch_add(&disk->synced_count, 1, __ATOMIC_SEQ_CST) % 64], st.st_ino,
                         __ATOMIC_SEQ_CST);
    return rc;
}

DISK_SHOWN int link(const char *from, const char *to)
{
    while (disk && __atomic_load_n(&disk->links_hang, __ATOMIC_SEQ_CST)) {
        __atomic_store_n(&disk->linking, true, __ATOMIC_SEQ_CST);
        usleep(1000);
    }
    return (int)syscall(SYS_linkat, AT_FDCWD, from, AT_FDCWD, to, 0);
}

DISK_SHOWN int fsync(int fd) { return disk_sync(fd, SYS_fsync); }
DISK_SHOWN int fdatasync(int fd) { return disk_sync(fd, SYS_fdatasync); }

DISK_SHOWN ssize_t write(int fd, const void *data, size_t len)
{
    if (disk_is_over(fd)) return disk_fail(EDQUOT);
    return disk_is_full(fd, data, len) ? disk_fail(ENOSPC) : (ssize_t)syscall(SYS_write, fd, data, len);
}

/* Named for the linker: with 64-bit offsets the compiler would call them pwrite64 and pread64. */
DISK_SHOWN ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t at) __asm__("pwrite");
DISK_SHOWN ssize_t disk_pread(int fd, void *data, size_t len, off_t at) __asm__("pread");

ssize_t disk_pwrite(int fd, const void *data, size_t len, off_t at)
{
    if (disk_is_over(fd)) return disk_fail(EDQUOT);
    return disk_is_full(fd, data, len) ? disk_fail(ENOSPC) : (ssize_t)syscall(SYS_pwrite64, fd, data, len, at);
}

ssize_t disk_pread(int fd, void *data, size_t len, off_t at)
{
    return disk_has(fd, DISK_READ_FAILS) ? disk_fail(EIO) : (ssize_t)syscall(SYS_pread64, fd, data, len, at);
}

#endif
