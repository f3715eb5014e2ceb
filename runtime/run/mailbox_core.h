/* mailbox_core: what the files of mailboxes share: which there are and which letters are on disk (mailbox.c), what a
 * run in memory has of them (mailbox_run.c), and what a run outside memory is woken by (mailbox_parked.c). */
#ifndef RUNTIME_RUN_MAILBOX_CORE_H
#define RUNTIME_RUN_MAILBOX_CORE_H

#include "runtime/run/mailbox.h"

struct mailbox {
    mailbox *next; /* in its bucket */
    TAILQ_ENTRY(mailbox) in_over;
    run_id run;
    uint64_t *arrivals;   /* of the letters on disk, ascending */
    size_t count, room;   /* `room` has a place for each letter that is being written, too */
    size_t bytes;         /* of the rows of all of these; not kept when the run is over */
    size_t taken;         /* of `count`: those whose deletion goes with entries of the run */
    size_t returns;       /* of `count`: those of runs that this one has called; they come last in `arrivals` */
    size_t returns_taken; /* of these, those taken */
    uint32_t wants;       /* of a parked run: so many more returns wake it; 0: it waits for none */
    size_t held_count;
    mail_letter *held, *held_last; /* by arrival: those in memory, but for those taken */
    mail_letter *writing;          /* on their way to the disk; linked through mail.next */
    size_t writing_count;
    uint32_t *names; /* that a parked run waits for, if its slot has no room for them; owned */
    size_t name_count;
    bool is_reading; /* those on disk are being read */
    bool is_stale;   /* with `is_reading`: the execution that wanted them has left memory */
    bool is_over;    /* the run has ended */
};

/* The mailbox of the run; NULL: it has none. */
mailbox *mailbox_of(const struct home *h, const run_id *id);
/* Likewise, and makes one if there is none. NULL: no memory. */
mailbox *mailbox_make(struct home *h, const run_id *id);
/* How many signals are on disk that the run has not taken. */
size_t mailbox_signals(const mailbox *b);
/* Whether the letter with that number is known to be on disk; it is now. There is room for it (mailbox_reserve). */
bool mailbox_has_arrival(const mailbox *b, uint64_t arrival);
void mailbox_add_arrival(mailbox *b, uint64_t arrival);
/* Frees a mailbox in which nothing is any more. */
void mailbox_tidy(struct home *h, mailbox *b);
/* Whether a list has the letter of this key. */
bool mail_list_has(const mail_letter *list, const void *key);
/* Makes room for the arrivals of so many letters, and those being written. False: no memory. */
bool mailbox_reserve(mailbox *b, size_t count);
/* The letter is on disk no longer, or will soon not be. */
void mailbox_forget(mailbox *b, const mail_letter *m);
/* Put a letter among those in memory, and take it out again. */
void mailbox_hold(mailbox *b, mail_letter *m);
mail_letter *mailbox_let_go(mailbox *b, mail_letter *m);
void mailbox_free_held(mailbox *b);

/* Whether the run, which is in memory, has had the signal of this id. */
bool run_has_had(const struct run *r, const uint8_t *id);
/* A return is held: has those of its strands look that can go on with it. */
void run_note_return(struct run *r);

#endif
