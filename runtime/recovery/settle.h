/* settle: the store for a start that has to put journals right before anything is loaded: reads and writes that wait.
 * The loops do not use the store yet, or it is gated, so there is an event loop of its own for that time. Owns that
 * loop and a port. */
#ifndef RUNTIME_RECOVERY_SETTLE_H
#define RUNTIME_RECOVERY_SETTLE_H

#include "storage/store.h"

typedef struct settling settling;

/* NULL: out of memory. */
settling *settle_open(store *journals);
void settle_close(settling *s); /* NULL is allowed */

/* Calls on_journal(arg, journal) once, before it returns; the journal is borrowed for that call. */
void settle_load(settling *s, const run_id *id, void (*on_journal)(void *arg, const store_journal *j), void *arg);
/* One segment. NULL when it is on disk, else why not; valid until the store is closed. After a write that failed nobody
 * waits until the journal can be written again: then it is there or not, and has to be looked for. */
const char *settle_append(settling *s, store_segment *segment);
/* Calls on_rows(arg, rows, count), also for none; *end: there are no more in the range. False: it could not be read. */
bool settle_scan(settling *s, const store_range *range,
                 void (*on_rows)(void *arg, const store_table_row *rows, size_t count), void *arg, bool *end);
/* Likewise of the live table, of all loops, behind `after`. */
bool settle_scan_live(settling *s, const run_id *after, size_t limit,
                      void (*on_rows)(void *arg, const store_live_row *rows, size_t count), void *arg, bool *end);

#endif
