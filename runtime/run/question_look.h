/* question_look: what has become of a question, as the journal of its run tells it. Pure: reads bytes, and owns
 * nothing. */
#ifndef RUNTIME_RUN_QUESTION_LOOK_H
#define RUNTIME_RUN_QUESTION_LOOK_H

#include "runtime/run/question.h"

typedef enum question_state {
    QUESTION_OPEN,
    QUESTION_ANSWERED,
    QUESTION_OVER, /* all of its waits have timed out, or lost; or who asked it has: it is open again when another wait
                      begins */
    QUESTION_ENDED /* the run has ended, and no wait has taken an answer */
} question_state;

typedef struct question_found {
    bool is_there; /* else the journal has no such question */
    question_asked asked;
    question_state state;
    entry_text answer; /* QUESTION_ANSWERED: msgpack, in the journal */
    int64_t at_ms;     /* when it was answered, or its last wait was over */
} question_found;

/* Reads a journal, from which *out borrows; what `out` has beside lies in `a`. NULL: done; else why it cannot be read,
 * or value_no_memory. */
const char *question_look(arena *a, entry_text journal, const run_id *id, uint64_t path, question_found *out);

#endif
