/* history: what an execution has brought to its disk, entry by entry, over all of its runs; so the disk as it was at
 * any point, where the machine may have died. Owns nothing: the history is the execution's. */
#ifndef RUNTIME_PROVE_HISTORY_H
#define RUNTIME_PROVE_HISTORY_H

#include "runtime/base/arena.h"
#include "runtime/prove/execution.h"
#include "storage/store.h"

/* Packs rows that belong to a segment, those of the inbox alone, as the text of its fact. False: no memory. */
bool history_pack_rows(msgpack_sbuffer *to, const store_row *rows);

/* Fills the execution's runs and history from what it told, and from the disk that it began with. False: no memory, or
 * what it told cannot be read. */
bool history_make(execution *x, const disk *begun_with);

/* Returns whether the machine can die behind the entry at this place so that something goes on: not within a commit,
 * nor behind the last one. */
bool history_may_end_at(const execution *x, size_t place);
/* What is on disk with the first `count` entries of the history, all that belongs to them, and nothing else: its lists
 * lie in `a`, their bytes are the execution's. False: no memory. */
bool history_disk(arena *a, const execution *x, size_t count, disk *out);

#endif
