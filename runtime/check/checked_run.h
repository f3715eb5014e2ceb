/* checked_run: one run of a backup as --check sees it: its entries, and the journal that its execution begins with.
 * Owns that journal; the rest lies in an arena and in the bytes that it was read from. Never executes anything. */
#ifndef RUNTIME_CHECK_CHECKED_RUN_H
#define RUNTIME_CHECK_CHECKED_RUN_H

#include "runtime/base/arena.h"
#include "storage/entry.h"
#include "storage/run_id.h"

typedef struct checked_run {
    run_id id;
    char id_text[RUN_ID_TEXT + 1];
    const entry *entries; /* all of them, with their texts */
    size_t count;
    const entry *started;          /* never NULL */
    const entry *response, *ended; /* NULL: there is none */
    bool has_answer;               /* it has ended by its handler: what that answered can be compared */
    /* The beginning of the journal, up to the handler's end, without what would keep an execution from coming so far:
     * a cancel, a stop without a release, crashes, deadlines. */
    msgpack_sbuffer journal;
    size_t kept; /* entries in it */
} checked_run;

/* Reads the run `id` from its journal, which is borrowed. False with a static message; checked_run_free it in any case.
 */
bool checked_run_read(checked_run *r, arena *a, const run_id *id, entry_text journal, const char **error);
void checked_run_free(checked_run *r);

/* Returns the label of a branch, by its path: "outer/inner:1", "" for the handler; in `a`. NULL: out of memory. */
const char *checked_run_label(const checked_run *r, arena *a, uint64_t branch);

#endif
