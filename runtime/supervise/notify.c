#include "runtime/supervise/notify.h"

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

/* Reads a path, or '@' and a name in the abstract namespace. False: it is neither, or too long. */
static bool notify_read_address(const char *name, notify *n)
{
    size_t len = strlen(name);
    if ((name[0] != '/' && name[0] != '@') || len < 2 || len >= sizeof n->to.sun_path) return false;
    n->to = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(n->to.sun_path, name, len);
    if (name[0] == '@') n->to.sun_path[0] = 0;
    /* An abstract name is all bytes up to the length: the zero behind it would be a part of the name. */
    n->to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len + (name[0] == '/'));
    return true;
}

static uint64_t notify_read_watchdog(const char *interval, const char *pid)
{
    char *end;
    if (!interval || (pid && strtoll(pid, NULL, 10) != getpid())) return 0;
    unsigned long long us = strtoull(interval, &end, 10);
    return *interval >= '0' && *interval <= '9' && *end == 0 ? us : 0;
}

void notify_open(notify *n)
{
    const char *name = getenv("NOTIFY_SOCKET");
    *n = (notify){.fd = -1, .watchdog_us = notify_read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"))};
    if (name && !notify_read_address(name, n))
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

/* False: the manager's queue is full. Other failures count as sent: trying again would not mend them. */
static bool notify_try_send(const notify *n, const char *text)
{
    ssize_t sent;
    assert(n->fd >= 0);
    do sent = sendto(n->fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&n->to, n->to_len);
    while (sent < 0 && errno == EINTR);
    if (sent >= 0) return true;
    if (errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS || errno == ENOMEM) return false;
    log_line(LOG_DEBUG, NULL, "the service manager cannot be notified: %s", strerror(errno));
    return true;
}

static void notify_drop_oldest(notify *n)
{
    assert(n->unsent_count > 0);
    assert(n->unsent_count <= NOTIFY_UNSENT_MAX);
    n->unsent_count--;
    memmove(n->unsent[0], n->unsent[1], n->unsent_count * sizeof n->unsent[0]);
}

bool notify_has_unsent(const notify *n) { return n->unsent_count > 0; }

void notify_retry(notify *n)
{
    while (n->unsent_count > 0 && notify_try_send(n, n->unsent[0])) notify_drop_oldest(n);
}

void notify_beat(notify *n)
{
    if (n->fd < 0) return;
    notify_retry(n);
    if (n->unsent_count == 0) (void)notify_try_send(n, "WATCHDOG=1");
}

void notify_send(notify *n, const char *format, ...)
{
    char text[NOTIFY_BYTES];
    va_list args;
    if (n->fd < 0) return;
    va_start(args, format);
    int len = vsnprintf(text, sizeof text, format, args);
    va_end(args);
    assert(len > 0);
    assert((size_t)len < sizeof text);
    notify_retry(n);
    if (n->unsent_count == 0 && notify_try_send(n, text)) return;
    if (n->unsent_count == NOTIFY_UNSENT_MAX) notify_drop_oldest(n);
    assert(n->unsent_count < NOTIFY_UNSENT_MAX);
    _Static_assert(sizeof text == sizeof n->unsent[0], "an unsent message is a whole text");
    memcpy(n->unsent[n->unsent_count++], text, sizeof text);
}
