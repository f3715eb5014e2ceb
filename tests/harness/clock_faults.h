/* clock_faults: a wall clock that is set, and a machine that sleeps, on demand. The functions here stand before libc's
 * for everything in the program. Included by one file of a program; `clocks` may lie in memory that another process
 * writes. The kernel's news of a set clock come through clocks_tell. */
#ifndef TESTS_HARNESS_CLOCK_FAULTS_H
#define TESTS_HARNESS_CLOCK_FAULTS_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define CLOCK_SHOWN __attribute__((visibility("default")))

typedef struct clocks_state {
    int64_t set_ms;   /* atomic: the wall clock is ahead of the true one */
    int64_t slept_ms; /* atomic: the machine has slept that long, as CLOCK_BOOTTIME and the wall clock tell */
    uint32_t begun;   /* atomic, the test's own */
} clocks_state;

enum { CLOCKS_TOLD_MAX = 64 };

static clocks_state *clocks;
static int clocks_told[CLOCKS_TOLD_MAX]; /* what the program takes for timers of the kernel: the last ones made */
static unsigned clocks_told_count;

CLOCK_SHOWN int clock_gettime(clockid_t id, struct timespec *t)
{
    int rc = (int)syscall(SYS_clock_gettime, id, t);
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    if (rc != 0 || !clocks || !(wall || id == CLOCK_BOOTTIME)) return rc;
    int64_t by_ms = __atomic_load_n(&clocks->slept_ms, __ATOMIC_SEQ_CST);
    if (wall) by_ms += __atomic_load_n(&clocks->set_ms, __ATOMIC_SEQ_CST);
    int64_t ns = t->tv_nsec + by_ms % 1000 * 1000000;
    t->tv_sec += by_ms / 1000 + (ns < 0 ? -1 : ns >= 1000000000 ? 1 : 0);
    t->tv_nsec = ns < 0 ? ns + 1000000000 : ns >= 1000000000 ? ns - 1000000000 : ns;
    return 0;
}

CLOCK_SHOWN int timerfd_create(clockid_t id, int flags)
{
    (void)id;
    (void)flags;
    unsigned at = __atomic_fetch_add(&clocks_told_count, 1, __ATOMIC_SEQ_CST);
    return clocks_told[at % CLOCKS_TOLD_MAX] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

CLOCK_SHOWN int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *before)
{
    (void)fd;
    (void)flags;
    (void)at;
    (void)before;
    return 0;
}

/* Whether it is open still: its number may be another descriptor's by now. To wake another eventfd does no harm. */
static inline bool clock_is_told(int fd)
{
    static const char eventfd_name[] = "anon_inode:[eventfd]";
    char path[64], name[sizeof eventfd_name + 1];
    (void)snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    ssize_t len = readlink(path, name, sizeof name);
    return len == (ssize_t)sizeof eventfd_name - 1 && memcmp(name, eventfd_name, (size_t)len) == 0;
}

static inline void clocks_tell(void)
{
    const uint64_t one = 1;
    for (unsigned i = 0; i < clocks_told_count && i < CLOCKS_TOLD_MAX; i++)
        if (clock_is_told(clocks_told[i]) && write(clocks_told[i], &one, sizeof one) < 0) return;
}

#endif
