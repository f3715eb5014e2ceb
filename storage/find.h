/* find: the runs that a query asks for, the newest first. Looks at as many runs as the query allows and then says from
 * where to go on, so that no query takes for ever. Owns nothing; never writes. */
#ifndef STORAGE_FIND_H
#define STORAGE_FIND_H

#include "storage/backend.h"

struct run_index;

/* What was found; `runs` has room for query.limit and is zeroed. */
typedef struct find_result {
    store_summary *runs; /* texts: to be freed by glance_free */
    size_t count;
    run_id next; /* if has_next: the runs below this one were not looked at */
    bool has_next;
    const char *error; /* why nothing could be found; NULL: nothing went wrong */
} find_result;

/* `index` NULL: there is none, and every run is looked at. From any thread that may wait for the disk. */
void find_runs(backend *b, struct run_index *index, const run_query *q, find_result *out);

#endif
