/* slot_core: what the files of slots share: finding slots (slot_table.c), their queues and letters (slot.c), loading
 * their runs (slot_load.c), making them at the start (slot_recover.c), and the ties to clients (slot_tie.c). */
#ifndef RUNTIME_RUN_SLOT_CORE_H
#define RUNTIME_RUN_SLOT_CORE_H

#include "runtime/run/slot.h"

/* A slot for a run that may not be in memory; NULL: no memory. */
slot *slot_find_or_add(struct home *h, const run_id *id);
/* What somebody wants of the run is written down, unless it is, or is being written: whoever asks again waits for what
 * the first letter of the kind leads to. */
void slot_send_letter(struct home *h, slot *s, letter_kind kind);

/* Those who wait for its run, in memory or not. */
struct waiter **slot_waiters(slot *s);
/* In memory, and the journal does not say yet that it is released: who wants that, too, waits for the same. */
bool slot_is_releasing(const struct run *r);

/* It is stopped, and its output URL answers so. */
bool slot_refuses(const struct home *h, const slot *s);

/* SLOT_STOPPED: it is loaded again after that, or earlier. */
void slot_look_later(struct home *h, slot *s, int64_t wait_ms);
/* SLOT_STOPPED: somebody waits for it, and is told when its output URL waits for a release no longer. */
void slot_answer_in_time(struct home *h, slot *s);

/* It may go on when it is loaded: it needs one of the places of --runs-max. */
bool slot_wants_place(const slot *s);
/* True: the gate is closed, and it waits for that. */
bool slot_gate(struct home *h, slot *s);

/* It is being loaded: its journal is read now. */
void slot_load(struct home *h, slot *s);

/* Whoever wants the run to go on has its URL, or is an operator: clients that go away end it no longer, in the next
 * process either. `shown`: its journal says so. */
void slot_let_alone(struct home *h, slot *s, bool shown);

static inline bool slot_is_loading(const slot *s)
{
    return s->state == SLOT_LOADING || s->state == SLOT_LOADING_PLACED;
}

#endif
