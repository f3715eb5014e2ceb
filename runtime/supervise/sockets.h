/* sockets: the listening sockets of a program, handed over by a service manager or the supervisor (LISTEN_FDS), or made
 * for --listen and --admin-listen. Owns each until a loop takes it. Never accepts a connection. */
#ifndef RUNTIME_SUPERVISE_SOCKETS_H
#define RUNTIME_SUPERVISE_SOCKETS_H

#include <stdbool.h>
#include <stddef.h>

enum { SOCKETS_MAX = 256, SOCKETS_FIRST_FD = 3 /* that of the first handed over, sd_listen_fds(3) */ };

typedef struct sockets {
    int fds[SOCKETS_MAX]; /* -1: a loop has taken it */
    unsigned count;
    int admin; /* of the admin API; -1: none, or a loop has taken it */
} sockets;

/* The environment variable by which a worker finds the socket of the admin API: its descriptor. Not among LISTEN_FDS,
 * where a worker of an earlier version would take it for one of --listen. */
#define SOCKETS_ADMIN_VARIABLE "STEPWELL_ADMIN_SOCKET"

/* Takes the sockets that were handed over to this process, none if there are none, and LISTEN_FDS and its like out of
 * the environment. The socket that LISTEN_FDNAMES calls "admin" is the admin API's. False with a message in `error`:
 * what was handed over cannot be listened on. */
bool sockets_inherit(sockets *s, char *error, size_t error_size);

/* Makes `count` sockets at one address, each with a queue of its own. False with a message in `error`. */
bool sockets_listen(sockets *s, const char *address, unsigned count, char *error, size_t error_size);

/* Makes `count` of fewer sockets: the added ones are second descriptors of those there are, and share their queues.
 * False with a message in `error`: there are more sockets than `count`, and nobody would answer the rest; or no
 * descriptors. */
bool sockets_spread(sockets *s, unsigned count, char *error, size_t error_size);

void sockets_close(sockets *s);

#endif
