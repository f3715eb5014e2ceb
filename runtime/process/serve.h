/* serve: the main thread while the program serves. Starts the loop threads, waits for signals and for the supervisor,
 * answers for the loops to whoever watches over the process, and joins them when they have drained. */
#ifndef RUNTIME_PROCESS_SERVE_H
#define RUNTIME_PROCESS_SERVE_H

#include <signal.h>

#include "runtime/process/app.h"

struct presence;

/* Serves with app->loops until a stop signal (blocked by the caller), the supervisor's word or its end; a second signal
 * ends the process at once, which loses nothing that was promised. False: no threads. */
bool serve_until_stopped(sw_app *app, const struct presence *own, const sigset_t *stop_signals);

#endif
