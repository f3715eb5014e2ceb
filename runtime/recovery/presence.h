/* presence: what a process that serves from a data folder leaves there about itself, and what it makes of that of the
 * one before: whether that one ended well, of which run it died, or which runs may be to blame (runtime/run/ties.h,
 * runtime/recovery/former.h, runtime/recovery/crash.h, runtime/run/suspects.h). Owns the app's ties and suspects
 * between its open and its end.
 *
 * Where the data folder takes no writes the process serves what can be read, as one that is not there yet: the store is
 * gated (store_gate), nothing is left in the folder, and the start is made up for by presence_go_on. So it does when a
 * write of the start itself fails: the main thread waits for no disk that takes none. */
#ifndef RUNTIME_RECOVERY_PRESENCE_H
#define RUNTIME_RECOVERY_PRESENCE_H

#include <stdbool.h>

#include "runtime/recovery/former.h"

struct sw_app;

typedef struct presence {
    former before;
    bool unclean; /* that one ended for an unknown reason */
} presence;

/* Reads the folder of app->opt.data, enters crashes in journals and fills app->ties, ended_well, suspects and
 * put_off; before anything is loaded. Nothing happens without a store. False: out of memory. */
bool presence_open(presence *p, struct sw_app *app);
/* With it, in which order runs come back: fills app->comeback. Before the loops are made. */
void presence_order(const presence *p, struct sw_app *app);
/* It begins to serve. */
void presence_begin(const presence *p, const struct sw_app *app);
/* Any time while app->put_off, main thread: if the journal can be written now, what was put off is done, and runs begin
 * and go on. */
void presence_go_on(const presence *p, struct sw_app *app);
/* It ends; `well`: all of its loops have ended. Frees the ties. */
void presence_end(struct sw_app *app, bool well);

#endif
