#include "runtime/run/strand.h"

#include <assert.h>

#include "coro/seeded_bug.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/step_spec.h"

enum { STRAND_TIMERS = 2 /* one of its sleep, one of the attempt (timeout_ms) that sleeps */ };

bool strand_start(task *t, coro_fn fn, void *arg)
{
    if (!timers_reserve(&t->home->timers, STRAND_TIMERS)) return false;
    coro *co = coro_create(t->home->stacks, fn, arg);
    if (!co) {
        timers_unreserve(&t->home->timers, STRAND_TIMERS);
        return false;
    }
    coro_set_label(co, t->label);
    t->strand_count++;
    t->busy_count++;
    sched_ready(&t->home->sched, co);
    return true;
}

void strand_enter(strand *s, task *t)
{
    assert(t->strand_count > 0); /* strand_start has counted it, as a busy one */
    assert(t->busy_count > 0);
    *s = (strand){
        .co = coro_current(), .task = t, .run = t->run, .wait = STRAND_BUSY, .next = t->strands, .link = &t->strands};
    if (t->strands) t->strands->link = &s->next;
    t->strands = s;
    if (task_unwinds(t)) s->interrupt = INTERRUPT_UNWIND;
    coro_set_user(s->co, s);
}

void strand_join(strand *s, strand *parent)
{
    assert(!s->parent && !s->members);
    s->parent = parent;
    s->is_abandoned = parent->is_abandoned;
    s->peer = parent->members;
    s->peer_link = &parent->members;
    if (s->peer) s->peer->peer_link = &s->peer;
    parent->members = s;
}

static void strand_part(strand *s)
{
    if (!s->peer_link) return;
    *s->peer_link = s->peer;
    if (s->peer) s->peer->peer_link = s->peer_link;
    s->peer_link = NULL;
    s->parent = s->peer = NULL;
}

/* The strand waits, or ends: those within which it works may have waited for that. */
static void strand_tell_rest(const strand *s)
{
    for (strand *p = s->parent; p; p = p->parent)
        if (p->catches_up) strand_wake(p);
}

void strand_exit(strand *s)
{
    assert(coro_current() == s->co);
    assert(!s->is_abandoned || !s->members); /* what works for one that has lost is waited for */
    strand_tell_rest(s);
    while (s->members) strand_part(s->members);
    strand_part(s);
    assert(!s->top);
    assert(s->wait == STRAND_BUSY);
    assert(!s->gate_link);
    assert(s->until.due_ms == 0);
    assert(!s->work.step);
    assert(!s->work.signal && !s->standing && s->work.awaits_calls == 0);
    assert(*s->link == s);
    coro_set_user(s->co, NULL);
    *s->link = s->next;
    if (s->next) s->next->link = s->link;
    s->task->strand_count--;
    s->task->busy_count--;
    timers_unreserve(&s->task->home->timers, STRAND_TIMERS);
    if (s->run) run_touch(s->run);
}

/* Whether the strand's wait is to end now. */
static bool strand_is_interrupted(const strand *s) { return s->interrupt != INTERRUPT_NONE && !s->uninterruptible; }

bool strand_suspend(strand *s)
{
    assert(coro_current() == s->co);
    assert(!s->suspended);
    if (strand_is_interrupted(s)) return false;
    s->suspended = true;
    strand_tell_rest(s);
    coro_suspend();
    s->suspended = s->woken = false;
    return !strand_is_interrupted(s);
}

void strand_wake(strand *s)
{
    if (!s->suspended) return;
    s->woken = true;
    sched_ready(&s->task->home->sched, s->co);
}

void strand_interrupt(strand *s, strand_interrupt_kind kind)
{
    assert(kind != INTERRUPT_NONE);
    if (s->interrupt == INTERRUPT_UNWIND) return;
    s->interrupt = kind;
    if (!s->uninterruptible || kind == INTERRUPT_UNWIND) strand_wake(s);
}

void strand_set_wait(strand *s, strand_wait wait)
{
    assert(s->run); /* a plain request never parks */
    assert(s->wait != STRAND_BUSY || s->task->busy_count > 0);
    if (s->wait == STRAND_BUSY) s->task->busy_count--;
    s->wait = wait;
    if (wait == STRAND_BUSY)
        s->task->busy_count++;
    else
        run_touch(s->run);
}

static void strand_on_due(struct timer *t) { strand_wake(t->arg); }

bool strand_may_begin(const strand *s) { return run_may_go_on(s->run) && !s->is_abandoned; }

/* Returns the strand behind `s` among those within `root`, of which each comes before those within itself. */
static strand *strand_next_within(const strand *s, const strand *root)
{
    if (s->members) return s->members;
    while (s != root && !s->peer) s = s->parent;
    return s == root ? NULL : s->peer;
}

/* An attempt is nothing that a replay makes, nor does it wait for letters that it has taken before. */
static bool strand_is_between_steps(const strand *s)
{
    return s->wait == STRAND_BUSY && !s->work.step && !s->work.signal && s->work.awaits_calls == 0;
}

/* Whether the strand waits for another thread, for members that catch up, or for room for a stack: no journal has that,
 * so a replay that were cut there would not come to what the journal has behind it. */
static bool strand_pauses(const strand *s)
{
    return s->uninterruptible || s->catches_up || (s->until.due_ms > 0 && strand_is_between_steps(s));
}

static void strand_give_up(strand *s)
{
    bool awaits_group = s->wait == STRAND_GROUP || s->standing;
    s->is_abandoned = true;
    if (BUG(LOSERS_COUNT)) return;
    if (s->work.began_us > 0 || (s->suspended && !awaits_group && !strand_pauses(s)))
        strand_interrupt(s, INTERRUPT_UNWIND);
    else if (awaits_group)
        strand_wake(s);
}

void strand_abandon(strand *s)
{
    for (strand *at = s; at; at = strand_next_within(at, s)) strand_give_up(at);
}

static bool strand_is_worked_for(const strand *s)
{
    if (s->entering > 0) return true;
    for (const strand *at = strand_next_within(s, s); at; at = strand_next_within(at, s))
        if (at->entering > 0 || at->woken || strand_is_between_steps(at)) return true;
    return false;
}

bool strand_catch_up(strand *s)
{
    bool awake = true;
    assert(s->wait == STRAND_BUSY && !s->catches_up);
    s->catches_up = true;
    while (awake && strand_is_worked_for(s)) awake = strand_suspend(s);
    s->catches_up = false;
    return awake;
}

bool strand_has_lost(const run *r)
{
    coro *co = coro_current();
    strand *s = co ? coro_user(co) : NULL;
    if (!s || s->run != r || !s->is_abandoned) return false;
    s->interrupt = INTERRUPT_UNWIND;
    return true;
}

/* Suspends until s->until is over. Reads the clock at each wake, since the wall clock, by which an absolute wait goes,
 * may have been set meanwhile. */
static bool strand_sleep_through(strand *s, int64_t left_ms)
{
    timers *heap = &s->task->home->timers;
    struct timer t = {.fn = strand_on_due, .arg = s, .has_reserve = true};
    bool awake = true;
    for (; awake && left_ms > 0; left_ms = clock_left_ms(&s->until)) {
        (void)timers_start(heap, &t, (uint64_t)left_ms);
        awake = strand_suspend(s);
    }
    timers_stop(heap, &t);
    return awake;
}

bool strand_sleep_until(strand *s, const clock_wait *until, strand_sleep kind)
{
    int64_t left_ms = clock_left_ms(until);
    run *r = s->run;
    assert(r || kind == STRAND_SLEEP_PLAIN);
    assert(s->wait == STRAND_BUSY);
    assert(s->until.due_ms == 0); /* no sleep within a sleep */
    bool ends = kind == STRAND_SLEEP_DURABLE && (!run_may_go_on(r) || (s->is_abandoned && left_ms > 0));
    if (ends) s->interrupt = INTERRUPT_UNWIND;
    if (left_ms <= 0 || strand_is_interrupted(s)) return !strand_is_interrupted(s);
    s->until = *until;
    if (kind == STRAND_SLEEP_DURABLE) {
        if (left_ms > s->task->home->opt->redirect_after_ms) run_begin_long_wait(r);
        strand_set_wait(s, STRAND_DUE);
    }
    bool awake = strand_sleep_through(s, left_ms);
    if (kind == STRAND_SLEEP_DURABLE) strand_set_wait(s, STRAND_BUSY);
    s->until = (clock_wait){.due_ms = 0};
    return awake;
}

const open_wait *strand_waits(const strand *s, open_wait *own)
{
    const strand_work *w = &s->work;
    if (s->standing) return s->standing;
    if (s->wait != STRAND_DUE && !w->signal) return NULL;
    *own = (open_wait){.id = w->step ? w->step->id : w->sleep_id,
                       .path = w->step ? w->step->path : w->sleep_path,
                       .signal = w->signal,
                       .question = w->question,
                       .until = s->until};
    return own;
}

/* Suspends once: the caller looks whether there is a signal, and which time it is. */
static bool strand_suspend_for(strand *s, const clock_wait *until)
{
    timers *heap = &s->task->home->timers;
    struct timer t = {.fn = strand_on_due, .arg = s, .has_reserve = true};
    int64_t left_ms = until->due_ms > 0 ? clock_left_ms(until) : 0;
    if (until->due_ms > 0) (void)timers_start(heap, &t, left_ms > 0 ? (uint64_t)left_ms : 0);
    bool awake = strand_suspend(s);
    timers_stop(heap, &t);
    return awake;
}

bool strand_await_letters(strand *s, const clock_wait *until)
{
    assert(s->run && s->wait == STRAND_BUSY);
    assert(s->until.due_ms == 0); /* no wait within a sleep */
    assert(s->work.signal || s->work.awaits_calls > 0);
    s->until = *until;
    s->run->mail_wait_count++;
    bool awake = strand_suspend(s);
    s->run->mail_wait_count--;
    s->until = (clock_wait){.due_ms = 0};
    return awake;
}

bool strand_await_signal(strand *s, const clock_wait *until)
{
    assert(s->run && s->wait == STRAND_BUSY);
    assert(s->until.due_ms == 0); /* no wait within a sleep */
    assert(s->work.signal);
    if (!strand_may_begin(s)) s->interrupt = INTERRUPT_UNWIND;
    if (strand_is_interrupted(s)) return false;
    s->until = *until;
    strand_set_wait(s, STRAND_SIGNAL);
    bool awake = strand_suspend_for(s, until);
    strand_set_wait(s, STRAND_BUSY);
    s->until = (clock_wait){.due_ms = 0};
    return awake;
}

/* The time that is left until the first of the waits is over; CLOCK_NEVER: none has a time. */
static int64_t waits_left_ms(const open_wait *w)
{
    int64_t first_ms = CLOCK_NEVER;
    for (; w; w = w->next) {
        int64_t left_ms = w->until.due_ms > 0 ? clock_left_ms(&w->until) : CLOCK_NEVER;
        if (left_ms < first_ms) first_ms = left_ms;
    }
    return first_ms;
}

bool strand_await_group(strand *s, const open_wait *standing, bool is_coming)
{
    timers *heap = &s->task->home->timers;
    struct timer t = {.fn = strand_on_due, .arg = s, .has_reserve = true};
    int64_t left_ms = is_coming ? CLOCK_NEVER : waits_left_ms(standing);
    assert(s->run && s->wait == STRAND_BUSY);
    s->standing = standing;
    s->run->mail_wait_count += is_coming;
    if (!is_coming) strand_set_wait(s, STRAND_GROUP);
    if (left_ms != CLOCK_NEVER) (void)timers_start(heap, &t, left_ms > 0 ? (uint64_t)left_ms : 0);
    bool awake = strand_suspend(s);
    timers_stop(heap, &t);
    if (!is_coming) strand_set_wait(s, STRAND_BUSY);
    s->run->mail_wait_count -= is_coming;
    s->standing = NULL;
    return awake;
}

bool strand_await_return(strand *s)
{
    assert(s->run && s->wait == STRAND_BUSY);
    assert(s->work.awaits_calls > 0);
    if (!run_may_go_on(s->run)) s->interrupt = INTERRUPT_UNWIND;
    if (strand_is_interrupted(s)) return false;
    strand_set_wait(s, STRAND_CALL);
    bool awake = strand_suspend(s);
    strand_set_wait(s, STRAND_BUSY);
    return awake;
}
