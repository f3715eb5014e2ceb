#include "runtime/run/suspects.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/base/log.h"
#include "runtime/run/comeback.h"
#include "runtime/run/home.h"
#include "runtime/run/letter.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/program.h"
#include "runtime/run/slot_core.h"
#include "runtime/run/suspects_core.h"

enum { SOLO_DOUBLES_MAX = 8 };

static int suspect_compare(const void *id, const void *of) { return run_id_compare(id, &((const suspect *)of)->run); }

static suspect *suspect_find(const suspects *all, const run_id *id)
{
    return all->count > 0 ? bsearch(id, all->all, all->count, sizeof *all->all, suspect_compare) : NULL;
}

/* ---- Solos ---- */

/* Under lock: gives the likeliest suspect that waits its solo. */
static void suspects_begin_solo(suspects *all)
{
    assert(!all->solo);
    assert(all->has_gathered);
    while (all->first < all->count && !all->ranks[all->first]->waits) all->first++;
    if (all->first == all->count) return;
    suspect *k = all->ranks[all->first];
    home *owner = all->homes[run_id_loop(&k->run, all->loops)];
    k->waits = false;
    all->solo = k;
    all->taken = false;
    if (owner) owner->wake(owner);
}

static void suspects_wait_solo(suspects *all, suspect *k)
{
    uv_mutex_lock(&all->lock);
    k->waits = true;
    if (k->rank < all->first) all->first = k->rank;
    if (all->has_gathered && !all->solo) suspects_begin_solo(all);
    uv_mutex_unlock(&all->lock);
}

/* On the home of `k`. */
static void suspects_end_solo(home *h, suspect *k)
{
    suspects *all = h->suspects;
    assert(run_id_loop(&k->run, all->loops) == h->index); /* its timer is on that home */
    uv_mutex_lock(&all->lock);
    k->waits = false;
    if (all->solo == k) {
        timers_stop(&h->timers, &all->time);
        all->solo = NULL;
        suspects_begin_solo(all);
    }
    uv_mutex_unlock(&all->lock);
}

/* The suspect may yet be the culprit, but those behind it have waited long enough: should the process end with two in
 * memory, which are not told apart, then both come first at the next start, for longer. */
static void suspects_on_solo_over(struct timer *t)
{
    home *h = t->arg;
    suspect *k = h->suspects->solo; /* written on this thread alone while it is this home's */
    assert(k);
    suspects_end_solo(h, k);
}

static void suspects_start_solo_timer(home *h, uint32_t tries)
{
    suspects *all = h->suspects;
    assert(tries >= SUSPECT_TRIES);
    assert(!timer_is_started(&all->time));
    uint32_t doubles = tries - SUSPECT_TRIES < SOLO_DOUBLES_MAX ? tries - SUSPECT_TRIES : SOLO_DOUBLES_MAX;
    all->time = (struct timer){.fn = suspects_on_solo_over, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &all->time, (uint64_t)all->solo_ms << doubles);
}

static bool suspect_has_solo(suspects *all, const suspect *k)
{
    uv_mutex_lock(&all->lock);
    bool alone = k && all->solo == k;
    uv_mutex_unlock(&all->lock);
    return alone;
}

/* ---- Rows ---- */

void suspects_encode(uint8_t to[TRIES_BYTES], uint32_t tries, uint64_t epoch, uint64_t order)
{
    tries = htobe32(tries);
    epoch = htobe64(epoch);
    order = htobe64(order);
    memcpy(to, &tries, sizeof tries);
    memcpy(to + 4, &epoch, sizeof epoch);
    memcpy(to + 12, &order, sizeof order);
}

static letter *suspect_row_of(const slot *s)
{
    letter *m = s->letters;
    while (m && m->kind != LETTER_TRIES) m = m->next;
    return m;
}

static letter *suspect_take_row(slot *s)
{
    letter **at = &s->letters;
    assert(letter_is_in(*at, LETTER_TRIES));
    while ((*at)->kind != LETTER_TRIES) at = &(*at)->next;
    letter *m = *at;
    *at = m->next;
    m->next = NULL;
    return m;
}

/* Writes the run's row before the run is loaded, since it may end the process at once. `bytes`: of its journal, if that
 * was read for this. */
static void suspect_raise(home *h, slot *s, size_t bytes)
{
    suspects *all = h->suspects;
    letter *m = suspect_take_row(s);
    assert(slot_is_loading(s) && !m->raised);
    h->slots.raising++;
    h->slots.quota.raising_bytes += bytes;
    m->raising_bytes = bytes;
    m->tries++;
    suspects_encode((uint8_t *)m->value, m->tries, all->epoch,
                    __atomic_add_fetch(&all->last_order, 1, __ATOMIC_RELAXED));
    letter_put_tries(m, TRIES_BYTES);
}

void suspects_raised(letter *m, const char *error)
{
    home *h = m->home;
    slot *s = slot_find(&h->slots, &m->run);
    assert(h->suspects && m->kind == LETTER_TRIES);
    assert(s && slot_is_loading(s) && h->slots.raising > 0);
    assert(h->slots.quota.raising_bytes >= m->raising_bytes);
    h->slots.raising--;
    h->slots.quota.raising_bytes -= m->raising_bytes;
    m->raising_bytes = 0;
    m->raised = !error;
    if (error) m->tries--;
    bool alone = suspect_has_solo(h->suspects, suspect_find(h->suspects, &m->run));
    uint32_t tries = m->tries;
    letter_move(&m, &s->letters);
    if (alone && !error && !h->draining) {
        suspects_start_solo_timer(h, tries);
        slot_load(h, s);
        return;
    }
    slot_post(h, s, SLOT_ON_PUT_OFF);
    /* It waits until the journal takes writes, or, before all whose rows say nothing yet, until there is room. */
    if (!h->draining) slot_wake(h, s);
}

void suspects_row_gone(const letter *m)
{
    suspects *all = m->home->suspects;
    suspect *k = all ? suspect_find(all, &m->run) : NULL;
    assert(m->kind == LETTER_TRIES);
    if (!k) return;
    k->gone = true;
    suspects_end_solo(m->home, k);
}

/* ---- Loading ---- */

/* NULL: the run has no row that was there at the start and still is. */
static const suspect *suspect_row_at_start(const suspects *all, const run_id *id)
{
    const suspect *k = suspect_find(all, id);
    return k && !k->gone ? k : NULL;
}

/* At the first load of a run: makes the letter of its row; *out NULL: it has none, and needs none. False: no memory. A
 * run that came to memory without that letter would leave the row on disk, and be suspected of ends that it has no part
 * in. */
static bool suspect_attach_row(home *h, slot *s, const store_journal *j, letter **out)
{
    const suspects *all = h->suspects;
    const suspect *k = suspect_row_at_start(all, &s->id);
    bool was_due = j->due_ms <= all->began_ms || mailbox_has_any(h, &s->id); /* a signal may have woken it */
    bool was_under_way = !s->is_known_here && all->unclean && was_due;
    assert(!suspect_row_of(s));
    *out = NULL;
    if (!k && !was_under_way) return true;
    letter *m = *out = letter_new_tries(h, &s->id);
    if (!m) return false;
    m->tries = k ? k->tries : 0;
    m->is_spared = !was_under_way && m->tries < SUSPECT_TRIES;
    m->next = s->letters;
    s->letters = m;
    return true;
}

/* Deletes the row of a run that has ended. False: no memory. */
static bool suspect_drop_row(home *h, const run_id *id)
{
    if (!suspect_row_at_start(h->suspects, id)) return true;
    letter *m = letter_new_tries(h, id);
    letter_drop(h, &m);
    return !suspect_row_at_start(h->suspects, id);
}

static void suspect_queue(home *h, slot *s, suspect *k)
{
    assert(run_id_equal(&s->id, &k->run));
    slot_post(h, s, SLOT_ON_SUSPECTED);
    suspects_wait_solo(h->suspects, k);
}

/* What a journal says of whether its run can be in memory at all. False: it cannot be read. */
typedef struct glimpse {
    unsigned crashes; /* since its last progress */
    bool stopped, has_endpoint;
} glimpse;

static bool glimpse_read(const home *h, const store_journal *j, glimpse *g)
{
    const char *error = NULL;
    *g = (glimpse){.crashes = 0};
    for (size_t at = 0, n; at < j->len; at += n) {
        entry e;
        n = entry_decode(j->data + at, j->len - at, &e, &error);
        if (n == 0) return false;
        if (e.kind == ENTRY_STARTED) g->has_endpoint = app_endpoint(h->app, e.function.data, e.function.len) != NULL;
        if (e.kind == ENTRY_STOPPED) g->stopped = true;
        if (e.kind == ENTRY_RELEASED) g->stopped = false;
        g->crashes = e.kind == ENTRY_CRASHED ? g->crashes + 1 : entry_is_progress(e.kind) ? 0 : g->crashes;
    }
    return true;
}

/* Whether the run would be in memory: else it cannot be the culprit if the process ends now. */
static bool suspect_comes_to_memory(const home *h, const slot *s, const store_journal *j)
{
    glimpse g;
    if (!glimpse_read(h, j, &g) || !g.has_endpoint) return false;
    bool stands = ((g.stopped || s->not_resumed) && !s->wants_release) || letter_stops(s->letters);
    return !stands && !comeback_comes_later(h, s, g.crashes);
}

suspects_verdict suspects_judge(home *h, slot *s, const store_journal *j, bool room)
{
    suspects *all = h->suspects;
    assert(slot_is_loading(s) && run_id_equal(&j->run, &s->id));
    if (!all || j->error || !gate_writable(h)) return SUSPECTS_PASS;
    letter *m = suspect_row_of(s);
    if (!j->live && !m && !suspect_drop_row(h, &s->id)) return SUSPECTS_NO_MEMORY;
    if (!j->live || !j->found) return SUSPECTS_PASS;
    if (!m && !suspect_attach_row(h, s, j, &m)) return SUSPECTS_NO_MEMORY;
    if (!m || m->raised || m->is_spared || s->cancel || !suspect_comes_to_memory(h, s, j)) return SUSPECTS_PASS;
    suspect *k = m->tries + 1 >= SUSPECT_TRIES ? suspect_find(all, &s->id) : NULL;
    bool waits = k && !suspect_has_solo(all, k);
    if (!waits && !room) return SUSPECTS_PASS; /* a suspect has a place of its own */
    s->has_live_row = true;
    if (waits)
        suspect_queue(h, s, k);
    else
        suspect_raise(h, s, j->len);
    return SUSPECTS_DELAYED;
}

bool suspects_is_raised(const slot *s)
{
    const letter *m = suspect_row_of(s);
    return m && m->raised;
}

/* A suspect has one place beyond --runs-max, if no other run has it: one that was cleared of suspicion may go on for
 * long. */
static bool suspects_have_place(const home *h)
{
    return BUG(SUSPECTS_TOGETHER) || h->runs.count + h->slots.places <= (uint64_t)h->opt->runs_max;
}

void suspects_look(home *h)
{
    suspects *all = h->suspects;
    if (!h->draining && !suspects_have_place(h)) return; /* looked at again when a run has left memory */
    uv_mutex_lock(&all->lock);
    suspect *k = all->taken || !all->solo || run_id_loop(&all->solo->run, all->loops) != h->index ? NULL : all->solo;
    if (k) all->taken = true;
    uv_mutex_unlock(&all->lock);
    if (!k || h->draining) return;
    slot *s = slot_find(&h->slots, &k->run);
    if (!s || s->state != SLOT_SUSPECT) {
        suspects_end_solo(h, k); /* cancelled meanwhile */
        return;
    }
    slot_post(h, s, SLOT_ON_TAKEN_PLACED);
    suspect_raise(h, s, 0);
}

static void suspects_on_gathered(struct timer *t);

static void suspects_gather(home *h)
{
    assert(!timer_is_started(&h->suspects->time));
    h->suspects->time = (struct timer){.fn = suspects_on_gathered, .arg = h, .has_reserve = true};
    (void)timers_start(&h->timers, &h->suspects->time, SUSPECTS_GATHER_MS);
}

/* While the journal takes no writes no run is loaded: the time to gather begins anew. */
static void suspects_on_gathered(struct timer *t)
{
    home *h = t->arg;
    suspects *all = h->suspects;
    bool was_closed = all->was_closed;
    if (h->draining) return; /* nobody is loaded any more, and the port may be closed */
    all->was_closed = !gate_writable(h);
    if (was_closed || all->was_closed) {
        suspects_gather(h);
        return;
    }
    uv_mutex_lock(&all->lock);
    assert(!all->has_gathered && !all->solo);
    all->has_gathered = true;
    suspects_begin_solo(all);
    uv_mutex_unlock(&all->lock);
}

void suspects_join(home *h)
{
    suspects *all = h->suspects;
    assert(h->index < SUSPECTS_LOOPS_MAX && h->count == all->loops);
    uv_mutex_lock(&all->lock);
    assert(!all->homes[h->index]);
    all->homes[h->index] = h;
    bool is_first = !all->is_gathering;
    all->is_gathering = true;
    uv_mutex_unlock(&all->lock);
    if (is_first) suspects_gather(h);
}

bool suspects_drop_strays(home *h)
{
    const suspects *all = h->suspects;
    for (size_t i = 0; i < all->count; i++) {
        const run_id *id = &all->all[i].run;
        if (run_id_loop(id, all->loops) != h->index || !home_owns(h, id) || slot_find(&h->slots, id)) continue;
        if (!suspect_drop_row(h, id)) return false;
    }
    return true;
}
