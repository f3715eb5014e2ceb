/* question_seen: what was last read of questions at which people look, so that a page which is loaded again and again
 * does not have a long journal read each time. Owns copies of at most SEEN_MAX of them, each for SEEN_MS, in the home's
 * memory. Never of a run in memory, which may be about to change, and never shown to who answers. On the thread of the
 * home.
 *
 *     not there --somebody begins to read the journal--> read --it has been read--> known
 *     each of them --entries of the run are written, its time is over, or others need the place--> not there */
#ifndef RUNTIME_RUN_QUESTION_SEEN_H
#define RUNTIME_RUN_QUESTION_SEEN_H

#include "runtime/run/question_look.h"

struct home;
typedef struct questions_seen questions_seen;

enum { SEEN_MAX = 16, SEEN_MS = 10000, SEEN_ANSWER_MAX = 65536 };

/* Copies what is known of the question into `a`. False: nothing is, or there is no memory. */
bool question_seen_find(const struct home *h, const run_id *of_run, uint64_t path, arena *a, question_found *out);
/* The journal is about to be read. Returns the ticket of that read, from 1; 0: what it finds will not be known, for
 * want of memory, or since the run may change. */
uint64_t question_seen_begin(struct home *h, const run_id *of_run, uint64_t path);
/* The read with that ticket has found it. That is known now, unless entries of the run were written since the read
 * began: another read may have begun behind them, and tells. Copies all of *found. */
void question_seen_note(struct home *h, const run_id *of_run, uint64_t path, uint64_t ticket,
                        const question_found *found);
/* Entries of the run are about to be written. */
void question_seen_drop(struct home *h, const run_id *of_run);
void question_seen_free(struct home *h);

#endif
