/* serve: the main thread while the program serves. Owns the loop threads: starts them, tells them to drain on a signal
 * or the supervisor's word, tells the watchdog that all of them turn, and joins them. Never touches a run. */
#ifndef RUNTIME_PROCESS_SERVE_H
#define RUNTIME_PROCESS_SERVE_H

#include <signal.h>

#include "runtime/process/app.h"

struct presence;

/* Serves with app->loops until a stop signal, the supervisor's word or the supervisor's end, and frees the loops. The
 * caller has blocked `stop_signals`; the second of them ends the process at once, which loses nothing that a client was
 * promised. False: there are no threads, or nothing to wait with. */
bool serve_until_stopped(sw_app *app, const struct presence *own, const sigset_t *stop_signals);

#endif
