/* kin: which runs came of which: rows of the table `kin`, two for each pair of runs, so that each of the two leads to
 * the other, and whoever deletes one of them finds both rows. A run needs no row to go on: people are told of them, and
 * by them the caller of a run that cannot be read is found. Borrows the bytes of its keys; knows no database. */
#ifndef STORAGE_KIN_H
#define STORAGE_KIN_H

#include "storage/store.h"

#define KIN_TABLE "kin"

/* What the other run of a row is to the run that the row is of. Odd and even ones are the two sides of one pair, also
 * of pairs to come. */
typedef enum kin_tie {
    KIN_FORK = 1,   /* a fork of the run */
    KIN_SOURCE = 2, /* the run that it is a fork of */
    KIN_CHILD = 3,  /* a run that the run has called */
    KIN_PARENT = 4  /* the run that has called it */
} kin_tie;

enum { KIN_KEY_BYTES = 2 * RUN_ID_BYTES + 1 };

/* The two rows of a pair. Not to be moved: the rows point to the keys. */
typedef struct kin_pair {
    uint8_t keys[2][KIN_KEY_BYTES];
    store_row rows[2]; /* linked */
} kin_pair;

/* Fills the rows which say that `other` is `tie` to `of`, and the converse. They have to be put in the commit with
 * which the later one of the two runs begins. */
void kin_pair_fill(kin_pair *p, const run_id *of, kin_tie tie, const run_id *other);

typedef struct kin_bounds {
    uint8_t from[KIN_KEY_BYTES + 1], to[KIN_KEY_BYTES];
} kin_bounds;

/* The rows of the runs that are `tie` to `of`, the newest run first: all of them, or those older than `before`, if that
 * is not NULL. The range borrows *b. */
store_range kin_range(kin_bounds *b, const run_id *of, kin_tie tie, const run_id *before, size_t rows_max);
/* Reads the other run from a row's key. False: the key is damaged. */
bool kin_key_read(store_bytes key, run_id *other);
/* Turns the key of one row of a pair into that of the other row. False: the key is damaged. */
bool kin_key_turn(store_bytes key, uint8_t out[KIN_KEY_BYTES]);

#endif
