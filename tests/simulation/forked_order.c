#include "tests/simulation/forked_order.h"

#include "tests/simulation/world.h"

static bool has(const job *j, int16_t first, int at)
{
    for (int16_t o = first; o != NO_OP; o = j->ops[o].next)
        if (o == at || has(j, j->ops[o].child, at) || has(j, j->ops[o].other, at)) return true;
    return false;
}

static forked_order order_in(const job *j, int16_t first, int at, int of);

static bool holds(const job *j, int16_t o, int at)
{
    return o == at || has(j, j->ops[o].child, at) || has(j, j->ops[o].other, at);
}

/* The members of a group are there at one time, and so is what runs before they are waited for. */
static forked_order order_of_members(const job *j, const op *o, int at, int of)
{
    for (int16_t m = o->child; m != NO_OP; m = j->ops[m].next)
        if (holds(j, m, at) && holds(j, m, of)) return order_in(j, j->ops[m].child, at, of);
    return order_in(j, o->other, at, of);
}

/* Both are in it, or neither counts. */
static forked_order order_within(const job *j, const op *o, int at, int of)
{
    if (o->kind == OP_EACH || o->kind == OP_GROUP) return order_of_members(j, o, at, of);
    bool in_child = has(j, o->child, at) && has(j, o->child, of);
    return order_in(j, in_child ? o->child : o->other, at, of);
}

static forked_order order_in(const job *j, int16_t first, int at, int of)
{
    if (!has(j, first, at) || !has(j, first, of)) return FORKED_BESIDE;
    for (int16_t o = first; o != NO_OP; o = j->ops[o].next) {
        bool has_at = holds(j, o, at), has_of = holds(j, o, of);
        if (has_at && has_of) return order_within(j, &j->ops[o], at, of);
        if (has_at) return FORKED_BEFORE;
        if (has_of) return FORKED_BEHIND;
    }
    return FORKED_BESIDE;
}

forked_order forked_order_of(int number, int at, int of)
{
    const job *j = &w->jobs[number];
    return order_in(j, j->first, at, of);
}
