#include "runtime/run/gate.h"

#include <assert.h>

#include "coro/seeded_bug.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/run.h"
#include "runtime/run/strand.h"

void gate_init(gate *g)
{
    *g = (gate){.first = NULL};
    g->last = &g->first;
}

bool gate_writable(const home *h) { return store_writable(h->port); }

bool gate_full(const home *h) { return store_busy(h->port, h->gate.open_bytes); }

static void gate_enter(gate *g, strand *s)
{
    assert(!s->gate_link);
    s->gate_next = NULL;
    s->gate_link = g->last;
    *g->last = s;
    g->last = &s->gate_next;
    counter_add(&g->waiting, 1);
}

static void gate_leave(gate *g, strand *s)
{
    assert(s->gate_link && *s->gate_link == s);
    assert(g->waiting > 0);
    *s->gate_link = s->gate_next;
    if (s->gate_next)
        s->gate_next->gate_link = s->gate_link;
    else
        g->last = s->gate_link;
    s->gate_link = NULL;
    counter_add(&g->waiting, -1);
}

/* Waits until the store has changed its state, or for a spurious wake. False: interrupted. */
static bool gate_wait_change(strand *s, bool full)
{
    home *h = s->task->home;
    assert(s->run && s->task == &s->run->task);
    gate_enter(&h->gate, s);
    if (full) store_want_room(h->port);
    run_touch(s->run); /* at the end of the turn its entries go to the store: room is made when they are written */
    bool awake = strand_suspend(s);
    gate_leave(&h->gate, s);
    return awake;
}

bool gate_pass(strand *s)
{
    run *r = s->run;
    const home *h = r->task.home;
    while (run_may_go_on(r)) {
        bool full = gate_full(h);
        if ((gate_writable(h) || BUG(OPEN_GATE)) && !full) {
            r->has_attempted = true;
            return true;
        }
        if (!gate_wait_change(s, full)) return false;
    }
    return false;
}

bool gate_wait_room(strand *s)
{
    bool awake = true;
    assert(s->run);
    while (awake && gate_writable(s->task->home) && gate_full(s->task->home)) awake = gate_wait_change(s, true);
    return awake;
}

void gate_changed(home *h)
{
    for (strand *s = h->gate.first; s; s = s->gate_next) strand_wake(s);
    if (!gate_writable(h)) return;
    letter_delete_again(h);
    mailbox_delete_again(h);
    slot_wake_gated(h);
}
