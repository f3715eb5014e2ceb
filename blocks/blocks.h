/* blocks: the large pieces of memory of one loop, for its buffers and arenas. Keeps what is given back for whoever asks
 * next, and lets the system have what nobody has asked for since. Owns only what it keeps; each block is malloc's.
 * Other threads that work for the loop may take and give, too.
 *
 * malloc alone does not do: it gives memory back from the end of a heap only, so that one small object there holds all
 * that was freed before it. */
#ifndef BLOCKS_BLOCKS_H
#define BLOCKS_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct blocks blocks;

enum { BLOCK_BYTES_MIN = 16384 }; /* what is smaller comes from malloc and goes back there */

/* `spare_max`: bytes that are kept for good. NULL: no memory. */
blocks *blocks_new(size_t spare_max);
void blocks_free(blocks *b); /* also what it keeps; blocks that were taken stay good */

/* Returns memory, aligned as malloc's, and sets *size to the bytes that it has: at most a quarter more than asked for.
 * NULL: there is none. `b` NULL: malloc's. */
void *blocks_take(blocks *b, size_t *size);
/* Takes memory of malloc's that has `size` bytes: a block, or any other. NULL is nothing. */
void blocks_give(blocks *b, void *block, size_t size);

/* Gives back to the system, oldest first, a share of what is kept beyond spare_max and nobody has needed since the last
 * call: the more, the more time has passed between the two, but never so much that the caller is held for long. True:
 * more than spare_max is kept, so call again soon. */
bool blocks_trim(blocks *b, uint64_t passed_ms);
size_t blocks_kept(blocks *b); /* bytes */

#endif
