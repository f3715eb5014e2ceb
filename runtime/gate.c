#include "runtime/gate.h"

#include <assert.h>

#include "runtime/loop.h"
#include "runtime/strand.h"

void gate_init(gate *g)
{
    *g = (gate){.first = NULL};
    g->last = &g->first;
}

bool gate_writable(const sw_loop *l) { return store_writable(l->port); }

bool gate_full(const sw_loop *l) { return store_busy(l->port, l->gate.open_bytes); }

static void enter(gate *g, strand *s)
{
    assert(!s->gate_link);
    s->gate_next = NULL;
    s->gate_link = g->last;
    *g->last = s;
    g->last = &s->gate_next;
    counter_add(&g->waiting, 1);
}

static void leave(gate *g, strand *s)
{
    *s->gate_link = s->gate_next;
    if (s->gate_next)
        s->gate_next->gate_link = s->gate_link;
    else
        g->last = s->gate_link;
    s->gate_link = NULL;
    counter_add(&g->waiting, -1);
}

/* One turn of waiting. False: interrupted. */
static bool wait_change(strand *s, bool full)
{
    sw_loop *l = s->run->loop;
    enter(&l->gate, s);
    if (full) store_want_room(l->port);
    run_touch(s->run); /* what it holds back is to be appended: that makes the room */
    bool awake = strand_suspend(s);
    leave(&l->gate, s);
    return awake;
}

bool gate_pass(strand *s)
{
    run *r = s->run;
    const sw_loop *l = r->loop;
    for (;;) {
        if (l->draining && !r->leave) r->leave = LEAVE_DRAIN;
        if (r->leave) return false;
        bool full = gate_full(l);
        if (gate_writable(l) && !full) break;
        if (!wait_change(s, full)) return false;
    }
    r->attempted = true;
    return true;
}

bool gate_wait_room(strand *s)
{
    bool awake = true;
    while (awake && gate_writable(s->run->loop) && gate_full(s->run->loop)) awake = wait_change(s, true);
    return awake;
}

void gate_changed(sw_loop *l)
{
    for (strand *s = l->gate.first; s; s = s->gate_next) strand_wake(s);
    if (gate_writable(l)) slot_release_held(l);
}
