/* disk: the world's disk under a store by hand: it fails, is slow and loses power as the plan has it, and the ledger
 * sees every entry that it gets. */
#ifndef TESTS_SIMULATION_DISK_H
#define TESTS_SIMULATION_DISK_H

#include "storage/backend.h"
#include "tests/simulation/world.h"

/* Opens it for this process and compares it with the ledger. */
backend *disk_open(void);
/* Of a named table, when no process has the disk open. */
size_t disk_rows(const char *table);
/* Reads a run's whole journal, whatever fails. The caller frees out->data. */
void disk_journal(const run_record *r, store_journal *out);
/* Has the store's index make tallies of few runs. */
void disk_index_begin(store *s);
/* Does what is due. False: nothing was. */
bool disk_turn(store *s);
/* When the next write or read is, on the steady clock; INT64_MAX: there is none. */
int64_t disk_due_ns(store *s);

#endif
