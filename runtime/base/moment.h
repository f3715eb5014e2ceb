/* moment: points in time that programs name, in Unix milliseconds. Whatever they pass, a moment lies between 1970 and
 * the end of 9999, so that no sum or difference of two of them overflows. */
#ifndef RUNTIME_BASE_MOMENT_H
#define RUNTIME_BASE_MOMENT_H

#include <stdint.h>

static const int64_t MOMENT_LAST_MS = 253402300799999; /* 9999-12-31T23:59:59.999Z */

/* Returns the moment nearest to unix_ms. */
static inline int64_t moment_of(int64_t unix_ms)
{
    return unix_ms < 0 ? 0 : unix_ms > MOMENT_LAST_MS ? MOMENT_LAST_MS : unix_ms;
}

/* Returns the moment `ms` later; below zero: no time passes. */
static inline int64_t moment_after(int64_t unix_ms, int64_t ms)
{
    int64_t from = moment_of(unix_ms);
    return from + (ms < 0 ? 0 : ms > MOMENT_LAST_MS - from ? MOMENT_LAST_MS - from : ms);
}

#endif
