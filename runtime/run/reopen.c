#include "runtime/run/reopen_core.h"

#include <assert.h>
#include <msgpack.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/run/called_by.h"
#include "runtime/run/calling.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/recall.h"
#include "runtime/run/run.h"
#include "runtime/run/run_listener.h"
#include "runtime/run/slot_core.h"

/* Times that a run is read again which has ended on disk, and whose loop has not been told so yet. */
enum { READS_MAX = 100 };

static const char NOT_WRITABLE[] = "the journal cannot be written, or memory is out: the run was not resumed";
static const char ASK_AGAIN[] = "1", JOURNAL_LATER[] = "5";

reopening *reopening_find(const home *h, const run_id *id)
{
    reopening *q;
    LIST_FOREACH(q, &h->reopenings, in_home)
    if (run_id_equal(&q->run, id)) return q;
    return NULL;
}

/* The wish that waits for the run's slot to be loaded; NULL: none. */
static reopening *reopening_asked(const home *h, const run_id *id)
{
    reopening *q = reopening_find(h, id);
    return q && q->state == REOPENING_ASKED ? q : NULL;
}

reopening *reopening_make(home *h, const run_id *id, const char *by)
{
    reopening *q = calloc(1, sizeof *q);
    if (!q) return NULL;
    q->home = h;
    q->run = *id;
    q->timeout_ms = -1;
    (void)snprintf(q->by, sizeof q->by, "%s", by);
    msgpack_sbuffer_init(&q->entry);
    LIST_INSERT_HEAD(&h->reopenings, q, in_home);
    return q;
}

void reopening_free(reopening *q)
{
    LIST_REMOVE(q, in_home);
    letter_free_all(&q->children);
    letter_free_all(&q->from);
    msgpack_sbuffer_destroy(&q->entry);
    free(q);
}

/* Tells what has come of the wish, and frees it. */
static void reopening_end(reopening *q, const reopen_result *result)
{
    reopen_done_fn done = q->done;
    void *arg = q->arg;
    assert(!q->from);
    reopening_free(q);
    done(arg, result);
}

int reopen_status(reopen_reason reason)
{
    switch (reason) {
    case REOPEN_DONE:
        return 202;
    case REOPEN_MISSING:
        return 404;
    case REOPEN_UNREAD:
    case REOPEN_LATER:
        return 503;
    case REOPEN_TAKEN:
    case REOPEN_CHANGED:
    case REOPEN_UNFIT:
    case REOPEN_UNREADABLE:
        break;
    }
    return 409;
}

static void reopening_refuse(reopening *q, reopen_reason reason, const char *why)
{
    assert(reason > REOPEN_TAKEN && why);
    bool passes = reopen_status(reason) == 503; /* asking again may help */
    reopening_end(q, &(reopen_result){.reason = reason, .detail = why, .retry_after = passes ? ASK_AGAIN : NULL});
}

/* NULL: no memory. */
static reopening *reopening_new(home *h, const reopen_wish *wish, reopen_done_fn done, void *arg)
{
    reopening *q = reopening_make(h, &wish->run, wish->by);
    if (!q) return NULL;
    q->wanted = wish->generation;
    q->mark = wish->mark;
    q->timeout_ms = wish->timeout_ms;
    q->done = done;
    q->arg = arg;
    return q;
}

/* ---- Runs that have not ended ---- */

const char reopen_not_ended[] = "the run has not ended: only a run that has failed or was cancelled is resumed";
const char reopen_succeeded[] = "the run has succeeded: there is nothing to resume. A fork runs it again";

/* Which generation the journal is in: how often the run was reopened. */
static uint32_t journal_generation(const store_journal *j)
{
    const char *error = NULL;
    uint32_t generation = 0;
    entry e;
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n)
        if (e.kind == ENTRY_REOPENED) generation = e.attempt;
    return generation;
}

static void reopening_judge_live(reopening *q, const store_journal *j)
{
    bool is_known_live = j->live && q->wanted == 0; /* else what the journal says counts */
    if (j->error && !is_known_live)
        reopening_refuse(q, REOPEN_UNREAD,
                         j->error == store_no_memory ? store_no_memory : "the run cannot be read at present");
    else if (q->wanted > 0 && journal_generation(j) == q->wanted)
        reopening_end(q, &(reopen_result){.reason = REOPEN_DONE, .generation = q->wanted});
    else if (j->live)
        reopening_refuse(q, REOPEN_CHANGED, reopen_not_ended);
    else
        reopening_refuse(q, REOPEN_LATER, "the run has just ended: ask again");
}

void reopen_deny_live(home *h, const store_journal *j)
{
    reopening *q = reopening_asked(h, &j->run);
    if (q) reopening_judge_live(q, j);
}

void reopen_deny(home *h, const run_id *id, reopen_reason reason, const char *why)
{
    reopening *q = reopening_asked(h, id);
    if (q) reopening_refuse(q, reason, why);
}

static void reopening_ask(reopening *q);

static void reopening_on_read(void *arg, store_journal *journals, size_t count)
{
    reopening *q = arg;
    const store_journal *j = journals;
    assert(count == 1);
    (void)count;
    bool was_obeyed = q->wanted > 0 && journal_generation(j) == q->wanted;
    bool is_ending = j->found && !j->error && !j->live && !was_obeyed;
    if (is_ending && !q->home->draining && ++q->reads < READS_MAX)
        reopening_ask(q);
    else
        reopening_judge_live(q, j);
}

/* ---- Runs that have ended ---- */

/* Returns why the wish of an operator is not obeyed, by the whole journal; NULL: it is. */
static const char *reopening_refusal(const reopening *q, const replay *p, const reopen_sight *see,
                                     reopen_reason *reason)
{
    const entry *ended = replay_ended(p), *reopened = replay_reopened(p);
    const uint32_t generation = reopened ? reopened->attempt : 0;
    *reason = ended ? REOPEN_CHANGED : REOPEN_UNFIT;
    if (!ended) return reopening_objection(q->home, p, see);
    if (q->wanted > 0 && q->wanted != generation + 1)
        return "the run is not before that generation: its next one is \"reopened\" and 1";
    if (ended->status == ENTRY_SUCCEEDED) return reopen_succeeded;
    *reason = REOPEN_UNFIT;
    return reopening_objection(q->home, p, see);
}

/* Returns the paths of the steps that begin anew: those that caused the end; and if the run stood still when it was
 * ended, those that it stood still for. NULL data: no memory. */
static entry_text reopening_voids(arena *a, const replay *p)
{
    const entry *stopped = replay_stopped(p);
    entry_text ended = replay_ended(p)->causes, stood = stopped ? stopped->causes : (entry_text){NULL, 0};
    char *bytes = arena_alloc(a, ended.len + stood.len + 1);
    if (!bytes) return (entry_text){NULL, 0};
    if (ended.len > 0) memcpy(bytes, ended.data, ended.len);
    if (stood.len > 0) memcpy(bytes + ended.len, stood.data, stood.len);
    return (entry_text){bytes, ended.len + stood.len};
}

/* Makes the letters to the runs for which the run waits behind the entry. False: no memory. */
static bool reopening_write_letters(reopening *q, const replay *p, const entry *reopened)
{
    letter_call call = {.caller = q->run, .generation = q->generation, .parent_due_ms = reopened->due_ms};
    const replay_record *rec;
    size_t at = 0;
    assert(!q->children);
    while ((rec = replay_next_wanted_call(p, &at)) != NULL) {
        run_id child;
        if (!calling_is_own(&q->run, rec, &child)) continue; /* the call is made anew */
        call.number = rec->number;
        call.timeout_ms = rec->timeout_ms;
        letter *m = letter_new_reopen(q->home, &child, &call, q->by);
        if (!m) return false;
        m->next = q->children;
        q->children = m;
    }
    return true;
}

bool reopening_encode(reopening *q, arena *a, replay *p)
{
    const entry *reopened = replay_reopened(p);
    clock_instant now = clock_now(&q->home->clock);
    q->generation = (reopened ? reopened->attempt : 0) + 1;
    const entry e = {.kind = ENTRY_REOPENED,
                     .at_ms = now.wall_ms,
                     .epoch = now.epoch,
                     .attempt = q->generation,
                     .due_ms = reopening_due_ms(q, p, &now),
                     .error = entry_text_of(q->by),
                     .causes = reopening_voids(a, p),
                     .asked = q->from    ? q->call.generation
                              : reopened ? reopened->asked
                                         : 0};
    if (!e.causes.data || entry_encode(&q->entry, &e) != 0) return false;
    replay_reopen(p, &e);
    return reopening_write_letters(q, p, &e);
}

/* What somebody has asked of the run before it was known that it had ended leads to nothing. */
static void slot_deny_wishes(home *h, slot *s)
{
    static const char ended[] = "the run has ended already";
    if (s->cancel) h->listener->on_denied(s, LETTER_CANCEL, 409, ended);
    s->cancel = ENTRY_CANCEL_NONE;
    h->listener->on_denied(s, LETTER_STOP, 409, ended);
    slot_deny_release(h, s, ended);
}

void reopening_write(reopening *q, slot *s, uint32_t entries)
{
    home *h = q->home;
    const bool is_held = q->from && s->not_resumed; /* a former process has resumed its caller */
    slot_deny_wishes(h, s);
    s->not_resumed = false; /* it was taken for live, and held back, while its journal could not be read */
    slot_clear_stop(h, s);
    s->not_resumed = is_held;
    q->state = REOPENING_WRITTEN;
    slot_post(h, s, SLOT_ON_REOPENING);
    q->segment = (store_segment){.run = q->run,
                                 .seq = entries,
                                 .live = STORE_LIVE_REOPEN,
                                 .retain_ms = -1,
                                 .data = q->entry.data,
                                 .len = q->entry.size,
                                 .rows = recall_rows(q->children, q->from ? letter_deletions(q->from) : q->mark),
                                 .is_renewed = true,
                                 .tag = REOPEN_TAG};
    home_send(h, &q->segment);
}

const char *reopening_hindrance(const reopening *q, const slot *s)
{
    if (s->letters_in_flight) /* for the run as it was: they must not be obeyed when it goes on */
        return "somebody else asks something of the run at this moment: ask again";
    if (!mailbox_end(q->home, &q->run)) /* they were sent to the run as it was */
        return "signals that the run has not taken are being deleted: ask again";
    return gate_writable(q->home) ? NULL : NOT_WRITABLE;
}

static void reopening_note_caller(reopening *q, const replay *p)
{
    called_by by;
    q->has_caller = called_by_read(replay_started(p), &by) && by.number > 0;
    if (q->has_caller) q->caller = by.parent;
}

/* Decides by the whole journal. True: the entry is on its way. */
static bool reopening_judge_ended(reopening *q, slot *s, arena *a, const store_journal *j)
{
    const char *error = NULL, *hindrance = NULL;
    reopen_reason reason;
    reopen_sight see = {.is_old = false};
    replay *p = replay_new(a, (entry_text){j->data, j->len}, reopen_on_entry, &see, &error);
    const entry *reopened = p ? replay_reopened(p) : NULL;
    const char *refusal = p ? reopening_refusal(q, p, &see, &reason) : NULL;
    if (p) reopening_note_caller(q, p);
    if (!p)
        reopening_refuse(q, error == replay_no_memory ? REOPEN_UNREAD : REOPEN_UNREADABLE, error);
    else if (reopened && q->wanted == reopened->attempt)
        reopening_end(q, &(reopen_result){.reason = REOPEN_DONE, .generation = q->wanted});
    else if (refusal)
        reopening_refuse(q, reason, refusal);
    else if ((hindrance = reopening_hindrance(q, s)) != NULL)
        reopening_refuse(q, REOPEN_LATER, hindrance);
    else if (!reopening_encode(q, a, p))
        reopening_refuse(q, REOPEN_LATER, NOT_WRITABLE);
    else {
        reopening_write(q, s, replay_entries(p));
        return true;
    }
    return false;
}

bool reopen_take_journal(home *h, slot *s, const store_journal *j)
{
    reopening *q = reopening_asked(h, &j->run);
    arena a;
    if (!q) return false;
    arena_init(&a, h->arenas);
    bool goes_on = reopening_judge_ended(q, s, &a, j);
    arena_free(&a);
    return goes_on;
}

/* ---- On disk ---- */

void slot_go_on(home *h, slot *s)
{
    s->is_known_here = true;
    s->ends_with_clients = false;
    slot_let_alone(h, s, true);
    if (!h->draining) {
        slot_park(h, s, clock_alarm_in(0));
        return;
    }
    slot_post(h, s, SLOT_ON_PUT_OFF);
    s->has_live_row = true;
}

void slot_stay_ended(home *h, slot *s, bool is_known)
{
    slot_post(h, s, SLOT_ON_NOT_REOPENED);
    s->has_live_row = false; /* it had been put off, or stood, as a run that lives */
    /* Letters that came meanwhile are deleted, or obeyed, when its journal is read. */
    if ((s->waiters || s->letters) && !h->draining)
        slot_post(h, s, SLOT_ON_LOOK);
    else if (is_known)
        slot_remove(h, s);
    else
        slot_forget(h, s);
}

/* What has come of a commit that failed. */
static reopen_result segment_refusal(const store_segment *s)
{
    reopen_result later = {.reason = REOPEN_LATER, .retry_after = JOURNAL_LATER};
    switch (s->outcome) {
    case STORE_KEY_TAKEN:
        return (reopen_result){.reason = REOPEN_TAKEN, .detail = "the run was resumed by this wish before"};
    case STORE_GONE:
        return (reopen_result){.reason = REOPEN_CHANGED, .detail = "retention is deleting the run"};
    case STORE_UNKNOWN:
        later.detail = "the journal could not be written, and nobody knows yet whether the run goes on: ask again, for "
                       "the same generation";
        return later;
    default:
        later.detail = "the journal cannot be written: the run was not resumed";
        return later;
    }
}

void reopen_committed(store_segment *segment)
{
    reopening *q = (reopening *)((char *)segment - offsetof(reopening, segment));
    home *h = q->home;
    slot *s = slot_find(&h->slots, &q->run);
    const run_id caller = q->caller;
    reopen_result result = {
        .reason = REOPEN_DONE, .generation = q->generation, .caller = q->has_caller ? &caller : NULL};
    assert(segment->tag == REOPEN_TAG && q->state == REOPENING_WRITTEN);
    assert(s && s->state == SLOT_REOPENING);
    home_segment_back(h);
    if (!segment->error) recall_hand_out(h, &q->children);
    if (q->from) {
        reopening_settle_call(q);
        return;
    }
    if (segment->error) {
        result = segment_refusal(segment);
    } else {
        char id[RUN_ID_TEXT + 1];
        run_id_format(&q->run, id);
        log_line(LOG_INFO, id, "resumed by operator %s, in generation %u", q->by, q->generation);
    }
    bool goes_on = !segment->error, is_known = segment->outcome != STORE_UNKNOWN;
    reopening_end(q, &result); /* before the slot goes, which denies those who wait for it to be read */
    if (goes_on)
        slot_go_on(h, s);
    else
        slot_stay_ended(h, s, is_known);
}

/* ---- Asking ---- */

/* Nothing is read or written of a run that is known to go on, unless the wish may be the repetition of one that was
 * obeyed. */
static void reopening_ask_live(reopening *q, const slot *s)
{
    bool is_ending = s->run && s->run->state == RUN_ENDING;
    q->state = REOPENING_READ;
    if (q->wanted == 0 && !is_ending)
        reopening_refuse(q, REOPEN_CHANGED, reopen_not_ended);
    else if (!store_load(q->home->port, &q->run, 1, reopening_on_read, q))
        reopening_refuse(q, REOPEN_UNREAD, store_no_memory);
}

static void reopening_ask(reopening *q)
{
    home *h = q->home;
    slot *s = slot_find_or_add(h, &q->run);
    q->state = REOPENING_ASKED;
    if (!s)
        reopening_refuse(q, REOPEN_UNREAD, store_no_memory);
    else if (s->run || (s->has_live_row && s->stop != STOP_UNREADABLE))
        reopening_ask_live(q, s);
    else /* also if it could not be read, for a stop or a release, say: then it may have ended */
        slot_post(h, s, SLOT_ON_LOOK);
}

void reopen_begin(home *h, const reopen_wish *wish, reopen_done_fn done, void *arg)
{
    assert(run_id_loop(&wish->run, h->count) == h->index);
    assert(wish->timeout_ms >= -1 && wish->by);
    reopen_result refusal = {
        .reason = REOPEN_LATER, .detail = "the server is stopping: ask again", .retry_after = ASK_AGAIN};
    bool is_asked = reopening_find(h, &wish->run) != NULL;
    if (!gate_writable(h))
        refusal.detail = "the journal cannot be written: the run was not resumed";
    else if (is_asked && wish->generation == 0 && !wish->mark)
        refusal =
            (reopen_result){.reason = REOPEN_CHANGED, .detail = "another request has the run resumed at this moment"};
    else if (is_asked)
        refusal.detail = "a request to resume the run is being looked at: ask again";
    if (h->draining || !gate_writable(h) || is_asked) {
        done(arg, &refusal);
        return;
    }
    reopening *q = reopening_new(h, wish, done, arg);
    refusal.detail = store_no_memory;
    refusal.reason = REOPEN_UNREAD;
    if (q)
        reopening_ask(q);
    else
        done(arg, &refusal);
}

void reopen_drain(home *h)
{
    for (reopening *q = LIST_FIRST(&h->reopenings), *next; q; q = next) {
        next = LIST_NEXT(q, in_home);
        if (q->state == REOPENING_ASKED) reopening_refuse(q, REOPEN_LATER, "the server is stopping: ask again");
    }
}
