/* record: a run's entries on their way to the store: the buffer of new entries, and the segment under way. Owns the
 * run's two buffers, which a home's runs share: a run has them only from its first new entry until the commit. */
#ifndef RUNTIME_RUN_RECORD_H
#define RUNTIME_RUN_RECORD_H

#include "runtime/run/run.h"

/* Appends an entry, which is copied; the store gets it when the turn ends. Does nothing in a run that has lost an
 * entry. False: the run's entries are over --run-state-max, which never holds for those a run ends or goes on with
 * (response, ended, cancel, ...). Without memory the run is lost (RUN_ON_LOSS) and true returned; in a run that has not
 * begun that is false, with lacks_memory. */
bool record_append(run *r, const entry *e);

/* Whether --run-state-max has room for an entry with texts of so many bytes. */
bool record_has_room(const run *r, size_t bytes);

/* Hands new entries to the store as one segment, unless a segment is under way. */
void record_flush(run *r);

/* Forgets the entries that are not with the store yet. */
void record_drop(run *r);

/* Gives empty buffers back to the home. No segment is under way. */
void record_release(run *r);

/* Suspends the running strand until the run's first `upto` entries are on disk. False: interrupted before that. */
bool record_wait(strand *s, uint32_t upto);

#endif
