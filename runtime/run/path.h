/* path: what a step, branch, sleep or recorded value is found by in the journal: a hash of the ids that lead to it and
 * of its occurrence, its number among equal ids (docs/internals/journal.md, "Paths"). Owns the run's table of paths. */
#ifndef RUNTIME_RUN_PATH_H
#define RUNTIME_RUN_PATH_H

#include "runtime/run/run.h"
#include "storage/entry.h"

/* What a path names; part of its hash, so these numbers stay (docs/internals/journal.md). */
typedef enum path_kind {
    PATH_STEP = 's',
    PATH_BRANCH = 'b',
    PATH_VALUE = 'v',
    PATH_CHUNK = 'c',
    PATH_LABEL = 'l',
    PATH_STATUS = 'p',
    PATH_USAGE = 'u',
    PATH_QUESTION = 'q',
    PATH_PATCH = 'a' /* of the whole run: path_of_patch */
} path_kind;

extern const uint64_t PATH_ROOT; /* the handler's own path */

/* Returns the path of the next `id` of that kind in `c`, never twice the same but for PATH_CHUNK; *occurrence counts
 * the equal ids before it. Fails `c` when memory is out, and when another id of the run has that path, since paths are
 * hashes. */
uint64_t path_next(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence);

/* Returns the path that all of that kind and `id` in `c` share; *occurrence counts the equal ones before. For what may
 * come very often, and is told apart by its number alone. Fails `c` when memory is out. */
uint64_t path_count(sw_ctx *c, path_kind kind, const char *id, uint32_t *occurrence);

/* Returns the path that such an `id` in the branch with that path has: what path_next has returned there. */
uint64_t path_of(uint64_t branch, path_kind kind, entry_text id, uint32_t occurrence);

/* Returns the path of sw_patch's `id`, which is one in the whole run, and in *asked where the run remembers its answer:
 * 0: it was not asked for in this execution. Valid until the next path is made. Fails `c` when memory is out. */
uint64_t path_of_patch(sw_ctx *c, const char *id, uint32_t **asked);

/* Returns a path for people and for stream frames, in the run's arena: "id", "id:1" for the second, "branch/id".
 * Without memory the run is lost, and the id alone is returned. */
const char *path_label(run *r, const char *branch_label, const char *id, uint32_t occurrence);

#endif
