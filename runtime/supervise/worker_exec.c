#include "runtime/supervise/worker_exec.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"

enum { EXIT_NO_DESCRIPTORS = 1, NUMBER_BYTES = 24, PATH_BYTES = 4096 };

_Static_assert(NUMBER_BYTES > 20, "a 64-bit number in decimal, its sign and the zero behind it");

/* By the name that it was called by, never /proc/self/exe itself: an upgrade puts another file there. */
char *worker_program(char *const *argv)
{
    char own[PATH_BYTES];
    const char *name = argv[0];
    ssize_t n = readlink("/proc/self/exe", own, sizeof own - 1);
    own[n > 0 ? n : 0] = 0;
    bool is_path = name && strchr(name, '/') != NULL;
    /* A name that leads nowhere, such as a login shell's "-name": the file this process was started from. */
    bool is_usable = name && *name && (!is_path || access(name, X_OK) == 0);
    return strdup(is_usable ? name : own);
}

/* Puts the listening sockets, the control socket and, if there is one, that of the admin API, in this order, at
 * SOCKETS_FIRST_FD and behind it. */
static void descriptors_place(const sockets *s, int control)
{
    int all[SOCKETS_MAX + 2], count = (int)s->count;
    assert(s->count >= 1);
    assert(s->count <= SOCKETS_MAX);
    memcpy(all, s->fds, (size_t)count * sizeof *all);
    all[count++] = control;
    if (s->admin >= 0) all[count++] = s->admin;
    for (int i = 0; i < count; i++) {
        /* First out of the way of the places, since one descriptor may lie where another is to be. */
        all[i] = fcntl(all[i], F_DUPFD_CLOEXEC, SOCKETS_FIRST_FD + count);
        if (all[i] < 0) _exit(EXIT_NO_DESCRIPTORS);
        assert(all[i] >= SOCKETS_FIRST_FD + count);
    }
    for (int i = 0; i < count; i++)
        if (dup2(all[i], SOCKETS_FIRST_FD + i) < 0) _exit(EXIT_NO_DESCRIPTORS);
}

static bool environment_set_number(const char *name, unsigned long long n)
{
    char text[NUMBER_BYTES];
    (void)snprintf(text, sizeof text, "%llu", n);
    return setenv(name, text, 1) == 0;
}

/* False: out of memory. */
static bool environment_set(const worker_order *o, pid_t supervisor)
{
    char value[CONTROL_VALUE_BYTES];
    int len = snprintf(value, sizeof value, "%d:%lld:%u", SOCKETS_FIRST_FD + (int)o->sockets->count,
                       (long long)supervisor, o->number);
    assert(len > 0);
    assert((size_t)len < sizeof value);
    if (setenv(CONTROL_VARIABLE, value, 1) != 0) return false;
    if (!environment_set_number("LISTEN_FDS", o->sockets->count)) return false;
    unsigned long long admin = SOCKETS_FIRST_FD + o->sockets->count + 1;
    if (o->sockets->admin >= 0 && !environment_set_number(SOCKETS_ADMIN_VARIABLE, admin)) return false;
    if (!environment_set_number("LISTEN_PID", (unsigned long long)getpid())) return false;
    if (o->watchdog_us > 0 && !environment_set_number("WATCHDOG_USEC", o->watchdog_us)) return false;
    if (o->ended->pid == 0) return true;
    len = snprintf(value, sizeof value, "%lld %d", (long long)o->ended->pid, o->ended->status);
    assert(len > 0);
    assert((size_t)len < sizeof value);
    return setenv(CONTROL_ENDED_VARIABLE, value, 1) == 0;
}

void worker_exec(const worker_order *order)
{
    pid_t supervisor = getppid();
    assert(order->control >= 0);
    assert(order->number >= 1);
    (void)sigprocmask(SIG_SETMASK, order->mask, NULL);
    descriptors_place(order->sockets, order->control);
    if (environment_set(order, supervisor)) (void)execvp(order->program, order->argv);
    log_line(LOG_ERROR, NULL, "supervisor: cannot start %s: %s", order->program, strerror(errno));
    _exit(EXIT_NO_PROGRAM);
}
