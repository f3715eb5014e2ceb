/* What the two ways of finding runs share: by a look at each (find.c), and by the index (find_index.c). */
#ifndef STORAGE_FIND_CORE_H
#define STORAGE_FIND_CORE_H

#include "storage/find.h"

/* A query under way. */
typedef struct finder {
    backend *b;
    struct run_index *index;
    const run_query *q;
    find_result *out;
    size_t looked;
    int64_t end_ms; /* steady; 0: never */
    bool is_over;   /* enough was found, or looked at; or something went wrong */
} finder;

void finder_fail(finder *f, const char *error);
/* Looks at the run, which is in the bounds. */
void finder_look(finder *f, const run_id *id);
/* Looks at all runs with lo <= id < hi, the newest first, until the query is over; `hi` NULL: no bound. */
void finder_walk(finder *f, const run_id *lo, const run_id *hi);
/* If no time is left, the query is over, and goes on below that id. */
void finder_look_at_clock(finder *f, const run_id *below);

/* Finds runs with what the index says of them. */
void finder_walk_index(finder *f);

#endif
