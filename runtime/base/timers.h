/* timers: one loop's points in time on the steady clock (CLOCK_BOOTTIME), in a binary heap behind a single uv timer, so
 * that a million sleeping runs cost a pointer each beside their `struct timer` and no handle. Never early; the order of
 * equal times is not defined. */
#ifndef RUNTIME_BASE_TIMERS_H
#define RUNTIME_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { TIMERS_OWN = 8 };

/* The owner's; zero it and set fn and arg before the first start. It must not move while it is started. */
struct timer {
    void (*fn)(struct timer *t); /* on the loop's own stack; `t` is stopped by then and may be freed or started again */
    void *arg;                   /* for fn */
    uint64_t due_us;             /* on the steady clock */
    uint32_t place;              /* in the heap, from 1; 0: not started */
    bool is_kept;                /* a place is kept for it: set by its owner who has asked for one */
};

typedef struct timers {
    uv_timer_t handle;
    struct timer **heap; /* from index 1; heap[1] is due first */
    size_t count, room;
    size_t kept, kept_started; /* places that are promised; those of them that are taken */
    uint64_t armed_us;         /* what the handle waits for; 0: nothing */
    bool firing;
} timers;

/* With a place for each of TIMERS_OWN timers of the loop itself. False: no memory. */
bool timers_init(timers *t, uv_loop_t *loop);
void timers_close(timers *t); /* those still started never fire: parked runs are left to the next process */

/* Starts it, or starts it anew. False: out of memory, which does not happen to one with a place of its own. */
bool timers_start(timers *t, struct timer *timer, uint64_t delay_ms);
/* What must not be left undone has places promised beforehand: for so many timers with is_kept, until they are given
 * up. False: no memory. */
bool timers_keep(timers *t, size_t places);
void timers_give(timers *t, size_t places);
/* Starts it anew if it would fire later than then. */
bool timers_hasten(timers *t, struct timer *timer, uint64_t delay_ms);
void timers_stop(timers *t, struct timer *timer); /* also one that is not started */
/* The machine may have slept, for which libuv's clock stood still. */
void timers_look(timers *t);
/* Moves the process's clocks to when the first of them is due. False: there is none. */
bool timers_skip(timers *t);

#endif
