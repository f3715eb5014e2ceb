/* letter: what reaches a run from outside: somebody wants it cancelled, released or stopped, or the run that has called
 * it wants it to go on after its end. A letter is a row of the table `inbox`, on disk before the wish is acknowledged;
 * the run's loop turns it into an entry, and the commit of that entry deletes the row. Owned by the run's slot, then by
 * the run; on the home's thread. Letters that bring signals are runtime/run/mail.h's. */
#ifndef RUNTIME_RUN_LETTER_H
#define RUNTIME_RUN_LETTER_H

#include "runtime/run/parcel.h"
#include "storage/store.h"

struct home;
struct notice;

/* The numbers are on disk: docs/internals/journal.md. LETTER_TRIES stands for the run's row of `tries`
 * (runtime/run/suspects.h), which goes with the run's next commit like any letter. */
typedef enum letter_kind {
    LETTER_TRIES = 0,
    LETTER_CANCEL = 1,
    LETTER_RELEASE = 2,
    LETTER_STOP = 3,
    LETTER_KINDS,     /* of those that people write */
    LETTER_REOPEN = 7 /* of the run that has called it: runtime/run/reopen_call.h */
} letter_kind;

enum {
    LETTER_KEY_BYTES = RUN_ID_BYTES + 8,
    LETTER_VALUE_MAX = 64, /* without its text */
    LETTER_BY_MAX = 32,    /* a longer name does not fit LETTER_VALUE_MAX */
    LETTER_TEXT_MAX = 256
};

extern const char letter_table[]; /* "inbox" */
/* Who a letter is of that no operator has written: whoever has the run's token; the run that has called it, when that
 * ends, or when the call has lost. */
extern const char letter_of_client[], letter_of_caller[], letter_of_winner[];
/* Whether a letter, or the entry that it has led to, is of the run that has called the one it is to. */
bool letter_is_by_caller(const char *by, size_t by_len);

/* What becomes of a letter. */
typedef enum letter_fate {
    LETTER_OBEYED,    /* its entry is on disk */
    LETTER_IN_VAIN,   /* it led to nothing: the run had ended, or was so already */
    LETTER_TAKEN,     /* its mark was there: it had been written before */
    LETTER_UNWRITTEN, /* nothing of it is on disk, nor will be */
    LETTER_KEPT,      /* it is on disk, or nobody knows, and this process or the next will see to it */
    /* Only of wishes that go the way of letters (BOARD_RESUME). Nothing of them is on disk, nor will be: */
    LETTER_UNREADABLE, /* the run's journal cannot be read */
    LETTER_REFUSED     /* asking again does not help: the program lacks the run's endpoint, for example */
} letter_fate;

enum { LETTER_MARK_BYTES = 2 * RUN_ID_BYTES, LETTER_NONCE_BYTES = 16 };

/* Who wants to know what becomes of a letter. Borrowed until on_fate, which comes once, on the home's thread. */
typedef struct letter_receipt {
    /* It is on disk, with its mark: it will be obeyed or lead to nothing, by this process or the next. Before on_fate,
     * once or not at all. */
    void (*on_written)(struct letter_receipt *r);
    void (*on_fate)(struct letter_receipt *r, letter_fate fate);
    /* A row that is inserted in the letter's commit: with one mark a letter is written once. */
    const char *table;
    uint8_t mark[LETTER_MARK_BYTES];
    uint8_t nonce[LETTER_NONCE_BYTES]; /* its value, random: an insert of the value that is there would succeed */
    store_row row;                     /* that inserts it */
} letter_receipt;

typedef struct letter {
    struct letter *next; /* of its slot, or run */
    struct home *home;
    run_id run;
    letter_kind kind;
    uint32_t tries;       /* LETTER_TRIES: as its row says */
    size_t raising_bytes; /* LETTER_TRIES, while its row is written: of the run's journal, in the home's load_quota */
    bool raised;          /* LETTER_TRIES: the row says that this process has the run in memory */
    bool is_spared;       /* LETTER_TRIES: the row need not say so: the run is hardly suspected */
    bool is_obeyed;       /* an entry that it has led to is in the run's journal, or on its way there */
    bool is_apart;        /* it came with a receipt, or from another run: no client waits for it */
    letter_receipt *receipt; /* NULL: nobody wants to know, or has been told */
    parcel parcel;           /* on its way from another home (runtime/run/recall.h) */
    struct notice *notice;   /* another node has the run, and its row tells that node; owned. NULL: it has not */
    store_row row;           /* that writes it, or deletes it */
    store_segment segment;   /* while that row is committed alone */
    uint8_t key[LETTER_KEY_BYTES];
    char by[LETTER_BY_MAX + 1]; /* an operator's name, or letter_of_... */
    size_t text_len;
    char *text;   /* LETTER_STOP: what its writer says, LETTER_REOPEN: the call, not zero-terminated; of the letter's
                     memory */
    char value[]; /* of its row: LETTER_VALUE_MAX bytes, and as many as the text has */
} letter;

/* What somebody wants of a run. Borrowed. */
typedef struct letter_wish {
    letter_kind kind;        /* but LETTER_TRIES */
    const char *by;          /* an operator's name; NULL: a client, by the run's token */
    const char *text;        /* LETTER_STOP: at most LETTER_TEXT_MAX bytes; NULL: nothing */
    letter_receipt *receipt; /* NULL: nobody wants to know what becomes of it */
} letter_wish;

/* Makes the key of the next letter to that run. A home's arrival numbers ascend, so a run's letters are read in order.
 * No two nodes of a cluster make the same, nor do two loops of one of them. */
void letter_make_key(struct home *h, const run_id *to, uint8_t key[LETTER_KEY_BYTES]);
/* A letter with this key was read: further ones come behind it. */
void letter_see_key(struct home *h, const uint8_t key[LETTER_KEY_BYTES]);
void letter_write_key(const run_id *to, uint64_t arrival, uint8_t key[LETTER_KEY_BYTES]);
/* Arrival numbers of letters that runs write to runs, of whichever home: made of what the run that has called knows, so
 * that no two letters to one run have the same. All others are below them. `generation`: of the run that has called;
 * `number`: of the entry *called* in its run; or LETTER_OF_REOPEN, LETTER_OF_RECALL, which are no such number, since
 * *started* comes first: of the letters by which it has the run that it has called go on, and by which it cancels it.
 * So of each generation the letter that begins it comes before the one that ends it. */
enum { LETTER_OF_REOPEN = 0, LETTER_OF_RECALL = 1, LETTER_GENERATION_MAX = INT32_MAX };
static inline uint64_t letter_of_call(uint32_t generation, uint32_t number)
{
    return UINT64_C(1) << 63 | (uint64_t)generation << 32 | number;
}
static inline bool letter_is_of_call(uint64_t arrival) { return arrival >> 63 != 0; }
static inline uint32_t letter_call_of(uint64_t arrival) { return (uint32_t)arrival; }
static inline uint32_t letter_generation_of(uint64_t arrival) { return (uint32_t)(arrival >> 32) & INT32_MAX; }
uint64_t letter_arrival_of(const uint8_t key[LETTER_KEY_BYTES]);
/* Makes the row that inserts the receipt's mark; of the receipt. */
const store_row *letter_mark_row(letter_receipt *r);
/* Writes a letter: slot_take_letter gets it when it is on disk, or could not be written. One to a run of another node
 * is LETTER_KEPT when it is on disk. False: no memory. */
bool letter_send(struct home *h, const run_id *to, const letter_wish *wish);
/* Makes the letter by which a run, in that generation, cancels one that it has called: since it ends, or, `has_lost`,
 * since another member of the call's group was first. m->row puts it. NULL: no memory. */
letter *letter_new_recall(struct home *h, const run_id *to, uint32_t generation, bool has_lost);
/* What a run that goes on after its end, in `generation`, tells of a call that waits for its result again. */
typedef struct letter_call {
    run_id caller;
    uint32_t generation;
    uint32_t number;       /* of the entry *called* */
    int64_t timeout_ms;    /* of the call; 0: none */
    int64_t parent_due_ms; /* Unix: the caller's deadline; 0: none */
} letter_call;
/* Makes the letter that has the run go on which was called. m->row puts it. NULL: no memory. */
letter *letter_new_reopen(struct home *h, const run_id *to, const letter_call *call, const char *by);
/* Reads the call of such a letter. False: it is damaged. */
bool letter_read_call(const letter *m, letter_call *out);
/* Makes the letter of a row that was read; the caller owns it. NULL: no memory, which *is_short says, or a kind that is
 * not known. */
letter *letter_read(struct home *h, const store_table_row *row, bool *is_short);
/* The kind of the letter in a row; LETTER_KINDS: it cannot be read, or is of no known kind. */
letter_kind letter_kind_of(store_bytes value);

/* Makes the letter that stands for a run's row of `tries`; NULL: no memory. */
letter *letter_new_tries(struct home *h, const run_id *run);
/* Writes that row, `value_len` bytes of m->value: suspects_raised gets the letter when that is done, or not. */
void letter_put_tries(letter *m, size_t value_len);

bool letter_is_in(const letter *list, letter_kind kind);
/* Returns who the list's first letter of that kind is of; NULL: there is none. Of the letter. */
const char *letter_by(const letter *list, letter_kind kind);
/* Whether the last of the letters that stop or release stops: when they have been obeyed, the run stands still. */
bool letter_stops(const letter *list);
/* Notes that the letters of one kind have led to an entry. */
void letter_set_obeyed(letter *list, letter_kind kind);
/* Tells who wants to know what has become of the letter, once. */
void letter_tell(letter *m, letter_fate fate);
/* Makes the rows that delete the letters of a list in another segment's commit; NULL: the list is empty. */
const store_row *letter_deletions(letter *list);
/* Appends a list to another, and empties it. */
void letter_move(letter **from, letter **to);
/* Likewise, those that `moves` tells. */
void letter_move_some(letter **from, letter **to, bool (*moves)(const void *arg, const letter *m), const void *arg);
/* Likewise, those of one kind. */
void letter_move_kind(letter **from, letter **to, letter_kind kind);
/* Deletes the letters of a list, which lead to nothing, each in a commit of its own. */
void letter_drop(struct home *h, letter **list);
/* Tries again to delete what could not be deleted; the journal takes writes again. */
void letter_delete_again(struct home *h);
/* Deletes those of one kind. LETTER_TRIES: the run has left memory alive. */
void letter_drop_kind(letter **list, letter_kind kind);
/* Frees a list: the commit that deleted its rows is on disk. */
void letter_settled(letter **list);
/* Frees a list, and leaves its rows on disk. */
void letter_free_all(letter **list);

/* A segment without entries, which letter_send, letter_put_tries or letter_drop made, has come back from the store. */
void letter_committed(store_segment *s);

#endif
