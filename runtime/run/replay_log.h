/* replay_log: what a handler or branch logs while its run is replayed. Whether an earlier execution has logged a line
 * can only be told by what comes after it: something that the journal has, and it has; something new, or the end of the
 * handler, and it has not. Until then the line is held, by its context. */
#ifndef RUNTIME_RUN_REPLAY_LOG_H
#define RUNTIME_RUN_REPLAY_LOG_H

#include <stdarg.h>

#include "runtime/run/run.h"

/* Logs the line, or holds it. `c` is no step's. */
void replay_log(sw_ctx *c, const char *format, va_list args) SW_PRINTF(2, 0);

/* The code of `c` has come to a step, sleep or value of its own; `recorded`: the journal has it. */
void replay_log_pass(sw_ctx *c, bool recorded);

/* A branch has ended: what it holds is held by `outer`, which waits for it. */
void replay_log_hand_over(sw_ctx *c, sw_ctx *outer);

/* Logs what is held and has not been logged before. */
void replay_log_end(sw_ctx *c);

/* Forgets what is held: the next execution comes to it again. */
void replay_log_drop(sw_ctx *c);

#endif
