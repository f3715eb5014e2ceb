/* schedules: has runs of functions begin at the points in time of their schedules (sw_function_options.cron), one run
 * for each point over restarts, kills and clocks that are set. Owns what is known of all schedules of the process,
 * those included that the program no longer has. The first loop does what is to be done; others may look. Never begins
 * a run that is not on disk together with the point that it is for.
 *
 *     a point is due --late--> missed
 *          \--nothing of it runs, or .overlap is allow--> a run begins
 *          \--its last run has not ended--> skipped, or waits for that end (queue, replace)
 *
 * In each case the row says that the point is dealt with, in the commit of the run if one begins. In a cluster each
 * schedule has an owner, by its name, which alone does all this; the other nodes show what it has written. */
#ifndef RUNTIME_FLOW_SCHEDULES_H
#define RUNTIME_FLOW_SCHEDULES_H

#include "runtime/flow/schedule_row.h"
#include "runtime/run/home.h"

typedef struct schedules schedules;

/* Makes them, and reads what is on disk, so that the first request finds it; what cannot be read then, the first loop
 * reads. `app` has all its endpoints, and no loop turns. NULL: no memory. */
schedules *schedules_new(struct sw_app *app);
void schedules_free(schedules *s); /* NULL is fine */

/* ---- Of the loops, whether the app has schedules or not ---- */

/* Makes the first loop's home known, before any loop turns. False: no memory. */
bool schedules_join(home *h);
/* Begins, when all that is on disk has been read; on the home's thread, as all that follows. Homes but the first do
 * nothing. */
void schedules_begin(home *h);
/* Looks at all schedules anew: the clock was set, the journal takes writes again, or a run has ended. */
void schedules_look(home *h);
/* As schedules_look, if that was asked for (a run has ended, rows are on disk); costs a branch otherwise. */
void schedules_look_if_told(home *h);
/* Begins nothing any more: the loop drains. */
void schedules_drain(home *h);
/* The segment of a schedule (tag SCHEDULE_TAG) has come back from the store. */
enum { SCHEDULE_TAG = 10 };
void schedules_committed(store_segment *s);
/* A run has ended or stands still, for which a schedule may wait. From any thread. */
void schedules_tell_over(struct sw_app *app);

/* ---- Looking, from any thread ---- */

enum { SCHEDULE_NEXT = 5 };

/* A schedule as it is at the moment. */
typedef struct schedule_view {
    const char *name;
    const struct endpoint *function; /* NULL: the program does not have it, or not as a schedule */
    const schedule_plan *plan;       /* with `function` */
    const schedule_row *row;         /* NULL: it has just been found in the program, and is not on disk yet */
    int64_t next_ms[SCHEDULE_NEXT];  /* its next points; CRON_NEVER: none. With `function` */
} schedule_view;

/* False: what is on disk cannot be read yet. */
bool schedules_are_known(const schedules *s);
extern const char schedules_unknown[]; /* for clients, why they are refused until then */
/* The number of the node that owns a schedule of this name, and whether it is this one. */
unsigned schedules_owner_of(const schedules *s, const char *name);
bool schedules_own(const schedules *s, const char *name);
/* Calls on_schedule for each schedule, in the order of the names, under the lock. */
void schedules_each(schedules *s, void (*on_schedule)(void *arg, const schedule_view *one), void *arg);

/* Returns the point that waits for the end of this run, which is of the function, Unix ms; 0: none does. NULL as `s` is
 * fine. */
int64_t schedules_point_behind(schedules *s, entry_text function, const run_id *run);

/* ---- Changing, on the first loop ---- */

typedef enum schedule_act {
    SCHEDULE_PAUSE,  /* no run begins, and a point that waits is dropped */
    SCHEDULE_RESUME, /* points from now on count again */
    SCHEDULE_FORGET  /* what is on disk is deleted; a schedule that the program has begins anew, with the next point */
} schedule_act;

typedef struct schedule_wish {
    schedule_act act;
    const char *name, *by; /* copied */
} schedule_wish;

typedef enum schedule_result {
    SCHEDULE_DONE,    /* it is on disk */
    SCHEDULE_REFUSED, /* it is not on disk, nor will be */
    SCHEDULE_UNSURE   /* the process ends before anybody knows */
} schedule_result;

/* `now`: the schedule; NULL: it is gone. `error`: why it was refused, else NULL. Both for the call. */
typedef void schedule_done_fn(void *arg, schedule_result result, const schedule_view *now, const char *error);

/* Has a schedule of this node changed, and calls on_done once that is on disk or refused, perhaps before this returns.
 * False: there is no such schedule; on_done is not called. */
bool schedules_change(home *h, const schedule_wish *wish, schedule_done_fn *on_done, void *arg);

#endif
