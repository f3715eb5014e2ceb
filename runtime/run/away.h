/* away: asks whether a signal may be sent to a run that another node owns, by what is on disk: whether the run goes on,
 * and which letters are in its inbox. Owns the signal's letter until the question is answered. The run may end before
 * the letter is there: then its owner deletes it. On the home's thread. */
#ifndef RUNTIME_RUN_AWAY_H
#define RUNTIME_RUN_AWAY_H

#include "runtime/run/mail.h"

typedef enum away_answer {
    AWAY_TAKES,
    AWAY_HAD,       /* a letter of this id is in the inbox; one that the run has taken is not seen, but by its owner */
    AWAY_TOO_MANY,  /* --signals-max */
    AWAY_TOO_LARGE, /* --signals-bytes-max */
    AWAY_MISSING,   /* there is no such run */
    AWAY_ENDED,
    AWAY_UNREAD, /* it could not be read: asking again may help */
    AWAY_NO_MEMORY
} away_answer;

/* `m`: with AWAY_TAKES the letter, which is the callee's: to be put (mail_put), or discarded. Else NULL, and nobody is
 * told of its fate. */
typedef void away_fn(void *arg, away_answer answer, mail_letter *m);

/* Asks, and calls on_answer once, later. Copies all of the wish. False: no memory; on_answer is not called. */
bool away_ask(struct home *h, const run_id *to, const mail_wish *wish, away_fn *on_answer, void *arg);

#endif
