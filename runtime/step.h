/* step: one durable step: its path, its attempts, their journal entries and the waits between them. Owns nothing
 * beyond the call; the result is in the run's arena. */
#ifndef RUNTIME_STEP_H
#define RUNTIME_STEP_H

#include "runtime/run.h"

typedef struct step_spec {
    const char *id; /* borrowed for the run: in its arena or on a frame that outlives the step */
    uint64_t path;
    uint32_t occurrence;
    const char *branch_label; /* of the branch that holds it, "" for the handler */
    sw_step_fn fn;
    sw_value input;
    sw_step_options options;
} step_spec;

typedef enum step_outcome {
    STEP_OK,
    STEP_FAILED, /* for good: the strand's failure says why */
    STEP_UNWOUND /* the run leaves memory */
} step_outcome;

enum { STEP_ID_MAX = 256, STEP_RETRIES_DEFAULT = 4, STEP_INPUT_JOURNALED_MAX = 16384 };

/* What a path names; part of its hash (docs/journal.md). */
typedef enum path_kind { PATH_STEP = 's', PATH_BRANCH = 'b', PATH_VALUE = 'v', PATH_CHUNK = 'c' } path_kind;

enum { PATH_ROOT_SEED = 0 };
extern const uint64_t PATH_ROOT; /* the handler's own path */

/* The path of the next `id` of that kind in `c`; *occurrence is which of its equals it is. Fails `c` when the run has
 * too many or memory is out. */
uint64_t path_next(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence);

/* A path for people and for stream frames: "id", "id:1" for the second, "branch/id". In the run's arena. */
const char *path_label(run *r, const char *branch_label, const char *id, uint32_t occurrence);

/* Checks the id, that `c` may hold a step here, and the run's limits; fails `c` otherwise. */
step_spec step_prepare(sw_ctx *c, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options);

step_outcome step_execute(strand *s, const step_spec *spec, sw_value *out);

/* True when the journal already has its result (or its final failure): no coroutine is needed for it. */
bool step_answered(run *r, const step_spec *spec, step_outcome *outcome, sw_value *out, failure *why);

#endif
