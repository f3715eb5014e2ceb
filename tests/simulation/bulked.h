/* bulked: bulk actions in the ledger: what the operator asks for, the run that does it, each letter that it has on
 * disk, and whether what it says of itself is what has happened. A letter is known by its mark, a row of the table
 * `bulk`. */
#ifndef TESTS_SIMULATION_BULKED_H
#define TESTS_SIMULATION_BULKED_H

#include "storage/store.h"
#include "tests/simulation/world.h"

struct memory_table;

enum { BULKED_BODY_MAX = 200 };

/* ---- Asking ---- */

/* There is room for another one. */
bool bulked_may_ask(void);
/* Draws what to ask for. Returns its number. */
int16_t bulked_ask(void);
/* One whose answer was lost, and that may be sent again. -1: there is none. */
int16_t bulked_lost(void);
/* Whether it comes with this Idempotency-Key. */
bool bulked_key(int16_t ask, char out[16]);
/* Writes the body of the question, or of the request, which is noted. */
void bulked_body(int16_t ask, bool is_dry, char out[BULKED_BODY_MAX]);
/* One that stands still; -1: there is none. */
int16_t bulked_in_need(void);
/* The operator has its answer, or lost it: c->status 0. */
void bulked_told(const client *c);

/* ---- On disk ---- */

/* A commit is on disk: before the ledger takes the entries of other runs. */
void bulked_committed(const store_segment *list);
/* Whether that is the run of a bulk action. */
bool bulked_has(const run_id *id);
/* A journal as a process finds it. False: it is that of another run. */
bool bulked_found(const store_journal *j);
/* The marks as a process finds them, when all journals of bulk actions are known; NULL: there is no table. */
void bulked_marks_found(const struct memory_table *marks);

/* ---- The process ---- */

/* In a new one. */
void bulked_begin(void);
/* All of them are over; or only such are left as stand still. */
bool bulked_over(void);
bool bulked_at_rest(void);
/* All runs are over: how many marks are left. */
void bulked_left(size_t marks);

#endif
