/* slot_core: what the files of slots share: finding slots (slot_table.c), their queues and letters (slot.c), loading
 * their runs (slot_load.c), making them at the start (slot_recover.c), and the ties to clients (slot_tie.c). */
#ifndef RUNTIME_RUN_SLOT_CORE_H
#define RUNTIME_RUN_SLOT_CORE_H

#include "runtime/run/slot.h"

/* The slot of a run, made if there is none: whether there is such a run is not known then. NULL: out of memory. */
slot *slot_find_or_add(struct home *h, const run_id *id);
/* Writes down what somebody wants of the run, unless that is on disk or being written: whoever asks again waits for
 * what the first letter of the kind leads to. */
void slot_send_letter(struct home *h, slot *s, const letter_wish *wish);
/* A letter to the run was not written: looks whether there is such a run, if nobody has yet. */
void slot_look_up(struct home *h, slot *s);
/* Whether a letter of that kind is on its way: being written, or on disk and not yet obeyed. */
bool slot_has_letter(const slot *s, letter_kind kind);

/* Tells those who want the run stopped that it is stopped already, and deletes their letters, which are in `letters`.
 * Whoever has stopped it is told that it will be. */
void slot_deny_stop(struct home *h, slot *s, letter **letters, const struct stop_cause *why);

/* The list of those who wait for the slot's run, in memory or not. */
struct waiter **slot_waiters(slot *s);
/* Whether the run, which is in memory, is released and the journal does not say so yet. */
bool slot_is_releasing(const struct run *r);

/* Whether the run is stopped, and its output URL answers so. */
bool slot_refuses(const struct home *h, const slot *s);

/* SLOT_STOPPED: has the run loaded again after wait_ms, or earlier. */
void slot_look_later(struct home *h, slot *s, int64_t wait_ms);
/* SLOT_STOPPED: has those who wait told when the output URL no longer waits for a release. */
void slot_answer_in_time(struct home *h, slot *s);

/* Whether the run may go on when it is loaded: then it needs one of the places of --runs-max. */
bool slot_wants_place(const slot *s);
/* True: the gate is closed, and the slot waits until it is open. */
bool slot_gate(struct home *h, slot *s);

/* Reads the journal of a run that is being loaded. */
void slot_load(struct home *h, slot *s);

/* Unties the run from its clients, for the next process too: somebody who wants it to go on has its URL, or is an
 * operator. `shown`: the run's journal says so. */
void slot_let_alone(struct home *h, slot *s, bool shown);

static inline bool slot_is_loading(const slot *s)
{
    return s->state == SLOT_LOADING || s->state == SLOT_LOADING_PLACED;
}

#endif
