/* standing: stopped runs in the ledger: why each of them stands still, by its entries and by the plan. */
#ifndef TESTS_SIMULATION_STANDING_H
#define TESTS_SIMULATION_STANDING_H

#include "storage/entry.h"
#include "tests/simulation/world.h"

/* Nothing of it may begin in this process before it is released. */
bool standing_is_held(const run_record *r);
/* It is, or the program has no endpoint for it. */
bool standing(const run_record *r);
/* The program of this process has none for the job. */
bool standing_lacks(int of);

/* An entry of it has come to the disk: what is wrong with that; NULL: nothing. `op`: that of its path; NO_OP: none. */
const char *standing_stopped(run_record *r, const entry *e, int op);
const char *standing_released(run_record *r, const entry *e);
/* An entry *reopened*, which takes the failures of these operations back. */
const char *standing_reopened(run_record *r, const entry *e, uint64_t voids);
const char *standing_crashed(run_record *r);
const char *standing_differs(const run_record *r, int op);
/* After each entry. */
void standing_note(run_record *r, const entry *e);

/* Whether its end by a time that is over comes after that time: `cancel` is its last entry but the end. */
bool standing_is_late(const run_record *r);
bool standing_is_stale(const run_record *r);

/* It may be about to end, by now: cancelled, or since it has stood for too long. */
bool standing_may_end(const run_record *r);

/* Whether it can have stood for the reason that a client was told. */
bool standing_is_named(const run_record *r, int of, const char *reason, size_t len);

#endif
