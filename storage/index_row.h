/* index_row: the bytes of the rows of the table `index` (docs/internals/journal.md, *The index*): its cursor, tallies
 * of runs, and rows of single runs. Keys have the complement of an id, so that the newest come first. Reading trusts no
 * byte: the table may be damaged. Owns nothing but the classes of a tally. */
#ifndef STORAGE_INDEX_ROW_H
#define STORAGE_INDEX_ROW_H

#include <msgpack.h>

#include "storage/entry.h"
#include "storage/query.h"
#include "storage/remarks.h"
#include "storage/store.h"
#include "storage/text_pool.h"

enum {
    INDEX_KEY_BYTES = 1 + RUN_ID_BYTES,
    INDEX_TEXT_MAX = 256,           /* bytes of an error or label: what is cut is read from the run itself */
    INDEX_NAME_MAX = STORE_NAME_MAX /* what is cut may be any name that begins so */
};

#define INDEX_TABLE "index"

typedef enum index_kind {
    INDEX_CURSOR = 'c',
    INDEX_RUN = 'r',
    INDEX_TALLY = 't',
    INDEX_MARK = 'm',     /* the range of this run is not counted: see index_marks.c */
    INDEX_MARK_FROM = 'f' /* nor are those of this run and all newer ones */
} index_kind;

void index_key(uint8_t key[INDEX_KEY_BYTES], index_kind kind, const run_id *id);
/* False: it is no key of that kind. */
bool index_key_read(store_bytes key, index_kind kind, run_id *id);

/* The keys that bound a range of rows. */
typedef struct index_bounds {
    uint8_t from[INDEX_KEY_BYTES + 1], to[INDEX_KEY_BYTES + 1];
} index_bounds;

/* The rows of that kind with lo <= id < hi, the newest first; borrows the bounds, which it fills. */
store_range index_range(index_bounds *b, index_kind kind, const run_id *lo, const run_id *hi, size_t rows_max);

/* ---- The cursor: from which id on the index says nothing ---- */

typedef struct index_cursor {
    run_id floor;
    uint64_t opening; /* the opening of the store in which it was written */
} index_cursor;

/* These append to `to`, and return false for want of memory. Readers return false if the bytes are no such row. */
bool index_cursor_put(msgpack_sbuffer *to, const index_cursor *c);
bool index_cursor_read(store_bytes row, index_cursor *out);

/* ---- A run that did not succeed, or not yet, or that has labels ---- */

typedef struct index_run {
    run_fate fate;
    entry_text function, version, error;  /* borrowed */
    run_label labels[REMARKS_LABELS_MAX]; /* borrowed */
    uint32_t label_count;
    bool is_cut; /* the error or a label goes on */
} index_run;

bool index_run_put(msgpack_sbuffer *to, const index_run *r);
bool index_run_read(store_bytes row, index_run *out);

/* ---- Tallies ---- */

typedef struct tally_class {
    const char *function, *version; /* of a text_pool */
    run_fate fate;
    uint32_t runs;
} tally_class;

/* The runs of a range of ids: how many there are, and how they stand. */
typedef struct tally {
    run_id first, end; /* first <= id < end */
    bool is_counted;   /* else nothing is known of these runs */
    tally_class *classes;
    size_t count, room;
} tally;

/* Counts `runs` more, or less, runs of a class. False: no memory. */
bool tally_add(tally *t, const tally_class *of, int runs);
void tally_free(tally *t);
bool tally_put(msgpack_sbuffer *to, const tally *t);
/* `first` is the key's. False: damaged, or no memory; then *out holds nothing. */
bool tally_read(store_bytes row, const run_id *first, text_pool *n, tally *out);

#endif
