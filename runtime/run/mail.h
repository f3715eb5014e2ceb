/* mail: one letter that brings a run a signal, or what a run that it has called has come to, and its bytes in the inbox
 * (docs/internals/journal.md, *Letters*). Owns its name, its value and the segment by which its row is written or
 * deleted. Knows no mailbox and no run. */
#ifndef RUNTIME_RUN_MAIL_H
#define RUNTIME_RUN_MAIL_H

#include <msgpack.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "runtime/run/letter.h"
#include "runtime/run/parcel.h"
#include "storage/entry.h"
#include "storage/store.h"

struct home;
struct notice;

enum {
    MAIL_TAG = 6, /* of the segments of letters that are written or deleted alone */
    MAIL_NAME_MAX = 128
};

/* Kinds of letters in the inbox. */
typedef enum mail_kind {
    MAIL_SIGNAL = 4,
    MAIL_RETURN = 6 /* written in the last commit of the run that was called: runtime/run/returning.h */
} mail_kind;

/* What becomes of a letter. */
typedef enum mail_fate {
    MAIL_KEPT,      /* it is on disk until the run takes it or ends */
    MAIL_LATE,      /* the run has ended meanwhile */
    MAIL_TAKEN,     /* in a cluster: another node has written an answer to its question, and nothing of it is there */
    MAIL_UNWRITTEN, /* nothing of it is on disk, nor will be */
    MAIL_UNKNOWN    /* the process ends, and nobody knows whether it is on disk */
} mail_fate;

typedef struct mail_wish {
    const uint8_t *id;      /* ENTRY_LETTER_BYTES: equal ones are one signal; NULL: a new one */
    entry_text name, value; /* the value is msgpack */
    uint64_t question;      /* the path of the question that it answers; 0: none */
    const char *by;         /* an operator's name, at most LETTER_BY_MAX bytes; NULL: a client, by the run's token */
    void (*on_fate)(void *arg, mail_fate fate); /* once, on the home's thread */
    void *arg;
} mail_wish;

/* In a cluster: a row that only one answer to a question can insert, whichever node it comes to. */
typedef struct mail_mark {
    store_row row;
    uint8_t key[LETTER_MARK_BYTES], nonce[LETTER_NONCE_BYTES];
} mail_mark;

typedef struct mail_letter {
    struct mail_letter *next;
    struct home *home;
    mail_kind kind;
    parcel parcel; /* MAIL_RETURN: on its way from the home of the run that was called */
    run_id run;
    uint8_t key[LETTER_KEY_BYTES], id[ENTRY_LETTER_BYTES];
    char by[LETTER_BY_MAX + 1];
    entry_text name, value; /* in `content`; the value of a MAIL_RETURN that was made here in `packed` */
    uint64_t question;      /* that it answers, as its writer said; 0: none, or it was read. Its id says it, too */
    size_t row_bytes;       /* of its row's value; MAIL_RETURN: 0, for it counts in no limit */
    struct notice *notice;  /* another node has the run, and its row tells that node; owned. NULL: it has not */
    mail_mark *mark;        /* owned; NULL: none is needed */
    void (*on_fate)(void *arg, mail_fate fate); /* NULL: nobody wants to know, or has been told */
    void *arg;
    msgpack_sbuffer packed; /* its row's value, while that is written; of a MAIL_RETURN as long as the letter */
    store_row row;          /* that writes it, or deletes it */
    store_segment segment;  /* while that row is committed alone */
    char content[];
} mail_letter;

/* Whether the bytes may name a signal: 1 to MAIL_NAME_MAX bytes of UTF-8, without control characters. */
bool mail_name_fits(const char *name, size_t len);

/* Makes the letter of a wish, with its row's value. NULL: no memory. */
mail_letter *mail_new(struct home *h, const run_id *to, const mail_wish *wish);
/* Makes the letter that tells the run `to` what has come of a call, of which `arrival` is made (letter_of_call), by
 * which the child was called. `value` is msgpack. m->row puts it. NULL: no memory. */
mail_letter *mail_new_return(struct home *h, const run_id *to, uint64_t arrival, const run_id *child, entry_text value);
/* Makes the letter of a row that was read. NULL: no memory, which *is_short says, or no letter of these kinds. */
mail_letter *mail_read(struct home *h, const store_table_row *row, bool *is_short);
/* Likewise, of a row in the place of a MAIL_RETURN; if it is none, of a letter of that kind without a value, which
 * nobody can read. NULL: no memory. */
mail_letter *mail_read_return(struct home *h, const store_table_row *row);
/* Makes a letter without a value in the place of the return with that key, which is not there. NULL: no memory. */
mail_letter *mail_new_missing(struct home *h, const uint8_t key[LETTER_KEY_BYTES]);
/* Frees the texts of a letter, of which only its row is still needed. Returns the letter, which may have moved. */
mail_letter *mail_strip(mail_letter *m);
void mail_free(mail_letter *m);
/* Likewise, of a letter that was not sent: nobody is told. */
void mail_discard(mail_letter *m);

/* Whether a row of the inbox is a letter of these kinds. */
bool mail_is(store_bytes value);
/* Whether a row that is such a letter has that id. */
bool mail_has_id(store_bytes value, const uint8_t id[ENTRY_LETTER_BYTES]);
uint64_t mail_arrival(const mail_letter *m);
static inline bool mail_is_return(const mail_letter *m) { return m->kind == MAIL_RETURN; }

/* Tells who wants to know what has become of the letter, once. */
void mail_tell(mail_letter *m, mail_fate fate);
/* Makes m->row the one that writes the letter. */
void mail_make_put(mail_letter *m);
/* Returns that row, which mail_make_put has made, with all that belong to it, and `then` behind them. */
const store_row *mail_rows(mail_letter *m, const store_row *then);
/* Have the letter's row written or deleted in a commit of its own: the segment comes back with MAIL_TAG. */
void mail_put(mail_letter *m);
void mail_delete(mail_letter *m);
/* Makes m->row one that deletes the letter, with `then` behind it. */
const store_row *mail_deletion(mail_letter *m, const store_row *then);
static inline mail_letter *mail_of_segment(store_segment *s)
{
    return (mail_letter *)((char *)s - offsetof(mail_letter, segment));
}

#endif
