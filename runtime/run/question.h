/* question: what a run asks of a person (sw_signal_url), and which of its waits the answer is for. A question is an
 * entry *value*, whose path names it in the token of its URL; the answer is the letter of a signal, whose id has that
 * path in it. So no answer is taken by the wait for another question of the same name. Owns the run's list of
 * questions, which lies in its arena: each execution makes it anew. On the thread of the run's home. */
#ifndef RUNTIME_RUN_QUESTION_H
#define RUNTIME_RUN_QUESTION_H

#include <msgpack.h>
#include <stdbool.h>
#include <stdint.h>

#include "runtime/base/arena.h"
#include "runtime/stepwell.h"
#include "storage/entry.h"
#include "storage/run_id.h"

struct run;

enum { QUESTION_TEXT_MAX = 16384, QUESTION_CHOICES_MAX = 32, QUESTION_CHOICE_MAX = 256 };

/* ---- Bytes ---- */

/* Writes the id of the letter that answers the question of this path: all answers to it are one signal. */
void question_letter(const run_id *of_run, uint64_t path, uint8_t id[ENTRY_LETTER_BYTES]);

/* What the journal has of a question: the entry's value, a map. */
typedef struct question_asked {
    sw_value url, signal, text; /* strings */
    sw_value choices;           /* an array of strings; empty: any answer is taken */
} question_asked;

/* Appends the map. `asked` NULL: neither text nor choices. False: no memory. */
bool question_pack(msgpack_sbuffer *to, const char *url, const char *signal, const sw_question *asked);
/* Reads an entry's value into `a`. False: it is no question, or there is no memory (a->is_out). */
bool question_read(arena *a, entry_text value, question_asked *out);

/* ---- The questions of a run in memory ---- */

typedef struct run_question {
    struct run_question *next; /* the one asked before */
    uint64_t path, branch;     /* its own, and that of the branch that asks */
    entry_text signal;         /* the name of its answer, in the run's arena */
    unsigned waits;            /* that are open */
    bool has_waited;           /* a wait for it has begun */
    bool is_answered;          /* a wait has taken a signal for it */
    bool is_over;              /* its last wait has timed out or was given up, or its branch has lost, and no other has
                                  begun */
} run_question;

/* The run's code has come to a question, which is copied. False: no memory. */
bool question_add(struct run *r, const run_question *asked);
/* NULL: the code has not come to the question of this path. */
run_question *question_find(const struct run *r, uint64_t path);

/* Returns the newest question of this name that the branch has asked, if nobody has waited for its answer; NULL: there
 * is none. When the branch asks another one of that name, no wait will ever belong to it. */
const run_question *question_unheard(const struct run *r, uint64_t branch, entry_text signal);
/* Returns the path of the question that a wait for this signal in this branch belongs to: the newest one of that name
 * of the branch, or of the run if the branch has asked none. 0: there is none, or it has been answered. */
uint64_t question_of_wait(const struct run *r, uint64_t branch, entry_text signal);
/* A wait for the question begins, and is decided; does nothing for the question 0. */
void question_wait_begins(struct run *r, uint64_t question);
void question_wait_ends(struct run *r, uint64_t question, bool is_taken);
/* The branch has lost: questions that it has asked, and that nobody waits for, are over. */
void question_branch_lost(struct run *r, uint64_t branch);

/* Returns the question that the letter answers; 0: it is any other signal, or one whose question the code has not come
 * to. */
uint64_t question_of_letter(const struct run *r, const void *letter);
/* Whether a wait that belongs to this question (0: to none) may take the letter. */
bool question_takes(const struct run *r, uint64_t question, const void *letter);

#endif
