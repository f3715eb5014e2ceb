/* strands_by_path: the strands of a run in memory by what they work for, so that a page finds the one of each of its
 * thousands of steps. Borrows the survey; its table lies in the asker's arena. */
#ifndef RUNTIME_OBSERVE_STRANDS_BY_PATH_H
#define RUNTIME_OBSERVE_STRANDS_BY_PATH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/run/survey.h"

typedef struct listed_strand {
    const survey_strand *strand;
    size_t place; /* in the survey's list */
} listed_strand;

typedef struct strands_by_path {
    listed_strand *list; /* by path, then place */
    size_t count;
} strands_by_path;

/* `of` NULL: the run is not in memory. False: no memory, and no strand is found. */
bool strands_sort(strands_by_path *t, const survey *of, arena *a);
/* The strand that works for a step, sleep or wait, the first of the survey's list if there are several; NULL: none
 * does.
 */
const survey_strand *strands_find(const strands_by_path *t, uint64_t path);

#endif
