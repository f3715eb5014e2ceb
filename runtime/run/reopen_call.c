#include "runtime/run/reopen_call.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/run/home.h"
#include "runtime/run/mail.h"
#include "runtime/run/reopen_core.h"
#include "runtime/run/returning.h"
#include "runtime/run/slot_core.h"

enum { AGAIN_MS = 250 }; /* until what could not be done is tried again */

/* ---- What comes of the letter ---- */

static bool letter_is_recall(const letter *m)
{
    return m->kind == LETTER_CANCEL && letter_is_of_call(letter_arrival_of(m->key));
}

/* Whether the caller has cancelled the run since it wished that the run goes on: the slot has that letter. */
static bool reopening_is_recalled(const reopening *q, const slot *s)
{
    for (const letter *m = s->letters; m; m = m->next)
        if (letter_is_recall(m) && letter_generation_of(letter_arrival_of(m->key)) >= q->call.generation) return true;
    return false;
}

/* Gives the letter back to the slot, which looks at it again later: the journal could not be written, say. */
static void reopening_try_again(reopening *q)
{
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->run);
    if (reopening_is_recalled(q, s))
        letter_drop(h, &q->from);
    else
        letter_move(&q->from, &s->letters);
    reopening_free(q);
    slot_park(h, s, clock_alarm_in(AGAIN_MS));
}

/* The letter has led to all that it can. */
static void reopening_end_call(reopening *q)
{
    letter_drop(q->home, &q->from);
    reopening_free(q);
}

static void reopening_on_told(void *arg, mail_fate fate)
{
    reopening *q = arg;
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->run);
    assert(h->gate.open_bytes >= q->told_bytes);
    h->gate.open_bytes -= q->told_bytes;
    if (fate != MAIL_KEPT) {
        reopening_try_again(q);
        return;
    }
    reopening_end_call(q);
    slot_stay_ended(h, s, true);
}

/* Tells the caller, which waits for the run, what has become of it: the run does not go on. */
static void reopening_tell(reopening *q, slot *s, const returned *what)
{
    mail_letter *m = gate_writable(q->home) ? returning_new(q->home, &q->call, &q->run, what) : NULL;
    if (!m) {
        reopening_try_again(q);
        return;
    }
    q->state = REOPENING_WRITTEN;
    slot_post(q->home, s, SLOT_ON_REOPENING);
    q->told_bytes = m->packed.size; /* many are told in one turn, of which the store's queue knows at its end */
    q->home->gate.open_bytes += q->told_bytes;
    m->on_fate = reopening_on_told;
    m->arg = q;
    mail_put(m);
}

static void reopening_tell_failure(reopening *q, slot *s, arena *a, const char *why)
{
    const char *text = arena_printf(a, "its run does not go on: %s", why);
    reopening_tell(q, s, &(returned){.outcome = ENTRY_FAILED, .error = entry_text_of(text ? text : why)});
}

/* The run has succeeded since: it was resumed by itself, or its caller had not looked when that ended. */
static void reopening_tell_result(reopening *q, slot *s, const entry *ended)
{
    const returned result = {.outcome = ENTRY_SUCCEEDED, .value = ended->value};
    static const char none[] =
        "it has ended without a result that its caller could have: its input was refused, or its "
        "result is over --step-result-max";
    const returned lost = {.outcome = ENTRY_FAILED, .error = entry_text_of(none)};
    reopening_tell(q, s, ended->value.len > 0 ? &result : &lost);
}

void reopening_settle_call(reopening *q)
{
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->run);
    char id[RUN_ID_TEXT + 1];
    if (q->segment.error) { /* of a run that retention deletes it is seen then that it is gone */
        reopening_try_again(q);
        return;
    }
    run_id_format(&q->run, id);
    log_line(LOG_INFO, id, "goes on, in generation %u, for the run that has called it, which %s has resumed",
             q->generation, q->by);
    letter_settled(&q->from);
    reopening_free(q);
    slot_go_on(h, s);
}

/* ---- Deciding ---- */

/* Decides by the whole journal of a run that has ended. */
static void reopening_judge_call(reopening *q, slot *s, arena *a, const store_journal *j)
{
    const char *error = NULL;
    reopen_sight see = {.is_old = false};
    replay *p = replay_new(a, (entry_text){j->data, j->len}, reopen_on_entry, &see, &error);
    const entry *ended = p ? replay_ended(p) : NULL;
    const bool is_short = !p && error == replay_no_memory, has_succeeded = ended && ended->status == ENTRY_SUCCEEDED;
    if (p && !has_succeeded) error = reopening_objection(q->home, p, &see);
    if (is_short || gate_full(q->home)) /* results of many children may be large: each waits for room in the queue */
        reopening_try_again(q);
    else if (has_succeeded)
        reopening_tell_result(q, s, ended);
    else if (error)
        reopening_tell_failure(q, s, a, error);
    else if (reopening_hindrance(q, s) || !reopening_encode(q, a, p))
        reopening_try_again(q);
    else
        reopening_write(q, s, replay_entries(p));
}

/* The last letter counts: before it the caller has ended. */
static letter *slot_take_last_call(slot *s)
{
    letter *all = NULL, *last;
    letter_move_kind(&s->letters, &all, LETTER_REOPEN);
    while (all && (last = all)->next) {
        all = last->next;
        last->next = NULL;
        letter_drop(last->home, &last);
    }
    return all;
}

bool reopen_obey(home *h, slot *s, const store_journal *j)
{
    letter *m = slot_take_last_call(s);
    arena a;
    if (!m) return false;
    letter_call call;
    const bool is_read = letter_read_call(m, &call);
    reopening *q = is_read ? reopening_make(h, &s->id, m->by) : NULL;
    if (!is_read) letter_drop(h, &m);
    if (!is_read) return false;
    if (!q) {
        letter_move(&m, &s->letters);
        slot_park(h, s, clock_alarm_in(AGAIN_MS));
        return true;
    }
    q->from = m;
    q->call = call;
    arena_init(&a, h->arenas);
    if (j->found)
        reopening_judge_call(q, s, &a, j);
    else
        reopening_tell(q, s, &(returned){.outcome = ENTRY_FAILED, .is_gone = true});
    arena_free(&a);
    return true;
}

/* ---- Overtaken ---- */

static bool letter_is_void(const void *arg, const letter *m)
{
    const uint32_t until = *(const uint32_t *)arg;
    return m->kind == LETTER_REOPEN && letter_generation_of(letter_arrival_of(m->key)) <= until;
}

void reopen_overtake(home *h, slot *s, const letter *m)
{
    letter *gone = NULL;
    if (!letter_is_recall(m)) return;
    const uint32_t until = letter_generation_of(letter_arrival_of(m->key));
    letter_move_some(&s->letters, &gone, letter_is_void, &until);
    if (s->run) letter_move_some(&s->run->letters, &gone, letter_is_void, &until);
    letter_drop(h, &gone);
}

bool reopen_is_overtaken(const home *h, const letter *m)
{
    const reopening *q = reopening_find(h, &m->run);
    if (m->kind == LETTER_REOPEN) return true;
    return q && q->from && letter_is_recall(m) && letter_generation_of(letter_arrival_of(m->key)) >= q->call.generation;
}
