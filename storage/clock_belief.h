/* clock: the time that retention goes by: the wall clock, unless that has jumped ahead. What a clock set wrong by a
 * year would delete cannot be brought back, while deleting a day later costs only space; so a jump is believed after a
 * grace in which somebody can set the clock right. Owns nothing. */
#ifndef STORAGE_CLOCK_BELIEF_H
#define STORAGE_CLOCK_BELIEF_H

#include <stdbool.h>
#include <stdint.h>

/* The first two are kept over restarts. */
typedef struct clock_belief {
    int64_t believed_ms; /* Unix; 0: nothing is known yet */
    int64_t grace_ms;    /* how long the wall clock has been ahead while somebody looked; 0: it is not */
    int64_t steady_ms;   /* of a clock that nobody sets, when that was believed; 0: in an earlier process */
} clock_belief;

/* Ahead by more than this is a jump. Between two processes a machine may have been off. */
enum { CLOCK_JUMP_MS = 3600000, CLOCK_ABSENCE_MS = 7 * 86400000, CLOCK_GRACE_MS = 86400000 };

/* The time to go by, now that the two clocks show these. *jumped: a jump has just been seen. */
int64_t clock_believe(clock_belief *b, int64_t wall_ms, int64_t steady_ms, bool *jumped);

#endif
