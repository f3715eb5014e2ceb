/* live_filter: which of some runs are live, without a look at each: both the runs and the live table are in order. */
#ifndef STORAGE_LIVE_FILTER_H
#define STORAGE_LIVE_FILTER_H

#include "storage/backend.h"

/* Leaves of `ids`, which descend, those without a row in the live table, in their order. Returns how many; -1: the
 * table cannot be read. */
long live_filter_ended(backend *b, run_id *ids, size_t count, const char **error);

#endif
