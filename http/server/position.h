/* position: how far a TCP connection has come, as only the kernel knows it: it stays known when the process that wrote
 * has died. */
#ifndef HTTP_SERVER_POSITION_H
#define HTTP_SERVER_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* How many bytes the kernel has taken for the client in the connection's life, up to a constant that is the
 * connection's own: only differences mean anything. False: no TCP connection any more, or a kernel that cannot tell
 * (before Linux 4.1). */
bool position_get(int fd, uint64_t *bytes);

/* Bytes that the kernel has taken and the client's has not acknowledged; its end counts as one. 0 also if there is no
 * connection any more. */
size_t position_unacked(int fd);

#endif
