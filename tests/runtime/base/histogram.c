/* A histogram counts what a plain list of durations says, with each bound counting for itself and what is shorter. */
#include "runtime/base/histogram.h"

#include "tests/harness/check.h"

enum { DURATIONS = 20000 };

static uint64_t random_state = 42;

static uint64_t random_next(void)
{
    random_state = random_state * 6364136223846793005u + 1442695040888963407u;
    return random_state >> 20;
}

static void test_bounds(void)
{
    for (int scale = 0; scale < HISTOGRAM_SCALES; scale++) {
        const uint64_t *bounds = histogram_scales[scale].us;
        CHECK(bounds[0] > 0);
        for (unsigned i = 1; i < HISTOGRAM_BOUNDS; i++) CHECK(bounds[i] > bounds[i - 1]);
        for (unsigned bits = 0; bits < HISTOGRAM_BITS; bits++) {
            unsigned below = 0;
            while (below < HISTOGRAM_BOUNDS && bounds[below] < (bits > 0 ? 1ull << (bits - 1) : 0)) below++;
            CHECK_INT(histogram_scales[scale].first[bits], below);
        }
    }
}

/* Any length from 0 to far above all bounds, and each bound, just below it and just above it. */
static uint64_t duration_of(unsigned i, const uint64_t *bounds)
{
    if (i < 3 * HISTOGRAM_BOUNDS) return bounds[i / 3] + i % 3 - 1;
    return random_next() >> random_next() % 44;
}

static void test_model(void)
{
    static uint64_t all[DURATIONS];
    for (int scale = 0; scale < HISTOGRAM_SCALES; scale++) {
        const uint64_t *bounds = histogram_scales[scale].us;
        histogram h = {.sum_us = 0}, twice = {.sum_us = 0};
        uint64_t sum = 0, counted = 0;
        for (unsigned i = 0; i < DURATIONS; i++) {
            all[i] = duration_of(i, bounds);
            sum += all[i];
            histogram_add(&h, (histogram_scale)scale, all[i]);
        }
        for (unsigned b = 0; b < HISTOGRAM_BOUNDS; b++) {
            uint64_t within = 0;
            for (unsigned i = 0; i < DURATIONS; i++) within += all[i] <= bounds[b];
            counted += h.counts[b];
            CHECK_INT(counted, within);
        }
        CHECK_INT(counted + h.counts[HISTOGRAM_BOUNDS], DURATIONS);
        CHECK(h.counts[HISTOGRAM_BOUNDS] > 0);
        CHECK_INT(h.sum_us, sum);
        histogram_merge(&twice, &h);
        histogram_merge(&twice, &h);
        CHECK_INT(twice.sum_us, 2 * sum);
        for (unsigned b = 0; b <= HISTOGRAM_BOUNDS; b++) CHECK_INT(twice.counts[b], 2 * h.counts[b]);
    }
}

static const check_case cases[] = {{"bounds ascend", test_bounds}, {"counts are those of a list", test_model}};
CHECK_MAIN(cases)
