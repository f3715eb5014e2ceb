/* sockets: the listening sockets of a program: handed over by a service manager or the supervisor (LISTEN_FDS), or made
 * here for --listen. Owns them until each loop has taken its own. */
#ifndef RUNTIME_PROCESS_SOCKETS_H
#define RUNTIME_PROCESS_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

enum { SOCKETS_MAX = 256, SOCKETS_FIRST_FD = 3 /* where LISTEN_FDS begin */ };

typedef struct sockets {
    int fds[SOCKETS_MAX]; /* -1: given away */
    unsigned count;
} sockets;

/* Those that were handed over to this process, *count 0 if there are none. Takes LISTEN_FDS and its like out of the
 * environment. False with a message in `error`: what was handed over cannot be listened on. */
bool sockets_inherit(sockets *s, char *error, size_t error_size);

/* `count` new ones at one address, each with a queue of its own. */
bool sockets_listen(sockets *s, const char *address, unsigned count, char *error, size_t error_size);

/* Makes them `count`: the last ones are second descriptors of the first, whose queues are then shared. False: there are
 * more sockets than that, which nobody would answer, or no descriptors. */
bool sockets_spread(sockets *s, unsigned count, char *error, size_t error_size);

void sockets_close(sockets *s);

#endif
