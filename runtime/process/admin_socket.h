/* admin_socket: where the admin API listens: what --admin-listen and --dev say, and the socket that follows from them.
 * Owns nothing: the socket is among those of the program (runtime/supervise/sockets.h). */
#ifndef RUNTIME_PROCESS_ADMIN_SOCKET_H
#define RUNTIME_PROCESS_ADMIN_SOCKET_H

#include "runtime/base/options.h"
#include "runtime/supervise/sockets.h"

/* Makes s->admin, unless it was handed over or there is to be none. The public sockets are there already. False with a
 * message in `error` that names the flag. */
bool admin_socket_open(const sw_options *o, sockets *s, char *error, size_t error_size);

#endif
