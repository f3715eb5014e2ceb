#include "runtime/base/timers.h"

#include <assert.h>
#include <stdlib.h>

#include "runtime/base/clock.h"

enum {
    ROOM_FIRST = 256,
    FIRE_AT_ONCE_MAX = 10000,
    DELAY_MAX_S = 1000 * 86400 /* a longer one fires early and its owner waits again */
};

static uint64_t after_us(uint64_t delay_ms)
{
    if (delay_ms > (uint64_t)DELAY_MAX_S * 1000) delay_ms = (uint64_t)DELAY_MAX_S * 1000;
    return clock_steady_us() + delay_ms * 1000;
}

static void put(timers *t, size_t place, struct timer *timer)
{
    t->heap[place] = timer;
    timer->place = (uint32_t)place;
}

static void sift_up(timers *t, size_t at, struct timer *timer)
{
    for (; at > 1 && t->heap[at / 2]->due_us > timer->due_us; at /= 2) put(t, at, t->heap[at / 2]);
    put(t, at, timer);
}

static void sift_down(timers *t, size_t at, struct timer *timer)
{
    for (size_t child; (child = at * 2) <= t->count; at = child) {
        if (child < t->count && t->heap[child + 1]->due_us < t->heap[child]->due_us) child++;
        if (t->heap[child]->due_us >= timer->due_us) break;
        put(t, at, t->heap[child]);
    }
    put(t, at, timer);
}

static void on_timer(uv_timer_t *h);

static void arm(timers *t)
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

static void take(timers *t, struct timer *timer)
{
    size_t place = timer->place;
    assert(place >= 1 && place <= t->count && t->heap[place] == timer);
    timer->place = 0;
    t->kept_started -= timer->is_kept;
    struct timer *last = t->heap[t->count--];
    if (last == timer) return;
    if (place > 1 && t->heap[place / 2]->due_us > last->due_us)
        sift_up(t, place, last);
    else
        sift_down(t, place, last);
}

static void on_timer(uv_timer_t *h)
{
    timers *t = h->data;
    uint64_t now = clock_steady_us();
    t->armed_us = 0;
    t->firing = true;
    for (size_t n = 0; n < FIRE_AT_ONCE_MAX && t->count && t->heap[1]->due_us <= now; n++) {
        struct timer *timer = t->heap[1];
        take(t, timer);
        timer->fn(timer);
    }
    t->firing = false;
    arm(t);
}

bool timers_init(timers *t, uv_loop_t *loop)
{
    *t = (timers){.kept = TIMERS_OWN, .room = ROOM_FIRST, .heap = malloc(ROOM_FIRST * sizeof(struct timer *))};
    if (!t->heap || uv_timer_init(loop, &t->handle) != 0) {
        free(t->heap);
        return false;
    }
    t->handle.data = t;
    return true;
}

void timers_close(timers *t)
{
    free(t->heap);
    t->heap = NULL;
    t->room = t->count = 0;
    uv_close((uv_handle_t *)&t->handle, NULL);
}

/* For so many more without a place of their own, beside all that are promised. */
static bool make_room(timers *t, size_t more)
{
    size_t needed = 1 + t->count - t->kept_started + t->kept + more;
    if (needed <= t->room) return true;
    size_t room = needed > t->room * 2 ? needed : t->room * 2;
    struct timer **heap = room < UINT32_MAX ? realloc(t->heap, room * sizeof *heap) : NULL;
    if (!heap) return false;
    t->heap = heap;
    t->room = room;
    return true;
}

bool timers_keep(timers *t, size_t places)
{
    if (!make_room(t, places)) return false;
    t->kept += places;
    return true;
}

void timers_give(timers *t, size_t places)
{
    assert(t->kept >= t->kept_started + places);
    t->kept -= places;
}

bool timers_start(timers *t, struct timer *timer, uint64_t delay_ms)
{
    if (timer->place) take(t, timer);
    if (!timer->is_kept && !make_room(t, 1)) return false;
    assert(t->count + 1 < t->room && t->kept_started + timer->is_kept <= t->kept);
    t->kept_started += timer->is_kept;
    timer->due_us = after_us(delay_ms);
    sift_up(t, ++t->count, timer);
    arm(t);
    return true;
}

bool timers_hasten(timers *t, struct timer *timer, uint64_t delay_ms)
{
    if (timer->place && timer->due_us <= after_us(delay_ms)) return true;
    return timers_start(t, timer, delay_ms);
}

void timers_look(timers *t)
{
    t->armed_us = 0;
    arm(t);
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
    if (timer->place) take(t, timer);
}
