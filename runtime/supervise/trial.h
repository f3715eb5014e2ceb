/* trial: whether a program would start, asked before the worker that serves is replaced: the program is executed with
 * its flags and --version behind them, which checks all flags and ends. Owns nothing; the caller waits for the process.
 */
#ifndef RUNTIME_SUPERVISE_TRIAL_H
#define RUNTIME_SUPERVISE_TRIAL_H

#include <signal.h>
#include <sys/types.h>

/* Starts the process of the trial and returns its id; it ends with 0 if the program would start. `program` is a path or
 * a name for PATH; `argv` ends with NULL. The process has the signal mask `mask`, and this one's standard error. -1
 * with errno: no process can be made. */
pid_t trial_start(const char *program, char *const *argv, const sigset_t *mask);

#endif
