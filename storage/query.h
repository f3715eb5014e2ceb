/* query: which runs a list asks for: bounds of their ids, and criteria that a line of the list can be held against.
 * Borrows its texts. Pure: finding the runs is find.h's. */
#ifndef STORAGE_QUERY_H
#define STORAGE_QUERY_H

#include <stdbool.h>
#include <stddef.h>

#include "storage/run_id.h"

struct run_label;
struct store_summary;

/* What the store itself knows of how a run stands: one bit each, so that a query can ask for several. */
typedef enum run_fate {
    FATE_LIVE = 1, /* it has not ended: at work, asleep or stopped */
    FATE_SUCCEEDED = 2,
    FATE_FAILED = 4,
    FATE_CANCELLED = 8,
    FATE_UNREADABLE = 16, /* it is not live, and whether it has ended cannot be read */
    FATES = 31
} run_fate;

typedef struct run_query {
    run_id from;                            /* the lowest id; zeros: no bound */
    run_id before;                          /* ids below this one, if has_before */
    bool has_before;                        /* else up to the newest */
    unsigned fates;                         /* of run_fate */
    const char *function, *version, *error; /* zero-terminated; `error` is contained in the run's. NULL: any */
    const char *label_key, *label_value;    /* both, or NULL: any */
    /* Whether the run is meant too, beyond all of these. From a thread of the pool, which may look at nothing that
     * changes; NULL: it is. */
    bool (*wants)(void *arg, const struct store_summary *s);
    void *arg;
    size_t limit;      /* how many runs at most, from 1 */
    size_t looked_max; /* how many are looked at for that; 0: no limit */
    unsigned ms_max;   /* for how long, about; 0: no limit */
    size_t bytes_max;  /* see store_summarize */
} run_query;

/* Whether it leaves runs within its bounds out. */
bool query_narrows(const run_query *q);
run_fate query_fate_of(const struct store_summary *s);
/* Whether the run fits the criteria, whatever its id. */
bool query_takes(const run_query *q, const struct store_summary *s);
/* Whether the label that is asked for, if one is, is among these. */
bool query_takes_labels(const run_query *q, const struct run_label *labels, uint32_t count);
/* Whether `text` contains `part`, of which the letters a to z may be small or large. */
bool query_contains(const char *text, size_t len, const char *part);

#endif
