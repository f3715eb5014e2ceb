/* blocked: a thread that watches the loops and logs which run keeps a loop from turning: a handler that computes, or
 * calls something that waits, makes every other run of its loop late. The line names the function and where its
 * source is. Owns that thread and what it has seen. Reads what each loop's sched and coroutines say anyway; a loop does
 * nothing for the watch but note which function it calls. Never interrupts a run. */
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
