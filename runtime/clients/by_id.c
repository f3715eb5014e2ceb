#include "runtime/clients/by_id.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/problem.h"
#include "runtime/clients/operators.h"
#include "runtime/clients/waiter.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

_Static_assert((int)OPERATOR_NAME_MAX <= (int)LETTER_BY_MAX, "a letter has room for an operator's name");

/* Whether the run's journal has to be read for this client: only there stands what a stopped run has streamed, and what
 * clients may know of the reason. */
static bool by_id_needs_journal(const home *h, const slot *s, waiter_kind kind)
{
    if (s->state == SLOT_UNKNOWN || kind == WAITER_STREAM) return true;
    return s->state == SLOT_STOPPED && kind == WAITER_OUTPUT && s->stop == STOP_EXHAUSTED && slot_refuses(h, s);
}

/* Drops the slot of a run that nobody has looked up, when a drain has dismissed all its clients. */
static void by_id_leave_unknown(home *h, slot *s)
{
    assert(!s->waiters);
    if (s->state != SLOT_UNKNOWN) return;
    if (s->tie == TIE_NONE)
        slot_remove(h, s);
    else
        slot_forget(h, s);
}

void by_id_attach(home *h, http_exchange *x, const run_id *id, const request_wish *asked)
{
    const waiter_wish *wish = &asked->answer;
    assert(!waiter_kind_steers(wish->kind));
    slot *s = slot_find_or_add(h, id);
    if (!s) {
        if (wish->begun)
            http_reply_abort(x);
        else
            problem_reply(x, 503, "out of memory", "5");
        return;
    }
    if (waiter_asks(asked)) slot_client_back(h, id);
    if (s->run) {
        waiter_attach(h, &s->run->waiters, asked, x, id);
        run_touch(s->run);
        return;
    }
    waiter_attach(h, &s->waiters, asked, x, id);
    if (h->draining) { /* nothing is loaded any more: the run is the next process's */
        waiters_dismiss(&s->waiters);
        by_id_leave_unknown(h, s);
    } else if (by_id_needs_journal(h, s, wish->kind)) {
        slot_wake(h, s);
    } else if (s->state == SLOT_STOPPED) {
        waiters_tell_stopped(&s->waiters, &(stop_cause){.reason = s->stop}, slot_refuses(h, s));
        if (s->waiters) slot_answer_in_time(h, s);
    } else {
        if (s->state == SLOT_PARKED || s->state == SLOT_BEHIND || !gate_writable(h))
            waiters_redirect(&s->waiters); /* nobody knows when the run goes on; else it is about to */
        waiters_accept(&s->waiters);
    }
}

/* ---- Cancelling and releasing ---- */

void by_id_cancel(home *h, http_exchange *x, const run_id *id, const char *by)
{
    if (!gate_writable(h)) {
        problem_reply(x, 503, "the journal cannot be written: the run was not cancelled", "5");
        return;
    }
    const request_wish wish = {.answer.kind = WAITER_CANCEL, .observes = true};
    slot *s = slot_find_or_add(h, id);
    if (!s) {
        problem_reply(x, 503, "out of memory", "5");
        return;
    }
    if (s->run) {
        waiter_attach(h, &s->run->waiters, &wish, x, id);
        if (!s->run->cancel) s->run->cancel_by = by ? by : letter_of_client;
        run_cancel(s->run, ENTRY_CANCEL_ASKED);
        run_touch(s->run);
        return;
    }
    waiter_attach(h, &s->waiters, &wish, x, id);
    if (s->has_live_row || by) { /* only a letter keeps the operator's name */
        slot_send_letter(h, s, &(letter_wish){.kind = LETTER_CANCEL, .by = by});
        return;
    }
    s->cancel = ENTRY_CANCEL_ASKED;
    slot_wake(h, s);
}

/* Whether the run's journal has been read, and the run goes on when others have (runtime/run/comeback.h). */
static bool slot_waits_behind(const slot *s) { return s->state == SLOT_BEHIND && s->has_crashed; }

/* Whether the run is stopped, or may be. Once a letter has asked for its release, nobody knows until the letter could
 * be obeyed. */
static bool by_id_may_release(const slot *s)
{
    if (s->run) return run_is_stopping(s->run) || slot_is_releasing(s->run);
    if (s->wants_release) return true;
    bool is_unread = s->tries > 0; /* its last load came to nothing: the run may be stopped */
    return !slot_waits_behind(s) && (s->state != SLOT_PARKED || s->stop != STOP_NONE || is_unread);
}

/* Returns why the run stands still, or is about to, as far as that is known. */
static stop_reason slot_stop_reason(const slot *s) { return s->run ? s->run->stop : s->stop; }

/* Refuses a client that may not release this run; true: x is answered. A run that is not known to be stopped, or not
 * known at all, may be in any state until its journal has been read. */
static bool by_id_refuse_client(const home *h, const slot *s, http_exchange *x)
{
    stop_reason why = slot_stop_reason(s);
    bool is_read = s->run || s->state == SLOT_STOPPED || !s->has_live_row;
    if (why != STOP_NONE && why != STOP_EXHAUSTED)
        problem_reply(x, 403, "a run that is stopped for such a reason is released by an operator", NULL);
    else if (why == STOP_NONE && !(h->slots.recovered && is_read))
        problem_reply(x, 503, "the run is about to be read: ask again", "1");
    else
        return false;
    return true;
}

/* Whether nobody but the request at hand has asked for the slot: no client waits, no letter is on its way. */
static bool slot_is_unused(const slot *s)
{
    return s->state == SLOT_UNKNOWN && !s->waiters && !s->letters && !s->letters_in_flight;
}

/* A run that is not known, or was stopped when it was looked at last, is loaded to see whether it is. */
void by_id_release(home *h, http_exchange *x, const run_id *id, const char *by)
{
    const request_wish wish = {.answer.kind = WAITER_RELEASE, .observes = true};
    slot *s = gate_writable(h) ? slot_find_or_add(h, id) : NULL;
    if (!s) {
        problem_reply(x, 503, "the journal cannot be written, or memory is out: the run was not released", "5");
    } else if (slot_has_letter(s, LETTER_STOP)) {
        problem_reply(x, 503, "the run is about to be stopped: ask again", "1");
    } else if (!by_id_may_release(s)) {
        problem_reply(x, 409, "the run is not stopped", NULL);
    } else if (!by && by_id_refuse_client(h, s, x)) {
        if (slot_is_unused(s))
            slot_remove(h, s); /* a slot that stays would make the reading of the live table pass the run over */
    } else {
        waiter_attach(h, slot_waiters(s), &wish, x, id);
        if (s->run && slot_is_releasing(s->run)) return;
        if (s->run || s->has_live_row || by) {
            slot_send_letter(h, s, &(letter_wish){.kind = LETTER_RELEASE, .by = by});
            return;
        }
        s->wants_release = true;
        slot_wake(h, s);
    }
}

/* ---- Stopping ---- */

static bool slot_is_being_released(const slot *s)
{
    return s->wants_release || slot_has_letter(s, LETTER_RELEASE) || (s->run && slot_is_releasing(s->run));
}

/* Whether the run is in memory and about to stand still, and that is on disk. */
static bool slot_is_sure_to_stand(const slot *s)
{
    return s->run && run_is_stopping(s->run) && run_stop_is_durable(s->run);
}

/* Takes x. */
static void by_id_tell_stopping(home *h, slot *s, http_exchange *x, const char *by)
{
    const request_wish wish = {.answer.kind = WAITER_STOP, .observes = true};
    char text[STOP_TOLD_BYTES];
    const stop_cause why = run_stop_cause(s->run);
    if (strcmp(why.by, by) == 0) { /* who did it asks again */
        waiter_attach(h, &s->run->waiters, &wish, x, &s->id);
        run_touch(s->run);
        return;
    }
    stop_tell(&why, text, sizeof text);
    problem_reply(x, 409, text, NULL);
}

/* Whether there is such a run, and what it does, is known when its letter has been written. */
void by_id_stop(home *h, http_exchange *x, const run_id *id, const char *by, const char *text)
{
    const request_wish wish = {.answer.kind = WAITER_STOP, .observes = true};
    slot *s = gate_writable(h) ? slot_find_or_add(h, id) : NULL;
    if (!s) {
        problem_reply(x, 503, "the journal cannot be written, or memory is out: the run was not stopped", "5");
    } else if (slot_is_being_released(s)) {
        problem_reply(x, 503, "the run is about to be released: ask again", "1");
    } else if (slot_is_sure_to_stand(s)) {
        by_id_tell_stopping(h, s, x, by);
    } else {
        waiter_attach(h, slot_waiters(s), &wish, x, id);
        slot_send_letter(h, s, &(letter_wish){.kind = LETTER_STOP, .by = by, .text = text});
    }
}
