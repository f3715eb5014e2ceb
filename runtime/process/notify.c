#include "runtime/process/notify.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "runtime/base/log.h"

/* A path, or '@' and a name in the abstract namespace. */
static bool address_of(const char *name, notify *n)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof n->to.sun_path) return false;
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, name, len);
    if (name[0] == '@') n->to.sun_path[0] = 0;
    /* An abstract name is all bytes up to the length: no zero behind it may be counted. */
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static uint64_t watchdog_of(const char *interval, const char *pid)
{
    char *end;
    if (!interval || (pid && strtoll(pid, NULL, 10) != getpid())) return 0;
    unsigned long long us = strtoull(interval, &end, 10);
    return *interval >= '0' && *interval <= '9' && *end == 0 ? us : 0;
}

void notify_open(notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *n = (notify){.fd = -1, .watchdog_us = watchdog_of(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"))};
    if (name && !address_of(name, n))
        log_line(LOG_WARN, NULL, "NOTIFY_SOCKET %s: neither a path nor an abstract name, nobody is notified", name);
    else if (name && (n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)) < 0)
        log_line(LOG_WARN, NULL, "no socket to notify the service manager with: %s", strerror(errno));
    (void)unsetenv("NOTIFY_SOCKET");
    (void)unsetenv("WATCHDOG_USEC");
    (void)unsetenv("WATCHDOG_PID");
}

void notify_close(notify *n)
{
    if (n->fd >= 0) close(n->fd);
    n->fd = -1;
}

/* False: later. */
static bool send_now(const notify *n, const char *text)
{
    ssize_t sent;
    do sent = sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM) return false;
    log_line(LOG_DEBUG, NULL, "the service manager cannot be notified: %s", strerror(errno));
    return true;
}

static void drop_first(notify *n)
{
    n->later_count--;
    memmove(n->later[0], n->later[1], n->later_count * sizeof n->later[0]);
}

bool notify_waits(const notify *n) { return n->later_count > 0; }

void notify_again(notify *n)
{
    while (n->later_count > 0 && send_now(n, n->later[0])) drop_first(n);
}

void notify_beat(notify *n)
{
    if (n->fd < 0) return;
    notify_again(n);
    if (n->later_count == 0) (void)send_now(n, "WATCHDOG=1");
}

void notify_send(notify *n, const char *format, ...)
{
    char text[NOTIFY_BYTES];
    va_list args;
    if (n->fd < 0) return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len > 0 && (size_t)len < sizeof text);
    notify_again(n);
    if (n->later_count == 0 && send_now(n, text)) return;
    if (n->later_count == NOTIFY_LATER_MAX) drop_first(n);
    memcpy(n->later[n->later_count++], text, sizeof text);
}
