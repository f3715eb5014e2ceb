/* replay: what a run's journal holds, by path, so that finished steps answer from memory. Owns a copy of the journal's
 * bytes and a table of records, both in an arena that lives as long as the run. Never changed by what the run does now,
 * but for marks of what the code has come to. */
#ifndef RUNTIME_RUN_REPLAY_H
#define RUNTIME_RUN_REPLAY_H

#include "runtime/base/arena.h"
#include "runtime/base/clock.h"
#include "storage/entry.h"

typedef struct replay replay;

typedef struct replay_record {
    uint64_t path;
    entry_kind kind;     /* a step: ENTRY_STEP_DONE, also when it has no result; ENTRY_SLEEP, _WAIT, _CALLED, _VALUE,
                            _SENT, _BRANCH, _PATCH, _WON; of remarks outside steps: ENTRY_LABEL, _STATUS, _USAGE */
    entry_text id;       /* of the step, sleep, wait, value, branch or patch; "": only chunks of the step are known */
    entry_text label;    /* of a step that streamed: what its chunks were called */
    uint32_t occurrence; /* which of the equal ids of its branch, from 0 */
    bool done;           /* a step, a call: it has a result; a wait: it has taken a signal */
    bool failed;         /* a step, a call: it failed for good; a wait: it has timed out */
    bool detached;       /* a call: nobody waits for its run; then it is done */
    bool is_void;        /* a wait or sleep: the run went on after its end or stop, and it begins anew */
    bool is_given_up;    /* a wait, a sleep: nobody waited for it any more, and it was not over */
    bool is_gone;        /* a call: no run is there that returns to this one, and it is made again */
    bool is_recalled;    /* a call: it has lost, and the run that was called is cancelled */
    bool fatal;          /* a step: its last failure was not to be repeated */
    bool answer;         /* a patch, or a signal sent */
    bool used;           /* the code has come to it */
    bool reported;       /* a step: another input was reported */
    uint32_t attempts;  /* a step: those that failed; a call: how often it was made before; an int has room for one more
                         */
    uint32_t number;    /* a call: of its entry, from 1 */
    entry_text child;   /* a call: id of the run that was called */
    int64_t timeout_ms; /* a call: as its options say; 0: none */
    uint64_t branch;    /* a call, a branch: path of the branch around it */
    uint32_t began;     /* a step: entries that the run had when the first attempt began */
    uint64_t input_hash;    /* a step: of the input of its result; 0: unknown */
    entry_text reported_by; /* a step: version of the program that last reported another input (ENTRY_DIFFERS) */
    clock_entry wait;       /* a step: the wait for its next attempt; a sleep; a wait: its timeout; due_ms 0: none */
    entry_text value;       /* msgpack: of the step's or call's result, the recorded value, or the signal */
    entry_text signal;      /* a wait: the name of the signal */
    uint64_t question;      /* a wait: the path of the question that it belongs to; 0: none */
    uint64_t winner;        /* what has decided a group: path of the member that has won */
    uint32_t member;        /* ... and which of the group's members that is, from 0 */
    entry_text error;       /* a step: the message of its last failure; a call: why it failed */
    entry_text calls;       /* a step: of its last attempt that failed */
    uint32_t open_chunks;   /* a step: streamed by an attempt that neither finished nor was rolled back */
    uint32_t remarks;       /* remarks: how many of them the journal has, or has newer ones of */
} replay_record;

/* Is called with each entry of a journal, in order; `seq`: its number, from 1. */
typedef void (*replay_entry_fn)(void *arg, const entry *e, uint32_t seq);

/* What replay_new says when there is no memory, which tells nothing of the journal. Compared by its address. */
extern const char replay_no_memory[];

/* Reads a whole journal, which is copied, into `a`, and calls `on_entry` (NULL: none) with each entry in order. NULL,
 * with a message in *error: it is damaged, does not begin with `started`, a newer program wrote it (entry_newer), or
 * there is no memory (replay_no_memory). */
replay *replay_new(arena *a, entry_text journal, replay_entry_fn on_entry, void *arg, const char **error);

/* ---- The run as a whole ---- */

const entry *replay_started(const replay *p); /* never NULL */
/* These do not see what came before the run was last reopened. */
const entry *replay_response(const replay *p);     /* NULL: the journal has none */
const entry *replay_ended(const replay *p);        /* NULL: the run has not ended */
entry_cancel replay_cancel(const replay *p);       /* ENTRY_CANCEL_NONE: the run was not cancelled */
const entry *replay_cancel_entry(const replay *p); /* NULL: likewise */
const entry *replay_stopped(const replay *p);      /* NULL: the run never was, or has been released or reopened since */
/* Takes the end back, as the entry `reopened` does, which is to follow the journal. */
void replay_reopen(replay *p, const entry *reopened);
/* Gives steps their retries anew, as a release from a stop does; the caller has appended the entry `released`. */
void replay_release(replay *p);
const entry *replay_reopened(const replay *p); /* the last one; NULL: the run never went on after its end */
/* How long the run was stopped until it was released, all times together, since it was last reopened. */
int64_t replay_stood_ms(const replay *p, const loop_clock *c);
unsigned replay_crashes(const replay *p); /* times that the run ended its process since its last progress */
int64_t replay_last_ms(const replay *p);  /* Unix; of the latest entry */
uint32_t replay_entries(const replay *p); /* how many */

/* ---- Records ---- */

/* Branches and remarks do not count in these two: they have no result. */
size_t replay_used(const replay *p);   /* records that the code has come to */
size_t replay_unused(const replay *p); /* records that the code has not come to */
/* Whether the journal has anything that the code has not come to: a record, that of a branch too, or a chunk that was
 * streamed, or a remark that was made, outside steps. Answers of sw_patch do not count, because a patch may be taken
 * out of the code again. */
bool replay_is_ahead(const replay *p);
/* Returns the next record, of those at *at and behind, whose result, sleep or value the code has not come to; NULL: no
 * more. *at is 0 at first. */
const replay_record *replay_next_unasked(const replay *p, size_t *at);

/* Returns the next record, as above, of a call whose run is under way, as far as is known; NULL: no more. */
const replay_record *replay_next_open_call(const replay *p, size_t *at);

/* Likewise, of those whose results the code wants: neither they nor a branch around them have lost. */
const replay_record *replay_next_wanted_call(const replay *p, size_t *at);

/* Returns the record of a path and marks it used; NULL: the journal has none. */
replay_record *replay_find(replay *p, uint64_t path);
/* Whether the journal has a wait that belongs to the question of this path, though the code may not have come to it. */
bool replay_waits_for(const replay *p, uint64_t question);
/* Whether the member of a group with this path was given up, since another one has won: nothing of it begins any more.
 */
bool replay_is_abandoned(const replay *p, uint64_t path);
/* Returns the first signal of that name which no wait has taken, an entry, behind `after` (NULL: of all); NULL: the
 * journal has none. */
const entry *replay_unread_signal(const replay *p, entry_text name, const entry *after);
/* A wait has taken it. */
void replay_take_signal(replay *p, const entry *signal);

/* Whether the journal has chunk `number`, from 0, of those that a branch's own code has streamed outside steps; then
 * the code has come to that chunk. */
bool replay_take_streamed(replay *p, uint64_t branch_path, uint32_t number);
/* Whether the journal has remark `number`, from 0, of those with this path that code outside steps has made, or a newer
 * one; then the code has come to it, and it is not to be journaled again. Asked once for each number. */
bool replay_take_remarked(replay *p, uint64_t path, uint32_t number);

#endif
