/* tape: what the first execution under --prove had, for the others to look up: steps, results, values of sw_now and
 * sw_random, calls and their answers. Owns its tables, never the facts. Made by the parent; children get it by fork. */
#ifndef RUNTIME_PROBE_TAPE_H
#define RUNTIME_PROBE_TAPE_H

#include "runtime/probe/fact.h"

typedef struct tape {
    const fact **cells; /* hash table, open addressing; NULL: empty cell */
    size_t cell_count;  /* a power of two, or 0 */
    size_t count;       /* cells with a fact: at most half of them */
    const fact **calls; /* in their order */
    bool *taken;        /* of each call: tape_call has returned it in this process */
    size_t call_count;
} tape;

/* Adds facts, which the tape borrows as long as it is used; of facts with equal places (fact_is) the last one counts.
 * False: out of memory. */
bool tape_add(tape *t, const fact *facts, size_t count);
void tape_free(tape *t);

/* Returns the fact that stands in the same cell (fact_is); NULL: the tape has no such fact. */
const fact *tape_find(const tape *t, const fact *wanted);

/* Returns the recorded call that stands for `asked`, and marks it as taken: the call with its number in its attempt;
 * else in an earlier attempt of the step; else the first call of its method and URL that is not taken. NULL: no such
 * call. */
const fact *tape_call(tape *t, const fact *asked);

#endif
