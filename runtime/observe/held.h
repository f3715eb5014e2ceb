/* held: what is known of a run whose loop is kept busy, and so cannot be asked: for how long already, and by whom. Owns
 * nothing. From any thread; reads what another thread writes, and trusts none of it. */
#ifndef RUNTIME_OBSERVE_HELD_H
#define RUNTIME_OBSERVE_HELD_H

#include "runtime/base/arena.h"
#include "runtime/run/program.h"
#include "runtime/run/survey.h"

enum { HELD_MS = 100 /* a loop whose turn has gone on for so long is not asked */ };

/* Whether the loop of that run is kept busy. */
bool held_is(const sw_app *app, const run_id *id);
/* Fills *out with what is known of the run; texts lie in `a`. False: its loop turns again. */
bool held_look(const sw_app *app, const run_id *id, arena *a, survey *out);

#endif
