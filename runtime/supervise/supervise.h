/* supervise: the small parent of --supervise. Owns the listening sockets, and starts the program again as its worker
 * when that dies, and on SIGHUP; new connections wait in the sockets' queues meanwhile. Holds the sockets of clients
 * that the worker gave it, for the next worker (runtime/survive/holder.h). One thread; never reads HTTP or the journal:
 * what clients sent and got is the workers' matter. */
#ifndef RUNTIME_SUPERVISE_SUPERVISE_H
#define RUNTIME_SUPERVISE_SUPERVISE_H

#include "runtime/run/program.h"
#include "runtime/supervise/sockets.h"

/* Supervises until SIGTERM or SIGINT, or until the first worker cannot start. Takes the listening sockets, at least
 * one. `argv` is the process's as far as the program has left it alone. Returns the exit code. */
int supervise_run(const sw_app *app, sockets *listening, char **argv);

#endif
