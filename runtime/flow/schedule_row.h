/* schedule_row: what is on disk of a schedule: the row of the table `schedules` whose key is the schedule's name
 * (docs/internals/journal.md). Written in the commit of the run that it tells of. Owns nothing. */
#ifndef RUNTIME_FLOW_SCHEDULE_ROW_H
#define RUNTIME_FLOW_SCHEDULE_ROW_H

#include <msgpack.h>

#include "runtime/flow/schedule_plan.h"
#include "storage/store.h"

#define SCHEDULES_TABLE "schedules"

enum { SCHEDULE_BY_MAX = 32 };

typedef struct schedule_row {
    int64_t upto_ms;  /* points up to this moment are dealt with: no run begins for them any more; Unix */
    int64_t point_ms; /* the last point for which a run has begun; 0: none */
    run_id run;       /* with `point_ms`: that run */
    int64_t waits_ms; /* a point that waits for the end of that run; 0: none does */
    bool is_paused;
    char by[SCHEDULE_BY_MAX + 1]; /* the operator who has paused it, or resumed it, last; "": nobody has */
    int64_t at_ms;                /* when that was; Unix */
    char plan[PLAN_TEXT_MAX + 1]; /* expression and zone that `upto_ms` is of */
} schedule_row;

/* False: no memory. */
bool schedule_row_pack(const schedule_row *r, msgpack_sbuffer *to);
/* Reads a row's value. False: it is none, or with *is_short there is no memory. */
bool schedule_row_read(store_bytes value, schedule_row *out, bool *is_short);

#endif
