/* schedules_core: what the files of schedules share: the list, and reading it from the disk (schedules.c); which points
 * are due, and what is to be done about them (schedule_meet.c); writing that down (schedule_write.c); those that other
 * nodes own (schedule_others.c). */
#ifndef RUNTIME_FLOW_SCHEDULES_CORE_H
#define RUNTIME_FLOW_SCHEDULES_CORE_H

#include "runtime/flow/schedules.h"
#include "runtime/recovery/table_reading.h"

struct board_batch;
struct endpoint;

/* What an operator wants of a schedule. */
typedef struct schedule_change {
    struct schedule_change *next;
    schedule_act act;
    char by[SCHEDULE_BY_MAX + 1];
    schedule_done_fn *on_done;
    void *arg;
} schedule_change;

/* What has become of a point. */
typedef enum point_fate {
    POINT_NONE,    /* the row changes for another reason */
    POINT_BEGUN,   /* a run has begun for it */
    POINT_WAITS,   /* for the end of the last run */
    POINT_SKIPPED, /* the last run had not ended */
    POINT_CRASHED, /* the last run is stopped for having crashed: skipped */
    POINT_MISSED,  /* it was too late for it */
    POINT_STOPPED  /* an operator has stopped the function */
} point_fate;

typedef struct schedule {
    struct schedule *next; /* in the order of their names */
    schedules *all;        /* the list */
    char *name;
    struct endpoint *function;   /* NULL: the program does not have it, or not as a schedule */
    schedule_row row;            /* under the lock; written by the first loop. With has_row */
    bool has_row;                /* under the lock */
    bool is_mine;                /* this node owns it: no other one fires it, or writes its row */
    bool is_seen;                /* not is_mine: the row is on disk still, by the read under way */
    bool is_told;                /* it was logged that the clock is behind what is dealt with */
    bool is_busy;                /* it is being written, or its last run is being looked at */
    bool is_outdated;            /* schedules_look came while its last run was being looked at */
    bool is_retried;             /* a look came to nothing for want of memory, or of a disk: soon again */
    int64_t asked_ms;            /* the point for which the last run is being looked at */
    int64_t unread_ms;           /* since when the last run cannot be read, steady; 0: it can */
    int64_t next_ms;             /* when it is to be looked at again, Unix; CRON_NEVER: when something happens */
    schedule_change *changes;    /* the first one first */
    struct board_batch *cancels; /* SW_OVERLAP_REPLACE: the letter to the last run; NULL: none */
} schedule;

struct schedules {
    struct sw_app *app;
    const cluster *cluster; /* the store's */
    table_reading others;   /* the rows of other nodes' schedules, again and again */
    uv_mutex_t lock;
    schedule *first;
    home *home;       /* the first loop's */
    bool is_known;    /* atomic: all rows have been read */
    bool is_draining; /* nothing begins any more */
    uint32_t waiting; /* atomic: schedules whose points wait for the end of a run */
    bool is_asked;    /* atomic: schedules_look is to be called: such a run may have ended, or rows have come back */
    struct timer due;
    table_reading reading; /* until is_known */
};

/* Fills the view; its texts are the schedule's. Under the lock, or on the first loop. */
void schedule_fill_view(const schedule *s, schedule_view *out);
/* Whether this schedule's points are dealt with: the process is not about to end. */
bool schedules_run(const schedules *all);
/* Has schedules_look called in a turn that follows: once, however many rows have come back since the last look. From
 * any thread. */
void schedules_look_soon(schedules *all);
/* Takes a row that was read; `others`: if another node owns its schedule. False: no memory. */
bool schedules_take_row(schedules *all, const store_table_row *row, bool others);

/* Both do nothing if there are no other nodes. False: no memory. */
bool schedules_join_others(schedules *all);
/* All rows have been read once. */
void schedules_begin_others(schedules *all);

/* Has schedules_look called when the first of them is due. */
void schedules_arm(schedules *all, int64_t now_ms);
/* Takes the schedule out of the list, and frees it: neither the program nor the disk has it. On the first loop. */
void schedules_drop(schedules *all, schedule *s);

/* Does what is due; sets next_ms. */
void schedule_look(home *h, schedule *s, int64_t now_ms);

/* ---- Writing: the schedule is busy until it comes back, and is looked at then ---- */

/* What is to be written. */
typedef struct schedule_write {
    schedule_row row;   /* as it is to be */
    point_fate fate;    /* what becomes of... */
    int64_t point_ms;   /* ...this point. POINT_BEGUN: its run begins in the same commit, and the row names it */
    uint64_t missed;    /* points before it that nothing was done about */
    bool drops_waiting; /* the point that waited is given up */
} schedule_write;

/* False: it cannot be written now. */
bool schedule_put(home *h, schedule *s, const schedule_write *what);
/* Writes the first of the changes. False: it cannot be written now. */
bool schedule_put_change(home *h, schedule *s, int64_t now_ms);
/* Answers all changes that are not being written: the server is stopping. */
void schedule_deny_changes(schedule *s);
/* Returns the point as the log has it: "2025-01-01T02:30:00Z". */
enum { POINT_TEXT = 40 };
const char *schedule_point_text(int64_t point_ms, char text[POINT_TEXT]);

#endif
