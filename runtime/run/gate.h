/* gate: what work that will be journaled waits for before it begins: a journal that takes writes, and room in its
 * queue. One per loop. Owns nothing: strands that wait at it are linked through themselves. Runs that end are let
 * through first, since they give memory back.
 *
 *     open ---- the store's queue is over --journal-queue-max ----> full:   attempts, calls, chunks and ends wait, due
 *                                                                            runs are not loaded, new runs get 503
 *     open ---- a commit failed -----------------------------------> closed: attempts wait, parked runs are not loaded,
 *                                                                            new runs and cancellations get 503      */
#ifndef RUNTIME_RUN_GATE_H
#define RUNTIME_RUN_GATE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct strand;
struct home;

/* Strands that wait, first come first. */
typedef struct gate_queue {
    struct strand *first, **last;
} gate_queue;

typedef struct gate {
    gate_queue ends, others;
    uint64_t waiting;  /* counter_add */
    size_t open_bytes; /* of this loop's runs, not yet with the store: entries, children called, results returned. Those
                          that are returned once more (reopen_call.h): until they are on disk */
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
/* Likewise, for the end of the strand's run, which comes before all others. */
bool gate_wait_end(struct strand *s);

/* Has strands that wait look again, and gated runs loaded: the store has changed its state. */
void gate_changed(struct home *h);
/* Has strands that wait look again if there is room by now, at the end of a turn: what was not yet with the store may
 * have made that room, of which the store does not tell. */
void gate_look(const struct home *h);
/* Whether the queue of the store alone is full: it tells when that has changed. True: it will (gate_changed). */
bool gate_awaits_store(const struct home *h);

#endif
