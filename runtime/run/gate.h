/* gate: what work that will be journaled waits for before it begins: a journal that takes writes, and room in its
 * queue. One per loop. Owns nothing: strands that wait at it are linked through themselves.
 *
 *     open ---- the store's queue is over --journal-queue-max ----> full:   attempts and chunks wait, new runs get 503
 *     open ---- a commit failed -----------------------------------> closed: attempts wait, parked runs are not loaded,
 *                                                                            new runs and cancellations get 503      */
#ifndef RUNTIME_RUN_GATE_H
#define RUNTIME_RUN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strand;
struct home;

typedef struct gate {
    struct strand *first, **last; /* strands that wait, first come first */
    uint64_t waiting;             /* counter_add */
    size_t open_bytes;            /* entries of this loop's runs that are not yet with the store */
} gate;

void gate_init(gate *g);

/* Whether the journal takes writes. */
bool gate_writable(const struct home *h);
/* Whether the journal's queue is over its limit. */
bool gate_full(const struct home *h);

/* Suspends a run's strand until an attempt may begin. False: the run leaves memory, none may. */
bool gate_pass(struct strand *s);
/* Suspends a run's strand until there is room for more entries, or the journal takes none at all. False: interrupted.
 */
bool gate_wait_room(struct strand *s);

/* Has strands that wait look again, and gated runs loaded: the store has changed its state. */
void gate_changed(struct home *h);

#endif
