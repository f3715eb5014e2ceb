/* sending: a signal that one run sends to another (sw_send_signal), on its way between the homes of the two. Owns what
 * is to be sent, and hands itself from home to home: only the home that has it touches it.
 *
 *     sender's home             target's home
 *     asks -------------------> no such run, it has ended, its mailbox is full, or not now: tells so
 *                               else lends room in the mailbox, and the letter's row
 *     entry *sent* and the row,
 *     in one commit ----------> keeps the letter, as if its own home had written it; or gives the room back
 *
 * The letter's id is made of sender and path, so that a signal is one whatever is sent again. What a kill leaves of the
 * way is nothing, or the letter in the inbox, where the next start finds it. */
#ifndef RUNTIME_RUN_SENDING_H
#define RUNTIME_RUN_SENDING_H

#include "runtime/run/mailbox.h"

struct strand;

typedef enum sending_answer {
    SENDING_ADMITTED,  /* sending_append is due */
    SENDING_HAD,       /* the target has the signal already */
    SENDING_GONE,      /* there is no such run, or it has ended */
    SENDING_TOO_MANY,  /* --signals-max of the target */
    SENDING_TOO_LARGE, /* --signals-bytes-max */
    SENDING_NOT_NOW,   /* asking again helps */
    SENDING_NO_MEMORY
} sending_answer;

typedef struct sending_wish {
    run_id target;
    uint64_t path;          /* of the call in the sender */
    entry_text name, value; /* the value is msgpack; copied */
} sending_wish;

typedef struct sending sending;

/* Writes the letter's id, by which the signal is told from all others. */
void sending_letter(const run_id *sender, uint64_t path, uint8_t id[ENTRY_LETTER_BYTES]);
/* Asks the target's home, and suspends the running strand until it has answered. Returns the sending, which has
 * *answer; NULL: no memory, or with *is_interrupted the strand is to be unwound. */
sending *sending_ask(struct strand *s, const sending_wish *wish, sending_answer *answer, bool *is_interrupted);
/* The entry *sent* has been appended: the letter's row goes with its commit. Takes the sending. */
void sending_append(struct run *r, sending *s);
/* No such entry has been appended, nor will be. Takes the sending. */
void sending_take_back(sending *s);
/* Lets go of a sending that was not admitted. */
void sending_drop(sending *s);

/* A segment is about to be sent: returns the rows of the letters appended since, and `then` behind them. */
const store_row *sending_seal(struct run *r, const store_row *then);
/* That segment has come back. */
void sending_unseal(struct run *r, store_outcome outcome);
/* The run leaves memory: what it has appended, and is not on disk, will not be. */
void sending_leave(struct run *r);

#endif
