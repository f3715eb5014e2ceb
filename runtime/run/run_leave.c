/* run_leave: how a run is unwound, cancelled or stopped, and leaves memory, and what becomes of its clients and letters
 * then. */
#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/frames.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/record.h"
#include "runtime/run/replay.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

enum { RELOAD_PAUSE_MS = 250 }; /* before a run that found no memory is loaded again */

const char RUN_NOT_DONE[] = "the journal cannot be written; the request was not done";
const char RUN_RETRY_AFTER_JOURNAL[] = "5";

static const run_listener *run_listener_of(const run *r) { return r->task.home->listener; }

/* ---- Unwinding ---- */

void run_unwind(run *r)
{
    task_unwind(&r->task);
    run_touch(r);
}

/* Interrupts strands that wait for a time, for a signal or at the gate. Strands that are at work go on to their next
 * step or wait; one that waits for members of a group that have no strand looks whether others are at work. */
void run_cut_waits(run *r)
{
    for (strand *s = r->task.strands, *next; s; s = next) {
        next = s->next;
        bool waits = s->wait == STRAND_DUE || s->wait == STRAND_SIGNAL || s->wait == STRAND_CALL || s->gate_link;
        if (waits) strand_interrupt(s, INTERRUPT_UNWIND);
        if (s->standing) strand_wake(s);
    }
    run_touch(r);
}

void run_drain(run *r)
{
    if (r->task.home->hurried)
        run_post(r, RUN_ON_HURRY);
    else
        run_post(r, RUN_ON_DRAIN);
}

void run_lose(run *r) { run_post(r, RUN_ON_LOSS); }

void run_lose_for_memory(run *r)
{
    if (!run_has_lost(r)) run_log(r, LOG_ERROR, "out of memory: the run is loaded again");
    r->lacks_memory = true;
    run_lose(r);
}

bool run_may_go_on(run *r)
{
    if (r->task.home->draining && r->state == RUN_RUNNING) run_drain(r);
    return !run_unwinds(r);
}

/* ---- Cancelling ---- */

void run_record_cancel(run *r)
{
    assert(r->cancel != ENTRY_CANCEL_NONE);
    const char *by = r->cancel_by ? r->cancel_by : letter_by(r->letters, LETTER_CANCEL);
    if (r->cancel != ENTRY_CANCEL_ASKED) by = NULL;
    entry e = {
        .kind = ENTRY_CANCEL, .at_ms = clock_wall_ms(), .status = (int)r->cancel, .error = entry_text_of(by ? by : "")};
    const entry *former = r->replay ? replay_cancel_entry(r->replay) : NULL;
    const entry_text who = former ? former->error : e.error;
    r->is_recalled = letter_is_by_caller(who.data, who.len); /* a letter goes with its entry, before the end */
    if (former) return;
    letter_set_obeyed(r->letters, LETTER_CANCEL);
    if (!record_append(r, &e)) run_lose_for_memory(r);
}

/* Leaves the cancel in the slot: if the run leaves memory before it has ended, its next load ends it. */
void run_save_cancel(run *r)
{
    assert(r->cancel != ENTRY_CANCEL_NONE);
    if (r->slot) r->slot->cancel = r->cancel;
}

void run_cancel(run *r, entry_cancel why)
{
    assert(why != ENTRY_CANCEL_NONE);
    if (!r->cancel) r->cancel = why;
    run_post(r, RUN_ON_CANCEL);
}

/* ---- Stopping ---- */

/* Appends the entry of a stop and remembers its reason. Without memory the run is lost. */
static void run_append_stop(run *r, const entry *stopped)
{
    const entry_text *text = &stopped->error;
    assert(stopped->kind == ENTRY_STOPPED);
    assert(r->stop == STOP_NONE); /* a run stops once in each execution */
    r->stop = stop_of_entry(stopped);
    run_log(r, r->stop == STOP_OPERATOR ? LOG_INFO : LOG_WARN, "%s is to stop (%s): %.*s", r->task.endpoint->route,
            stop_name(r->stop), (int)text->len, text->data);
    r->stop_detail = arena_strndup(&r->task.arena, text->data, text->len);
    if (stopped->by.len > 0) r->stop_by = arena_strndup(&r->task.arena, stopped->by.data, stopped->by.len);
    if (!record_append(r, stopped)) run_lose_for_memory(r);
    if (!run_has_lost(r)) r->seq_stop = r->seq_next;
}

static entry run_stop_entry(const run *r, stop_reason reason, uint64_t path, const char *text)
{
    clock_instant now = clock_now(&r->task.home->clock);
    const entry stopped = {.kind = ENTRY_STOPPED,
                           .at_ms = now.wall_ms,
                           .epoch = now.epoch,
                           .status = (int)reason,
                           .error = {text, strlen(text)},
                           .path = path};
    assert(stop_of_entry(&stopped) == reason);
    return stopped;
}

void run_record_stop(run *r) { run_append_stop(r, r->stop_entry); }

/* The entry names the steps that failed (causes), so that a release gives them, and no others, their retries anew. */
void run_record_failed_stop(run *r)
{
    const failure *f = r->failure;
    char more[48] = "";
    assert(f);
    assert(f->is_exhausted);
    assert(f->cause_count > 0);
    if (f->cause_count > 1) (void)snprintf(more, sizeof more, ", and so have %u others", f->cause_count - 1);
    const char *text = arena_printf(&r->task.arena, "step \"%s\" has used its retries (%d attempt%s)%s: %s", f->step,
                                    f->attempts, f->attempts == 1 ? "" : "s", more, f->message);
    entry stopped = run_stop_entry(r, STOP_EXHAUSTED, f->causes[0], text ? text : stop_text(STOP_EXHAUSTED));
    stopped.causes = run_causes(r, f);
    if (stopped.causes.len > 0)
        run_append_stop(r, &stopped);
    else
        run_lose_for_memory(r); /* the next execution comes to the same failure, and stops then */
    run_touch(r);
}

static void run_post_stop(run *r, const entry *stopped)
{
    assert(!r->stop_entry); /* no other event is being dealt with */
    r->stop_entry = stopped;
    run_post(r, RUN_ON_STOP);
    r->stop_entry = NULL;
}

void run_stop(run *r, stop_reason reason, uint64_t path, const char *text)
{
    assert(reason > STOP_NONE && reason < STOP_UNKNOWN); /* it has an entry */
    const entry stopped = run_stop_entry(r, reason, path, text);
    run_post_stop(r, &stopped);
}

entry run_asked_stop_entry(const run *r, const letter *m)
{
    assert(m->kind == LETTER_STOP);
    entry stopped = run_stop_entry(r, STOP_OPERATOR, 0, "");
    stopped.error = (entry_text){m->text, m->text_len};
    stopped.by = entry_text_of(m->by);
    return stopped;
}

void run_stop_asked(run *r, letter *m)
{
    const entry stopped = run_asked_stop_entry(r, m);
    uint32_t before = r->seq_stop;
    run_post_stop(r, &stopped);
    if (r->seq_stop > before) m->is_obeyed = true;
}

/* ---- Leaving memory ---- */

/* Removes the slot of a run that nobody has to find any more. */
static void run_remove_slot(run *r)
{
    if (!r->slot) return;
    assert(r->slot->run == r);
    r->slot->run = NULL;
    slot_remove(r->task.home, r->slot);
}

/* Leaves the slot without its run, to be loaded by the next process alone. */
static void run_leave_in_slot(home *h, slot *s)
{
    s->run = NULL;
    slot_post(h, s, SLOT_ON_PUT_OFF);
    s->has_live_row = true;
}

/* Gives the slot what belongs to the run while it is not in memory: its letters, and that it was released. */
static void run_hand_to_slot(run *r)
{
    assert(r->slot->run == r);
    assert(!r->waiters); /* the listener has moved them to the slot */
    assert(run_is_durable(r));
    if (r->seq_release > 0 && r->seq_durable >= r->seq_release) r->slot->not_resumed = false;
    slot_take_back_letters(r->slot, &r->letters);
    r->slot->run = NULL;
}

/* A signal that has come since the run decided to park, and that it waits for, wakes it at once. */
static void run_listen(const run *r, slot *s, bool has_come)
{
    home *h = r->task.home;
    if (s->state != SLOT_PARKED) return; /* its time has come meanwhile */
    mailbox_awaited wanted = {.names = r->park_names,
                              .name_count = r->park_name_count,
                              .returns = r->park_returns_due > r->returns ? r->park_returns_due - r->returns : 0,
                              .generation = r->generation};
    if (BUG(RETURN_EACH) && wanted.returns > 1) wanted.returns = 1;
    mailbox_listen(h, s, &wanted);
    if (has_come) slot_wake(h, s);
}

void run_park(run *r)
{
    assert(r->state == RUN_PARKED);
    assert(r->slot); /* run_try_park parks no run without one */
    run_listener_of(r)->on_left(r, RUN_LEFT_TO_SLOT);
    run_hand_to_slot(r);
    counter_add(&r->task.home->counters.runs_parked, 1);
    feed *heard = &r->task.home->app->feed;
    if (feed_is_heard(heard)) feed_tell_run(heard, r, "sleeping");
    bool has_come = mailbox_has_come(r);
    slot_park_for(r->task.home, r->slot, r->park_due, r->park_awaits);
    run_listen(r, r->slot, has_come);
    run_free(r);
}

/* Leaves the run to the next process. The slot stays until the process ends: it knows whether the run is tied to its
 * clients (runtime/run/ties.h). */
void run_leave(run *r)
{
    assert(r->state == RUN_LEFT);
    assert(r->task.home->draining);
    run_listener_of(r)->on_left(r, RUN_LEFT_TO_NEXT);
    if (r->slot && run_is_durable(r) && r->task.home->draining)
        run_leave_in_slot(r->task.home, r->slot);
    else
        run_remove_slot(r);
    run_free(r);
}

/* Gives the run a slot, which never fails: this process goes on and has to load the run again. */
static void run_ensure_slot(run *r)
{
    if (!r->slot) run_give_slot(r);
    if (!r->slot) run_take_slot(r, slot_add_spare(r->task.home, &r->id)); /* run_free makes the next spare slot */
    assert(r->slot);
}

stop_cause run_stop_cause(const run *r)
{
    stop_cause why = {
        .reason = r->stop, .text = stop_text(r->stop), .since_ms = clock_wall_ms(), .streamed = r->frames};
    _Static_assert((int)STOP_BY_BYTES > (int)LETTER_BY_MAX, "a cause has room for who wrote a letter");
    stop_describe(&why, entry_text_of(r->stop_detail ? r->stop_detail : ""),
                  entry_text_of(r->stop_by ? r->stop_by : ""));
    return why;
}

void run_stand(run *r)
{
    assert(r->state == RUN_STOPPED);
    assert(r->stop != STOP_NONE);
    run_ensure_slot(r);
    slot *s = r->slot;
    const stop_cause why = run_stop_cause(r);
    run_listener_of(r)->on_left(r, RUN_LEFT_TO_SLOT);
    run_hand_to_slot(r);
    slot_stop(r->task.home, s, &why);
    run_free(r);
}

/* The slot is due at once, but it is not loaded before the journal takes writes again (runtime/run/gate.h). */
void run_reload(run *r)
{
    assert(r->state == RUN_PARKED);
    run_ensure_slot(r);
    run_listener_of(r)->on_left(r, RUN_LEFT_LOST);
    run_hand_to_slot(r);
    slot_park_for(r->task.home, r->slot, clock_alarm_in(r->lacks_memory ? RELOAD_PAUSE_MS : 0), SLOT_AWAITS_LOAD);
    run_free(r);
}

void run_refuse(run *r)
{
    assert(r->state == RUN_REFUSED);
    assert(!run_is_durable(r));
    run_listener_of(r)->on_refused(r, r->has_attempted ? RUN_REFUSED_PARTLY : RUN_REFUSED_UNDONE);
    run_remove_slot(r);
    run_free(r);
}

/* The run may be on disk, and then goes on at the next start: a client must not be told that nothing was done. */
void run_cut(run *r)
{
    assert(r->state == RUN_CUT);
    assert(r->commit == COMMIT_UNKNOWN);
    run_listener_of(r)->on_refused(r, RUN_REFUSED_UNKNOWN);
    run_remove_slot(r);
    run_free(r);
}

/* The run that has called this one wants it to go on after its end: the slot, which takes the letters, looks at that.
 */
static void run_look_again(run *r, letter *letters)
{
    slot *s = r->slot;
    assert(s && !s->letters); /* by it the letters have come */
    s->letters = letters;
    s->run = NULL;
    slot_park(r->task.home, s, clock_alarm_in(0));
}

void run_answer(run *r)
{
    home *h = r->task.home;
    assert(run_is_durable(r));
    assert(r->seq_durable == r->seq_next);
    run_count_end(r);
    run_listener_of(r)->on_over(r, RUN_OVER_DURABLE);
    letter *again = NULL;
    letter_move_kind(&r->letters, &again, LETTER_REOPEN);
    if (r->slot) letter_move_kind(&r->slot->letters, &again, LETTER_REOPEN);
    letter_drop(h, &r->letters); /* a cancel or a release that came too late */
    if (r->slot) letter_drop(h, &r->slot->letters);
    (void)mailbox_end(h, &r->id);
    if (again)
        run_look_again(r, again);
    else
        run_remove_slot(r);
    run_free(r);
}
