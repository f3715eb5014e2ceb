/* awake_clock: CLOCK_MONOTONIC, which nobody sets and which stands still while the machine sleeps: the clock of
 * watchdogs and restarts, that must not take such a sleep for a process that hangs. What runs wait for goes by
 * runtime/base/clock.h. */
#ifndef RUNTIME_SUPERVISE_AWAKE_CLOCK_H
#define RUNTIME_SUPERVISE_AWAKE_CLOCK_H

#include <stdint.h>

int64_t awake_clock_ms(void);
uint64_t awake_clock_us(void);

#endif
