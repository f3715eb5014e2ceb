/* small_disk: a file system of a few MiB in memory, which a test fills and empties. It is mounted in a namespace of the
 * test's own, where nobody else sees it, and ends with the test and its children. Included by one file of a program. */
#ifndef TESTS_HARNESS_SMALL_DISK_H
#define TESTS_HARNESS_SMALL_DISK_H

#include <fcntl.h>
#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include "tests/harness/check.h"

enum { SMALL_DISK_BLOCK = 4096 };

static inline void small_disk_write(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0) return;
    CHECK(write(fd, text, strlen(text)) == (ssize_t)strlen(text));
    close(fd);
}

static inline bool small_disk_enter(void)
{
    char map[64];
    unsigned user = getuid(), group = getgid();
    if (unshare(user == 0 ? CLONE_NEWNS : CLONE_NEWNS | CLONE_NEWUSER) != 0) return false;
    if (user == 0) return true;
    snprintf(map, sizeof map, "0 %u 1", user);
    small_disk_write("/proc/self/uid_map", map);
    small_disk_write("/proc/self/setgroups", "deny");
    snprintf(map, sizeof map, "0 %u 1", group);
    small_disk_write("/proc/self/gid_map", map);
    return true;
}

/* Before the program has threads. Where the machine allows no such mount the process reports that it is skipped, and
 * ends. */
static inline void small_disk_mount(const char *path, unsigned mib)
{
    char size[32];
    snprintf(size, sizeof size, "size=%um", mib);
    if (small_disk_enter() && mount("none", "/", "none", MS_REC | MS_PRIVATE, NULL) == 0 &&
        mount("tmpfs", path, "tmpfs", 0, size) == 0)
        return;
    printf("1..0 # SKIP no file system can be mounted here\n");
    (void)rmdir(path);
    exit(0); /* with another status it would have failed, whatever it reports */
}

static inline uint64_t small_disk_room(const char *path)
{
    struct statvfs st;
    CHECK(statvfs(path, &st) == 0);
    return (uint64_t)st.f_bavail * st.f_frsize;
}

/* Nothing but what the test fills it with is in its way. */
static inline void small_disk_empty(const char *path)
{
    char file[256];
    snprintf(file, sizeof file, "%s/filler", path);
    (void)unlink(file);
}

/* Fills it but for `left` bytes. */
static inline void small_disk_leave(const char *path, uint64_t left)
{
    static const char block[SMALL_DISK_BLOCK] = "filler";
    char file[256];
    small_disk_empty(path);
    snprintf(file, sizeof file, "%s/filler", path);
    int fd = open(file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    CHECK(fd >= 0);
    while (small_disk_room(path) > left && write(fd, block, sizeof block) == SMALL_DISK_BLOCK) continue;
    close(fd);
    CHECK(small_disk_room(path) <= left);
}

/* Mounts it for reading alone, or for writing again. */
static inline void small_disk_read_only(const char *path, bool read_only)
{
    CHECK(mount("none", path, "none", MS_REMOUNT | MS_BIND | (read_only ? MS_RDONLY : 0), NULL) == 0);
}

#endif
