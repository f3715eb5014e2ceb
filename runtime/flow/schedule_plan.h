/* schedule_plan: what a function's options say of its schedule: when, where, and what to do about a run that has not
 * ended. Made when the program registers the function, unchanged afterwards. Owned by the endpoint. */
#ifndef RUNTIME_FLOW_SCHEDULE_PLAN_H
#define RUNTIME_FLOW_SCHEDULE_PLAN_H

#include "runtime/flow/cron.h"
#include "runtime/stepwell.h"

enum { PLAN_ZONE_MAX = 64, PLAN_TEXT_MAX = CRON_TEXT_MAX + 1 + PLAN_ZONE_MAX };

typedef struct schedule_plan {
    cron *cron;
    sw_overlap overlap;
    int64_t catch_up_ms;
    char expression[CRON_TEXT_MAX + 1];
    char zone[PLAN_ZONE_MAX + 1]; /* "": no zone counts, "@every" */
} schedule_plan;

/* Returns the schedule of a function; NULL with *is_wrong false: it has none; with *is_wrong: `why` says, as a sentence
 * that begins with the name of the option, what is wrong. */
schedule_plan *schedule_plan_new(const sw_function_options *o, bool *is_wrong, char *why, size_t why_size);
void schedule_plan_free(schedule_plan *p); /* NULL is fine */

/* Writes expression and zone as one text, by which a change is noticed; PLAN_TEXT_MAX bytes and a zero are enough. */
void schedule_plan_text(const schedule_plan *p, char *to, size_t size);
const char *schedule_overlap_name(sw_overlap overlap); /* "skip" */

#endif
