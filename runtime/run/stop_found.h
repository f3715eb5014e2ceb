/* stop_found: why a run that is outside memory stands still, by what a summary of its journal shows: what its loop
 * would find, which may be another one. Owns nothing. From any thread. */
#ifndef RUNTIME_RUN_STOP_FOUND_H
#define RUNTIME_RUN_STOP_FOUND_H

#include "runtime/run/stop.h"
#include "storage/store.h"

struct sw_app;

/* STOP_NONE: it has ended, or goes on by itself. `app`: NULL when no program works with the folder. */
stop_reason stop_found(const struct sw_app *app, const store_summary *s);

#endif
