/* control: the socket between the supervisor and its worker, and the messages on it: whole, in order, some with a
 * descriptor. A supervisor outlives the program it was started from, so each message carries a version; a reader skips
 * kinds that it does not know. Owns no descriptor; sending never waits. */
#ifndef RUNTIME_SURVIVE_CONTROL_H
#define RUNTIME_SURVIVE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { CONTROL_VERSION = 2, CONTROL_BYTES_MAX = 131072 /* behind the head */, CONTROL_PARTS_MAX = 6 };

typedef enum control_kind {
    CONTROL_READY = 1, /* worker: all loops serve. Key 1: a run that ended a former worker is held back */
    CONTROL_BEAT,      /* worker: every loop has answered since the last beat */
    CONTROL_DRAIN,     /* supervisor: drain and end; no worker follows */
    CONTROL_REPLACE,   /* supervisor: drain and end; another worker follows at once */
    CONTROL_KEEP,      /* worker: hold this socket, and the text that the next worker needs of it */
    CONTROL_REPLY,     /* worker: the reply on the socket begins now, as the text says */
    CONTROL_RELEASE,   /* worker: close the socket */
    CONTROL_KEPT,      /* supervisor, to a new worker: a socket that is held; the length of the first text (4 bytes, in
                          the machine's order), the text of CONTROL_KEEP and, if one came, that of CONTROL_REPLY */
    CONTROL_KEPT_ALL   /* supervisor: every held socket has been handed on */
} control_kind;

typedef struct control_head {
    uint16_t version, kind;
    uint32_t len; /* bytes behind the head */
    uint64_t key; /* names a kept connection; 0: none. Of CONTROL_READY see there */
} control_head;

_Static_assert(sizeof(control_head) == 16, "has no padding: a supervisor and its worker may be different programs");

typedef struct control_message {
    control_head head;
    int fd; /* owned by the receiver; -1: none */
    char data[CONTROL_BYTES_MAX];
} control_message;

typedef enum control_result { CONTROL_OK, CONTROL_AGAIN, CONTROL_GONE } control_result;

/* Makes both ends, which close on exec. False with errno. */
bool control_pair(int fds[2]);

/* Sends one message: head.kind, head.key, the parts (at most CONTROL_PARTS_MAX) as its data, and a copy of the
 * descriptor `pass_fd` (-1: none). CONTROL_AGAIN: the other side has not read enough, nothing was sent; CONTROL_GONE:
 * the other side has ended. From any thread. */
control_result control_send(int fd, control_head head, const struct iovec *parts, size_t count, int pass_fd);

/* Receives one message into *m. CONTROL_AGAIN: none is there. A message of another version, or a cut one, gets kind 0.
 */
control_result control_receive(int fd, control_message *m);

/* The environment variable by which a worker finds its end: "descriptor:pid of the supervisor:number of the worker". */
#define CONTROL_VARIABLE "STEPWELL_SUPERVISOR"
enum { CONTROL_VALUE_BYTES = 48 };

/* The former worker, by its process id and wait status: "123 256". */
#define CONTROL_ENDED_VARIABLE "STEPWELL_WORKER_ENDED"
typedef struct control_ended {
    int64_t pid; /* 0: not known */
    int status;  /* of waitpid */
} control_ended;

/* Takes what the supervisor says of the former worker out of the environment. */
control_ended control_inherit_ended(void);

enum { CONTROL_NONE = -1, CONTROL_ORPHAN = -2 };
/* Takes this worker's end of the socket out of the environment and returns it; *number: which of its supervisor's
 * workers it is. CONTROL_NONE: this process is no worker. CONTROL_ORPHAN: its supervisor died before this worker could
 * serve, and another supervisor may serve by now. Before sockets_inherit, which takes LISTEN_PID. */
int control_inherit(uint32_t *number);

#endif
