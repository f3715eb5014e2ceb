/* said: what the process has said once for all its runs, as hashes: a change of the program shows in each unfinished
 * run, and one line is enough. Shared by all loops. Never forgets; once it is full, which it logs, nothing is new to
 * it: ids of steps may be data, and each run would log each of its steps. */
#ifndef RUNTIME_RUN_SAID_H
#define RUNTIME_RUN_SAID_H

#include <stdbool.h>
#include <stdint.h>

enum { SAID_CELLS = 2048, SAID_TEXTS_MAX = 8 };

typedef struct said_set {
    uint64_t cells[SAID_CELLS]; /* hashes, open addressing; 0: the cell is free. Atomic */
    uint32_t count;             /* atomic */
    bool is_full;               /* that has been logged; atomic */
} said_set;

/* Whether these texts, NULL-terminated and SAID_TEXTS_MAX at most, have not been said together before; now they are. */
bool said_is_new(said_set *s, const char *const *texts);

#endif
