/* control: the socket between the supervisor and its worker, and what is said on it: whole messages, in order, some
 * with a descriptor. A supervisor outlives the program it was started from, so a message carries a version; what a
 * reader does not know it skips. Sending never waits. */
#ifndef RUNTIME_SURVIVE_CONTROL_H
#define RUNTIME_SURVIVE_CONTROL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/uio.h>

enum { CONTROL_VERSION = 2, CONTROL_BYTES_MAX = 131072 /* behind the head */, CONTROL_PARTS_MAX = 6 };

typedef enum control_kind {
    CONTROL_READY = 1, /* worker: all loops serve. Key 1: a run has ended the worker before, and is held back */
    CONTROL_BEAT,      /* worker: every loop has answered since the last one */
    CONTROL_DRAIN,     /* supervisor: drain and end; no worker follows */
    CONTROL_REPLACE,   /* supervisor: drain and end; another worker follows at once */
    CONTROL_KEEP,      /* worker: hold this socket, and what the next worker needs of it */
    CONTROL_REPLY,     /* worker: its reply begins now, in this way */
    CONTROL_RELEASE,   /* worker: close it */
    CONTROL_KEPT,      /* supervisor, to a new worker: a socket that is held; the length of the first text (4 bytes, in
                          the machine's order), the text of CONTROL_KEEP and, if there is one, that of CONTROL_REPLY */
    CONTROL_KEPT_ALL   /* supervisor: those were all */
} control_kind;

typedef struct control_head {
    uint16_t version, kind;
    uint32_t len; /* bytes behind it */
    uint64_t key; /* which connection, 0: none; of CONTROL_READY see there */
} control_head;

typedef struct control_message {
    control_head head;
    int fd; /* owned by the receiver; -1: none */
    char data[CONTROL_BYTES_MAX];
} control_message;

typedef enum control_result { CONTROL_OK, CONTROL_AGAIN, CONTROL_GONE } control_result;

bool control_pair(int fds[2]); /* both close on exec; false with errno */

/* CONTROL_AGAIN: the other side has not read enough, nothing was sent. `pass` -1: no descriptor. From any thread. */
control_result control_send(int fd, control_kind kind, uint64_t key, const struct iovec *parts, size_t count, int pass);

/* CONTROL_AGAIN: nothing is there. Messages of another version or that are cut come with kind 0. */
control_result control_receive(int fd, control_message *m);

/* The environment variable by which a worker finds its end: "descriptor:pid of the supervisor:number of the worker". */
#define CONTROL_VARIABLE "STEPWELL_SUPERVISOR"
enum { CONTROL_VALUE_BYTES = 48 };

/* The worker before, by its process id and wait status: "123 256". */
#define CONTROL_ENDED_VARIABLE "STEPWELL_WORKER_ENDED"
typedef struct control_ended {
    int64_t pid; /* 0: nobody says */
    int status;  /* of waitpid */
} control_ended;

/* What the supervisor says of the worker before. Takes it out of the environment. */
control_ended control_inherit_ended(void);

enum { CONTROL_NONE = -1, CONTROL_ORPHAN = -2 };
/* This process's end, if it is a worker, which one of its supervisor's it is in *number; CONTROL_NONE if it is not,
 * CONTROL_ORPHAN if its supervisor died before it could serve: another one may serve in its place by now. Takes it out
 * of the environment; before sockets_inherit, which takes LISTEN_PID. */
int control_inherit(uint32_t *number);

#endif
