/* notify: tells the service manager how the service is (the sd_notify protocol, spoken directly on the datagram socket
 * that NOTIFY_SOCKET names). Owns that socket. Never waits, and never fails the service: a manager that does not listen
 * is not told. */
#ifndef RUNTIME_NOTIFY_H
#define RUNTIME_NOTIFY_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

typedef struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t watchdog_us; /* the manager ends the service when it hears nothing for this long; 0: it does not */
} notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so that programs started
 * from here do not speak for this one. */
void notify_open(notify *n);
void notify_close(notify *n);

/* "READY=1", "STATUS=...": lines as sd_notify(3) has them. */
void notify_send(const notify *n, const char *format, ...) __attribute__((format(printf, 2, 3)));

#endif
