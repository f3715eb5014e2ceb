#include "runtime/run/comeback.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/clock.h"
#include "runtime/base/log.h"
#include "runtime/run/comeback_core.h"
#include "runtime/run/home.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/suspects.h"

enum {
    TICK_MS = 20,
    WAVES_MAX = 6, /* the first takes one run in 32 */
    WAVE_LEAST_MS = 250,
    WAVE_MOST_MS = 2000,
    QUIET_FIRST_MS = 500, /* doubles with each end up to the most */
    QUIET_MOST_MS = 8000,
    SOLO_QUIETS_MAX = 4, /* for which a solo waits for others to settle */
    SOLO_LEAST_MS = 1000,
    SOLO_MOST_MS = 60000
};

static int64_t comeback_clamp(int64_t n, int64_t least, int64_t most)
{
    return n < least ? least : n > most ? most : n;
}

_Static_assert(sizeof(comeback) % COMEBACK_LINE_BYTES == 0, "aligned_alloc() wants a multiple");

comeback *comeback_new(const comeback_options *o)
{
    assert(o->loops > 0 && o->loops <= COMEBACK_LOOPS_MAX);
    comeback *all = aligned_alloc(COMEBACK_LINE_BYTES, sizeof *all);
    if (!all) return NULL;
    memset(all, 0, sizeof *all);
    if (uv_mutex_init(&all->lock) != 0) {
        free(all);
        return NULL;
    }
    for (unsigned i = 0; i < o->loops; i++) all->states[i].loads = true; /* until a home says that it does not */
    unsigned doubles = o->ends < 8 ? o->ends : 8;
    all->loops = o->loops;
    all->waves = o->ends > WAVES_MAX ? WAVES_MAX : o->ends > 1 ? o->ends : 1;
    all->epoch = o->epoch;
    all->wave_ms = comeback_clamp(o->lived_ms, WAVE_LEAST_MS, WAVE_MOST_MS);
    all->quiet_ms = comeback_clamp(QUIET_FIRST_MS << doubles, QUIET_FIRST_MS, QUIET_MOST_MS);
    all->solo_ms = comeback_clamp(2 * o->lived_ms, SOLO_LEAST_MS, SOLO_MOST_MS);
    all->last = &all->first;
    all->since_ms = clock_steady_ms();
    if (all->waves > 1)
        log_line(LOG_WARN, NULL, "a run has ended the process %u times in a row: runs come back in %u waves", o->ends,
                 all->waves);
    return all;
}

void comeback_free(comeback *all)
{
    if (!all) return;
    for (comeback_solo *t = all->first, *next; t; t = next) {
        next = t->next;
        free(t);
    }
    free(all->now);
    uv_mutex_destroy(&all->lock);
    free(all);
}

/* ---- Ticks ---- */

static void comeback_on_tick(struct timer *t);

/* On the clock's thread. Without memory for its timer the tick is started again at the end of the loop's next turn. */
static void comeback_start_tick(home *h)
{
    comeback *all = h->comeback;
    assert(all->states[h->index].is_clock);
    if (timer_is_started(&all->tick) || h->draining) return;
    all->tick = (struct timer){.fn = comeback_on_tick, .arg = h};
    all->tick_lost = !timers_start(&h->timers, &all->tick, TICK_MS);
}

/* ---- What is in memory ---- */

static void comeback_publish_flag(uint8_t *flag, bool is) { __atomic_store_n(flag, is, __ATOMIC_RELAXED); }

/* Whether runs of a home are being loaded, or are about to be; also those that wait for the journal. */
static bool comeback_home_loads(const slot_table *t)
{
    return !t->recovered || t->due_count > 0 || t->loading > 0 || t->raising > 0 || !TAILQ_EMPTY(&t->asked) ||
           !TAILQ_EMPTY(&t->gated);
}

void comeback_publish(home *h)
{
    comeback *all = h->comeback;
    if (!all) return;
    comeback_home *s = &all->states[h->index];
    if (s->is_clock && all->tick_lost) comeback_start_tick(h);
    comeback_publish_flag(&s->loads, comeback_home_loads(&h->slots));
    comeback_publish_flag(&s->has_runs, h->runs.count > 0);
    comeback_publish_flag(&s->awaits_wave, s->wave_queue_count > 0);
}

/* All homes together. */
typedef struct memory_state {
    bool loads, has_runs, awaits_wave, unsettled;
} memory_state;

static memory_state comeback_read_homes(const comeback *all)
{
    memory_state m = {.loads = false};
    for (unsigned i = 0; i < all->loops; i++) {
        const comeback_home *s = &all->states[i];
        m.loads |= __atomic_load_n(&s->loads, __ATOMIC_RELAXED) != 0;
        m.has_runs |= __atomic_load_n(&s->has_runs, __ATOMIC_RELAXED) != 0;
        m.awaits_wave |= __atomic_load_n(&s->awaits_wave, __ATOMIC_RELAXED) != 0;
        m.unsettled |= __atomic_load_n(&s->unsettled, __ATOMIC_RELAXED) > 0;
    }
    return m;
}

/* ---- Waves ---- */

/* The first of n waves has one run in 2^(n-1), each other one as many as all before it. */
static unsigned comeback_wave_of(const comeback *all, const run_id *id)
{
    uint64_t lot = run_id_hash(id) ^ all->epoch * 0x9e3779b97f4a7c15U;
    lot = (lot ^ lot >> 32) * 0xd6e8feb86659fd93U; /* two rounds of a multiplicative hash: each bit depends on all */
    lot = (lot ^ lot >> 32) * 0xd6e8feb86659fd93U;
    unsigned heads = 0;
    while (heads < all->waves - 1 && (lot >> (63 - heads) & 1)) heads++;
    assert(all->waves > 0 && heads < all->waves);
    return all->waves - 1 - heads;
}

static bool comeback_wave_is_open(const comeback *all, const run_id *id)
{
    uint32_t open = __atomic_load_n(&all->open, __ATOMIC_ACQUIRE);
    return open + 1 >= all->waves || comeback_wave_of(all, id) <= open;
}

bool comeback_awaits_wave(home *h, slot *s)
{
    const comeback *all = h->comeback;
    if (!all || s->state != SLOT_DUE || s->is_known_here || comeback_wave_is_open(all, &s->id)) return false;
    slot_post(h, s, SLOT_ON_BEHIND);
    h->comeback->states[h->index].wave_queue_count++;
    return true;
}

/* ---- Solos ---- */

static void comeback_wake_homes(const comeback *all)
{
    for (unsigned i = 0; i < all->loops; i++)
        if (all->homes[i]) all->homes[i]->wake(all->homes[i]);
}

/* Under lock. */
static void comeback_begin_solo(comeback *all, int64_t now_ms, const char *why)
{
    char id[RUN_ID_TEXT + 1];
    assert(!all->now && all->first);
    comeback_solo *t = all->now = all->first;
    run_id_format(&t->run, id);
    log_line(LOG_INFO, id, "the process has died of it, and it comes back: %s", why);
    all->first = t->next;
    if (!all->first) all->last = &all->first;
    all->since_ms = now_ms;
    home *owner = all->homes[run_id_loop(&t->run, all->loops)];
    if (owner) owner->wake(owner);
}

/* Under lock. */
static void comeback_end_solo(comeback *all, int64_t now_ms)
{
    assert(all->now);
    free(all->now);
    all->now = NULL;
    all->since_ms = now_ms;
}

/* Why the next run may have its solo; NULL: it may not yet. */
static const char *comeback_solo_reason(const comeback *all, int64_t elapsed_ms)
{
    memory_state m = comeback_read_homes(all);
    if ((!m.loads && !m.has_runs) || BUG(SOLO_AT_ONCE)) return "nothing else is in memory";
    if (elapsed_ms >= all->quiet_ms && !m.loads && !m.unsettled) return "others have got on";
    return elapsed_ms >= all->quiet_ms * SOLO_QUIETS_MAX ? "others have not got on, and are not waited for" : NULL;
}

/* Under lock. */
static void comeback_open_waves(comeback *all, uint32_t open, int64_t now_ms)
{
    assert(open > all->open && open < all->waves);
    __atomic_store_n(&all->open, open, __ATOMIC_RELEASE);
    all->since_ms = now_ms;
    comeback_wake_homes(all);
}

/* Under lock: opens the next wave, or begins or ends a solo, if it is time. False: no run waits for anything. While the
 * journal takes no writes nothing comes back, and the time that a wave or a solo has does not begin. */
static bool comeback_advance(comeback *all, bool is_writable)
{
    int64_t now_ms = clock_steady_ms(), elapsed_ms = now_ms - all->since_ms;
    uint32_t open = __atomic_load_n(&all->open, __ATOMIC_RELAXED);
    if (!is_writable) {
        all->since_ms = now_ms;
        return open + 1 < all->waves || all->now || all->first;
    }
    if (open + 1 < all->waves) {
        memory_state m = comeback_read_homes(all);
        bool is_over = elapsed_ms >= all->wave_ms || (elapsed_ms >= WAVE_LEAST_MS && !m.loads && !m.unsettled);
        if (!m.awaits_wave && !m.loads)
            comeback_open_waves(all, all->waves - 1, now_ms); /* no run waits for those between */
        else if (is_over)
            comeback_open_waves(all, BUG(WAVES_AT_ONCE) ? all->waves - 1 : open + 1, now_ms);
        return true;
    }
    if (all->now) {
        if (all->now->taken && elapsed_ms >= all->solo_ms) comeback_end_solo(all, now_ms);
    } else if (all->first) {
        const char *why = comeback_solo_reason(all, elapsed_ms);
        if (why) comeback_begin_solo(all, now_ms, why);
    }
    return all->now || all->first;
}

static void comeback_on_tick(struct timer *t)
{
    home *h = t->arg;
    comeback *all = h->comeback;
    if (h->draining) return; /* nothing comes back here any more, and the port may be closed */
    uv_mutex_lock(&all->lock);
    bool more = comeback_advance(all, gate_writable(h));
    uv_mutex_unlock(&all->lock);
    if (more) comeback_start_tick(h);
}

void comeback_join(home *h)
{
    comeback *all = h->comeback;
    assert(h->index < COMEBACK_LOOPS_MAX && h->count == all->loops);
    uv_mutex_lock(&all->lock);
    assert(!all->homes[h->index]);
    all->homes[h->index] = h;
    bool is_clock = !all->clock;
    if (is_clock) all->clock = h;
    uv_mutex_unlock(&all->lock);
    all->states[h->index].is_clock = is_clock;
    if (is_clock) comeback_start_tick(h);
}

/* True: a run of this home has its solo, which is news to the home. */
static bool comeback_take_solo(home *h, run_id *id)
{
    comeback *all = h->comeback;
    uv_mutex_lock(&all->lock);
    comeback_solo *t = all->now;
    bool is_ours = t && !t->taken && run_id_loop(&t->run, all->loops) == h->index;
    if (is_ours) {
        t->taken = true;
        all->since_ms = clock_steady_ms(); /* its home may have had no time for it until now */
        *id = t->run;
    }
    uv_mutex_unlock(&all->lock);
    return is_ours;
}

static bool comeback_has_solo(comeback *all, const run_id *id)
{
    uv_mutex_lock(&all->lock);
    bool is = all->now && run_id_equal(&all->now->run, id);
    uv_mutex_unlock(&all->lock);
    return is;
}

/* Ends the run's solo, if it has it. */
static void comeback_finish_solo(comeback *all, const run_id *id)
{
    uv_mutex_lock(&all->lock);
    if (all->now && run_id_equal(&all->now->run, id)) comeback_end_solo(all, clock_steady_ms());
    uv_mutex_unlock(&all->lock);
}

void comeback_look(home *h)
{
    comeback *all = h->comeback;
    run_id id;
    if (!all || h->draining) return;
    uv_mutex_lock(&all->lock);
    bool ticks = all->clock == h && (all->first || all->now);
    uv_mutex_unlock(&all->lock);
    if (ticks) comeback_start_tick(h);
    size_t waiting = 0;
    for (slot *s = TAILQ_FIRST(&h->slots.behind), *next; s; s = next) {
        next = TAILQ_NEXT(s, in_queue);
        bool is_next = !s->has_crashed && comeback_wave_is_open(all, &s->id) && !BUG(FORGET_WAVE);
        if (is_next) slot_post(h, s, SLOT_ON_ADMITTED);
        waiting += !s->has_crashed && !is_next;
    }
    all->states[h->index].wave_queue_count = waiting;
    if (!comeback_take_solo(h, &id)) return;
    slot *s = slot_find(&h->slots, &id);
    if (s && s->state == SLOT_BEHIND)
        slot_post(h, s, SLOT_ON_ADMITTED);
    else
        comeback_finish_solo(all, &id); /* cancelled meanwhile */
}

/* A suspect whose row says that it is in memory has had its solo, and comes. */
bool comeback_comes_later(const home *h, const slot *s, unsigned crashes)
{
    comeback *all = h->comeback;
    bool is_wanted = (s->wants_release && s->not_resumed) || BUG(CRASHED_FIRST); /* somebody wants it to go on now */
    if (!all || crashes == 0 || is_wanted || suspects_is_raised(s)) return false;
    return !comeback_has_solo(all, &s->id);
}

bool comeback_put_behind(home *h, slot *s)
{
    comeback *all = h->comeback;
    assert(all && slot_is_loading(s));
    comeback_solo *t = calloc(1, sizeof *t);
    if (!t) return false;
    t->run = s->id;
    uv_mutex_lock(&all->lock);
    *all->last = t;
    all->last = &t->next;
    home *clock = all->clock;
    uv_mutex_unlock(&all->lock);
    slot_post(h, s, SLOT_ON_BEHIND);
    if (clock) clock->wake(clock);
    return true;
}

void comeback_begun(run *r)
{
    comeback *all = r->task.home->comeback;
    if (!all) return;
    assert(r->slot && !r->is_unsettled);
    r->is_unsettled = true;
    r->has_crashed = r->slot->has_crashed;
    (void)__atomic_add_fetch(&all->states[r->task.home->index].unsettled, 1, __ATOMIC_RELAXED);
}

void comeback_settled(run *r)
{
    comeback *all = r->task.home->comeback;
    assert(all && r->is_unsettled);
    r->is_unsettled = false;
    if (BUG(COUNT_UNSETTLED)) return;
    (void)__atomic_sub_fetch(&all->states[r->task.home->index].unsettled, 1, __ATOMIC_RELAXED);
    if (r->has_crashed) comeback_finish_solo(all, &r->id);
}
