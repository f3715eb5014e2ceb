/* sent: the signals that runs send to runs, in the ledger: each once, in one commit with the entry *sent* of its
 * sender, and not at all only to a run that is not there, or has ended. */
#ifndef TESTS_SIMULATION_SENT_H
#define TESTS_SIMULATION_SENT_H

#include "storage/entry.h"
#include "tests/simulation/world.h"

/* The signal that the operation sends, the same in all executions until it is sent: its number. 0: to no run. */
int16_t sent_signal(const run_record *r, int op);
/* The operation of an entry *sent*; NO_OP: none. */
int sent_op(const run_record *r, const entry *e);
/* The handler is told whether the other run gets it. */
void sent_told(run_record *r, int op, bool is_sent);
/* An entry *sent*: what is wrong with it; NULL: nothing. */
const char *sent_take(run_record *r, const entry *e);
/* A letter that brings it is on disk. */
void sent_arrived(int16_t signal);
/* All of a commit is known. */
void sent_committed(void);

#endif
