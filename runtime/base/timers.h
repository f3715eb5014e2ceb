/* timers: one loop's points in time on the steady clock (CLOCK_BOOTTIME), in a binary heap behind a single uv timer, so
 * that a million sleeping runs cost a pointer each beside their `struct timer`, and no handle. Owns no timer: each lies
 * in its owner's struct. Never early; the order of equal times is not defined. Of a crowd that is due at one moment
 * TIMERS_OF_TURN fire in a turn, so that what comes meanwhile is dealt with between them, and more if they are late by
 * a second: where other work makes each turn long, timers that become due faster would be later and later. */
#ifndef RUNTIME_BASE_TIMERS_H
#define RUNTIME_BASE_TIMERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <uv.h>

enum { TIMERS_OF_LOOP = 9, TIMERS_OF_TURN = 64, TIMERS_OF_TURN_LATE = 1024 };

/* Its owner zeroes it and sets fn, arg and has_reserve before the first start. It must not move while it is started. */
struct timer {
    void (*fn)(struct timer *t); /* on the loop's own stack; `t` is stopped by then and may be freed or started again */
    void *arg;                   /* for fn */
    uint64_t due_us;             /* on the steady clock */
    uint32_t heap_index;         /* from 1; 0: not started */
    bool has_reserve;            /* its owner called timers_reserve() for it: it can always be started */
};

typedef struct timers {
    uv_timer_t handle;
    uv_idle_t more;      /* active from a turn that left timers due to its end */
    struct timer **heap; /* from index 1; heap[1] is due first */
    size_t count, room;
    size_t reserved, reserved_started; /* cells of the heap promised by timers_reserve(); timers that lie in them */
    uint64_t armed_us;                 /* when the handle fires; 0: never */
    bool firing;
} timers;

/* Reserves room for TIMERS_OF_LOOP timers of the loop itself. False: no memory. */
bool timers_init(timers *t, uv_loop_t *loop);
/* Frees the heap and closes the handles. Timers still started never fire: parked runs are left to the next process. */
void timers_close(timers *t);

static inline bool timer_is_started(const struct timer *timer) { return timer->heap_index != 0; }

/* Starts a timer, or starts it anew. False: out of memory, which does not happen to a timer with has_reserve. */
bool timers_start(timers *t, struct timer *timer, uint64_t delay_ms);
/* Takes the memory beforehand for so many timers with has_reserve, until timers_unreserve(): what must not be left
 * undone can then always be timed. False: no memory, nothing is reserved. */
bool timers_reserve(timers *t, size_t count);
void timers_unreserve(timers *t, size_t count); /* of timers that are stopped */
/* Starts a timer anew if it would fire later than in delay_ms. False: as timers_start(). */
bool timers_hasten(timers *t, struct timer *timer, uint64_t delay_ms);
void timers_stop(timers *t, struct timer *timer); /* also one that is not started */
/* Arms the handle anew: the machine may have slept, and libuv's clock stood still meanwhile. */
void timers_look(timers *t);
/* Moves the process's clocks to the time at which the first timer is due. False: none is started. */
bool timers_skip(timers *t);

#endif
