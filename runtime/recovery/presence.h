/* presence: what a process that serves from a data folder leaves there about itself, and what it makes of that of the
 * one before: whether that one ended well, of which run it died, or which runs may be to blame (runtime/run/ties.h,
 * runtime/recovery/former.h, runtime/recovery/crash.h, runtime/run/suspects.h). Owns the app's ties and suspects
 * between its open and its end.
 *
 * Where the data folder takes no writes the process serves what can be read, as one that is not there yet: the store is
 * gated (store_gate), nothing is left in the folder, and presence_go_on makes up for the start. So it does when a write
 * of the start itself fails: the main thread never waits for a disk that takes no writes. */
#ifndef RUNTIME_RECOVERY_PRESENCE_H
#define RUNTIME_RECOVERY_PRESENCE_H

#include <stdbool.h>

#include "runtime/recovery/former.h"

struct sw_app;

typedef struct presence {
    former before;
    bool unclean; /* the process before ended for an unknown reason */
} presence;

/* Reads the folder of app->opt.data, enters crashes in journals and fills app->ties, ended_well, suspects and put_off;
 * before anything is loaded. Does nothing without a store. False: out of memory. */
bool presence_open(presence *p, struct sw_app *app);
/* Decides in which order runs come back: fills app->comeback. Before the loops are made. */
void presence_order(const presence *p, struct sw_app *app);
/* Writes the file `process`, unless that is put off: this process begins to serve. */
void presence_begin(const presence *p, const struct sw_app *app);
/* Does what was put off, and lets runs begin and go on, if the journal can be written now. While app->put_off, main
 * thread. */
void presence_go_on(const presence *p, struct sw_app *app);
/* Leaves what the next process has to know, and frees app->ties; `well`: all loops have ended. */
void presence_end(struct sw_app *app, bool well);

#endif
