/* slot: a run's place in its loop's table from the moment somebody can know its id until it has ended: while it runs,
 * while it is parked, while it is being loaded. Small, because a million parked runs are a million slots. */
#ifndef RUNTIME_RUN_SLOT_H
#define RUNTIME_RUN_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "runtime/base/clock.h"
#include "runtime/base/timers.h"
#include "runtime/run/letter.h"
#include "runtime/run/slot_machine.h"
#include "runtime/run/stop.h"
#include "storage/entry.h"
#include "storage/run_id.h"

/* What becomes of a slot that was loaded, and of its clients, is in slot_load.c; the events of a stopped run are a
 * table in docs/internals/journal.md, *Stopped runs*. */
struct run;
struct waiter;
struct home;

/* Whether a run of an endpoint with SW_CANCEL ends with its clients: with those that wait for its answer and were not
 * sent on. That is not in the journal: a run that is loaded by another process is judged by what the one before left
 * (runtime/run/ties.h), by the clients that come from it, and, if it was killed, by what the journal shows. */
typedef enum slot_tie {
    TIE_UNKNOWN, /* of a former process, not yet loaded */
    TIE_AWAITED, /* of a former process; a client that waited for it was left to this one, and may have gone since */
    TIE_NONE,    /* goes on alone: the endpoint does not say so, or a client was sent on and may come back */
    TIE_CLIENTS
} slot_tie;

typedef struct slot {
    struct slot *next; /* in its bucket */
    union {
        TAILQ_ENTRY(slot) in_queue; /* while its state is that of a queue */
        int64_t wall_due_ms;        /* `has_wall_due`: the wall clock ends it then, if nothing else has; Unix */
    };
    struct run *run;
    struct waiter *waiters; /* clients that wait while it is not in memory */
    struct timer due;
    run_id id;
    struct letter *letters; /* on disk, and not yet in its journal */
    uint32_t since_ds;      /* with `stop`: since when, for --retain-stopped; tenths of a second on the steady clock */
    slot_state state : 4;
    slot_tie tie : 2;
    entry_cancel cancel : 4; /* to be ended for this reason when it is loaded */
    stop_reason stop : 4;    /* it is stopped, as far as known; also while it is loaded to look again */
    unsigned tries : 4;      /* loads in a row that came to nothing, for the pause before the next */
    bool has_wall_due : 1;   /* SLOT_PARKED: wall_due_ms counts */
    bool wants_release : 1;  /* to be released when it is loaded */
    bool is_known_here : 1;  /* begun here, or loaded: else it is of a former process, as if nobody had come for it */
    bool ends_with_clients : 1; /* with `is_known_here`, and not stopped: its endpoint says SW_CANCEL */
    bool not_resumed : 1;       /* --no-resume: it is of a former process, and nobody has released it */
    bool has_live_row : 1;      /* it has a row in the live table: not loaded while the gate is closed */
    bool is_recovered : 1;      /* recovery has come to its live row while the slot was there, and comes to it once */
    bool has_crashed : 1; /* when it was loaded last: the process had died of it, without any progress of it since */
    bool read_while_closed : 1; /* being loaded, since the journal took no writes: what the start writes may be missing
                                 */
    unsigned letters_in_flight : 3; /* letters that are being written: 1 << letter_kind */
} slot;
_Static_assert(STOP_REASONS <= 16, "they fit slot.stop");
_Static_assert(sizeof(void *) != 8 || sizeof(slot) <= 104, "beyond 104 bytes malloc takes 128 for each");

typedef struct slot_table {
    slot **buckets; /* a power of two */
    size_t bucket_count;
    uint64_t count;                   /* counter_add */
    TAILQ_HEAD(slot_queue, slot) due; /* runs to be resumed, first due first: wait for a place of --runs-max */
    struct slot_queue asked;          /* loaded without a place: most have ended, or are to end */
    struct slot_queue gated;          /* wait until the journal takes writes */
    struct slot_queue suspects;       /* wait for their turn (runtime/run/suspects.h) */
    struct slot_queue behind;         /* wait for others (runtime/run/comeback.h) */
    size_t due_count;                 /* in `due` */
    size_t loading;                   /* being read */
    size_t raising;   /* between two reads: their rows of suspicion are being written (runtime/run/suspects.h) */
    uint64_t stopped; /* slots with `stop`; counter_add */
    bool recovered;   /* the live table has been read, or a drain leaves the rest of it to the next process */
    bool all_found;   /* it has been read to its end */
    bool letters_read;
    uint8_t letter_last[LETTER_KEY_BYTES + 1]; /* key of the last one that recovery has read, and a zero byte */
    run_id scanned;                            /* the last row that recovery has read */
    bool scanning;                             /* there is one */
    uint8_t scan_tries;
    struct timer scan;     /* recovery is tried again */
    struct timer orphans;  /* runs while clients of a former process may come back */
    bool clients_are_back; /* that is over */
    size_t places;         /* of --runs-max, of slots that are being loaded */
    void *spare;           /* memory for the slot of a run that leaves memory when there is no other */
} slot_table;

bool slot_table_init(slot_table *t);
void slot_table_free(slot_table *t);

slot *slot_find(const slot_table *t, const run_id *id);
slot *slot_add(struct home *h, const run_id *id); /* NULL: out of memory. Not yet in it */
/* The same for a run that leaves memory, which nobody else would know of: there is always one. The run's own memory is
 * the next spare one: run_free gives it to slot_restock, which says whether it has taken it. */
slot *slot_add_spare(struct home *h, const run_id *id);
bool slot_restock(struct home *h, struct run *r);
void slot_remove(struct home *h, slot *s); /* its run has ended; without waiters; frees it */
void slot_forget(struct home *h, slot *s); /* the run may go on elsewhere; likewise */

/* Something has happened to it: its state, its queue and its place of --runs-max follow. */
void slot_post(struct home *h, slot *s, slot_event event);

/* Not in memory until then; then it is loaded and resumed. */
void slot_park(struct home *h, slot *s, clock_alarm due);
/* The wall clock has been set: what it ends follows. */
void slots_clock_set(struct home *h);
/* Its run stands still, and has left memory. A release that came meanwhile is obeyed. */
void slot_stop(struct home *h, slot *s, const struct stop_cause *why);
/* It is in memory: no longer stopped. */
void slot_clear_stop(struct home *h, slot *s);
/* As soon as there is room. */
void slot_wake(struct home *h, slot *s);
/* The journal takes writes again: what waited for that is due. */
void slot_wake_gated(struct home *h);
/* Loads some of the queues; called each turn. */
void slot_load_due(struct home *h);
/* A request may begin a run. Of the places that get free, up to a quarter of --runs-max is left to runs that wait to be
 * resumed, so that new requests do not keep them out for good. */
bool slots_have_room(const struct home *h);

/* A letter to a run is on disk (error NULL) or not. Takes it. */
void slot_take_letter(struct home *h, struct letter *m, const char *error);
/* What was asked of the run is on disk: it will be done, also by a later process. */
bool slot_is_promised(const struct home *h, const run_id *id, letter_kind kind);
/* Letters of a run that leaves memory before their entries are on disk. */
void slot_take_back_letters(slot *s, struct letter **letters);
/* Whoever wants it released is told why not, and the letter goes. */
void slot_deny_release(struct home *h, slot *s, const char *why);
/* Nobody may wait for the answer of a run that ends with its clients: then it is cancelled. */
void slot_end_if_alone(struct home *h, slot *s);
/* A client of the run has gone away. */
void slot_client_gone(struct home *h, const run_id *id);
/* A client of the run is about to be sent on, and will know its URL: the run goes on alone from now on. `shown`: its
 * request, which is in the journal, says that it may be. True: it was tied until now. */
bool slot_client_sent_on(struct home *h, const run_id *id, bool shown);
/* That client, the only one that the run was tied to, had gone before. Nothing to a run whose endpoint ties it to none.
 */
void slot_client_missed(struct home *h, const run_id *id);
/* The connection of one who waits for its answer has come from a former process; it need not be open any more. */
void slot_client_back(struct home *h, const run_id *id);
/* The connection of one who waited for its answer was left to this process, and has ended before it got here. */
void slot_client_lost(struct home *h, const run_id *id);
/* A wait in its journal that is longer shows that a client of it was sent on. */
int64_t slot_sent_on_after_ms(const struct home *h);
/* A run of a former process is being loaded: whether it ends with its clients, and at once since they are gone.
 * `sent_on`: its journal shows that they may have been sent on. */
void slot_judge_tie(struct home *h, slot *s, bool cancels, bool sent_on);

/* All connections of a former process that come to this one have come: after a while runs that end with their clients,
 * of which none is back, end. Once is enough. */
void slot_watch_orphans(struct home *h);
/* The loop ends: what the next process has to know of ties. */
void slots_leave_ties(struct home *h);

/* Reads the live table and makes a slot of each row of this loop. What fails is tried again. */
void slot_recover(struct home *h);
/* The loop drains: what could not be read is not tried again, but left to the next process. */
void slot_recover_no_more(struct home *h);

#endif
