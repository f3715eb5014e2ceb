/* board: where a run of one loop leaves letters to runs of all loops, and finds what became of them. Each loop takes
 * the letters to its own runs from there, when it is woken, and the parcels that others hand it. Shared by all loops of
 * the process; owns the batches, and parcels on their way. A
 * letter that a mark goes with is written once, whatever becomes of the processes: the mark is a row of the table
 * `bulk`, inserted in the letter's commit. */
#ifndef RUNTIME_RUN_BOARD_H
#define RUNTIME_RUN_BOARD_H

#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/parcel.h"

/* In place of a letter's kind: the run, which has ended, is to go on (runtime/run/reopen.h). The mark is inserted in
 * the commit of the entry that reopens the run. */
enum { BOARD_RESUME = LETTER_KINDS };

typedef struct board board;
typedef struct board_batch board_batch;

extern const char board_table[];

board *board_new(void); /* NULL: no memory */
void board_free(board *b);
/* Makes the home known to whoever has letters for its runs; before its loop turns. */
void board_join(board *b, home *h);
/* Sends the letters that wait for this home, and takes its parcels; on its thread. */
void board_look(home *h);

/* Hands the parcel to the home of that run, which takes it at once if it is `from` itself, else on its own thread. */
void board_hand(home *from, parcel *p, const run_id *to);

/* Begins a batch of at most `room` letters, by the run `sender`. wish->by and wish->text are copied. NULL: no memory.
 */
board_batch *board_begin(board *b, const run_id *sender, const letter_wish *wish, size_t room);
/* Lets go of the batch. What a home has taken goes on; what no home has taken yet is withdrawn. */
void board_end(board_batch *t);
/* Has a letter sent; returns its place in the batch, from 0. */
size_t board_send(board_batch *t, const run_id *to);
/* Sends a letter that could not be written (LETTER_UNWRITTEN) once more. */
void board_send_again(board_batch *t, size_t place);
/* How far a letter has come. */
typedef enum board_stage {
    BOARD_WAITS,   /* for its home */
    BOARD_TAKEN,   /* its home is about it: it is being written, say */
    BOARD_WRITTEN, /* it is on disk, and will be obeyed, by this process or a later one */
    BOARD_TOLD     /* it is known what became of it */
} board_stage;
/* *fate: with BOARD_TOLD. */
board_stage board_stage_of(board_batch *t, size_t place, letter_fate *fate);

/* Reads which runs have marks of `sender`, a run of this home, of those whose ids are from `first` to `last`. At most
 * `room` are found. NULL: no memory. */
typedef struct board_marks board_marks;
typedef struct board_span {
    run_id first, last; /* in the order of ids */
    size_t room;
} board_span;
board_marks *board_read_marks(home *h, const run_id *sender, const board_span *span);
/* Whether the read of the marks is over; *ok: it succeeded. */
bool board_marks_are_read(const board_marks *m, bool *ok);
/* Whether the run has a mark of the sender. */
bool board_has_mark(const board_marks *m, const run_id *run);
void board_marks_end(void *marks); /* frees the marks when their read is over */

/* Deletes the marks of the letters of `sender`, a run of this home, to the runs with these ids (16 bytes each), when it
 * is on disk what became of them. NULL: no memory. */
typedef struct board_tidying board_tidying;
board_tidying *board_forget(home *h, const run_id *sender, const uint8_t *ids, size_t bytes);
/* Whether the deletion is over; *ok: the marks are gone. */
bool board_is_forgotten(const board_tidying *t, bool *ok);
void board_forget_end(void *tidying); /* frees it when the deletion is over */

/* The segment of a tidying (tag BOARD_TAG) has come back from the store. */
enum { BOARD_TAG = 5 };
void board_committed(store_segment *s);

#endif
