/* mailbox_core: what the files of mailboxes share: which there are and which letters are on disk (mailbox.c), what a
 * run in memory has of signals (mailbox_run.c) and of what it has called (mailbox_returns.c), and what a run outside
 * memory is woken by (mailbox_parked.c). */
#ifndef RUNTIME_RUN_MAILBOX_CORE_H
#define RUNTIME_RUN_MAILBOX_CORE_H

#include "runtime/run/mailbox.h"
#include "runtime/run/number_set.h"

enum {
    RETURNS_HELD_BYTES = 4 * 1024 * 1024, /* in memory, of returns that the run has not taken */
    KEPT_BYTES_MAX = 4 * 1024 * 1024      /* of signals that are kept for runs on their way to memory */
};

struct mailbox {
    mailbox *next; /* in its bucket */
    TAILQ_ENTRY(mailbox) in_over;
    run_id run;
    uint64_t *arrivals; /* of the signals on disk, ascending */
    size_t count, room; /* `room` has a place for each letter that is being written, too */
    size_t bytes;       /* of the rows of all of these; not kept when the run is over */
    size_t taken;       /* of `count`: those whose deletion goes with entries of the run */
    size_t held_count;
    mail_letter *held, *held_last; /* by arrival: those in memory, but for those taken */
    size_t kept_bytes;             /* of these, until the run that they wake looks for them */
    mail_letter *writing;          /* on their way to the disk; linked through mail.next */
    size_t writing_count;
    uint32_t *names; /* that a parked run waits for, if its slot has no room for them; owned */
    size_t name_count;
    bool is_reading; /* those on disk are being read */
    bool is_stale;   /* with `is_reading`: the execution that wanted them has left memory */
    bool is_over;    /* the run has ended */

    number_set returns;         /* the calls whose returns are on disk, but for those taken; all of `generation` */
    uint32_t generation;        /* of the run, as far as the mailbox knows: returns for an earlier one are deleted */
    size_t returns_taken;       /* those whose deletion goes with entries of the run */
    uint32_t wants;             /* of a parked run: so many more returns wake it; 0: it waits for none */
    mail_letter **held_returns; /* of those on disk: some that are in memory, by number; NULL: none is */
    size_t held_bytes;          /* of these, in memory */
    bool reads_returns;         /* some are being read */
    bool reads_old;             /* with `reads_returns`: one has come anew since: what is read may be older */
    uint64_t execution;         /* goes up by one when the run leaves memory */
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
/* How many letters are on disk. */
size_t mailbox_on_disk(const mailbox *b);
/* Makes room for the arrivals of so many letters, and those being written. False: no memory. */
bool mailbox_reserve(mailbox *b, size_t count);
/* The letter is on disk no longer, or will soon not be. */
void mailbox_forget(mailbox *b, const mail_letter *m);
/* Tells the run of the slot, which has not ended, of a letter that is on disk and known to be. */
void mailbox_deliver(struct home *h, mailbox *b, struct slot *s, mail_letter *m);
/* Put a letter among those in memory, and take it out again. */
void mailbox_hold(mailbox *b, mail_letter *m);
mail_letter *mailbox_let_go(mailbox *b, mail_letter *m);
void mailbox_free_held(struct home *h, mailbox *b);
/* The run is there, and what was kept for it is its own; or it is not wanted any more. */
void mailbox_end_keeping(struct home *h, mailbox *b);

/* ---- mailbox_returns.c ---- */

/* The return with that arrival number, which is of the mailbox's generation, is on disk. False: no memory. */
bool mailbox_note_return(mailbox *b, uint64_t arrival);
/* The run is in that generation, or a later one: deletes returns for an earlier one. False: no memory. */
bool mailbox_raise(struct home *h, mailbox *b, uint32_t generation);
/* Takes a return that is on disk: keeps it in memory if there is room, for a run that is there, in place of an earlier
 * one of its call. */
void mailbox_hold_return(mailbox *b, mail_letter *m);
/* One of those in memory; NULL: there is none. */
mail_letter *mailbox_any_return(const mailbox *b);
/* Takes one of those out of memory, which the run takes. Returns it, without its texts; it may have moved. */
mail_letter *mailbox_let_return_go(mailbox *b, mail_letter *m);
/* What the run has taken is deleted, or stays. */
void mailbox_settle_return(mailbox *b, const mail_letter *m, bool is_deleted);
void mailbox_free_returns(mailbox *b);

/* Whether the run, which is in memory, has had the signal of this id. */
bool run_has_had(const struct run *r, const uint8_t *id);
/* A return is on disk: has those of its strands look that can go on with it. */
void run_note_return(struct run *r);

#endif
