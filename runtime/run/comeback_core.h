/* comeback_core: the struct of comeback, for comeback.c and for tests that look inside (tests/simulation/solos.c). */
#ifndef RUNTIME_RUN_COMEBACK_CORE_H
#define RUNTIME_RUN_COMEBACK_CORE_H

#include <uv.h>

#include "runtime/base/timers.h"
#include "runtime/run/comeback.h"
#include "storage/run_id.h"

enum { COMEBACK_LOOPS_MAX = 256, COMEBACK_LINE_BYTES = 64 };

/* A run that waits for its solo, or has it. */
typedef struct comeback_solo {
    struct comeback_solo *next;
    run_id run;
    bool taken; /* its home knows that the run has its solo */
} comeback_solo;

/* What a home tells others of itself. Written at the end of each turn of its loop, so it has a cache line of its own.
 */
typedef struct comeback_home {
    uint8_t loads;           /* atomic: runs of the home are being loaded, or wait for that, or are not all known */
    uint8_t has_runs;        /* atomic: some are in memory */
    uint8_t awaits_wave;     /* atomic: some wait for their wave */
    bool is_clock;           /* the home's own: the tick is on it */
    size_t wave_queue_count; /* the home's own: how many wait for their wave */
    uint32_t
        unsettled; /* atomic: runs that came from their journals, and neither made a commit nor left memory since */
} __attribute__((aligned(COMEBACK_LINE_BYTES))) comeback_home;
_Static_assert(sizeof(comeback_home) == COMEBACK_LINE_BYTES, "one line each");

struct comeback {
    unsigned loops, waves;
    uint64_t epoch;
    int64_t wave_ms, quiet_ms, solo_ms;
    comeback_home states[COMEBACK_LOOPS_MAX];
    uint32_t open; /* atomic: the waves up to this one may come, from 0 */
    uv_mutex_t lock;
    struct home *homes[COMEBACK_LOOPS_MAX]; /* under lock: homes that have joined */
    struct home *clock;                     /* under lock: the first home, on which the tick is */
    struct timer tick;                      /* the clock's */
    bool tick_lost;                         /* the clock's: there was no memory for it */
    comeback_solo *first, **last;           /* under lock: runs that wait, first come first */
    comeback_solo *now;                     /* under lock: the run that has its solo; NULL: none */
    int64_t since_ms; /* under lock; steady: when the last wave was opened, or a solo began or ended */
};

#endif
