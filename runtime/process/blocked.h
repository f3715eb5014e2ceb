/* blocked: a thread that watches the loops and logs which run keeps a loop from turning: a handler that computes, or
 * calls something that waits, makes every other run of its loop late. Owns that thread and what it has seen. Reads the
 * count of switches that each loop's sched has anyway, so that a loop does nothing for it; never interrupts a run. */
#ifndef RUNTIME_PROCESS_BLOCKED_H
#define RUNTIME_PROCESS_BLOCKED_H

struct sw_app;
typedef struct blocked_watch blocked_watch;

/* Starts the watch; the app's loops must outlive it. NULL: --block-warn is 0, or there is no thread, which is logged.
 */
blocked_watch *blocked_watch_start(struct sw_app *app);
/* Joins the thread and frees the watch; NULL is allowed. */
void blocked_watch_stop(blocked_watch *w);

#endif
