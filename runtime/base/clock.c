#include "runtime/base/clock.h"

#include <assert.h>
#include <time.h>

#include "runtime/base/moment.h"
#include "storage/entry.h"

static uint64_t skipped_us; /* atomic */

static CLOCK_READER uint64_t clock_read_us(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (uint64_t)t.tv_sec * 1000000 + (uint64_t)t.tv_nsec / 1000 + __atomic_load_n(&skipped_us, __ATOMIC_RELAXED);
}

uint64_t clock_steady_us(void) { return clock_read_us(CLOCK_BOOTTIME); }
int64_t clock_steady_ms(void) { return (int64_t)(clock_read_us(CLOCK_BOOTTIME) / 1000); }
int64_t clock_wall_ms(void) { return (int64_t)(clock_read_us(CLOCK_REALTIME) / 1000); }

void clock_skip_us(uint64_t us) { (void)__atomic_add_fetch(&skipped_us, us, __ATOMIC_RELAXED); }

static bool clock_is_off(int64_t ahead_ms, int64_t expected_ms)
{
    int64_t by_ms = ahead_ms - expected_ms;
    return by_ms > CLOCK_SET_MS || by_ms < -CLOCK_SET_MS;
}

/* Returns how far the wall clock is ahead of *steady_ms. Reads both anew when the thread may have lost its processor
 * between the two readings. */
static int64_t clock_measure_ahead(int64_t *steady_ms)
{
    enum { TRIES = 16, TOGETHER_MS = 2 };
    int64_t ahead_ms = 0, after_ms = 0;
    for (int i = 0; i < TRIES; i++) {
        *steady_ms = clock_steady_ms();
        ahead_ms = clock_wall_ms() - *steady_ms;
        after_ms = clock_steady_ms();
        if (after_ms - *steady_ms <= TOGETHER_MS) break;
    }
    return ahead_ms;
}

void clock_begin(loop_clock *c, uint64_t opening)
{
    *c = (loop_clock){.opening = opening};
    c->ahead_ms[0] = clock_measure_ahead(&c->began_ms);
}

clock_instant clock_now(loop_clock *c)
{
    assert(c->setting < CLOCK_SETTINGS_MAX);
    uint64_t steady_us = clock_steady_us();
    int64_t steady_ms = (int64_t)(steady_us / 1000), ahead_ms = clock_wall_ms() - steady_ms;
    int64_t before_ms = c->ahead_ms[c->setting];
    if (clock_is_off(ahead_ms, before_ms) && clock_is_off(ahead_ms = clock_measure_ahead(&steady_ms), before_ms)) {
        if (c->setting + 1 < CLOCK_SETTINGS_MAX) c->setting++;
        c->ahead_ms[c->setting] = ahead_ms;
        c->set_by_ms += ahead_ms - before_ms;
        c->was_set = true;
    }
    return (clock_instant){.wall_ms = steady_ms + c->ahead_ms[c->setting],
                           .steady_ms = steady_ms,
                           .steady_us = steady_us,
                           .epoch = entry_epoch(c->opening, c->setting)};
}

bool clock_take_set(loop_clock *c, int64_t *by_ms)
{
    bool was_set = c->was_set;
    *by_ms = c->set_by_ms;
    c->was_set = false;
    c->set_by_ms = 0;
    return was_set;
}

static int64_t wait_length(int64_t ms) { return ms < 0 ? 0 : moment_of(ms); }

clock_wait clock_wait_for(const clock_instant *from, int64_t ms)
{
    assert(from->steady_ms >= 0);
    return (clock_wait){.due_ms = moment_after(from->wall_ms, ms), .steady_ms = from->steady_ms + wait_length(ms)};
}

clock_wait clock_wait_until(int64_t unix_ms) { return (clock_wait){.due_ms = moment_of(unix_ms), .absolute = true}; }

clock_wait clock_wait_of(const loop_clock *c, const clock_entry *e)
{
    assert(c->setting < CLOCK_SETTINGS_MAX);
    clock_wait w = clock_wait_until(e->due_ms);
    if (e->absolute) return w;
    w.absolute = false;
    uint64_t setting = entry_setting(e->epoch);
    if (entry_opening(e->epoch) == c->opening && setting <= c->setting) {
        w.steady_ms = w.due_ms - c->ahead_ms[setting];
        return w;
    }
    int64_t latest_ms = c->began_ms + wait_length(w.due_ms - moment_of(e->at_ms));
    w.steady_ms = w.due_ms - c->ahead_ms[0];
    if (w.steady_ms > latest_ms) w.steady_ms = latest_ms;
    return w;
}

static bool mark_is_own(const loop_clock *c, clock_mark m)
{
    return entry_opening(m.epoch) == c->opening && entry_setting(m.epoch) <= c->setting;
}

static int64_t mark_steady_ms(const loop_clock *c, clock_mark m)
{
    int64_t at_ms = moment_of(m.at_ms);
    if (mark_is_own(c, m)) return at_ms - c->ahead_ms[entry_setting(m.epoch)];
    int64_t steady_ms = at_ms - c->ahead_ms[0];
    return steady_ms < c->began_ms ? steady_ms : c->began_ms;
}

int64_t clock_between_ms(const loop_clock *c, clock_mark from, clock_mark to)
{
    bool both_former = !mark_is_own(c, from) && !mark_is_own(c, to);
    int64_t ms =
        both_former ? moment_of(to.at_ms) - moment_of(from.at_ms) : mark_steady_ms(c, to) - mark_steady_ms(c, from);
    return ms > 0 ? ms : 0;
}

int64_t clock_left_ms(const clock_wait *w)
{
    return w->absolute ? w->due_ms - clock_wall_ms() : w->steady_ms - clock_steady_ms();
}

clock_alarm clock_alarm_none(void) { return (clock_alarm){CLOCK_NEVER, CLOCK_NEVER}; }

clock_alarm clock_alarm_in(int64_t ms) { return (clock_alarm){clock_steady_ms() + wait_length(ms), CLOCK_NEVER}; }

void clock_alarm_add(clock_alarm *a, const clock_wait *w)
{
    int64_t *first_ms = w->absolute ? &a->wall_ms : &a->steady_ms;
    int64_t at_ms = w->absolute ? w->due_ms : w->steady_ms;
    if (at_ms < *first_ms) *first_ms = at_ms;
}

int64_t clock_alarm_left_ms(const clock_alarm *a)
{
    int64_t steady_ms = a->steady_ms == CLOCK_NEVER ? CLOCK_NEVER : a->steady_ms - clock_steady_ms();
    int64_t wall_ms = a->wall_ms == CLOCK_NEVER ? CLOCK_NEVER : a->wall_ms - clock_wall_ms();
    return steady_ms < wall_ms ? steady_ms : wall_ms;
}
