/* notify: tells the service manager how the service is (the sd_notify protocol, spoken directly on the datagram socket
 * that NOTIFY_SOCKET names). Owns that socket. Never waits, and never fails the service: a manager that does not listen
 * is not told. One that has no time is told later: its queue takes a few messages of all services together. */
#ifndef RUNTIME_PROCESS_NOTIFY_H
#define RUNTIME_PROCESS_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NOTIFY_BYTES = 512,
    NOTIFY_LATER_MAX = 4, /* of more than that the first are lost: what is newer says how things are */
    NOTIFY_AGAIN_MS = 100
};

typedef struct notify {
    int fd; /* -1: nobody wants to know */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t watchdog_us; /* the manager ends the service when it hears nothing for this long; 0: it does not */
    char later[NOTIFY_LATER_MAX][NOTIFY_BYTES]; /* messages that found its queue full, first come first */
    unsigned later_count;
} notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so that programs started
 * from here do not speak for this one. */
void notify_open(notify *n);
void notify_close(notify *n);

/* "READY=1", "STATUS=...": lines as sd_notify(3) has them. */
void notify_send(notify *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* As notify_send, for what is said again soon: "WATCHDOG=1". What finds the queue full is lost. */
void notify_beat(notify *n);
/* True: some messages wait, and are to be sent in NOTIFY_AGAIN_MS. */
bool notify_waits(const notify *n);
void notify_again(notify *n);

#endif
