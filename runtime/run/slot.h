/* slot: what a home knows of a run from the moment somebody can know the run's id until it has ended: while it runs,
 * while it is parked, while it is being loaded. Owns its letters, and its waiters while the run is not in memory; never
 * a journal. Small, because a million parked runs are a million slots. On the home's thread. */
#ifndef RUNTIME_RUN_SLOT_H
#define RUNTIME_RUN_SLOT_H

#include <stdbool.h>
#include <stddef.h>
#include <sys/queue.h>

#include "runtime/base/clock.h"
#include "runtime/base/timers.h"
#include "runtime/run/letter.h"
#include "runtime/run/load_quota.h"
#include "runtime/run/slot_machine.h"
#include "runtime/run/stop.h"
#include "storage/entry.h"
#include "storage/row_cursor.h"
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
    TIE_CLIENTS  /* ends when the last client that waits for its answer goes */
} slot_tie;
_Static_assert(TIE_CLIENTS < 4, "they fit slot.tie");

/* What the timer of a parked run is for: one of these, or slot_awaits_path() of the step or sleep that waits. */
enum {
    SLOT_AWAITS_UNKNOWN, /* recovery has made the slot, and has not read the journal */
    SLOT_AWAITS_DEADLINE,
    SLOT_AWAITS_ROOM, /* it could not be loaded, with which nothing is wrong */
    SLOT_AWAITS_LOAD, /* it was in memory, and could not go on there */
    SLOT_AWAITS_PATHS /* from here on */
};

/* What stands in place of the names of signals that a parked run waits for. */
enum {
    SLOT_NAMES_NONE,
    SLOT_NAMES_ANY,  /* nobody knows which: each letter wakes the run */
    SLOT_NAMES_MANY, /* the run's mailbox has them */
    SLOT_NAMES       /* from here on: a name */
};

/* A slot has no room for a whole path: that of one run's few waits two are alike is next to impossible. */
static inline uint32_t slot_awaits_path(uint64_t path)
{
    const uint32_t folded = (uint32_t)(path ^ path >> 32);
    return folded < SLOT_AWAITS_PATHS ? folded + SLOT_AWAITS_PATHS : folded;
}

typedef struct slot {
    struct slot *next; /* in its bucket */
    union {
        TAILQ_ENTRY(slot) in_queue; /* while its state is that of a queue */
        struct {
            int64_t wall_due_ms; /* with `has_wall_due`: the wall clock ends the wait then, if nothing else has; Unix */
            uint32_t names[2];   /* SLOT_PARKED: of the signals that wake the run: mailbox_name(), or see SLOT_NAMES */
        };
    };
    struct run *run;        /* SLOT_RUNNING; else NULL */
    struct waiter *waiters; /* clients that wait while the run is not in memory */
    struct timer due;
    run_id id;
    struct letter *letters; /* on disk, and not yet in the run's journal; owned */
    union {
        uint32_t since_ds; /* with `stop`: since when, for --retain-stopped; tenths of a second on the steady clock */
        uint32_t awaits;   /* SLOT_PARKED, without `stop`: what its timer is for */
    };
    slot_state state : 4;
    slot_tie tie : 2;
    entry_cancel cancel : 4;        /* the run ends for this reason when it is loaded */
    stop_reason stop : 4;           /* the run is stopped, as far as known; also while it is loaded to look again */
    unsigned tries : 4;             /* loads in a row that came to nothing, for the pause before the next */
    bool has_wall_due : 1;          /* SLOT_PARKED: wall_due_ms counts */
    bool wants_release : 1;         /* the run is released when it is loaded */
    bool is_known_here : 1;         /* this process began, loaded or stopped the run; false: it knows the row at most */
    bool ends_with_clients : 1;     /* with `is_known_here`, and not stopped: the run's endpoint says SW_CANCEL */
    bool not_resumed : 1;           /* --no-resume: the run is of a former process, and nobody has released it */
    bool has_live_row : 1;          /* the run has a row in the live table: it is not loaded while the gate is closed */
    bool is_recovered : 1;          /* recovery has come to the run's live row while the slot was there */
    bool has_crashed : 1;           /* at the last load: the process had died of the run, without any progress since */
    bool read_while_closed : 1;     /* the gate was closed when the load began: what the start writes may be missing */
    bool caller_told : 1;           /* the run cannot be read: nobody waits for it any more (lost_child.h) */
    unsigned letters_in_flight : 4; /* kinds of letters that are being written: slot_letter_bit */
} slot;
_Static_assert(STOP_REASONS <= 16, "they fit slot.stop");
_Static_assert(LETTER_KINDS <= 5, "each but LETTER_TRIES has a bit of slot.letters_in_flight");
_Static_assert(sizeof(void *) != 8 || sizeof(slot) <= 104, "beyond 104 bytes malloc takes 128 for each");

typedef struct slot_table {
    slot **buckets; /* bucket_count of them, a power of two */
    size_t bucket_count;
    uint64_t count;                   /* slots; counter_add */
    TAILQ_HEAD(slot_queue, slot) due; /* to be resumed: up to last_raised, what a read has left, then first due */
    struct slot *last_raised;   /* in `due`: the last of those at its head whose rows say that they are in memory */
    struct slot_queue asked;    /* loaded without a place: most of their runs have ended, or are to end */
    struct slot_queue gated;    /* wait until the journal takes writes */
    struct slot_queue suspects; /* wait for their solos (runtime/run/suspects.h) */
    struct slot_queue behind;   /* wait for their waves and solos (runtime/run/comeback.h) */
    size_t due_count;           /* in `due` */
    size_t loading;             /* journals that are being read */
    load_quota quota;           /* of their bytes */
    size_t raising; /* slots that wait for their rows of suspicion to be written, to be read (runtime/run/suspects.h) */
    uint64_t stopped; /* slots with `stop`; counter_add */
    bool recovered;   /* the live table has been read, or a drain leaves the rest of it to the next process */
    bool all_found;   /* with `recovered`: the live table has been read to its end */
    bool letters_read;
    row_cursor letters_at; /* behind the last letter that recovery has read */
    run_id scanned;        /* with `scanning`: the last live row that recovery has read */
    bool scanning;
    uint8_t scan_tries;    /* scans in a row that failed, for the pause before the next */
    struct timer scan;     /* recovery is tried again */
    struct timer orphans;  /* runs while clients of a former process may come back */
    bool clients_are_back; /* that time is over */
    size_t places;         /* of --runs-max, of slots that are being loaded */
    void *spare;           /* memory for the slot of a run that leaves memory when no other memory is left; owned */
} slot_table;

bool slot_table_init(slot_table *t); /* False: no memory; slot_table_free is due all the same. */
void slot_table_free(slot_table *t); /* Its runs have left memory. */

/* ---- Finding and making them ---- */

slot *slot_find(const slot_table *t, const run_id *id); /* NULL: none */
/* Makes the slot of a run that has none; post what it is (slot_post). NULL: out of memory. */
slot *slot_add(struct home *h, const run_id *id);
/* Makes the slot of a run that leaves memory, of which nobody else would know: there is always memory for one. The
 * run's own memory is for the next such slot: run_free offers it to slot_restock, which says whether it has taken it.
 */
slot *slot_add_spare(struct home *h, const run_id *id);
bool slot_restock(struct home *h, struct run *r);
/* Frees a slot without run and waiters: its run has ended (slot_remove), or may go on elsewhere (slot_forget). */
void slot_remove(struct home *h, slot *s);
void slot_forget(struct home *h, slot *s);

/* ---- What happens to one ---- */

/* Moves the slot to its next state: its queue and its place of --runs-max follow. */
void slot_post(struct home *h, slot *s, slot_event event);

/* Leaves a run that is not in memory there until `due`; then the slot wakes. */
void slot_park(struct home *h, slot *s, clock_alarm due);
/* As slot_park; no signal wakes it (mailbox_listen says otherwise), and `awaits` is what the run is said to wait for
 * (runtime/observe/why.c). */
void slot_park_for(struct home *h, slot *s, clock_alarm due, uint32_t awaits);
/* Has all waits that the wall clock ends follow it; it has been set. */
void slots_clock_set(struct home *h);
/* Stops a run that has left memory, and tells its clients. A release that came meanwhile is obeyed. */
void slot_stop(struct home *h, slot *s, const struct stop_cause *why);
/* Takes back that the run is stopped: it is in memory, and goes on; or it had ended, which nobody could read. */
void slot_clear_stop(struct home *h, slot *s);
/* Has a run that is not in memory loaded as soon as there is room. */
void slot_wake(struct home *h, slot *s);
/* Wakes what waited for the journal to take writes, as it does again. */
void slot_wake_gated(struct home *h);
/* Loads some of the queues' runs; at the end of each turn. */
void slot_load_due(struct home *h);
/* Whether a request may begin a run. Of the places that get free, up to a quarter of --runs-max is left to runs that
 * wait to be resumed, so that new requests do not keep them out for good. */
bool slots_have_room(const struct home *h);
/* Whether runs that are due wait for the journals of others (runtime/run/load_quota.h). */
bool slots_await_bytes(const slot_table *t);

/* ---- Letters ---- */

/* Takes a letter that is on disk (error NULL) or could not be written, and obeys it or tells those who wait for it. */
void slot_take_letter(struct home *h, struct letter *m, const char *error);
/* Whether what was asked of the run is on disk: then it will be done, also by a later process. */
bool slot_is_promised(const struct home *h, const run_id *id, letter_kind kind);
/* Takes the letters of a run that leaves memory before their entries are on disk. */
void slot_take_back_letters(slot *s, struct letter **letters);
/* Tells those who want the run released why that is not done, and deletes their letters. */
void slot_deny_release(struct home *h, slot *s, const char *why);

/* ---- Ties to clients (slot_tie.c) ---- */

/* Cancels a run that ends with its clients, if nobody waits for its answer. */
void slot_end_if_alone(struct home *h, slot *s);
/* A client of the run has gone away. */
void slot_client_gone(struct home *h, const run_id *id);
/* A client of the run is about to be sent on, and will know its URL: the run goes on alone from now on. `shown`: its
 * request, which is in the journal, says that it may be. True: the run was tied until now. */
bool slot_client_sent_on(struct home *h, const run_id *id, bool shown);
/* The client that was sent on, the only one that the run was tied to, had gone before. Does nothing to a run whose
 * endpoint ties it to no clients. */
void slot_client_missed(struct home *h, const run_id *id);
/* The connection of a client that waits for the run's answer has come from a former process; it may be closed since. */
void slot_client_back(struct home *h, const run_id *id);
/* The connection of a client that waited for the run's answer was left to this process, and ended before it got here.
 */
void slot_client_lost(struct home *h, const run_id *id);
/* A longer wait in a run's journal shows that a client of it was sent on. */
int64_t slot_sent_on_after_ms(const struct home *h);
/* Decides whether a run of a former process that is being loaded ends with its clients, and at once if they are gone.
 * `cancels`: its endpoint says SW_CANCEL. `sent_on`: its journal shows that clients may have been sent on. */
void slot_judge_tie(struct home *h, slot *s, bool cancels, bool sent_on);

/* All connections of a former process that come to this one have come: after a while runs that end with their clients,
 * of which none is back, end. Once is enough. */
void slot_watch_orphans(struct home *h);
/* Leaves to the next process what it has to know of ties; the loop ends. */
void slots_leave_ties(struct home *h);

/* ---- Recovery (slot_recover.c) ---- */

/* Reads the letters and the live table, and makes a slot of each row of this loop. What fails is tried again. */
void slot_recover(struct home *h);
/* Leaves what could not be read to the next process: the loop drains. */
void slot_recover_no_more(struct home *h);

#endif
