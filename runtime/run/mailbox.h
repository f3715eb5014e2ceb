/* mailbox: the signals that somebody has sent to one run, and what the runs that it has called have come to, as far as
 * the run has not taken them. Each is a letter
 * (runtime/run/mail.h), on disk before its sender is told 202. The mailbox remembers which letters are on disk, and has
 * them in memory only while the run is there and has looked for one: a run that waits outside memory costs its slot
 * alone. Owns the letters in memory, and the deletion of those that nobody takes. On the thread of the run's home.
 *
 *     a letter:   written --on disk--> in the inbox --a wait looks--> held --taken--> its row goes with the entries
 *                     \--refused                                                      *signal* and *taken*: one commit
 *     a mailbox:  not there --first letter--> open --the run has ended--> over --its rows are gone--> not there
 *
 * A letter that wakes its run stays in memory until the run looks for it, if that is all that is in the inbox: then
 * nothing has to be read. What is kept so has a limit (KEPT_BYTES_MAX); beyond it the run reads its letters.
 *
 * Of one name the letter that came first is taken first, and each once: a letter whose id the run has had before, since
 * its sender did not get the answer and sent it again, is deleted when a wait looks at it. */
#ifndef RUNTIME_RUN_MAILBOX_H
#define RUNTIME_RUN_MAILBOX_H

#include <sys/queue.h>

#include "runtime/run/mail.h"

struct run;
struct slot;
typedef struct mailbox mailbox;

enum { MAILS_TAG = 7 /* of the segments that mailbox_cleared takes */, CLEARED_AT_ONCE = 32 };

/* The mailboxes of a home, by run. */
typedef struct mailbox_table {
    mailbox **buckets; /* a power of two of them; NULL: there was no mailbox yet */
    size_t bucket_count, count;
    TAILQ_HEAD(, mailbox) over; /* of runs that have ended: their rows are deleted, the first one's now */
    size_t kept_bytes;          /* of all mailboxes */
    mail_letter *undeleted;     /* could not be deleted: until the journal takes writes */
    /* Rows of the first mailbox in `over`, while they are deleted: no memory is needed for that. */
    bool clears;
    store_segment segment;
    store_row rows[CLEARED_AT_ONCE];
    uint8_t keys[CLEARED_AT_ONCE][LETTER_KEY_BYTES];
} mailbox_table;

void mailbox_table_init(mailbox_table *t);
void mailbox_table_free(mailbox_table *t); /* Its runs have left memory; the rows stay. */

/* ---- Sending ---- */

typedef enum mailbox_answer {
    MAILBOX_SENT,      /* on_fate will be called */
    MAILBOX_HAD,       /* the run has had a signal of this id, or has it, on disk */
    MAILBOX_TOO_MANY,  /* --signals-max */
    MAILBOX_TOO_LARGE, /* --signals-bytes-max */
    MAILBOX_NO_MEMORY,
    MAILBOX_NOT_NOW /* the run is about to begin, or to go on after its end: asking again helps */
} mailbox_answer;

/* Returns the slot of a run of this home that is known not to have ended; NULL: it is not known, or there is no memory.
 */
struct slot *mailbox_slot(struct home *h, const run_id *id);

/* Writes a letter to the run of this slot, which has not ended. Copies all of the wish. */
mailbox_answer mailbox_send(struct home *h, struct slot *s, const mail_wish *wish);

/* Takes a letter that is on disk, and was not written by this home: what a run that was called has come to
 * (MAIL_RETURN), or a signal that came to another node. It is for the run that it is to, or to be deleted. False: no
 * memory; then it stays the caller's. */
bool mailbox_arrive(struct home *h, mail_letter *m);
/* Makes room for a letter that another commit writes, whose row is lent->row, and lends it: it is on its way to the
 * disk until mailbox_settle. MAILBOX_SENT: *lent is the letter. */
mailbox_answer mailbox_lend(struct home *h, struct slot *s, const mail_wish *wish, mail_letter **lent);
/* That commit is on disk, or not. Takes the letter. */
void mailbox_settle(struct home *h, mail_letter *lent, store_outcome outcome);

/* A segment with MAIL_TAG, or with MAILS_TAG, has come back from the store. */
void mailbox_committed(store_segment *s);
void mailbox_cleared(store_segment *s);
/* Tries again to delete what could not be deleted; the journal takes writes again. */
void mailbox_delete_again(struct home *h);

/* ---- Of a run in memory ---- */

typedef enum mailbox_look {
    MAILBOX_EMPTY,  /* no such letter is on disk, or on its way there */
    MAILBOX_HAS,    /* *first came first */
    MAILBOX_COMING, /* not known yet: the run's letters are being read, or such a one is being written. Strands
                       that wait for a signal are woken when it is */
    MAILBOX_LOST    /* the letters could not be read for want of memory, and so the run is lost */
} mailbox_look;

/* What a wait wants: a signal of that name, or the answer to its question of that name (0: it has none). */
typedef struct mailbox_wanted {
    entry_text name;
    uint64_t question;
} mailbox_wanted;

/* Looks for such a letter. */
mailbox_look mailbox_find(struct run *r, const mailbox_wanted *wanted, mail_letter **first);
/* Looks for the return of the call with that number, made by the run `child`. */
mailbox_look mailbox_find_return(struct run *r, uint32_t number, entry_text child, mail_letter **found);
/* Before something is decided by its time: other nodes may have written letters, by the time that was over `left_ms`
 * from now (0 or less), that this node's lookout has not found yet. MAILBOX_EMPTY: all that were there have been read
 * since, or there are no other nodes. MAILBOX_COMING: they are being read. MAILBOX_LOST: no memory. */
mailbox_look mailbox_look_anew(struct run *r, int64_t left_ms);
/* At the end of a turn in which it has looked for letters that were kept for it: it looks again, and has them. */
void mailbox_give_kept(struct run *r);
/* The run takes the letter: its entries have been appended, with whose commit the row goes. */
void mailbox_take(struct run *r, mail_letter *m);
/* The run's last entry has been appended: letters that are held go with it, since nobody will take them. */
void mailbox_give_up(struct run *r);
/* Has its strands that wait for a signal look again. */
void run_wake_waits(const struct run *r);
/* Notes that the run has had the signal of this id. False: no memory. */
bool mailbox_note_had(struct run *r, entry_text id);

/* A segment is about to be sent: returns the rows that delete the letters taken since, and `then` behind them. */
const store_row *mailbox_seal(struct run *r, const store_row *then);
/* That segment has come back: on disk, or not; then the run is lost, and its letters stay. */
void mailbox_unseal(struct run *r, bool is_on_disk);

/* Whether a letter is held of a name that the run is to wait for outside memory (run.park_names), or as many returns
 * have come as it waits for. */
bool mailbox_has_come(const struct run *r);
/* The run leaves memory: what is held of its letters is freed. */
void mailbox_leave(struct run *r);

/* ---- Of runs outside memory ---- */

/* What a slot remembers of a name, or of the answer to a question (0: of any other signal): SLOT_NAMES or more. That
 * two of a run's few names are alike is next to impossible, and would only load the run once too often. */
uint32_t mailbox_name(entry_text name, uint64_t question);
/* What a parked run waits for. */
typedef struct mailbox_awaited {
    const uint32_t *names; /* of signals: a letter of one of them wakes it */
    size_t name_count;
    uint32_t returns;    /* so many more of them wake it; 0: none does */
    uint32_t generation; /* of the run */
} mailbox_awaited;

/* Has the slot, which is parked, know that. */
void mailbox_listen(struct home *h, struct slot *s, const mailbox_awaited *w);
/* The run, which is loaded, is in that generation: what runs that it has called have left for an earlier one is
 * deleted. False: no memory. */
bool mailbox_go_on(struct home *h, const run_id *id, uint32_t generation);
/* How many signals to the run are on disk, that it has not taken. */
size_t mailbox_count(const struct home *h, const run_id *id);
/* Whether it has any letters. */
bool mailbox_has_any(const struct home *h, const run_id *id);
/* The run has ended, or there is none: has its letters deleted. False: some are still there, until that is on disk. */
bool mailbox_end(struct home *h, const run_id *id);

/* ---- Recovery ---- */

/* Takes note of a letter that a former process left, of a run of this home. False: no memory. */
bool mailbox_recover(struct home *h, const store_table_row *row);
/* All unfinished runs are known: the letters of others are deleted. */
void mailbox_drop_strays(struct home *h);

#endif
