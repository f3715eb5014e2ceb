/* signalled: the signals that the operator sends to runs: what of them the disk has, and that each is taken once, the
 * one that came first of its name first, by a wait that would not have timed out. */
#ifndef TESTS_SIMULATION_SIGNALLED_H
#define TESTS_SIMULATION_SIGNALLED_H

#include "storage/entry.h"
#include "storage/store.h"
#include "tests/simulation/world.h"

struct memory_table;

enum { SIGNALLED_KEY_MAX = 24 };

/* ---- Sending ---- */

/* The name of a signal that the run waits for without a timeout, and that nobody has sent; 0: there is none. */
char signalled_lacks(const run_record *r);
/* There is room for another signal to the run. */
bool signalled_may_send(const run_record *r);
/* The run has not ended, and its program has a wait that is not over, though that may not have begun. */
bool signalled_is_awaited(const run_record *r);
/* A new signal to the run; `name` 0: any, mostly that of a wait to come. Returns its number. */
int16_t signalled_new(const run_record *r, char name);
/* The signal has a key, and may be sent again under it. */
bool signalled_may_repeat(int16_t signal);
/* One whose answer was lost, or that was sent before, and that may be sent again under its key. -1: there is none. */
int16_t signalled_again(void);
/* The request goes out. False: it has no Idempotency-Key. */
bool signalled_key(int16_t signal, char out[SIGNALLED_KEY_MAX]);
/* The operator has its answer, or lost it: c->status 0. */
void signalled_told(const client *c, const run_record *r);

/* ---- What handlers do ---- */

void signalled_execution_begins(const run_record *r);
/* A wait is over for a handler; `n`: the number of its signal, if it has one. */
void signalled_waited(const run_record *r, int op, bool has_come, uint64_t n);

/* ---- What the disk has ---- */

/* An entry *wait*, *signal*, *taken* or *timed out*: what is wrong with it; NULL: nothing. */
const char *signalled_take(run_record *r, const entry *e);
/* The operation of a wait's entry; NO_OP: it is none. */
int signalled_op(const run_record *r, const entry *e);
/* A commit is on disk, and its entries were taken. */
void signalled_committed(const store_segment *list);
/* The letters as a process finds them, after the journals; NULL: there is no table. */
void signalled_found(const struct memory_table *inbox);

#endif
