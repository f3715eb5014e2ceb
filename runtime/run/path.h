/* path: what a step, branch, sleep or recorded value is found by in the journal: a hash of the ids that lead to it and
 * of its number among equal ids (docs/internals/journal.md, "Paths"). Owns the run's counters of equal ids. */
#ifndef RUNTIME_RUN_PATH_H
#define RUNTIME_RUN_PATH_H

#include "runtime/run/run.h"

/* What a path names; part of its hash (docs/internals/journal.md). */
typedef enum path_kind { PATH_STEP = 's', PATH_BRANCH = 'b', PATH_VALUE = 'v', PATH_CHUNK = 'c' } path_kind;

extern const uint64_t PATH_ROOT; /* the handler's own path */

/* The path of the next `id` of that kind in `c`; *occurrence is which of its equals it is. Fails `c` when memory is
 * out, and when another id of this run has the very same path: paths are hashes. */
uint64_t path_next(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence);

/* A path for people and for stream frames: "id", "id:1" for the second, "branch/id". In the run's arena. */
const char *path_label(run *r, const char *branch_label, const char *id, uint32_t occurrence);

#endif
