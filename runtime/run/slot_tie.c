/* slot_tie: which runs end with their clients (SW_CANCEL), and what the next process has to know of that.
 *
 *   a client of it            its run is
 *                             in memory        parked, queued      of a former process, not yet loaded
 *   comes                     nothing          nothing             UNKNOWN becomes AWAITED
 *   is sent on                NONE             NONE                NONE
 *   goes, it was the last     cancelled        loaded, cancelled   AWAITED; judged when it is loaded
 *   is lost on its way here                                        UNKNOWN becomes AWAITED
 *   had gone before it was    CLIENTS, and    CLIENTS, loaded, AWAITED; judged when it is loaded
 *   sent on                   cancelled        cancelled
 *   its run is stopped, or    NONE             NONE                -
 *   released
 *   the process ends          left for the next one, as awaited, unless it is NONE
 *                                                               UNKNOWN: as the former process left it; if that one
 *                                                               was killed and not all is found, so is this one
 *   the process is killed     UNKNOWN. That it is NONE is in the file `end` since then, unless the journal shows it
 */
#include <assert.h>

#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/ties.h"

/* What the former process left of the run's tie, or a client of it since. */
static former_tie tie_of_former(const home *h, const slot *s)
{
    assert(s->tie == TIE_UNKNOWN || s->tie == TIE_AWAITED);
    if (s->tie == TIE_AWAITED) return FORMER_AWAITED;
    if (!h->app->ties) return h->app->ended_well ? FORMER_PRESUMED : FORMER_UNKNOWN;
    return ties_find(h->app->ties, &s->id);
}

void slot_end_if_alone(home *h, slot *s)
{
    if (s->tie != TIE_CLIENTS || h->listener->is_awaited(s)) return;
    if (s->run) {
        run_cancel(s->run, ENTRY_CANCEL_GONE);
    } else if (!h->draining) { /* else the next process finds it */
        s->cancel = ENTRY_CANCEL_GONE;
        slot_wake(h, s);
    }
}

void slot_client_gone(home *h, const run_id *id)
{
    slot *s = slot_find(&h->slots, id);
    if (s) slot_end_if_alone(h, s);
}

int64_t slot_sent_on_after_ms(const home *h)
{
    return h->app->ties ? ties_sent_on_after_ms(h->app->ties) : h->opt->redirect_after_ms;
}

/* Whether the journal shows a wait over --redirect-after, which is enough to know that the run's client was sent on. */
static bool tie_waits_long(const home *h, const slot *s)
{
    const run *r = s->run;
    int64_t then_ms = clock_steady_ms() + slot_sent_on_after_ms(h);
    if (r) return r->waited_long_before || (r->waits_long && r->seq_durable >= r->seq_wait);
    return s->state == SLOT_PARKED && timer_is_started(&s->due) && s->due.due_us > (uint64_t)then_ms * 1000;
}

void slot_let_alone(home *h, slot *s, bool shown)
{
    ties *t = h->app->ties;
    if (s->tie == TIE_NONE) return;
    s->tie = TIE_NONE;
    former_tie next = t ? ties_find_next(t, &s->id) : FORMER_ALONE;
    bool judged_tied = next == FORMER_AWAITED || (next == FORMER_UNKNOWN && !shown && !tie_waits_long(h, s));
    if (judged_tied) ties_append(t, &s->id, FORMER_ALONE);
}

bool slot_client_sent_on(home *h, const run_id *id, bool shown)
{
    slot *s = slot_find(&h->slots, id);
    bool was_tied = s && s->tie != TIE_NONE;
    if (was_tied) slot_let_alone(h, s, shown);
    return was_tied;
}

void slot_client_missed(home *h, const run_id *id)
{
    slot *s = slot_find(&h->slots, id);
    if (!s || s->stop != STOP_NONE || (s->is_known_here && !s->ends_with_clients)) return;
    if (s->tie == TIE_NONE && h->app->ties) ties_append(h->app->ties, id, FORMER_AWAITED);
    s->tie = s->is_known_here ? TIE_CLIENTS
                              : TIE_AWAITED; /* whether its endpoint ties it is known when it has been loaded */
    slot_end_if_alone(h, s);
}

static void tie_await_clients(const home *h, slot *s)
{
    if (s->tie == TIE_UNKNOWN && tie_of_former(h, s) != FORMER_ALONE) s->tie = TIE_AWAITED;
}

void slot_client_back(home *h, const run_id *id)
{
    slot *s = slot_find(&h->slots, id);
    if (s) tie_await_clients(h, s);
}

void slot_client_lost(home *h, const run_id *id)
{
    slot *s = slot_find_or_add(h, id);
    if (!s) return;
    tie_await_clients(h, s);
    if (s->state == SLOT_UNKNOWN) slot_wake(h, s);
    slot_client_gone(h, id);
}

void slot_judge_tie(home *h, slot *s, bool cancels, bool sent_on)
{
    assert(slot_is_loading(s));
    s->is_known_here = true;
    s->ends_with_clients = cancels;
    if (s->wants_release) slot_let_alone(h, s, true); /* a release is a wish for the run itself */
    if (s->tie != TIE_UNKNOWN && s->tie != TIE_AWAITED) return;
    former_tie was = tie_of_former(h, s);
    bool alone = !h->listener->is_awaited(s);
    bool may_come_back = was == FORMER_PRESUMED || (was == FORMER_UNKNOWN && sent_on);
    s->tie = !cancels || was == FORMER_ALONE || (alone && may_come_back) ? TIE_NONE : TIE_CLIENTS;
    if (s->tie == TIE_CLIENTS && alone && h->slots.clients_are_back) s->cancel = ENTRY_CANCEL_GONE;
}

/* Cancels tied runs of which no client is back: their connections have ended with the former process, and no client was
 * sent on. */
static void tie_on_clients_back(struct timer *t)
{
    home *h = t->arg;
    assert(!h->slots.clients_are_back);
    h->slots.clients_are_back = true;
    for (size_t i = 0; i < h->slots.bucket_count; i++)
        for (slot *s = h->slots.buckets[i]; s; s = s->next)
            if (s->tie == TIE_CLIENTS) slot_client_gone(h, &s->id);
}

void slot_watch_orphans(home *h)
{
    if (h->slots.orphans.fn) return;
    h->slots.orphans = (struct timer){.fn = tie_on_clients_back, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &h->slots.orphans, (uint64_t)h->opt->redirect_after_ms);
}

/* ---- The next process ---- */

static void tie_leave(const home *h, const slot *s)
{
    ties *t = h->app->ties;
    assert(!s->run || s->run->slot == s);
    former_tie was = s->tie == TIE_UNKNOWN ? tie_of_former(h, s) : s->tie == TIE_NONE ? FORMER_ALONE : FORMER_AWAITED;
    ties_settle(t, &s->id);
    if (was == FORMER_AWAITED || (was == FORMER_UNKNOWN && s->has_live_row && !tie_waits_long(h, s)))
        ties_leave(t, &s->id, was);
}

void slots_leave_ties(home *h)
{
    ties *t = h->app->ties;
    /* It was killed, and has left no list; in that of a process that has ended, a run that is missing is not tied. */
    if (t && h->port && !h->slots.all_found && ties_former_end(t) == FOLDER_IN_USE) ties_leave_unfound(t);
    for (size_t i = 0; t && i < h->slots.bucket_count; i++)
        for (const slot *s = h->slots.buckets[i]; s; s = s->next) tie_leave(h, s);
}
