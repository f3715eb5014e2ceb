/* supervise: the small parent of --supervise. Holds the listening sockets and starts the program again as its worker:
 * when it dies, and on SIGHUP, while connections wait in the sockets' queues. One thread, no HTTP, no journal: what the
 * clients of a dead worker sent and got is its worker's matter. Holds their sockets, if the worker gave them, for the
 * next one (runtime/survive/holder.h). */
#ifndef RUNTIME_PROCESS_SUPERVISE_H
#define RUNTIME_PROCESS_SUPERVISE_H

#include "runtime/process/app.h"
#include "runtime/process/sockets.h"

/* Until SIGTERM or SIGINT, or until the first worker cannot start. Takes the sockets, which it makes if there are none.
 * Returns the exit code. `argv` is that of the process as far as the program has left it alone. */
int supervise_run(const sw_app *app, sockets *inherited, char **argv);

#endif
