/* counters: what one loop has counted since the start, for metrics. Written on the loop's own thread, read by others: a
 * figure may be a moment old. */
#ifndef RUNTIME_BASE_COUNTERS_H
#define RUNTIME_BASE_COUNTERS_H

#include <stdint.h>

typedef struct counters {
    uint64_t runs_started, runs_resumed, runs_succeeded, runs_failed, runs_rejected, runs_cancelled, runs_parked;
    uint64_t steps_done, steps_replayed, attempts_failed, inputs_differed, results_unasked, requests_refused;
    uint64_t points_begun, points_skipped, points_missed, points_stopped; /* of schedules: what became of them */
    uint64_t connections_kept, connections_taken_back;
} counters;

/* Adds to a counter, on the loop's own thread; `by` may be negative. A word is read and written whole. */
static inline void counter_add(uint64_t *n, int64_t by) { __atomic_store_n(n, *n + (uint64_t)by, __ATOMIC_RELAXED); }

#endif
