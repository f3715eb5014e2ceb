/* notify: tells the service manager how the service is (the sd_notify protocol, spoken directly on the datagram socket
 * that NOTIFY_SOCKET names). Owns that socket, and the messages that it did not take: the manager's queue has room for
 * a few, of all services together. Never waits, and never fails the service: a manager that does not listen is not
 * told.
 */
#ifndef RUNTIME_SUPERVISE_NOTIFY_H
#define RUNTIME_SUPERVISE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/un.h>

enum {
    NOTIFY_BYTES = 512,    /* of a message, its zero included */
    NOTIFY_UNSENT_MAX = 4, /* of more messages the first are lost: the newer ones say how things are */
    NOTIFY_RETRY_MS = 100
};

typedef struct notify {
    int fd; /* -1: no manager asks to be told */
    struct sockaddr_un to;
    socklen_t to_len;
    uint64_t watchdog_us; /* the manager ends a service that it has not heard of for this long; 0: it does not */
    char unsent[NOTIFY_UNSENT_MAX][NOTIFY_BYTES]; /* messages that found the manager's queue full, the oldest first */
    unsigned unsent_count;
} notify;

/* Reads NOTIFY_SOCKET, WATCHDOG_USEC and WATCHDOG_PID, and takes them out of the environment, so that programs that
 * this process starts do not speak for it. */
void notify_open(notify *n);
void notify_close(notify *n);

/* Sends a message of lines as sd_notify(3) has them: "READY=1", "STATUS=...". When the manager's queue is full, the
 * message stays unsent for notify_retry. */
void notify_send(notify *n, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* Sends "WATCHDOG=1", which is lost when the manager's queue is full: the next beat comes soon. */
void notify_beat(notify *n);
/* Whether messages are unsent: then notify_retry is to be called in NOTIFY_RETRY_MS. */
bool notify_has_unsent(const notify *n);
void notify_retry(notify *n);

#endif
