/* step: one durable step: its path, its attempts, their entries and the waits between them. Owns the memory of an
 * attempt while it runs; the step's result is in the run's arena. Never makes a step again that the journal has. */
#ifndef RUNTIME_API_STEP_H
#define RUNTIME_API_STEP_H

#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"

typedef enum step_outcome {
    STEP_OPEN, /* the journal has no end of the step */
    STEP_OK,
    STEP_FAILED,   /* for good: the strand's failure says why */
    STEP_UNWOUND,  /* the run leaves memory */
    STEP_ABANDONED /* neither done nor failed: another failure has decided its group */
} step_outcome;

/* Names the step and finds its path. Fails `c` when the id is no id, when `c` may not hold a step, or when the run has
 * --steps-max steps. */
step_spec step_prepare(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options);

/* Names the branch and finds its path; fails `c` for a wrong id or a missing function. */
step_spec step_prepare_branch(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input);

/* Answers the step from the journal, or makes attempts until one succeeds or the retries are used up. Fills *out when
 * the outcome is STEP_OK; else the failure of `s` says why. */
step_outcome step_execute(strand *s, const step_spec *spec, sw_value *out);

/* Returns the failure as programs see it; the texts stay the failure's. */
sw_error failure_error(const failure *f);

/* Returns the length of `what`'s id (a word for people); fails `c` unless it is 1 to STEP_ID_MAX. */
size_t step_check_id(sw_ctx *c, const char *what, const char *id);

/* Copies the id, which is checked, to the run's arena: the caller's may be a local buffer, and a problem may name it
 * later. */
const char *step_copy_id(sw_ctx *c, const char *what, const char *id);

/* Counts a step, a sleep or a wait of the run, also one that the journal answers, so that every execution counts alike;
 * fails `c` when it is one more than --steps-max. `what`: which of the three, for people. */
void step_count_one(sw_ctx *c, const char *what, const char *id);

/* Names the step as the cause of its final failure, which groups and branches pass on. Without memory the run is lost
 * instead: it is loaded again. */
void step_set_cause(run *r, const step_spec *spec, failure *f);

/* Loses the run for want of memory: a step that was done, or could be answered, is answered when the run is loaded
 * again. Returns the failure that unwinds until then. */
failure step_lose_run(run *r);

/* Nothing of the step begins any more, since it has lost: takes back what its attempts have streamed. Returns true. */
bool step_give_up(run *r, const step_spec *spec);

/* Answers the step from the journal, with its result in *out or its failure in *why: then no coroutine is needed.
 * STEP_OPEN: the journal has no end of the step. */
step_outcome step_answer(run *r, const step_spec *spec, sw_value *out, failure *why);

#endif
