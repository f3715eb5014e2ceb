/* rocks_floor: what RocksDB alone does with synced batches: the floor of everything that is journaled. */
#ifndef BENCH_ROCKS_FLOOR_H
#define BENCH_ROCKS_FLOOR_H

#include <stddef.h>
#include <stdint.h>

enum { BENCH_ENTRY_BYTES = 200, BENCH_BATCHES = 5 };
extern const size_t bench_batches[BENCH_BATCHES]; /* entries a batch */

uint64_t bench_now_ns(void);

/* Opens a new database at `path` and writes batches of 24-byte keys for `seconds`. Entries a second. Ends the program
 * with a message when it cannot. */
double rocks_floor(const char *path, size_t batch, double seconds);

#endif
