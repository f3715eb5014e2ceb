/* blocked: the thread that watches the loops and logs which run keeps one from turning: a handler that computes, or
 * calls something that waits, makes every other run of its loop late. It only looks: what the loops do for it is to
 * count their switches (sched). It never interrupts anything. */
#ifndef RUNTIME_PROCESS_BLOCKED_H
#define RUNTIME_PROCESS_BLOCKED_H

struct sw_app;
typedef struct blocked_watch blocked_watch;

/* The loops must outlive it. NULL when --block-warn is 0, or there is no thread for it, which is logged. */
blocked_watch *blocked_watch_start(struct sw_app *app);
void blocked_watch_stop(blocked_watch *w); /* NULL is allowed */

#endif
