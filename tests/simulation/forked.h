/* forked: forks in the ledger: what the operator asks for, what it was told that a fork would be, and whether the fork
 * on disk is that. The original's entries say what may be copied, and the tree of its job what has to be. */
#ifndef TESTS_SIMULATION_FORKED_H
#define TESTS_SIMULATION_FORKED_H

#include "storage/entry.h"
#include "tests/simulation/world.h"

struct memory_table;

enum { FORKED_BODY_MAX = 160 };

/* ---- Asking ---- */

/* There is room for another request, and the ledger knows the run. */
bool forked_may_ask(const run_record *r);
/* Draws what to ask for, of that run. Returns its number. */
int16_t forked_ask(const run_record *r);
/* A request whose answer was lost, and that may be sent again. -1: there is none. */
int16_t forked_lost(void);
/* Whether it comes with this Idempotency-Key. */
bool forked_key(int16_t ask, char out[16]);
/* Writes the body of the question, or of the request, which is noted. */
void forked_body(int16_t ask, bool is_dry, char out[FORKED_BODY_MAX]);
/* The operator has its answer, or lost it: c->status 0. */
void forked_told(const client *c, const run_record *r);

/* ---- On disk ---- */

/* Whether the entry, *started*, is a fork's. */
bool forked_is(const entry *started);
/* A fork is on disk: what is wrong with its start; NULL: nothing. */
const char *forked_begins(run_record *r, const entry *started);
/* An entry that came with the start, which has to be the original's: what is wrong with it. */
const char *forked_take(run_record *r, const entry *e);
/* All of them were taken: `data` is the fork's first segment. */
void forked_compare(const run_record *r, const char *data, size_t len);
/* After each entry of any run: what it may be forked from. */
void forked_note(run_record *r, const entry *e);
/* The run has ended. */
void forked_ended(const run_record *r);

/* ---- How its original leads to it ---- */

/* Forks of it on disk. */
unsigned forked_count(const run_record *r);
/* The rows of the table `kin` as a process finds them; NULL: there is no table. */
void forked_found(const struct memory_table *kin);
/* What the page of the run names as its forks. */
void forked_page_told(const client *c, const run_record *r);

/* ---- What a fork has copied ---- */

/* A step with that key. */
bool forked_has_copied(const char *key);
/* Perhaps that sleep: another of its id, where there are several. */
bool forked_has_slept(const run_record *r, int op);

#endif
