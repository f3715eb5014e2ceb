/* step: one durable step: its path, its attempts, their journal entries and the waits between them. Owns nothing
 * beyond the call; the result is in the run's arena. */
#ifndef RUNTIME_API_STEP_H
#define RUNTIME_API_STEP_H

#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"

typedef enum step_outcome {
    STEP_OK,
    STEP_FAILED,   /* for good: the strand's failure says why */
    STEP_UNWOUND,  /* the run leaves memory */
    STEP_ABANDONED /* neither done nor failed: what it was for had failed before */
} step_outcome;

/* Checks the id, that `c` may hold a step here, and the run's limits; fails `c` otherwise. */
step_spec step_prepare(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options);

/* Prepares a branch: names it and finds its path. */
step_spec step_prepare_branch(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input);

step_outcome step_execute(strand *s, const step_spec *spec, sw_value *out);

/* As programs see it. */
sw_error failure_error(const failure *f);

/* Fails `c` unless the id of `what` (a word for people) has a length that ids may have; returns that. */
size_t step_check_id(sw_ctx *c, const char *what, const char *id);

/* True when the journal already has its result (or its final failure): no coroutine is needed for it. */
bool step_answered(run *r, const step_spec *spec, step_outcome *outcome, sw_value *out, failure *why);

#endif
