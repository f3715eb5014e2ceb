/* run_index: an index of the runs that have ended, for lists and counts, kept behind the journal thread's back: that
 * one only says which runs changed. Owns the rows of the table `index` (docs/internals/journal.md, *The index*), which
 * can be deleted at any time and are made again. Never says anything of a run that the journal does not: what the index
 * leads to is read from the journal before it is shown.
 *
 * Ids below the *floor* are covered by tallies, each of a range of ids; those from the floor on are the newest, and
 * looked at one by one. A range that no tally covers, or one that is not counted, is looked at one by one too. */
#ifndef STORAGE_RUN_INDEX_H
#define STORAGE_RUN_INDEX_H

#include "storage/backend.h"
#include "storage/index_row.h"

typedef struct run_index run_index;

/* NULL: no memory. Borrows the backend. */
run_index *run_index_new(backend *b);
void run_index_free(run_index *x);

/* ---- What happens, from now on ---- */

/* From the journal thread, before a commit: returns the list that is to be committed, which begins with a segment of
 * the index's, or is *list. Valid until the commit is settled by one of the next three. */
store_segment *run_index_expect(run_index *x, store_segment *list);
/* This is on disk. */
void run_index_tell(run_index *x, const store_segment *list);
/* The commit is not on disk, and never will be. */
void run_index_refused(run_index *x);
/* Nobody waits any more to know whether this is on disk. */
void run_index_doubt(run_index *x, const store_segment *list);
/* These runs were deleted. Waits while the index has no room for more, unless `may_wait` is false: then what finds no
 * room makes the index count anew. */
void run_index_tell_gone(run_index *x, const run_id *ids, size_t count, bool may_wait);
/* Nobody works for the index any more: wakes who waits for room, for good. */
void run_index_give_up(run_index *x);

/* ---- The indexer: one thread ---- */

/* Writes what was told since the last call. now_ms: the wall clock. False: the table cannot be read or written at the
 * moment. */
bool run_index_take(run_index *x, int64_t now_ms);
/* Whether something is left to be counted or looked at. */
bool run_index_has_more(const run_index *x);
/* Does a part of that. False: the table cannot be read or written at the moment. */
bool run_index_go_on(run_index *x);

/* ---- Readers: from any thread ---- */

typedef struct index_view {
    run_id floor;
    uint64_t generation; /* goes up with each write to the table */
} index_view;

/* False: there is no index at the moment. */
bool run_index_view(run_index *x, index_view *out);
/* The runs with lo <= id < hi that changed and may not be in the table as they are now, in no order. Returns how many;
 * SIZE_MAX: more than `max`. */
size_t run_index_pending(run_index *x, const run_id *lo, const run_id *hi, run_id *ids, size_t max);

/* How many runs there are of each class. */
typedef struct index_sum {
    int64_t recent_from_ms; /* asked for: see store_class */
    text_pool names;        /* of the classes */
    store_class *classes;
    size_t count, room;
    bool whole;        /* else some runs are not counted yet */
    const char *error; /* why nothing could be counted; NULL: nothing went wrong */
} index_sum;

/* Fills *out, of which recent_from_ms is set and the rest zeroed, with all tallies and what is in none yet. */
void run_index_sum(run_index *x, index_sum *out);
void index_sum_free(index_sum *s);

#endif
