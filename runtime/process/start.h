/* start: opens, in order, what a program serves with (sockets, store, what the process before has left, loops), serves,
 * and closes all of it; or, with --supervise, supervises a process that does. On the main thread. */
#ifndef RUNTIME_PROCESS_START_H
#define RUNTIME_PROCESS_START_H

struct sw_app;

/* Serves until the process is to end, and returns its exit status. The app is configured (app_configure), and the
 * caller's to free. What cannot be opened is said on standard error. */
int start_program(struct sw_app *app, char **argv);

/* Says on standard error why the program does not start, and returns the exit status for that. */
int start_failed(const struct sw_app *app, const char *why);

#endif
