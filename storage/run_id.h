/* run_id: names a run for ever. 16 bytes: 48 bits Unix milliseconds, big endian, 64 random bits, the run's slot in the
 * cluster (storage/cluster.h), and the loop that owns the run: the last byte modulo the number of loops, else random.
 * Shown as the 26 characters of a ULID (Crockford base 32), so that ids sort by the time they were made. */
#ifndef STORAGE_RUN_ID_H
#define STORAGE_RUN_ID_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum {
    RUN_ID_BYTES = 16,
    RUN_ID_TEXT = 26,
    RUN_ID_SLOT_ALONE = 0 /* of a node that is in no cluster. Ids of 0.1 have any number there */
};

typedef struct run_id {
    uint8_t bytes[RUN_ID_BYTES];
} run_id;

/* Makes an id of the moment unix_ms. Of the 10 random bytes the ninth gives way to RUN_ID_SLOT_ALONE, and the tenth is
 * changed so that run_id_loop(id, loops) == loop. `loops` is 1 to 256. */
run_id run_id_make(int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops);
/* Makes an id with the cluster slot of `last`, which is the loop's id before this one. Of the same millisecond, the new
 * id is greater: a journal written in the order of its keys costs a third of one that is not. By how much is random: 40
 * bits, and what the loop leaves of the last byte, cannot be told from the id before. */
run_id run_id_next(const run_id *last, int64_t unix_ms, const uint8_t random[10], unsigned loop, unsigned loops);
unsigned run_id_loop(const run_id *id, unsigned loops); /* which of so many loops owns the run */
unsigned run_id_cluster_slot(const run_id *id);         /* 0 to 255 */
void run_id_set_cluster_slot(run_id *id, unsigned slot);
int64_t run_id_time_ms(const run_id *id); /* Unix, when the id was made */
run_id run_id_lowest(int64_t unix_ms);    /* the bound below all ids of that moment; of 0 to 2^48-1 */
uint64_t run_id_hash(const run_id *id);   /* for hash tables in memory: not the same on every machine */
bool run_id_equal(const run_id *a, const run_id *b);
/* Moves *id to the id behind it. False: it was the highest, which no run has. */
bool run_id_advance(run_id *id);
run_id run_id_behind(const run_id *id);               /* of an id that is not the highest */
int run_id_compare(const run_id *a, const run_id *b); /* below 0, 0 or above, as memcmp: the older id is the lower */
void run_id_format(const run_id *id, char out[RUN_ID_TEXT + 1]);
bool run_id_parse(const char *text, size_t len, run_id *out); /* exactly 26 characters, either case */

#endif
