/* steady: the clock that waits and durations are measured by: it only goes forward, and stands while the machine
 * sleeps. From any thread. */
#ifndef STORAGE_STEADY_H
#define STORAGE_STEADY_H

#include <stdint.h>
#include <time.h>

static inline int64_t steady_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static inline int64_t steady_ms(void) { return steady_us() / 1000; }

#endif
