/* slot_load: loads the runs of slots that are due or asked for, and decides what becomes of those that do not go on. */
#include <assert.h>
#include <stdlib.h>

#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/run/comeback.h"
#include "runtime/run/frames.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/lost_child.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen.h"
#include "runtime/run/reopen_call.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/suspects.h"

enum {
    SHORT_FIRST_MS = 250, /* pauses before what failed is tried again double from the first to the most */
    SHORT_MOST_MS = 16000,
    READ_FIRST_MS = 1000,
    READ_MOST_MS = 300000,
    LOOK_LEAST_MS = 1000,
    TENTH_MS = 100,
    TRIES_MAX = 15
};
_Static_assert((int64_t)SHORT_FIRST_MS << TRIES_MAX >= SHORT_MOST_MS, "slot.tries counts far enough");
_Static_assert((int64_t)READ_FIRST_MS << TRIES_MAX >= READ_MOST_MS, "slot.tries counts far enough");

/* ---- Loading ---- */

static void slot_answer_ended(home *h, slot *s, const store_journal *j)
{
    if (reopen_take_journal(h, s, j) || reopen_obey(h, s, j)) return;
    h->listener->on_found_ended(h, s, j);
    (void)mailbox_end(h, &s->id);
    slot_remove(h, s);
}

static void slot_answer_not_found(home *h, slot *s, int status, const char *why)
{
    reopen_deny(h, &s->id, status == 404 ? REOPEN_MISSING : REOPEN_UNREAD, why);
    h->listener->on_not_found(s, status, why);
    if (status == 404) (void)mailbox_end(h, &s->id);
    slot_remove(h, s);
}

/* Places of --runs-max that no run has or is about to have. */
static size_t slots_free_places(const home *h)
{
    size_t most = (size_t)h->opt->runs_max, taken = h->runs.count + h->slots.places;
    if (BUG(PLACE_MORE) && taken >= most) return 1;
    return taken < most ? most - taken : 0;
}

bool slots_have_room(const home *h)
{
    size_t share = (size_t)h->opt->runs_max / 4;
    if (share == 0) share = 1;
    if (share > h->slots.due_count) share = h->slots.due_count;
    return slots_free_places(h) > share;
}

/* ---- What does not go on ---- */

/* How long the run has been stopped, as far as this process knows. */
static int64_t slot_stopped_ms(const slot *s)
{
    assert(s->stop != STOP_NONE);
    return clock_steady_ms() - (int64_t)s->since_ds * TENTH_MS;
}

bool slot_refuses(const home *h, const slot *s)
{
    return stop_refuses(s->stop) || (s->stop == STOP_EXHAUSTED && slot_stopped_ms(s) >= h->opt->stopped_answer_ms);
}

/* How long to wait before the next load: twice as long after each that came to nothing. */
static int64_t slot_pause_ms(slot *s, int64_t first_ms, int64_t most_ms)
{
    int64_t pause = first_ms << s->tries;
    assert(first_ms > 0 && first_ms <= most_ms);
    if (pause >= most_ms) return most_ms;
    assert(s->tries < TRIES_MAX);
    s->tries++;
    return pause;
}

/* Parks a run with which nothing is wrong: runs that end meanwhile make room for it. */
static void slot_retry_load(home *h, slot *s, const char *id, const char *text)
{
    if (s->tries == 0) log_line(LOG_WARN, id, "cannot be resumed yet, which is tried again: %s", text);
    slot_park_for(h, s, clock_alarm_in(slot_pause_ms(s, SHORT_FIRST_MS, SHORT_MOST_MS)), SLOT_AWAITS_ROOM);
}

/* How long the output URL of a run that has used its retries still waits for a release; CLOCK_NEVER: it does not. */
static int64_t slot_answer_left_ms(const home *h, const slot *s)
{
    bool waits = s->stop == STOP_EXHAUSTED && !slot_refuses(h, s);
    return waits ? h->opt->stopped_answer_ms - slot_stopped_ms(s) : CLOCK_NEVER;
}

void slot_answer_in_time(home *h, slot *s)
{
    int64_t left_ms = slot_answer_left_ms(h, s);
    assert(s->state == SLOT_STOPPED);
    if (left_ms != CLOCK_NEVER) slot_look_later(h, s, left_ms);
}

static void slot_plan_look(home *h, slot *s, const stop_cause *why)
{
    int64_t wait_ms = h->opt->retain_stopped_ms - slot_stopped_ms(s);
    if (why->reason == STOP_NEWER || why->reason == STOP_NOT_RESUMED) return; /* another process will look */
    if (why->reason == STOP_UNREADABLE) wait_ms = slot_pause_ms(s, READ_FIRST_MS, READ_MOST_MS);
    int64_t left_ms = why->deadline.due_ms > 0 ? clock_left_ms(&why->deadline) : CLOCK_NEVER;
    if (left_ms < wait_ms) wait_ms = left_ms;
    slot_look_later(h, s, wait_ms > LOOK_LEAST_MS ? wait_ms : LOOK_LEAST_MS);
    if (s->waiters) slot_answer_in_time(h, s);
}

static bool stop_is_opaque(const stop_cause *why)
{
    return why->reason == STOP_UNREADABLE || why->reason == STOP_NEWER;
}

/* A run of which nothing can be read ends as soon as it can be. */
static void slot_promise_cancel(home *h, slot *s, const stop_cause *why)
{
    if (letter_is_in(s->letters, LETTER_CANCEL)) {
        h->listener->on_promised(s, LETTER_CANCEL);
        return;
    }
    bool was_asked = s->cancel == ENTRY_CANCEL_ASKED;
    s->cancel = ENTRY_CANCEL_NONE;
    if (was_asked) /* before it was known that there is such a run; nobody remembers who asked */
        slot_send_letter(h, s, &(letter_wish){.kind = LETTER_CANCEL});
    else
        h->listener->on_denied(s, LETTER_CANCEL, 503, stop_text(why->reason));
}

/* Answers those who want to end, release or stop a run of which nothing can be read, or that stands still anyway.
 * Whoever asks while a letter is being written is told when that is done. */
static void slot_deny_letters(home *h, slot *s, const stop_cause *why)
{
    bool is_opaque = stop_is_opaque(why);
    if (s->wants_release) slot_deny_release(h, s, stop_text(why->reason));
    if (letter_is_in(s->letters, LETTER_STOP) && is_opaque)
        h->listener->on_promised(s, LETTER_STOP); /* it will stand, also when it can be read */
    else if (letter_is_in(s->letters, LETTER_STOP))
        slot_deny_stop(h, s, &s->letters, why);
    bool is_writing = slot_has_letter(s, LETTER_CANCEL) && !letter_is_in(s->letters, LETTER_CANCEL);
    if (is_opaque && !is_writing) slot_promise_cancel(h, s, why);
    for (letter *m = s->letters; m && is_opaque; m = m->next) letter_tell(m, LETTER_KEPT); /* until it can be read */
}

static void slot_stand_still(home *h, slot *s, const stop_cause *why)
{
    bool news = s->stop != why->reason;
    assert(!s->run);
    assert(why->reason > STOP_NONE && why->reason < STOP_REASONS);
    if (s->stop == STOP_NONE) counter_add(&h->slots.stopped, 1);
    slot_post(h, s, SLOT_ON_STOPPED);
    s->stop = why->reason;
    s->is_known_here = true;
    if (!s->not_resumed) slot_let_alone(h, s, false); /* its clients are sent on */
    s->has_live_row = true;
    if (news) {
        s->tries = 0;
        int64_t since_ms = clock_steady_ms();
        if (why->since_ms > 0 && why->since_ms < clock_wall_ms()) since_ms -= clock_wall_ms() - why->since_ms;
        s->since_ds = (uint32_t)((since_ms > 0 ? since_ms : 0) / TENTH_MS);
    }
    bool has_entry = why->reason <= STOP_UNDO; /* of which the feed tells when it is on disk */
    if (news && !has_entry && feed_is_heard(&h->app->feed))
        feed_tell_stopped(&h->app->feed, &s->id, stop_name(why->reason));
    if (news && why->reason != STOP_NOT_RESUMED) {
        char id[RUN_ID_TEXT + 1];
        run_id_format(&s->id, id);
        log_line(why->reason == STOP_OPERATOR ? LOG_INFO : LOG_ERROR, id, "stopped (%s): %s", stop_name(why->reason),
                 *why->detail ? why->detail : why->text);
    }
    letter_drop_kind(&s->letters, LETTER_TRIES);
    slot_deny_letters(h, s, why);
    h->listener->on_stopped(h, s, why, slot_refuses(h, s));
    slot_plan_look(h, s, why);
}

void slot_stop(home *h, slot *s, const stop_cause *why)
{
    bool is_released = s->wants_release;
    assert(!s->run);
    s->wants_release = false; /* else slot_stand_still() denies it */
    slot_stand_still(h, s, why);
    s->wants_release = is_released;
    if (is_released) slot_wake(h, s);
}

static void slot_on_deleted(void *arg, const char *error)
{
    (void)arg;
    if (error) log_line(LOG_ERROR, NULL, "a run that cannot be read could not be deleted: %s", error);
}

static void slot_stop_unreadable(home *h, slot *s, const char *id, const char *error)
{
    const stop_cause why = {.reason = STOP_UNREADABLE, .text = error};
    assert(error);
    bool stale = s->stop == STOP_UNREADABLE && slot_stopped_ms(s) >= h->opt->retain_stopped_ms;
    /* While the journal takes no writes it would not be deleted. */
    bool may_delete = stale && gate_writable(h);
    if (!may_delete || !s->caller_told || !store_delete(h->port, &s->id, slot_on_deleted, h)) {
        slot_stand_still(h, s, &why);
        if (may_delete && !s->caller_told) lost_child_tell(h, s);
        return;
    }
    log_line(LOG_ERROR, id, "could not be read for as long as --retain-stopped says, and is deleted: %s", error);
    letter_drop(h, &s->letters);
    slot_answer_not_found(h, s, 404, "the run could not be read, and was deleted (--retain-stopped)");
}

static const char not_stopped[] = "the run is not stopped";

static void slot_resume_or_stop(home *h, slot *s, const store_journal *j, bool room)
{
    char id[RUN_ID_TEXT + 1];
    stop_cause why;
    assert(s->state == SLOT_LOADING); /* its place, if it had one, is free: what is decided here says who gets it */
    run_id_format(&s->id, id);
    s->has_live_row = true;
    reopen_deny_live(h, j);
    if (h->opt->no_resume && !s->is_known_here && s->stop == STOP_NONE) { /* asked for before it was found */
        s->stop = STOP_NOT_RESUMED;
        s->not_resumed = true;
        counter_add(&h->slots.stopped, 1);
    }
    if (j->error == store_no_memory) {
        slot_retry_load(h, s, id, j->error);
    } else if (j->error || !j->found) {
        slot_stop_unreadable(h, s, id, j->error ? j->error : "its entries are missing");
    } else if (slot_gate(h, s)) {
        return;
    } else if (!room && slot_wants_place(s)) {
        slot_post(h, s, SLOT_ON_NO_PLACE);
    } else if (run_resume(h, s, j, &why)) {
        h->listener->on_loaded(s);
    } else if (why.crashes > 0) { /* it waits for its solo */
        if (s->wants_release) slot_deny_release(h, s, not_stopped);
    } else if (why.reason == STOP_NONE) {
        slot_retry_load(h, s, id, why.text);
    } else {
        slot_stand_still(h, s, &why);
        frames_unref(why.streamed);
    }
}

/* The journal was read before the start, which waited for room on the disk, wrote of which runs the process has died.
 */
static bool slot_journal_is_outdated(const home *h, const slot *s, const store_journal *j)
{
    return s->read_while_closed && j->live && !j->error && gate_writable(h);
}

/* What the run that has called this one wants of it is dealt with when it has ended. */
static void slot_drop_wishes(home *h, slot *s)
{
    letter *rest = NULL;
    letter_move_kind(&s->letters, &rest, LETTER_REOPEN);
    letter_drop(h, &s->letters);
    s->letters = rest;
}

static void slot_take_journal(home *h, const store_journal *j)
{
    slot *s = slot_find(&h->slots, &j->run);
    if (!s || !slot_is_loading(s)) return;
    bool room = s->state == SLOT_LOADING_PLACED ||
                (slots_free_places(h) > 0 && load_quota_has_room_for(&h->slots.quota, j->len));
    if (slot_journal_is_outdated(h, s, j)) {
        slot_post(h, s, SLOT_ON_PUT_OFF);
        slot_wake(h, s);
        return;
    }
    suspects_verdict verdict = suspects_judge(h, s, j, room);
    if (verdict == SUSPECTS_DELAYED) return;
    slot_post(h, s, SLOT_ON_PLACE_GIVEN);
    if (verdict == SUSPECTS_NO_MEMORY) {
        slot_resume_or_stop(h, s, &(store_journal){.run = s->id, .error = store_no_memory}, room);
        return;
    }
    if (!j->live && !j->error) slot_drop_wishes(h, s); /* it has ended, or been deleted */
    /* With a letter it is looked at again: else its row would be found later, and the letter forgotten. When recovery
     * has passed its row, nobody but this slot knows of the run until the next start. */
    bool may_live = s->has_live_row || s->letters || s->is_recovered;
    if (j->live || (j->error && may_live)) {
        slot_resume_or_stop(h, s, j, room);
    } else if (j->error) {
        slot_answer_not_found(h, s, 503, j->error);
    } else if (!j->found && reopen_obey(h, s, j)) {
        return;
    } else if (!j->found) {
        slot_answer_not_found(h, s, 404, "no such run");
    } else {
        slot_answer_ended(h, s, j);
    }
}

/* The run's journal was left, since it and those before it are too large for one read. Its place may go to a new
 * request: then it is the first to get another. */
static void slot_put_back(home *h, slot *s)
{
    slot_post(h, s, SLOT_ON_LEFT);
    slot_wake(h, s); /* it may have been cancelled meanwhile, and need no place */
}

static void slots_take_journals(home *h, store_journal *journals, size_t count)
{
    assert(count > 0 && count <= h->slots.loading);
    h->slots.loading -= count;
    for (size_t i = 0; i < count; i++) {
        slot *s = slot_find(&h->slots, &journals[i].run);
        if (h->draining && s && slot_is_loading(s))
            slot_post(h, s, SLOT_ON_PUT_OFF);
        else if (!journals[i].is_left)
            slot_take_journal(h, &journals[i]);
        free(journals[i].data); /* before the next one is copied */
        journals[i].data = NULL;
    }
    for (size_t i = count; i-- > 0 && journals[i].is_left;) { /* the first of them is to be the first of its queue */
        slot *s = slot_find(&h->slots, &journals[i].run);
        if (s && slot_is_loading(s)) slot_put_back(h, s);
    }
}

static void slots_on_journals(void *arg, store_journal *journals, size_t count)
{
    home *h = arg;
    load_quota_end_read(&h->slots.quota, &journals[0].run, journals[0].is_left);
    slots_take_journals(h, journals, count);
}

static void slots_on_due_journals(void *arg, store_journal *journals, size_t count)
{
    home *h = arg;
    size_t whole = count;
    while (whole > 0 && journals[whole - 1].is_left) whole--;
    load_quota_end_due_read(&h->slots.quota, count, whole);
    slots_on_journals(h, journals, count);
}

/* `has_due`: some of the runs are due. Without memory to ask the store for the journals it is as if there had been none
 * to read them into. */
static void slots_read_journals(home *h, const store_load_list *list, bool has_due)
{
    assert(list->count > 0 && list->count <= LOAD_RUNS_MAX);
    for (size_t i = 0; i < list->count; i++) {
        slot *s = slot_find(&h->slots, &list->ids[i]);
        assert(s && slot_is_loading(s));
        s->read_while_closed = !gate_writable(h);
    }
    h->slots.loading += list->count;
    h->slots.quota.reads++;
    h->slots.quota.due_reads += has_due;
    if (store_load_some(h->port, list, has_due ? slots_on_due_journals : slots_on_journals, h)) return;
    h->slots.quota.due_reads -= has_due;
    load_quota_end_read(&h->slots.quota, list->ids, false);
    for (size_t i = 0; i < list->count; i++)
        slots_take_journals(h, &(store_journal){.run = list->ids[i], .error = store_no_memory}, 1);
}

void slot_load(home *h, slot *s)
{
    assert(slot_is_loading(s));
    const run_id id = s->id; /* without memory the slot may be gone */
    slots_read_journals(h, &(store_load_list){.ids = &id, .count = 1}, false);
}

/* Whether the slot, the first of its queue, may be read now. A large journal is read when no other run comes back, or,
 * if its run has probably ended, when no other journal is read: until then those behind it wait. */
static bool slot_may_be_read(const slot_table *t, const slot *s)
{
    const load_quota *q = &t->quota;
    bool resumes = s->state == SLOT_DUE;
    if (!load_quota_is_large(q, &s->id)) return load_quota_has_room(q, resumes);
    return resumes ? t->places == 0 && load_quota_back_bytes(q) == 0 : t->loading == 0;
}

bool slots_await_bytes(const slot_table *t)
{
    const slot *s = TAILQ_FIRST(&t->due);
    return s ? !slot_may_be_read(t, s) : !load_quota_has_room(&t->quota, true);
}

/* The next one to load; NULL: none, or no place for it. While the journal's queue is full a run that goes on would only
 * wait in memory for room; with the turn in which there is some, these are looked at again. */
static slot *slots_next_to_load(home *h)
{
    slot_table *t = &h->slots;
    slot *s = TAILQ_FIRST(&t->asked);
    if (s) return s;
    s = TAILQ_FIRST(&t->due);
    if (!s || !gate_writable(h)) return s;
    if (gate_full(h)) {
        (void)gate_awaits_store(h);
        return NULL;
    }
    return slots_free_places(h) > 0 ? s : NULL;
}

/* Takes what one read is for: a large journal alone. *due: how many of the runs are due. */
static store_load_list slots_take_batch(home *h, run_id ids[LOAD_RUNS_MAX], size_t *due)
{
    slot_table *t = &h->slots;
    *due = 0;
    store_load_list list = {.ids = ids, .bytes_max = load_quota_share(&t->quota)};
    for (slot *s; list.count < LOAD_RUNS_MAX && (s = slots_next_to_load(h));) {
        bool is_large = load_quota_is_large(&t->quota, &s->id);
        bool is_due = s->state == SLOT_DUE;
        if ((is_large && list.count > 0) || !slot_may_be_read(t, s)) break;
        if (is_due && !load_quota_takes_due(&t->quota, *due)) break;
        if (slot_gate(h, s) || comeback_awaits_wave(h, s)) continue;
        *due += is_due;
        slot_post(h, s, slot_wants_place(s) ? SLOT_ON_TAKEN_PLACED : SLOT_ON_TAKEN);
        ids[list.count++] = s->id;
        if (!is_large) continue;
        list.bytes_max = 0;
        load_quota_take_large(&t->quota);
        break;
    }
    return list;
}

void slot_load_due(home *h)
{
    run_id ids[LOAD_RUNS_MAX];
    store_load_list list;
    size_t due;
    if (h->suspects) suspects_look(h);
    /* A run that is asked for before the letters are known would go on although it was cancelled. */
    while (h->slots.letters_read && !h->draining && (list = slots_take_batch(h, ids, &due)).count > 0)
        slots_read_journals(h, &list, due > 0);
    comeback_publish(h);
}
