/* tape: what the first execution under --prove had, to be looked up by the others: steps, results, values of sw_now and
 * sw_random, calls and their answers. Owns its table, never the facts. Made by the parent; children get it by fork. */
#ifndef RUNTIME_PROBE_TAPE_H
#define RUNTIME_PROBE_TAPE_H

#include "runtime/probe/fact.h"

typedef struct tape {
    const fact **cells; /* open addressing, a power of two; all but the calls that can only be found in order */
    size_t cell_count, count;
    const fact **calls; /* in order */
    bool *taken;        /* calls that this process has had already, for tape_call */
    size_t call_count;
} tape;

/* False: out of memory. Of equal facts the last one counts. `facts` is borrowed for as long as the tape is used. */
bool tape_add(tape *t, const fact *facts, size_t count);
void tape_free(tape *t);

/* NULL: it has none such. */
const fact *tape_find(const tape *t, fact_kind kind, uint64_t path, uint32_t attempt, uint32_t number);

/* The recorded call that stands for this one: of the same attempt and place in it; else of another attempt of the step;
 * else the first one of this method and URL that was not had yet. NULL: there is none. */
const fact *tape_call(tape *t, const fact *asked);

#endif
