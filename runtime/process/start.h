/* start: opens, in order, what a program serves with (sockets, store, what the process before has left, loops), serves,
 * and closes it again; or supervises one that does (--supervise). On the main thread. */
#ifndef RUNTIME_PROCESS_START_H
#define RUNTIME_PROCESS_START_H

struct sw_app;

/* The app is configured. Returns the process's exit status when it is over; what could not be opened is said on
 * standard error. */
int start(struct sw_app *app, char **argv);

/* Says why the program does not start, and returns the exit status for that. */
int start_failed(const struct sw_app *app, const char *why);

#endif
