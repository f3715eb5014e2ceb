#include "runtime/supervise/sockets.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "http/server/server.h"

static bool parse_number(const char *text, long most, long *out)
{
    char *end;
    if (!text || *text < '0' || *text > '9') return false;
    errno = 0;
    *out = strtol(text, &end, 10);
    return errno == 0 && *end == 0 && *out <= most;
}

/* Whether the descriptor listens where clients of its kind come from: those of --listen by TCP. */
static bool socket_listens(int fd, bool is_admin)
{
    char address[128];
    return http_listen_address(fd, address, sizeof address) && (is_admin || strncmp(address, "unix:", 5) != 0);
}

static bool socket_take(int fd, bool is_admin, sockets *s, char *error, size_t error_size)
{
    if (!socket_listens(fd, is_admin)) {
        (void)snprintf(error, error_size,
                       "LISTEN_FDS: descriptor %d is no listening TCP socket (in a .socket unit: ListenStream= with a "
                       "port, Accept=no)",
                       fd);
        return false;
    }
    if (is_admin && s->admin >= 0) {
        (void)snprintf(error, error_size, "LISTEN_FDNAMES: two sockets are called \"admin\"");
        return false;
    }
    if (fcntl(fd, F_SETFD, FD_CLOEXEC) != 0) {
        (void)snprintf(error, error_size, "descriptor %d: %s", fd, strerror(errno));
        return false;
    }
    if (is_admin)
        s->admin = fd;
    else
        s->fds[s->count++] = fd;
    return true;
}

/* Whether the list of names, with colons between them, calls this one of the sockets "admin". */
static bool name_is_admin(const char *names, long index)
{
    static const char admin[] = "admin";
    for (; names && index > 0; index--) {
        names = strchr(names, ':');
        if (names) names++;
    }
    return names && strcspn(names, ":") == sizeof admin - 1 && memcmp(names, admin, sizeof admin - 1) == 0;
}

static bool sockets_read_inherited(sockets *s, char *error, size_t error_size)
{
    const char *pid = getenv("LISTEN_PID"), *fds = getenv("LISTEN_FDS"), *admin = getenv(SOCKETS_ADMIN_VARIABLE);
    long owner = 0, count = 0, admin_fd = 0;
    if (!pid || !fds || !parse_number(pid, LONG_MAX, &owner) || owner != getpid())
        return true; /* handed over to another process */
    if (!parse_number(fds, SOCKETS_MAX, &count)) {
        (void)snprintf(error, error_size, "LISTEN_FDS=%s: must be a number of at most %d", fds, SOCKETS_MAX);
        return false;
    }
    assert(s->count == 0);
    assert(count >= 0);
    assert(count <= SOCKETS_MAX);
    for (int i = 0; i < count; i++)
        if (!socket_take(SOCKETS_FIRST_FD + i, name_is_admin(getenv("LISTEN_FDNAMES"), i), s, error, error_size))
            return false;
    return !admin || !parse_number(admin, INT_MAX, &admin_fd) || socket_take((int)admin_fd, true, s, error, error_size);
}

bool sockets_inherit(sockets *s, char *error, size_t error_size)
{
    s->count = 0;
    s->admin = -1;
    bool ok = sockets_read_inherited(s, error, error_size);
    (void)unsetenv("LISTEN_PID");
    (void)unsetenv("LISTEN_FDS");
    (void)unsetenv("LISTEN_FDNAMES");
    (void)unsetenv("LISTEN_PIDFDID");
    (void)unsetenv(SOCKETS_ADMIN_VARIABLE);
    return ok;
}

bool sockets_listen(sockets *s, const char *address, unsigned count, char *error, size_t error_size)
{
    assert(count >= 1);
    assert(count <= SOCKETS_MAX);
    for (s->count = 0; s->count < count; s->count++) {
        int fd =
            s->count == 0 ? http_listen(address, error, error_size) : http_listen_share(s->fds[0], error, error_size);
        if (fd < 0) {
            sockets_close(s);
            return false;
        }
        s->fds[s->count] = fd;
    }
    return true;
}

bool sockets_spread(sockets *s, unsigned count, char *error, size_t error_size)
{
    assert(s->count >= 1);
    assert(count <= SOCKETS_MAX);
    if (s->count > count) {
        (void)snprintf(error, error_size,
                       "LISTEN_FDS hands over %u sockets, but %u loops can serve only as many: start with --loops %u",
                       s->count, count, s->count);
        return false;
    }
    unsigned given = s->count;
    for (; s->count < count; s->count++) {
        int fd = fcntl(s->fds[s->count % given], F_DUPFD_CLOEXEC, 0);
        if (fd < 0) {
            (void)snprintf(error, error_size, "no second descriptor of a listening socket: %s", strerror(errno));
            return false;
        }
        s->fds[s->count] = fd;
    }
    return true;
}

void sockets_close(sockets *s)
{
    assert(s->count <= SOCKETS_MAX);
    for (unsigned i = 0; i < s->count; i++)
        if (s->fds[i] >= 0) close(s->fds[i]);
    if (s->admin >= 0) close(s->admin);
    s->count = 0;
    s->admin = -1;
}
