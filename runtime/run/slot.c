#include "runtime/run/slot.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen_call.h"
#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/suspects.h"
#include "runtime/run/ties.h"

static const char NOT_WRITTEN[] = "the journal cannot be written: nothing of it was done";
static const char NOT_KNOWN[] =
    "the journal could not be written, and nobody knows yet whether it will be done: look at "
    "the run before you ask again";

void slot_remove(home *h, slot *s)
{
    if (h->app->ties) ties_settle(h->app->ties, &s->id);
    slot_forget(h, s);
}

/* ---- What happens to one ---- */

/* NULL: slots in this state are in no queue. */
static struct slot_queue *slot_queue_of(slot_table *t, slot_state state)
{
    switch (state) {
    case SLOT_DUE:
        return &t->due;
    case SLOT_ASKED:
        return &t->asked;
    case SLOT_GATED:
        return &t->gated;
    case SLOT_SUSPECT:
        return &t->suspects;
    case SLOT_BEHIND:
        return &t->behind;
    default:
        return NULL;
    }
}

static void slot_leave_state(home *h, slot *s)
{
    slot_table *t = &h->slots;
    struct slot_queue *queue = slot_queue_of(t, s->state);
    assert(s->state != SLOT_DUE || t->due_count > 0);
    assert(s->state != SLOT_LOADING_PLACED || t->places > 0);
    if (s == t->last_raised) t->last_raised = TAILQ_PREV(s, slot_queue, in_queue);
    if (queue) TAILQ_REMOVE(queue, s, in_queue);
    if (s->state == SLOT_DUE) t->due_count--;
    if (s->state == SLOT_LOADING_PLACED) t->places--;
    if (s->state == SLOT_PARKED || s->state == SLOT_STOPPED) timers_stop(&h->timers, &s->due);
    s->has_wall_due = false;
}

/* Those whose rows of suspicion say that they are in memory come before all others, and what was left before what was
 * not taken yet. Whoever is left is put back after those who were taken behind it. */
static void slot_queue_due(slot_table *t, slot *s, bool is_left)
{
    bool is_raised = suspects_is_raised(s), behind_raised = is_raised != is_left;
    if (!is_raised && !is_left)
        TAILQ_INSERT_TAIL(&t->due, s, in_queue);
    else if (behind_raised && t->last_raised)
        TAILQ_INSERT_AFTER(&t->due, t->last_raised, s, in_queue);
    else
        TAILQ_INSERT_HEAD(&t->due, s, in_queue);
    if (is_raised && (!is_left || !t->last_raised)) t->last_raised = s;
}

void slot_post(home *h, slot *s, slot_event event)
{
    slot_table *t = &h->slots;
    slot_state to = slot_next(s->state, event);
    assert(to == SLOT_RUNNING || !s->run);
    if (to == s->state) return;
    slot_leave_state(h, s);
    s->state = to;
    struct slot_queue *queue = slot_queue_of(t, to);
    if (to == SLOT_DUE)
        slot_queue_due(t, s, event == SLOT_ON_LEFT);
    else if (queue && event == SLOT_ON_LEFT)
        TAILQ_INSERT_HEAD(queue, s, in_queue);
    else if (queue)
        TAILQ_INSERT_TAIL(queue, s, in_queue);
    if (to == SLOT_PARKED) memset(s->names, 0, sizeof s->names);
    if (to == SLOT_DUE) t->due_count++;
    if (to == SLOT_LOADING_PLACED) t->places++;
    if (to == SLOT_GATED || to == SLOT_BEHIND) h->listener->on_put_back(s);
}

static void slot_on_due(struct timer *t)
{
    home *h = t->arg;
    slot *s = (slot *)((char *)t - offsetof(slot, due));
    assert(s->state == SLOT_PARKED || s->state == SLOT_STOPPED); /* slot_leave_state() stops the timer */
    slot_wake(h, s);
}

void slot_park(home *h, slot *s, clock_alarm due) { slot_park_for(h, s, due, SLOT_AWAITS_UNKNOWN); }

void slot_park_for(home *h, slot *s, clock_alarm due, uint32_t awaits)
{
    assert(!s->run);
    slot_post(h, s, SLOT_ON_PARKED);
    if (s->stop == STOP_NONE) s->awaits = awaits;
    s->has_live_row = true;
    s->due = (struct timer){.fn = slot_on_due, .arg = h, .has_reserve = true};
    s->has_wall_due = due.wall_ms != CLOCK_NEVER;
    if (s->has_wall_due) s->wall_due_ms = due.wall_ms;
    int64_t left_ms = clock_alarm_left_ms(&due);
    if (BUG(FORGET_DUE) && left_ms > 100) return;
    if (left_ms == CLOCK_NEVER) return; /* a signal wakes it */
    if (left_ms > 0)
        (void)timers_start(&h->timers, &s->due, (uint64_t)left_ms);
    else
        slot_wake(h, s);
}

/* A run whose end has moved away is loaded at the former end, and parks again. */
void slots_clock_set(home *h)
{
    for (size_t i = 0; i < h->slots.bucket_count; i++)
        for (slot *s = h->slots.buckets[i]; s; s = s->next) {
            if (s->run) task_clock_set(&s->run->task);
            assert(!s->has_wall_due || s->state == SLOT_PARKED);
            if (!s->has_wall_due) continue;
            int64_t left_ms = s->wall_due_ms - clock_wall_ms();
            if (left_ms > 0)
                (void)timers_hasten(&h->timers, &s->due, (uint64_t)left_ms);
            else
                slot_wake(h, s);
        }
}

void slot_look_later(home *h, slot *s, int64_t wait_ms)
{
    assert(s->state == SLOT_STOPPED);
    if (!timer_is_started(&s->due)) s->due = (struct timer){.fn = slot_on_due, .arg = h, .has_reserve = true};
    (void)timers_hasten(&h->timers, &s->due, wait_ms > 0 ? (uint64_t)wait_ms : 0);
}

void slot_clear_stop(home *h, slot *s)
{
    assert(s->run || !s->not_resumed);
    assert(s->stop == STOP_NONE || h->slots.stopped > 0);
    if (s->stop != STOP_NONE) counter_add(&h->slots.stopped, -1);
    s->stop = STOP_NONE;
    s->tries = 0;
}

/* A run that could not be read goes on as soon as it can be, and many may at the same moment: they need places. */
bool slot_wants_place(const slot *s)
{
    bool stands = ((s->stop != STOP_NONE && s->stop != STOP_UNREADABLE) || s->not_resumed) && !s->wants_release;
    return s->has_live_row && !s->cancel && !stands && !letter_stops(s->letters);
}

/* A run that waits for its wave or solo is loaded when that has come, unless the run is to be ended or stopped. */
void slot_wake(home *h, slot *s)
{
    bool waits = s->state == SLOT_SUSPECT || s->state == SLOT_BEHIND;
    bool goes_on = slot_wants_place(s) || (waits && !s->cancel && !letter_stops(s->letters));
    assert(!s->run);
    slot_post(h, s, goes_on ? SLOT_ON_WAKE : SLOT_ON_LOOK);
}

/* While the gate is closed a run could not go on: loading it would only repeat its next step. What may have ended is
 * loaded all the same, since its clients want to read. */
bool slot_gate(home *h, slot *s)
{
    assert(!s->run);
    if (!s->has_live_row || gate_writable(h)) return false;
    slot_post(h, s, SLOT_ON_GATE_CLOSED);
    return true;
}

void slot_wake_gated(home *h)
{
    for (slot *s; (s = TAILQ_FIRST(&h->slots.gated));) {
        slot_post(h, s, SLOT_ON_PUT_OFF);
        slot_wake(h, s);
    }
}

slot *slot_find_or_add(home *h, const run_id *id)
{
    slot *s = slot_find(&h->slots, id);
    run *r = s ? NULL : run_find_slotless(h, id);
    assert(!r || !r->slot);
    if (r) run_give_slot(r);
    if (s || r) return s ? s : r->slot; /* a second slot would load the run once more */
    s = slot_add(h, id);
    if (s) slot_post(h, s, SLOT_ON_ASKED_FOR);
    return s;
}

/* ---- Letters ---- */

struct waiter **slot_waiters(slot *s) { return s->run ? &s->run->waiters : &s->waiters; }

static unsigned slot_letter_bit(letter_kind kind)
{
    assert(kind > LETTER_TRIES && kind < LETTER_KINDS);
    return 1U << (kind - 1);
}

bool slot_has_letter(const slot *s, letter_kind kind)
{
    return (s->letters_in_flight & slot_letter_bit(kind)) || letter_is_in(s->letters, kind) ||
           (s->run && letter_is_in(s->run->letters, kind));
}

void slot_look_up(home *h, slot *s)
{
    if (s->state == SLOT_UNKNOWN && !h->draining) slot_wake(h, s);
}

void slot_send_letter(home *h, slot *s, const letter_wish *wish)
{
    unsigned bit = slot_letter_bit(wish->kind);
    if (letter_is_in(s->letters, wish->kind)) {
        if (!s->run) slot_wake(h, s);
    } else if (!(s->letters_in_flight & bit)) {
        if (letter_send(h, &s->id, wish)) {
            s->letters_in_flight = (s->letters_in_flight | bit) & 15U;
            return;
        }
        h->listener->on_denied(s, wish->kind, 503, "out of memory");
        slot_look_up(h, s);
    }
}

/* A stop is obeyed when the run is loaded, by the letter alone. */
static void slot_obey_letter(slot *s, letter_kind kind)
{
    assert(kind != LETTER_TRIES);
    if (BUG(LOSE_CANCEL) && kind == LETTER_CANCEL) return;
    if (BUG(LOSE_RELEASE) && kind == LETTER_RELEASE) return;
    if (kind == LETTER_CANCEL)
        s->cancel = ENTRY_CANCEL_ASKED;
    else if (kind == LETTER_RELEASE)
        s->wants_release = true;
}

bool slot_is_releasing(const run *r) { return r->seq_release > 0 && r->seq_durable < r->seq_release; }

/* A run that ends keeps the letter until it has ended, one that is lost until it is loaded again. Of one that stops
 * already it is known only when it stands that it does. */
static void slot_deliver_stop(run *r, letter *m)
{
    if (run_is_stopping(r)) {
        letter_move(&m, &r->slot->letters);
        return;
    }
    letter *asked = m;
    letter_move(&m, &r->letters);
    run_stop_asked(r, asked);
    run_touch(r);
}

/* Gives a letter to its run, which has come to memory by itself meanwhile, or is about to leave memory. */
static void slot_deliver_letter(home *h, run *r, letter *m)
{
    assert(r->slot && r->slot->run == r);
    assert(!m->next); /* else letter_move() would move others along */
    if (m->kind == LETTER_STOP) {
        slot_deliver_stop(r, m);
    } else if (m->kind == LETTER_RELEASE && run_is_stopping(r)) {
        slot_obey_letter(r->slot, m->kind);
        letter_move(&m, &r->slot->letters);
    } else if (m->kind == LETTER_RELEASE && slot_is_releasing(r)) {
        letter_move(&m, &r->letters);
    } else if (m->kind == LETTER_CANCEL) {
        letter_move(&m, &r->letters);
        run_cancel(r, ENTRY_CANCEL_ASKED);
        run_touch(r);
    } else if (m->kind == LETTER_REOPEN) {
        letter_move(&m, &r->letters); /* it says for whom the result is */
    } else {
        letter_drop(h, &m);
        h->listener->on_denied(r->slot, LETTER_RELEASE, 409, "the run is not stopped");
    }
}

/* Whether the run is loaded for the letter. */
static bool slot_wakes_for(const slot *s, letter_kind kind)
{
    bool is_live = s->has_live_row && (s->state == SLOT_PARKED || s->state == SLOT_STOPPED);
    return kind != LETTER_REOPEN || !is_live;
}

void slot_take_letter(home *h, letter *m, const char *error)
{
    slot *s = slot_find(&h->slots, &m->run);
    bool is_of_now = s && s->state == SLOT_REOPENING && reopen_is_overtaken(h, m);
    if (s && !error) reopen_overtake(h, s, m);
    assert(m->home == h);
    assert(m->kind != LETTER_TRIES);
    bool is_anothers = m->is_apart; /* nobody waits at the slot for it */
    if (s && !is_anothers) s->letters_in_flight = s->letters_in_flight & ~slot_letter_bit(m->kind) & 15U;
    if (error) {
        bool is_unknown = m->segment.outcome == STORE_UNKNOWN; /* the next process may find it, and obey it */
        if (s && !is_anothers) h->listener->on_denied(s, m->kind, 503, is_unknown ? NOT_KNOWN : NOT_WRITTEN);
        if (s) slot_look_up(h, s);
        letter_free_all(&m);
    } else if (!s || (is_anothers && s->state == SLOT_REOPENING && !is_of_now)) {
        letter_drop(h, &m); /* the run has ended, or had when the letter was sent: it is not for the run that goes on */
    } else if (BUG(LOSE_STOP) && m->kind == LETTER_STOP) {
        h->listener->on_promised(s, LETTER_STOP);
        letter_drop(h, &m);
        slot_look_up(h, s);
    } else if (s->run) {
        slot_deliver_letter(h, s->run, m);
    } else {
        const letter_kind kind = m->kind;
        slot_obey_letter(s, kind);
        letter_move(&m, &s->letters);
        if (!h->draining && slot_wakes_for(s, kind)) slot_wake(h, s); /* else the next process finds it */
    }
}

/* A wish that has reached a run in memory is on disk as the letter that brought it, or as the entry made of that. */
static bool slot_letter_is_on_disk(const run *r, letter_kind kind)
{
    if (kind == LETTER_STOP && run_was_stopped_as_asked(r)) return true;
    if (kind == LETTER_STOP && r->state == RUN_ENDING) return false; /* it comes too late */
    if (letter_is_in(r->letters, kind) || letter_is_in(r->sealed_letters, kind)) return true;
    if (kind == LETTER_RELEASE) return run_release_is_durable(r);
    if (kind == LETTER_STOP) return false;
    return r->cancel && !run_has_lost(r) && r->seq_durable == r->seq_next;
}

bool slot_is_promised(const home *h, const run_id *id, letter_kind kind)
{
    const slot *s = slot_find(&h->slots, id);
    return s && (letter_is_in(s->letters, kind) || (s->run && slot_letter_is_on_disk(s->run, kind)));
}

/* The run's letters came before those that the slot has got meanwhile. */
void slot_take_back_letters(slot *s, letter **letters)
{
    assert(s->run);
    letter_drop_kind(letters, LETTER_TRIES);
    for (const letter *m = *letters; m; m = m->next) slot_obey_letter(s, m->kind);
    letter_move(&s->letters, letters);
    letter_move(letters, &s->letters);
}

void slot_deny_release(home *h, slot *s, const char *why)
{
    letter_drop_kind(&s->letters, LETTER_RELEASE);
    h->listener->on_denied(s, LETTER_RELEASE, 409, why);
    s->wants_release = false;
}

void slot_deny_stop(home *h, slot *s, letter **letters, const stop_cause *why)
{
    char text[STOP_TOLD_BYTES];
    const char *by = letter_by(*letters, LETTER_STOP);
    assert(by);
    if (strcmp(by, why->by) == 0) { /* who did it asks again */
        h->listener->on_promised(s, LETTER_STOP);
    } else {
        stop_tell(why, text, sizeof text);
        h->listener->on_denied(s, LETTER_STOP, 409, text);
    }
    letter_drop_kind(letters, LETTER_STOP);
}
