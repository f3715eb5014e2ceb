/* cluster: which node of a cluster owns a run. A run's id names one of 256 slots of the cluster (run_id_cluster_slot),
 * and each slot belongs to one node, which alone appends to the slot's runs. Owns nothing. A node that is in no cluster
 * owns all slots, whatever number an id has. */
#ifndef STORAGE_CLUSTER_H
#define STORAGE_CLUSTER_H

#include "storage/run_id.h"

enum { CLUSTER_SLOTS = 256 };

/* Written before the store is opened, and not changed while it is open: no slot is gained or lost yet. */
typedef struct cluster {
    bool has_others;               /* slots belong to other nodes */
    uint8_t self;                  /* the number of this node; it owns a slot at least */
    uint8_t owners[CLUSTER_SLOTS]; /* numbers of nodes, by slot */
} cluster;

extern const cluster cluster_alone;

/* The number of the node that owns the run. */
unsigned cluster_owner_of(const cluster *c, const run_id *id);
/* Whether it is this one. */
bool cluster_owns(const cluster *c, const run_id *id);
bool cluster_owns_slot(const cluster *c, unsigned slot);
/* A slot of this node, for the runs that begin at its nth loop. */
unsigned cluster_own_slot(const cluster *c, unsigned nth);
/* Finds the first slot of this node from *slot on, which may be CLUSTER_SLOTS. False: there are no more. */
bool cluster_next_slot(const cluster *c, unsigned *slot);

#endif
