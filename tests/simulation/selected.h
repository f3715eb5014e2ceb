/* selected: groups of which the first success decides, in the ledger: who has won by the disk, and that nothing comes
 * of those that have lost, in no process. */
#ifndef TESTS_SIMULATION_SELECTED_H
#define TESTS_SIMULATION_SELECTED_H

#include "storage/entry.h"
#include "tests/simulation/world.h"

/* The member of that number. NO_OP: the group has not so many. */
int16_t selected_member(const job *j, int group, uint64_t number);

/* A handler is told who has won. */
void selected_told(const run_record *r, int group);

/* ---- What the disk has ---- */

/* The group of an entry *won*; NO_OP: it is of none. */
int selected_op(const run_record *r, const entry *e);
/* An entry *won*, or *abandoned*: what is wrong with it; NULL: nothing. */
const char *selected_won(run_record *r, const entry *e);
const char *selected_cut(run_record *r, const entry *e);
/* The group's decision is known: all but the winner have lost, with all that is in them. */
void selected_give_up(run_record *r, int group);
/* The entry is of something that has lost, and tells of more than that. */
bool selected_has_lost(const run_record *r, const entry *e);
/* The operation is, or is in, what has won a group of which `other` has lost. */
bool selected_has_beaten(const run_record *r, int op, int other);
/* A group around the operation was decided, on disk or for a handler, and this may be what has lost. */
bool selected_may_have_lost(const run_record *r, int op);
/* The run has ended. */
void selected_ended(const run_record *r);

#endif
