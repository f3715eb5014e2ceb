/* run_id: names a run for ever. 16 bytes: 48 bits Unix milliseconds, big endian, then 80 random bits, shown as the
 * 26 characters of a ULID (Crockford base 32), so that ids sort by the time they were made. The last byte tells the
 * loop that owns the run: byte modulo the number of loops. */
#ifndef STORAGE_RUN_ID_H
#define STORAGE_RUN_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { RUN_ID_BYTES = 16, RUN_ID_TEXT = 26 };

typedef struct run_id {
    uint8_t bytes[RUN_ID_BYTES];
} run_id;

/* `random` is 10 bytes; its last is replaced so that run_id_loop(id, loops) == loop. loops is 1 to 256. */
run_id run_id_make(int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops);
/* The same, but greater than `last`, a loop's id before this one, when both are of one millisecond: a journal written
 * in the order of its keys costs a third of one that is not. What it adds is random: 48 bits and more of an id cannot
 * be told from its neighbour. */
run_id run_id_next(const run_id *last, int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops);
unsigned run_id_loop(const run_id *id, unsigned loops);
int64_t run_id_time_ms(const run_id *id);
uint64_t run_id_hash(const run_id *id);
bool run_id_equal(const run_id *a, const run_id *b);
void run_id_format(const run_id *id, char out[RUN_ID_TEXT + 1]);
bool run_id_parse(const char *text, size_t len, run_id *out); /* exactly 26 characters, either case */

#endif
