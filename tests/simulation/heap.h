/* heap: the allocator that stands before libc's. It counts what is in use, and refuses what the seed's plan is short
 * of: only between heap_begin and heap_end, and only what the program or a library that tells of a refusal asks for. */
#ifndef TESTS_SIMULATION_HEAP_H
#define TESTS_SIMULATION_HEAP_H

#include <stdbool.h>

/* What is short. */
typedef enum heap_shortage {
    HEAP_ONE,   /* one block, some time from now */
    HEAP_BURST, /* some in a row, some time from now */
    HEAP_LARGE, /* all above a size, until heap_relax */
    HEAP_SHARE, /* some of all, by chance, until heap_relax */
    HEAP_SHORTAGES
} heap_shortage;

/* Blocks that are in use; 0: they are not counted in this build. */
long heap_blocks(void);

/* What is under test begins to work, and is done. */
void heap_begin(void);
void heap_end(void);
/* It has called the simulation, whose own work is not refused anything, and goes on. */
bool heap_spare(void);
void heap_go_on(bool was);

/* A shortage begins, of an extent that the seed draws; the one before is over. */
void heap_fail(heap_shortage kind);
/* There is enough again: but one that has yet to come, HEAP_ONE and HEAP_BURST, still comes. */
void heap_relax(void);

#endif
