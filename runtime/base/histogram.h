/* histogram: how often something took how long, by bounds that never change. Written by one thread alone, without a
 * lock and without an atomic addition; read by any: a figure may be a moment old. */
#ifndef RUNTIME_BASE_HISTOGRAM_H
#define RUNTIME_BASE_HISTOGRAM_H

#include <assert.h>
#include <stdint.h>

#include "runtime/base/counters.h"

enum { HISTOGRAM_BOUNDS = 20, HISTOGRAM_BITS = 65 };

typedef enum histogram_scale {
    HISTOGRAM_SHORT, /* 0.1 ms to 10 min: what a loop, a disk or another service does */
    HISTOGRAM_LONG,  /* 1 ms to 7 days: runs, which may sleep */
    HISTOGRAM_SCALES
} histogram_scale;

typedef struct histogram {
    uint64_t counts[HISTOGRAM_BOUNDS + 1]; /* by the first bound that is not exceeded; the last: all are */
    uint64_t sum_us;
} histogram;

/* The bounds ascend; a duration counts for each that it does not exceed. */
typedef struct histogram_bounds {
    uint64_t us[HISTOGRAM_BOUNDS];
    uint8_t first[HISTOGRAM_BITS]; /* by how many bits a duration has: how many bounds are below all of these */
} histogram_bounds;

extern const histogram_bounds histogram_scales[HISTOGRAM_SCALES];

/* Counts a duration, on the histogram's own thread. */
static inline void histogram_add(histogram *h, histogram_scale scale, uint64_t us)
{
    assert(scale < HISTOGRAM_SCALES);
    const histogram_bounds *b = &histogram_scales[scale];
    unsigned i = b->first[us > 0 ? 64 - __builtin_clzll(us) : 0];
    while (i < HISTOGRAM_BOUNDS && us > b->us[i]) i++;
    counter_add(&h->counts[i], 1);
    counter_add(&h->sum_us, (int64_t)us);
}

uint64_t histogram_count(const histogram *h);
/* Returns, in microseconds, what so many percent do not exceed, as far as the bounds tell: between two of them it is
 * taken for even, as Prometheus does. 0: nothing was counted. */
uint64_t histogram_percentile(const histogram *h, histogram_scale scale, unsigned percent);
/* Adds what another thread has counted so far. */
void histogram_merge(histogram *into, const histogram *from);

#endif
