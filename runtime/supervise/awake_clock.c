#include "runtime/supervise/awake_clock.h"

#include <time.h>

uint64_t awake_clock_us(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000;
}

int64_t awake_clock_ms(void) { return (int64_t)(awake_clock_us() / 1000); }
