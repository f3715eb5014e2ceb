/* What stands before libc for everything in the program, the shared libraries included: the world's clock, its
 * randomness, and what it is short of. */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdbool.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <sys/timerfd.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#include "tests/simulation/stand.h"
#include "tests/simulation/upstream.h"
#include "tests/simulation/world.h"

#define SHOWN __attribute__((visibility("default")))

enum { READING_NS = 100, SMALL_BUFFER = 4608 };

/* ---- Clocks ---- */

/* Time goes on a little whenever somebody looks: who waits in a loop for it to pass does not wait for ever. */
SHOWN int clock_gettime(clockid_t id, struct timespec *t)
{
    bool wall = id == CLOCK_REALTIME || id == CLOCK_REALTIME_COARSE;
    bool steady =
        id == CLOCK_MONOTONIC || id == CLOCK_MONOTONIC_COARSE || id == CLOCK_MONOTONIC_RAW || id == CLOCK_BOOTTIME;
    if (!w || !(wall || steady)) return (int)syscall(SYS_clock_gettime, id, t);
    w->steady_ns += READING_NS;
    int64_t ns = w->steady_ns + (wall ? w->ahead_ms * 1000000 : 0);
    *t = (struct timespec){.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    return 0;
}

SHOWN time_t time(time_t *out)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    if (out) *out = t.tv_sec;
    return t.tv_sec;
}

SHOWN int gettimeofday(struct timeval *restrict out, void *restrict zone)
{
    struct timespec t;
    (void)zone;
    (void)clock_gettime(CLOCK_REALTIME, &t);
    *out = (struct timeval){.tv_sec = t.tv_sec, .tv_usec = t.tv_nsec / 1000};
    return 0;
}

/* The kernel tells of a set clock through these; -1: free. */
enum { TOLD_MAX = 8 };
static int told[TOLD_MAX] = {-1, -1, -1, -1, -1, -1, -1, -1};

SHOWN int timerfd_create(clockid_t id, int flags)
{
    (void)id;
    (void)flags;
    unsigned i = 0;
    while (i < TOLD_MAX && told[i] >= 0) i++;
    if (i == TOLD_MAX) {
        errno = EMFILE;
        return -1;
    }
    return told[i] = eventfd(0, EFD_NONBLOCK | EFD_CLOEXEC);
}

/* The number of a watch that is closed may be a socket's next, which nobody is to write to. */
SHOWN int close(int fd)
{
    for (unsigned i = 0; i < TOLD_MAX; i++)
        if (fd >= 0 && told[i] == fd) told[i] = -1;
    return (int)syscall(SYS_close, fd);
}

SHOWN int timerfd_settime(int fd, int flags, const struct itimerspec *at, struct itimerspec *before)
{
    (void)fd, (void)flags, (void)at, (void)before;
    return 0;
}

void stand_tell_clock_set(void)
{
    const uint64_t one = 1;
    for (unsigned i = 0; i < TOLD_MAX; i++)
        if (told[i] >= 0 && write(told[i], &one, sizeof one) < 0) return;
}

void stand_forget_clocks(void)
{
    for (unsigned i = 0; i < TOLD_MAX; i++) told[i] = -1;
}

/* ---- Randomness ---- */

static unsigned drawn; /* how often the kernel was asked */

unsigned stand_drawn(void) { return drawn; }

SHOWN ssize_t getrandom(void *to, size_t len, unsigned flags)
{
    unsigned char *at = to;
    if (!w) return syscall(SYS_getrandom, to, len, flags);
    drawn++;
    for (size_t i = 0; i < len; i++) at[i] = (unsigned char)world_random(RANDOM_KERNEL);
    return (ssize_t)len;
}

/* ---- Disks ---- */

/* The power goes only for the journal, which lies elsewhere. */
SHOWN int fsync(int fd)
{
    (void)fd;
    return 0;
}

/* ---- Threads: there are none. curl makes one when it has no memory to see that a host is an address ---- */

SHOWN int pthread_create(pthread_t *restrict out, const pthread_attr_t *restrict how, void *(*fn)(void *),
                         void *restrict arg)
{
    (void)out, (void)how, (void)fn, (void)arg;
    return EAGAIN;
}

/* ---- Shortages ---- */

SHOWN void *stand_mmap(void *at, size_t len, int protection, int flags, int fd, off_t from) __asm__("mmap64");
void *stand_mmap(void *at, size_t len, int protection, int flags, int fd, off_t from)
{
    const int stack = MAP_STACK | MAP_NORESERVE;
    if (w && w->no_stacks && (flags & stack) == stack) {
        errno = ENOMEM;
        return MAP_FAILED;
    }
    return (void *)syscall(SYS_mmap, at, len, protection, flags, fd, from);
}

/* ---- Sockets: calls of steps lead to the world's own service ---- */

SHOWN int connect(int fd, const struct sockaddr *to, socklen_t len)
{
    const struct sockaddr_in *four = (const void *)to;
    if (!w || to->sa_family != AF_INET || four->sin_port != htons(UPSTREAM_PORT))
        return (int)syscall(SYS_connect, fd, to, len);
    int there = upstream_connect();
    if (there < 0) {
        errno = ECONNREFUSED;
        return -1;
    }
    int rc = dup3(there, fd, O_CLOEXEC);
    close(there);
    return rc < 0 ? -1 : 0;
}

/* curl keeps a connection for the next call only when it knows where that leads. */
SHOWN int getpeername(int fd, struct sockaddr *restrict out, socklen_t *restrict len)
{
    static const char name[] = UPSTREAM_NAME;
    struct sockaddr_un there = {.sun_family = AF_UNSPEC};
    socklen_t there_len = sizeof there;
    int rc = (int)syscall(SYS_getpeername, fd, &there, &there_len);
    bool upstream = rc == 0 && there.sun_family == AF_UNIX && memcmp(there.sun_path + 1, name, sizeof name - 1) == 0;
    if (!upstream) return (int)syscall(SYS_getpeername, fd, out, len);
    const struct sockaddr_in four = {
        .sin_family = AF_INET, .sin_port = htons(UPSTREAM_PORT), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    memcpy(out, &four, *len < sizeof four ? *len : sizeof four);
    *len = sizeof four;
    return 0;
}

/* ---- Sockets: responses do not fit in what the kernel keeps ---- */

SHOWN int accept4(int listener, struct sockaddr *restrict peer, socklen_t *restrict len, int flags)
{
    const int small = SMALL_BUFFER;
    int fd = (int)syscall(SYS_accept4, listener, peer, len, flags);
    if (w && fd >= 0 && w->seed % 2 == 1) (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &small, sizeof small);
    return fd;
}
