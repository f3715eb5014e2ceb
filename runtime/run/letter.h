/* letter: what reaches a run from outside while it is not in memory: somebody wants it cancelled, or released. A letter
 * is a row of the table `inbox`, on disk before it is acknowledged; the run's loop turns it into an entry, and the
 * commit of that entry deletes the row. Belongs to the run's slot, then to the run; the loop's own. */
#ifndef RUNTIME_RUN_LETTER_H
#define RUNTIME_RUN_LETTER_H

#include "storage/store.h"

struct home;

/* On disk: see docs/internals/journal.md. LETTER_TRIES stands for the run's row of `tries` (runtime/run/suspects.h),
 * which goes with the run's next commit like any letter. */
typedef enum letter_kind { LETTER_TRIES = 0, LETTER_CANCEL = 1, LETTER_RELEASE = 2 } letter_kind;

enum { LETTER_KEY_BYTES = RUN_ID_BYTES + 8, LETTER_VALUE_MAX = 64 };

typedef struct letter {
    struct letter *next; /* of its slot, or run */
    struct home *home;
    run_id run;
    letter_kind kind;
    uint32_t tries;        /* LETTER_TRIES: of its row */
    bool raised;           /* LETTER_TRIES: the row says that this process has the run in memory */
    bool is_spared;        /* LETTER_TRIES: it need not */
    store_row row;         /* that writes it, or deletes it */
    store_segment segment; /* while that is under way for itself */
    uint8_t key[LETTER_KEY_BYTES];
    char value[LETTER_VALUE_MAX];
} letter;

/* Writes one: slot_take_letter gets it when that is done, or not. False: no memory. */
bool letter_send(struct home *h, const run_id *to, letter_kind kind);
/* One that is on disk, as it was read; NULL: no memory, which *is_short says, or of a kind that is not known. */
letter *letter_read(struct home *h, const store_table_row *row, bool *is_short);

/* A run's row of `tries`; NULL: no memory. */
letter *letter_new_tries(struct home *h, const run_id *run);
/* Writes it, `value_len` bytes of m->value: suspects_raised gets it when that is done, or not. */
void letter_put_tries(letter *m, size_t value_len);

bool letter_is_in(const letter *list, letter_kind kind);
/* The rows that delete a list in another segment's commit; NULL: it is empty. */
const store_row *letter_deletions(letter *list);
void letter_move(letter **from, letter **to);
/* The letters of a list lead to nothing: deletes each in a commit of its own. */
void letter_drop(struct home *h, letter **list);
/* What could not be deleted is tried again. */
void letter_delete_again(struct home *h);
/* Those of kind LETTER_TRIES: the run has left memory alive. */
void letter_drop_tries(letter **list);
/* The commit that deleted them is on disk. */
void letter_settled(letter **list);
/* From memory alone. */
void letter_free_all(letter **list);

/* A segment of rows alone has come back. */
void letter_committed(store_segment *s);

#endif
