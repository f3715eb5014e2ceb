/* recorded: how a sleep begins that the journal has. Owns nothing. */
#ifndef RUNTIME_API_RECORDED_H
#define RUNTIME_API_RECORDED_H

#include "runtime/run/run.h"

typedef struct sleep_asked {
    const clock_instant *now;
    clock_wait until; /* as seen at `now` */
    bool is_member;   /* of a group */
} sleep_asked;

typedef struct sleep_begun {
    uint64_t path;
    uint32_t occurrence, began; /* as its entry has them */
    clock_wait until;
    int64_t from_ms; /* Unix: when it began, as its entry says */
    bool is_earlier; /* an earlier execution began it */
    bool is_passed;  /* --check: the sleep is over, since the journal has it */
} sleep_begun;

/* The sleep, whose id is checked, begins, in this execution or in an earlier one. Fails `c` when the run has
 * --steps-max steps, or its journal has something else there. */
sleep_begun sleep_begin(sw_ctx *c, const char *id, const sleep_asked *asked);

#endif
