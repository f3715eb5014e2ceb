/* trial: whether a program would start, asked before the worker that serves lets go: the file is executed with its
 * flags and --version behind them, which checks all flags and ends. Owns nothing; the caller waits for the process. */
#ifndef RUNTIME_PROCESS_TRIAL_H
#define RUNTIME_PROCESS_TRIAL_H

#include <signal.h>
#include <sys/types.h>

/* `program` is a path or a name for PATH; `argv` ends with NULL. The process gets `mask`, and standard error as it is.
 * Ends with 0 if the program would start. -1 with errno: no process can be made. */
pid_t trial_start(const char *program, char *const *argv, const sigset_t *mask);

#endif
