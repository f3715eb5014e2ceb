#include "storage/cluster.h"

#include <assert.h>

const cluster cluster_alone = {.has_others = false};

unsigned cluster_owner_of(const cluster *c, const run_id *id) { return c->owners[run_id_cluster_slot(id)]; }
bool cluster_owns(const cluster *c, const run_id *id) { return cluster_owner_of(c, id) == c->self; }

bool cluster_owns_slot(const cluster *c, unsigned slot)
{
    assert(slot < CLUSTER_SLOTS);
    return c->owners[slot] == c->self;
}

unsigned cluster_own_slot(const cluster *c, unsigned nth)
{
    unsigned count = 0;
    for (unsigned slot = 0; slot < CLUSTER_SLOTS; slot++) count += cluster_owns_slot(c, slot);
    assert(count > 0);
    if (!c->has_others) return RUN_ID_SLOT_ALONE;
    for (unsigned slot = 0, left = nth % count;; slot++)
        if (cluster_owns_slot(c, slot) && left-- == 0) return slot;
}

bool cluster_next_slot(const cluster *c, unsigned *slot)
{
    while (*slot < CLUSTER_SLOTS && !cluster_owns_slot(c, *slot)) ++*slot;
    return *slot < CLUSTER_SLOTS;
}
