/* position: how far a TCP connection has come, as only the kernel knows it, also when the process that wrote has died.
 * Owns no descriptor, changes nothing. */
#ifndef HTTP_SERVER_POSITION_H
#define HTTP_SERVER_POSITION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Returns in *bytes how many bytes the kernel has taken for the client since the connection began, plus a constant of
 * the connection: only differences mean anything. False: no TCP connection any more, or a kernel that cannot tell
 * (before Linux 4.1). */
bool position_get(int fd, uint64_t *bytes);

/* Returns how many bytes the kernel has taken and the client's kernel has not acknowledged; a FIN counts as one. 0 also
 * if there is no connection any more. */
size_t position_unacked(int fd);

#endif
