/* record: a run's entries on their way to the store: the buffer of new ones, the segment under way, what is durable. */
#ifndef RUNTIME_RUN_RECORD_H
#define RUNTIME_RUN_RECORD_H

#include "runtime/run/run.h"

/* Appends; the store gets it when the turn ends. False when the run's state is over its limit, which the last entries
 * of a run, response and end, never are; where memory is out the run is lost (RUN_ON_LOSS), but one that has not begun:
 * that is false, too. */
bool record_append(run *r, const entry *e);

/* Hands new entries to the store unless earlier ones are still under way. */
void record_flush(run *r);

/* Forgets the entries that are not yet with the store. */
void record_drop(run *r);

/* Gives the buffers back that it has no entries in; while no segment is under way. */
void record_release(run *r);

/* Waits until the run's first `upto` entries are on disk. False: interrupted. */
bool record_wait(strand *s, uint32_t upto);

#endif
