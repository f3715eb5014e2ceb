/* replay_log: what a handler or branch logs while its run is replayed, so that no line is logged twice. Whether an
 * earlier execution has logged a line shows only in what the code does next: when it comes to something that the
 * journal has, that execution came as far, and has logged the line; when it comes to something new, or the handler
 * ends, the line is new. Until then the line is pending. Owns the pending lines, which hang on their context. */
#ifndef RUNTIME_RUN_REPLAY_LOG_H
#define RUNTIME_RUN_REPLAY_LOG_H

#include <stdarg.h>

#include "runtime/run/run.h"

/* Logs the line, or adds it to the pending lines of `c`, a handler's or branch's context. */
void replay_log(sw_ctx *c, const char *format, va_list args) SW_PRINTF(2, 0);

/* Tells that the code of `c` has come to a step, sleep or value of its own: drops the pending lines when the journal
 * has it (`recorded`), else logs them. */
void replay_log_pass(sw_ctx *c, bool recorded);

/* Moves the pending lines of a branch that has ended to `outer`, the context that waits for it. */
void replay_log_hand_over(sw_ctx *c, sw_ctx *outer);

/* Logs those pending lines that no earlier execution has logged; none is pending any more. */
void replay_log_end(sw_ctx *c);

/* Drops the pending lines: an earlier execution has logged them, or the next one comes to them again. */
void replay_log_drop(sw_ctx *c);

#endif
