/* called: the functions that runs call, in the ledger: each call begins one run, in the commit that says so; that run's
 * first end reaches its caller once, as it was; and what its caller does not wait for any more is cancelled. */
#ifndef TESTS_SIMULATION_CALLED_H
#define TESTS_SIMULATION_CALLED_H

#include "storage/entry.h"
#include "storage/store.h"
#include "tests/simulation/world.h"

struct memory_table;

/* ---- What handlers see ---- */

/* A call has given its caller a result, or failed. */
void called_told(const run_record *r, int op, bool ok, uint64_t result);
/* One for whose result nobody waits has named its run. */
void called_named(const run_record *r, int op, const char *id);
/* The handler of a run begins, which may have been called. */
void called_begins(const run_record *r);
/* It has left its handler. */
void called_leaves(run_record *r);

/* ---- What the disk has ---- */

/* The operation of an entry *called* or *returned*; NO_OP: none. */
int called_op(const run_record *r, const entry *e);
/* Such an entry: what is wrong with it; NULL: nothing. */
const char *called_take(run_record *r, const entry *e);
/* The same of one that a fork has copied. */
const char *called_copy(run_record *r, const run_record *source, const entry *e);
/* A fork has copied a call, and not its result, which comes to the original alone. */
bool called_copy_lacks_result(const run_record *r);
/* The run has begun: whether it was called, and its deadline. */
void called_started(run_record *r, const entry *e);
/* It has ended. */
void called_ended(run_record *r);
/* It goes on after its end: calls that have no result, or a failure that ended it, count no more. */
void called_reopened(run_record *r, const entry *e, uint64_t voids);
/* A commit is on disk, and its entries were taken. */
void called_committed(const store_segment *list);
/* The letters as a process finds them, after the journals; NULL: there is no table. */
void called_found(const struct memory_table *inbox);
/* Runs on disk that were called. */
unsigned called_count(void);

/* ---- The rest ---- */

/* It has called a function. */
bool called_others(const run_record *r);
/* It was over its deadline when it ended. */
bool called_is_late(const run_record *r);
/* It waits for a run of which the function says that it is at rest. */
bool called_rests(const run_record *r, bool (*rests)(const run_record *child));

#endif
