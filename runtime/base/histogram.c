#include "runtime/base/histogram.h"

/* Three to a decade: a percentile that is read between two of them is off by less than a factor of 2.5. The short ones
 * begin where a commit of a good disk and a turn of an idle loop lie, and end with the longest answer of a model. */
const histogram_bounds histogram_scales[HISTOGRAM_SCALES] = {
    [HISTOGRAM_SHORT] = {.us = {100,     250,      500,      1000,     2500,      5000,     10000,
                                25000,   50000,    100000,   250000,   500000,    1000000,  2500000,
                                5000000, 10000000, 30000000, 60000000, 300000000, 600000000},
                         .first = {0,  0,  0,  0,  0,  0,  0,  0,  1,  2,  3,  4,  4,  5,  6,  7,  8,
                                   9,  10, 11, 12, 13, 13, 14, 15, 16, 17, 18, 18, 18, 19, 20, 20, 20,
                                   20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
                                   20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20}},
    [HISTOGRAM_LONG] = {.us = {1000,      2500,       5000,       10000,       25000,       50000,       100000,
                               250000,    500000,     1000000,    5000000,     10000000,    30000000,    60000000,
                               300000000, 1800000000, 3600000000, 21600000000, 86400000000, 604800000000},
                        .first = {0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  0,  1,  1,  2,  3,  4,  5,
                                  6,  7,  8,  9,  10, 10, 10, 11, 12, 13, 14, 14, 14, 15, 15, 16, 17,
                                  17, 17, 18, 18, 19, 19, 19, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20,
                                  20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20, 20}},
};

void histogram_merge(histogram *into, const histogram *from)
{
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++)
        into->counts[i] += __atomic_load_n(&from->counts[i], __ATOMIC_RELAXED);
    into->sum_us += __atomic_load_n(&from->sum_us, __ATOMIC_RELAXED);
}

uint64_t histogram_count(const histogram *h)
{
    uint64_t count = 0;
    for (unsigned i = 0; i <= HISTOGRAM_BOUNDS; i++) count += h->counts[i];
    return count;
}

uint64_t histogram_percentile(const histogram *h, histogram_scale scale, unsigned percent)
{
    const uint64_t *bounds = histogram_scales[scale].us;
    double rank = (double)histogram_count(h) * percent / 100, before = 0;
    assert(percent <= 100);
    if (rank <= 0) return 0;
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS; before += (double)h->counts[i], i++) {
        double here = (double)h->counts[i];
        uint64_t from = i > 0 ? bounds[i - 1] : 0;
        if (here > 0 && before + here >= rank)
            return from + (uint64_t)((double)(bounds[i] - from) * (rank - before) / here);
    }
    return bounds[HISTOGRAM_BOUNDS - 1];
}
