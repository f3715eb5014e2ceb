#include "runtime/run/gate.h"

#include <assert.h>

#include "coro/seeded_bug.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

void gate_init(gate *g)
{
    *g = (gate){.ends.first = NULL};
    g->ends.last = &g->ends.first;
    g->others.last = &g->others.first;
}

bool gate_writable(const home *h) { return store_writable(h->port); }

bool gate_full(const home *h) { return store_busy(h->port, h->gate.open_bytes); }

static void gate_enter(gate_queue *q, strand *s)
{
    assert(!s->gate_link);
    s->gate_next = NULL;
    s->gate_link = q->last;
    *q->last = s;
    q->last = &s->gate_next;
}

static void gate_leave(gate_queue *q, strand *s)
{
    assert(s->gate_link && *s->gate_link == s);
    *s->gate_link = s->gate_next;
    if (s->gate_next)
        s->gate_next->gate_link = s->gate_link;
    else
        q->last = s->gate_link;
    s->gate_link = NULL;
}

bool gate_awaits_store(const home *h)
{
    bool is_full = store_busy(h->port, 0);
    if (is_full) store_want_room(h->port);
    return is_full;
}

/* Waits until the store has changed its state, or for a spurious wake. False: interrupted. */
static bool gate_wait_change(strand *s, gate_queue *q)
{
    home *h = s->task->home;
    assert(s->run && s->task == &s->run->task);
    gate_enter(q, s);
    counter_add(&h->gate.waiting, 1);
    (void)gate_awaits_store(h);
    run_touch(s->run); /* at the end of the turn its entries go to the store: room is made when they are written */
    bool awake = strand_suspend(s);
    assert(h->gate.waiting > 0);
    counter_add(&h->gate.waiting, -1);
    gate_leave(q, s);
    return awake;
}

bool gate_pass(strand *s)
{
    run *r = s->run;
    home *h = r->task.home;
    while (run_may_go_on(r)) {
        if ((gate_writable(h) || BUG(OPEN_GATE)) && !gate_full(h)) {
            r->has_attempted = true;
            return true;
        }
        if (!gate_wait_change(s, &h->gate.others)) return false;
    }
    return false;
}

static bool gate_wait_in(gate_queue *q, strand *s)
{
    const home *h = s->task->home;
    bool awake = true;
    assert(s->run);
    while (awake && gate_writable(h) && gate_full(h)) awake = gate_wait_change(s, q);
    return awake;
}

bool gate_wait_room(strand *s) { return gate_wait_in(&s->task->home->gate.others, s); }

bool gate_wait_end(strand *s) { return gate_wait_in(&s->task->home->gate.ends, s); }

static void gate_wake(const gate *g)
{
    for (strand *s = g->ends.first; s; s = s->gate_next) strand_wake(s);
    for (strand *s = g->others.first; s; s = s->gate_next) strand_wake(s);
}

void gate_look(const home *h)
{
    bool is_awaited = h->gate.ends.first || h->gate.others.first;
    if (!is_awaited || !gate_writable(h)) return;
    if (gate_full(h))
        (void)gate_awaits_store(h); /* what was open here may be the store's now */
    else
        gate_wake(&h->gate);
}

void gate_changed(home *h)
{
    gate_wake(&h->gate);
    if (!gate_writable(h)) return;
    letter_delete_again(h);
    mailbox_delete_again(h);
    slot_wake_gated(h);
}
