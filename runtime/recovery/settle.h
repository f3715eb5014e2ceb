/* settle: reads and writes of the store that wait until they are done, for a start that has to put journals right
 * before anything is loaded: the loops do not use the store yet, or it is gated. Owns an event loop and a port for that
 * time. Main thread. */
#ifndef RUNTIME_RECOVERY_SETTLE_H
#define RUNTIME_RECOVERY_SETTLE_H

#include "storage/store.h"

typedef struct settling settling;

enum { SETTLE_LIVE_ROWS = 4096 /* at the most, for each call of settle_scan_live */ };

/* NULL: out of memory. */
settling *settle_open(store *journals);
void settle_close(settling *s); /* NULL is allowed */

/* Loads a run's journal and calls on_journal(arg, journal) once, before it returns; the journal is lent for that call.
 */
void settle_load(settling *s, const run_id *id, void (*on_journal)(void *arg, const store_journal *j), void *arg);
/* Writes one segment. NULL: it is on disk; else why not, valid until the store is closed. After a write that failed
 * this does not wait until the journal can be written again: the segment is there or not, and has to be looked for
 * then. */
const char *settle_append(settling *s, store_segment *segment);
/* Reads rows of a table and calls on_rows(arg, rows, count), also for none; *end: the range has no more. False: they
 * could not be read. */
bool settle_scan(settling *s, const store_range *range,
                 void (*on_rows)(void *arg, const store_table_row *rows, size_t count), void *arg, bool *end);
/* Reads rows of the live table, of all loops, behind `after`, and calls on_rows as settle_scan does. */
bool settle_scan_live(settling *s, const run_id *after,
                      void (*on_rows)(void *arg, const store_live_row *rows, size_t count), void *arg, bool *end);

#endif
