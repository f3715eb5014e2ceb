#include "runtime/run/run.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/comeback.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/frames.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/recall.h"
#include "runtime/run/record.h"
#include "runtime/run/remarking.h"
#include "runtime/run/returning.h"
#include "runtime/run/run_core.h"
#include "runtime/run/run_span.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/sending.h"
#include "runtime/run/strand.h"

void run_touch(run *r)
{
    assert(r->state < RUN_ENDED); /* the first final state: the run is in memory */
    if (!run_is_touched(r)) TAILQ_INSERT_TAIL(&r->task.home->runs.touched, r, touched);
}

void run_untouch(run *r)
{
    if (!run_is_touched(r)) return;
    TAILQ_REMOVE(&r->task.home->runs.touched, r, touched);
    r->touched.tqe_prev = NULL;
}

/* ---- Making and freeing ---- */

enum { RUN_TIMERS = 1 /* the deadline's */ };

run *run_new(home *h, const endpoint *e)
{
    run *r = h->runs.free;
    if (!timers_reserve(&h->timers, RUN_TIMERS)) return NULL;
    if (r) {
        h->runs.free = r->next_free;
    } else if (!(r = malloc(sizeof *r))) {
        timers_unreserve(&h->timers, RUN_TIMERS);
        return NULL;
    }
    memset(r, 0, sizeof *r);
    task_init(&r->task, h, e, r);
    r->state = RUN_NEW;
    r->commit = COMMIT_NONE;
    r->live_ms = -1;
    r->callings_end = &r->callings;
    arena_init(&r->journal, h->arenas);
    r->path_cells = r->path_cells_inline;
    r->path_cell_room = RUN_PATH_CELLS_INLINE;
    r->outcome_error = "";
    clock_instant now = clock_now(&h->clock);
    r->started_ms = now.wall_ms;
    r->began_us = now.steady_us;
    r->started_epoch = now.epoch;
    if (e->options.timeout_ms > 0) r->deadline_due = clock_wait_for(&now, e->options.timeout_ms);
    return r;
}

/* Lets go of the key, once the store knows whether the run is on disk: requests with that key are answered from the
 * journal from now on. */
static void run_settle_key(run *r)
{
    run_key *k = r->key;
    r->key = NULL;
    if (k) k->on_settled(k);
}

/* The run no longer keeps others, which are to come back, from memory. */
static void run_leave_quota(run *r)
{
    size_t *resumed_bytes = &r->task.home->slots.quota.resumed_bytes;
    assert(*resumed_bytes >= r->resumed_bytes);
    *resumed_bytes -= r->resumed_bytes;
    r->resumed_bytes = 0;
}

void run_free(run *r)
{
    home *h = r->task.home;
    assert(run_state_is_final(r->state) || r->state == RUN_NEW);
    assert(!run_commit_is_under_way(r->commit));
    assert(!r->sealed_letters);
    assert(!r->waiters);
    assert(!run_is_touched(r));
    assert(r->commit_wait_count == 0);
    assert(!r->failure); /* it would lie in a frame that has gone */
    if (r->is_unsettled) comeback_settled(r);
    run_leave_quota(r);
    if (!BUG(LEAK_TIMER)) timers_stop(&h->timers, &r->deadline);
    if (!BUG(LEAK_TIMER)) timers_unreserve(&h->timers, RUN_TIMERS);
    letter_free_all(&r->letters); /* their rows stay on disk, for the next process */
    mailbox_leave(r);
    returning_drop(r);
    recall_drop(r);
    sending_leave(r);
    run_settle_key(r);
    frames_unref(r->frames);
    remarking_free(r);
    if (r->is_slotless) TAILQ_REMOVE(&h->runs.slotless, r, slotless);
    request_span_drop(&r->task);
    task_free(&r->task);
    arena_free(&r->journal);
    record_drop(r);
    record_release(r);
    if (slot_restock(h, r)) return;
    r->next_free = h->runs.free;
    h->runs.free = r;
}

/* ---- Events and actions ---- */

static void run_do_nothing(run *r) { (void)r; }

static void run_do_cancel(run *r)
{
    run_save_cancel(r);
    run_record_cancel(r);
    if (!BUG(CANCEL_GOES_ON)) run_unwind(r);
}

static void run_do_cancel_now(run *r)
{
    run_save_cancel(r);
    run_record_cancel(r);
    run_unwind(r);
    run_end_cancelled(r);
}

static void run_do_stop(run *r)
{
    run_cut_waits(r);
    run_record_stop(r);
}

void run_post(run *r, run_event event)
{
    static void (*const actions[RUN_ACTIONS])(run *r) = {
        [RUN_DO_NOTHING] = run_do_nothing,
        [RUN_DO_CUT_WAITS] = run_cut_waits,
        [RUN_DO_UNWIND] = run_unwind,
        [RUN_DO_CANCEL] = run_do_cancel,
        [RUN_DO_SAVE_CANCEL] = run_save_cancel,
        [RUN_DO_CANCEL_NOW] = run_do_cancel_now,
        [RUN_DO_END_CANCELLED] = run_end_cancelled,
        [RUN_DO_STOP] = run_do_stop,
        [RUN_DO_STOP_FAILED] = run_record_failed_stop,
        [RUN_DO_END] = run_record_end,
        [RUN_DO_ANSWER] = run_answer,
        [RUN_DO_PARK] = run_park,
        [RUN_DO_STAND] = run_stand,
        [RUN_DO_RELOAD] = run_reload,
        [RUN_DO_LEAVE] = run_leave,
        [RUN_DO_REFUSE] = run_refuse,
        [RUN_DO_CUT] = run_cut,
    };
    run_transition t = run_next(r->state, event);
    assert(actions[t.action]);
    r->state = t.to;
    actions[t.action](r);
}

/* ---- Turns and commits ---- */

void run_begin_long_wait(run *r)
{
    assert(r->seq_next > 0); /* the wait's entry has been appended */
    assert(r->seq_wait <= r->seq_next);
    r->waits_long = true;
    r->seq_wait = r->seq_next;
}

/* Whether no code of the run works any more, and none of its entries waits for the store. */
static bool run_has_settled(const run *r)
{
    return !run_state_has_handler(r->state) && r->task.strand_count == 0 && r->open.size == 0 &&
           !run_commit_is_under_way(r->commit);
}

/* Whether something of the run is on its way to the disk, or is awaited from there: that comes by itself, whatever
 * other runs do. */
static bool run_awaits_disk(const run *r)
{
    return r->open.size > 0 || run_commit_is_under_way(r->commit) || r->commit_wait_count > 0 || r->mail_wait_count > 0;
}

static void run_settle(run *r) { run_post(r, run_settled_event(r->commit, r->task.home->draining)); }

/* Whether all strands only wait for times and signals, by waits that are on disk, and the run has a slot, by which it
 * is found again. */
static bool run_can_park(const run *r)
{
    assert(r->task.busy_count <= r->task.strand_count);
    bool only_waits = r->task.busy_count == 0 && r->task.strand_count > 0;
    return only_waits && r->seq_durable == r->seq_next && r->slot;
}

/* What all strands of a run that can park wait for, together. */
typedef struct run_waits {
    clock_alarm due;      /* the first time */
    int64_t first_ms;     /* until then, by both clocks as they are now; CLOCK_NEVER: there is none */
    uint32_t awaits;      /* what is over then, as slot.awaits has it */
    size_t signals;       /* waits for signals, which may come before any time */
    uint32_t returns_due; /* of runs that it has called: one of its strands can go on then; 0: none waits for them */
} run_waits;

static void waits_add(run_waits *all, const open_wait *w)
{
    if (w->signal && all->signals++ == 0 && all->awaits == SLOT_AWAITS_DEADLINE)
        all->awaits = slot_awaits_path(w->path);
    if (w->until.due_ms == 0) return;
    int64_t left_ms = clock_left_ms(&w->until);
    clock_alarm_add(&all->due, &w->until);
    if (left_ms > all->first_ms) return;
    all->first_ms = left_ms;
    all->awaits = slot_awaits_path(w->path);
}

static void waits_add_calls(run_waits *all, const strand *s)
{
    const strand_work *w = &s->work;
    if (w->awaits_calls == 0) return;
    if (all->returns_due == 0 || w->returns_due < all->returns_due) all->returns_due = w->returns_due;
    if (all->awaits == SLOT_AWAITS_DEADLINE) all->awaits = slot_awaits_path(w->sleep_path);
}

static run_waits run_waits_of(const run *r)
{
    run_waits all = {.due = clock_alarm_none(), .first_ms = CLOCK_NEVER, .awaits = SLOT_AWAITS_DEADLINE};
    open_wait own;
    if (r->deadline_due.due_ms > 0) {
        clock_alarm_add(&all.due, &r->deadline_due);
        all.first_ms = clock_left_ms(&r->deadline_due);
    }
    for (const strand *s = r->task.strands; s; s = s->next) {
        for (const open_wait *w = strand_waits(s, &own); w; w = w->next) waits_add(&all, w);
        waits_add_calls(&all, s);
    }
    return all;
}

static int name_compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

/* Writes the names by which a signal for the wait is known, at most 2. Returns how many. */
static size_t wait_put_names(const open_wait *w, uint32_t *names)
{
    size_t n = 0;
    if (!w->signal) return 0;
    names[n++] = mailbox_name(entry_text_of(w->signal), 0);
    if (w->question) names[n++] = mailbox_name(entry_text_of(w->signal), w->question);
    return n;
}

/* Notes of which signals one wakes the run, of `count` that it waits for. False: no memory. */
static bool run_note_names(run *r, size_t count)
{
    open_wait own;
    size_t n = 0, kept = 0;
    r->park_name_count = 0;
    if (count == 0) return true;
    uint32_t *names = arena_alloc(&r->task.arena, 2 * count * sizeof *names);
    if (!names) return false;
    for (const strand *s = r->task.strands; s; s = s->next)
        for (const open_wait *w = strand_waits(s, &own); w; w = w->next) n += wait_put_names(w, names + n);
    assert(n <= 2 * count);
    qsort(names, n, sizeof *names, name_compare);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || names[i] != names[i - 1]) names[kept++] = names[i];
    r->park_names = names;
    r->park_name_count = kept;
    return true;
}

/* Parks the run if it can park, and the first of its waits is not over within --park-after. */
static void run_try_park(run *r)
{
    if (!run_can_park(r)) return;
    run_waits all = run_waits_of(r);
    int64_t left_ms = clock_alarm_left_ms(&all.due);
    bool is_endless = left_ms == CLOCK_NEVER && all.signals == 0 && all.returns_due == 0;
    if (is_endless || left_ms < r->task.home->opt->park_after_ms || !run_note_names(r, all.signals)) return;
    r->park_due = all.due;
    r->park_awaits = all.awaits;
    r->park_returns_due = all.returns_due;
    run_post(r, RUN_ON_WAITS);
}

/* Whether the response may be sent before it is on disk: SW_RELAXED allows that of the handler's response, but not of
 * the acknowledgement of a cancel. */
static bool run_may_answer_early(const run *r)
{
    bool is_relaxed = r->task.endpoint->options.durability == SW_RELAXED || BUG(ANSWER_EARLY);
    return r->state == RUN_ENDING && is_relaxed && (!r->cancel || BUG(CANCEL_EARLY));
}

void run_turn_end(run *r)
{
    assert(!run_is_touched(r));
    assert(r->seq_durable <= r->seq_sealed);
    assert(r->seq_sealed <= r->seq_next);
    const run_listener *listener = r->task.home->listener;
    if (r->mail_is_kept) mailbox_give_kept(r);
    if (run_may_answer_early(r)) listener->on_over(r, RUN_OVER_EARLY);
    if (!run_commit_is_under_way(r->commit)) remarking_flush(r); /* else a newer status may still take their place */
    record_flush(r);
    if (run_is_durable(r)) {
        bool waits_long = r->waits_long && r->seq_durable >= r->seq_wait && run_state_has_handler(r->state);
        if (waits_long) listener->on_waits_long(r);
        listener->on_durable(r);
    }
    if (r->resumed_bytes > 0 && !run_awaits_disk(r)) run_leave_quota(r);
    if (run_has_settled(r))
        run_settle(r);
    else if (r->state == RUN_RUNNING)
        run_try_park(r);
}

static void run_commit_failed(run *r)
{
    assert(r->segment.error);
    assert(r->commit == COMMIT_REFUSED || r->commit == COMMIT_UNKNOWN || r->commit == COMMIT_BROKEN);
    letter_move(&r->sealed_letters, &r->letters);
    run_log(r, LOG_ERROR, "journal write failed: %s", r->segment.error);
    record_drop(r);
    run_lose(r);
    run_touch(r);
}

static run_commit_event segment_commit_event(const store_segment *s)
{
    if (!s->error) return COMMIT_ON_DONE;
    return s->outcome == STORE_UNKNOWN ? COMMIT_ON_UNKNOWN : COMMIT_ON_REFUSED;
}

void run_committed(run *r)
{
    bool first = !run_is_durable(r);
    assert(run_commit_is_under_way(r->commit));
    assert(r->seq_durable < r->seq_sealed); /* a segment has an entry */
    r->commit = run_commit_next(r->commit, segment_commit_event(&r->segment));
    home_segment_back(r->task.home);
    if (feed_is_heard(&r->task.home->app->feed) && !r->segment.error) feed_tell_committed(&r->task.home->app->feed, r);
    record_release(r);
    mailbox_unseal(r, !r->segment.error);
    recall_unseal_losers(r, !r->segment.error);
    sending_unseal(r, r->segment.error ? r->segment.outcome : STORE_DONE);
    if (r->segment.error) {
        run_commit_failed(r);
        return;
    }
    if (r->is_unsettled) comeback_settled(r);
    letter_settled(&r->sealed_letters);
    bool is_released = r->seq_release > r->seq_durable && r->seq_release <= r->seq_sealed;
    r->seq_durable = r->seq_sealed;
    returning_written(r);
    recall_written(r);
    if (is_released) r->task.home->listener->on_released(r);
    if (first && r->task.trace) request_span_durable(r);
    run_settle_key(r);
    if (r->frames) frames_durable(r->frames, r->seq_durable);
    if (r->state == RUN_ENDING && run_has_settled(r)) {
        /* A run that is touched got a client in this turn: run_turn_end ends it. */
        if (!run_is_touched(r)) run_settle(r);
        return;
    }
    bool had_slot = r->slot != NULL;
    if (!had_slot) run_give_slot(r);
    /* Until the first commit the run has no URL, so a client that went away before cannot come back to the run. */
    if (r->slot && (first || !had_slot)) slot_end_if_alone(r->task.home, r->slot);
    if (first && r->task.home->draining) run_drain(r); /* a drain passes over runs that are not on disk */
    for (strand *s = r->commit_wait_count ? r->task.strands : NULL; s; s = s->next) strand_wake(s);
    run_touch(r);
}
