/* clock_belief: the time that retention goes by: the wall clock, unless the wall clock has jumped ahead. What a clock
 * set wrong by a year would delete cannot be brought back, while deleting a day later costs only space. So a jump is
 * believed after a grace in which somebody can set the clock right. Owns nothing, reads no clock. */
#ifndef STORAGE_CLOCK_BELIEF_H
#define STORAGE_CLOCK_BELIEF_H

#include <stdbool.h>
#include <stdint.h>

/* A backend stores the first two (set_swept), so that they outlive the process. */
typedef struct clock_belief {
    int64_t believed_ms; /* Unix; 0: nothing is known yet */
    int64_t grace_ms;    /* how long the wall clock has been ahead while somebody looked; 0: it is not */
    int64_t steady_ms;   /* of a clock that nobody sets, when believed_ms was; 0: believed_ms is an earlier process's */
} clock_belief;

/* Ahead by more than CLOCK_JUMP_MS is a jump; by more than CLOCK_ABSENCE_MS if another process believed last, since the
 * machine may have been off in between. CLOCK_GRACE_MS later the jump is believed. */
enum { CLOCK_JUMP_MS = 3600000, CLOCK_ABSENCE_MS = 7 * 86400000, CLOCK_GRACE_MS = 86400000 };

/* Returns the time to go by, now that the clocks show wall_ms (Unix) and steady_ms (above 0). *jumped: a jump was seen
 * for the first time. */
int64_t clock_believe(clock_belief *b, int64_t wall_ms, int64_t steady_ms, bool *jumped);

#endif
