#include "runtime/base/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/clock.h"

enum {
    ROOM_FIRST = 256,
    LATE_US = 1000000,
    DELAY_MAX_S = 1000 * 86400 /* a longer one fires early and its owner waits again */
};

_Static_assert(ROOM_FIRST > 1 + TIMERS_OF_LOOP, "the first heap has room for the loop's own timers behind index 0");

static uint64_t timer_due_us(uint64_t delay_ms)
{
    if (delay_ms > (uint64_t)DELAY_MAX_S * 1000) delay_ms = (uint64_t)DELAY_MAX_S * 1000;
    return clock_steady_us() + delay_ms * 1000;
}

static void heap_put(timers *t, size_t index, struct timer *timer)
{
    assert(index >= 1 && index <= t->count);
    t->heap[index] = timer;
    timer->heap_index = (uint32_t)index;
}

static void heap_sift_up(timers *t, size_t at, struct timer *timer)
{
    for (; at > 1 && t->heap[at / 2]->due_us > timer->due_us; at /= 2) heap_put(t, at, t->heap[at / 2]);
    heap_put(t, at, timer);
}

static void heap_sift_down(timers *t, size_t at, struct timer *timer)
{
    for (size_t child; (child = at * 2) <= t->count; at = child) {
        if (child < t->count && t->heap[child + 1]->due_us < t->heap[child]->due_us) child++;
        if (t->heap[child]->due_us >= timer->due_us) break;
        heap_put(t, at, t->heap[child]);
    }
    heap_put(t, at, timer);
}

static void on_timer(uv_timer_t *h);

static void timers_arm(timers *t)
{
    if (t->firing) return;
    uint64_t due_us = t->count ? t->heap[1]->due_us : 0;
    /* A handle that fires too soon finds nothing due and is set again: only an earlier time needs work now. */
    if (!due_us || (t->armed_us && t->armed_us <= due_us)) return;
    uint64_t now = clock_steady_us();
    uint64_t wait_ms = due_us > now ? (due_us - now + 999) / 1000 : 0;
    uv_update_time(t->handle.loop);
    int rc = uv_timer_start(&t->handle, on_timer, wait_ms, 0);
    assert(rc == 0);
    (void)rc;
    t->armed_us = due_us;
}

static void heap_take(timers *t, struct timer *timer)
{
    size_t index = timer->heap_index;
    assert(index >= 1 && index <= t->count);
    assert(t->heap[index] == timer); /* else it has moved while it was started */
    assert(t->reserved_started >= timer->has_reserve);
    timer->heap_index = 0;
    t->reserved_started -= timer->has_reserve;
    struct timer *last = t->heap[t->count--];
    if (last == timer) return;
    if (index > 1 && t->heap[index / 2]->due_us > last->due_us)
        heap_sift_up(t, index, last);
    else
        heap_sift_down(t, index, last);
}

/* In the turn that left timers due, behind them: libuv fires a handle that was started from its own callback once more
 * in that turn, or without end (1.44). */
static void on_more(uv_idle_t *h)
{
    timers *t = h->data;
    (void)uv_idle_stop(h); /* it never fails */
    timers_arm(t);
}

/* How many may fire in this turn. */
static size_t timers_of_turn(const timers *t, uint64_t now_us)
{
    bool is_late = t->count > 0 && now_us > t->heap[1]->due_us + LATE_US;
    return is_late ? TIMERS_OF_TURN_LATE : TIMERS_OF_TURN;
}

static void on_timer(uv_timer_t *h)
{
    timers *t = h->data;
    uint64_t now = clock_steady_us();
    size_t most = timers_of_turn(t, now);
    assert(!t->firing);
    t->armed_us = 0;
    t->firing = true;
    for (size_t n = 0; n < most && t->count && t->heap[1]->due_us <= now; n++) {
        struct timer *timer = t->heap[1];
        heap_take(t, timer);
        timer->fn(timer);
    }
    t->firing = false;
    if (t->count == 0 || t->heap[1]->due_us > clock_steady_us()) {
        timers_arm(t);
        return;
    }
    int rc = uv_idle_start(&t->more, on_more);
    assert(rc == 0); /* it only fails without a callback */
    (void)rc;
}

bool timers_init(timers *t, uv_loop_t *loop)
{
    *t = (timers){.reserved = TIMERS_OF_LOOP, .room = ROOM_FIRST, .heap = malloc(ROOM_FIRST * sizeof(struct timer *))};
    if (!t->heap || uv_timer_init(loop, &t->handle) != 0 || uv_idle_init(loop, &t->more) != 0) {
        free(t->heap);
        return false;
    }
    t->handle.data = t->more.data = t;
    return true;
}

void timers_close(timers *t)
{
    assert(!t->firing);
    free(t->heap);
    t->heap = NULL;
    t->room = t->count = t->reserved_started = 0;
    uv_close((uv_handle_t *)&t->handle, NULL);
    uv_close((uv_handle_t *)&t->more, NULL);
}

/* Lets the heap grow by `more` cells, beside all that are reserved, filled or not. False: no memory. */
static bool heap_make_room(timers *t, size_t more)
{
    assert(t->reserved_started <= t->reserved && t->reserved_started <= t->count);
    size_t needed = 1 + t->count - t->reserved_started + t->reserved + more;
    if (needed <= t->room) return true;
    size_t room = needed > t->room * 2 ? needed : t->room * 2;
    struct timer **heap = room < UINT32_MAX ? realloc(t->heap, room * sizeof *heap) : NULL;
    if (!heap) return false;
    t->heap = heap;
    t->room = room;
    return true;
}

bool timers_reserve(timers *t, size_t count)
{
    if (!heap_make_room(t, count)) return false;
    t->reserved += count;
    return true;
}

void timers_unreserve(timers *t, size_t count)
{
    assert(t->reserved >= t->reserved_started + count); /* its timers are stopped */
    assert(t->reserved - count >= TIMERS_OF_LOOP);
    t->reserved -= count;
}

bool timers_start(timers *t, struct timer *timer, uint64_t delay_ms)
{
    assert(timer->fn);
    if (timer_is_started(timer)) heap_take(t, timer);
    if (!timer->has_reserve && !heap_make_room(t, 1)) return false;
    assert(t->count + 1 < t->room);
    assert(t->reserved_started + timer->has_reserve <= t->reserved); /* its owner has reserved room for it */
    t->reserved_started += timer->has_reserve;
    timer->due_us = timer_due_us(delay_ms);
    heap_sift_up(t, ++t->count, timer);
    timers_arm(t);
    return true;
}

bool timers_hasten(timers *t, struct timer *timer, uint64_t delay_ms)
{
    if (timer_is_started(timer) && timer->due_us <= timer_due_us(delay_ms)) return true;
    return timers_start(t, timer, delay_ms);
}

void timers_look(timers *t)
{
    t->armed_us = 0;
    timers_arm(t);
}

bool timers_skip(timers *t)
{
    if (t->count == 0) return false;
    uint64_t now = clock_steady_us(), due_us = t->heap[1]->due_us;
    if (due_us > now) clock_skip_us(due_us - now);
    timers_look(t);
    return true;
}

void timers_stop(timers *t, struct timer *timer)
{
    if (timer_is_started(timer)) heap_take(t, timer);
}
