#include "tests/simulation/solos.h"

#include <string.h>

#include "runtime/loop/loop.h"
#include "runtime/run/comeback_core.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/standing.h"

/* As runtime/run/comeback.c has them; and how late a timer is at most in the simulation, where nothing else happens. */
enum {
    WAVES_MAX = 6,
    WAVE_LEAST_MS = 250,
    WAVE_MOST_MS = 2000,
    QUIET_LEAST_MS = 500,
    QUIET_MOST_MS = 8000,
    QUIETS = 4,
    SOLO_LEAST_MS = 1000,
    SOLO_MOST_MS = 60000,
    LATE_MS = 6000,
    ROUNDING_MS = 1,
    LOOKS_SURE = 3 /* of a run in memory: the loop has told of it */
};
static const int64_t MS = 1000000;

/* A run, as it was seen last. */
typedef struct coming {
    bool is_behind;
    bool waits_solo;     /* with that: for its solo, else for its wave */
    int64_t behind_ns;   /* since when */
    int64_t solo_ns;     /* when it had its solo; 0: not, since the process began */
    uint32_t execution;  /* of its handler, if that is alive */
    uint32_t looks;      /* for so many that one has been */
    bool had_not_got_on; /* at the last one */
} coming;

static coming all_runs[RUNS_MAX];
static const sw_app *app;
static bool has_solo; /* somebody, at the last look */
static run_id solo_of;
static int64_t since_ms;    /* comeback's, then */
static uint32_t waves_open; /* waves, then */
static bool held;           /* somebody waited for a wave, then */
static bool drains;

void solos_begin(const sw_app *of)
{
    memset(all_runs, 0, sizeof all_runs);
    app = of;
    has_solo = held = drains = false;
    waves_open = 0;
    since_ms = app->comeback ? app->comeback->since_ms : 0;
}

static int number(const run_record *r) { return (int)(r - w->runs); }
static int64_t ms_since(int64_t ns) { return (w->steady_ns - ns) / MS; }
static int64_t elapsed_ms(void) { return w->steady_ns / MS - since_ms; }

static run_record *record_of(const run_id *id)
{
    char text[RUN_ID_TEXT + 1];
    run_id_format(id, text);
    return world_run(text);
}

/* A process has died of it, by its journal, and it has made no progress since. */
static bool has_crashed(const run_record *r) { return r->in_a_row > 0 && r->stop == 0; }

/* ---- A handler begins ---- */

/* Somebody wants it now, --no-resume or not. */
static bool is_wanted(const run_record *r) { return w->plan.epoch[w->epoch].no_resume && r->asked_to_release; }

void solos_execution(const run_record *r)
{
    const coming *own = &all_runs[number(r)];
    if (!app || !app->comeback || !has_crashed(r) || is_wanted(r)) return;
    PROMISE("last, alone", own->solo_ns > 0, "run %d begins, the process has died of it, and it had no solo",
            number(r));
    for (unsigned i = 0; i < w->run_count; i++) {
        const run_record *other = &w->runs[i];
        bool beside = other != r && other->alive && !other->has_got_on && has_crashed(other) && !is_wanted(other);
        PROMISE("last, alone", !beside || ms_since(all_runs[i].solo_ns) + ROUNDING_MS >= SOLO_LEAST_MS,
                "run %d begins, and run %u, of which the process has died as well, had its solo %lld ms ago", number(r),
                i, (long long)ms_since(all_runs[i].solo_ns));
    }
}

/* ---- Solos ---- */

/* It was in memory for all of the last solo. */
static bool is_there(unsigned i)
{
    return w->runs[i].alive && all_runs[i].looks >= LOOKS_SURE && all_runs[i].execution == w->runs[i].executions;
}

/* What those in memory have to say about a solo that begins now. */
static void look_at_grant(const run_record *r)
{
    bool others = false, stuck = false;
    for (unsigned i = 0; i < w->run_count; i++) {
        if (&w->runs[i] == r || !is_there(i)) continue;
        others = true;
        stuck |= all_runs[i].had_not_got_on && !w->runs[i].has_got_on;
    }
    world_note("run %d has its solo after %lld ms%s%s", number(r), (long long)elapsed_ms(),
               others ? ", beside others" : "", stuck ? " that have not got on" : "");
    PROMISE("others first", !others || elapsed_ms() + ROUNDING_MS >= QUIET_LEAST_MS,
            "run %d has its solo after %lld ms, and others are in memory", number(r), (long long)elapsed_ms());
    PROMISE("others first", !stuck || elapsed_ms() + ROUNDING_MS >= QUIET_LEAST_MS * QUIETS,
            "run %d has its solo after %lld ms, and others have not got on", number(r), (long long)elapsed_ms());
    w->met[!others ? MET_SOLO_ALONE : stuck ? MET_SOLO_LATE : MET_SOLO]++;
}

static void look_at_solo(const comeback *c)
{
    bool is_new = c->now && !(has_solo && run_id_equal(&solo_of, &c->now->run));
    bool is_over = has_solo && !(c->now && !is_new);
    const run_record *before = is_over ? record_of(&solo_of) : NULL;
    if (before && before->alive && !before->has_got_on) w->met[MET_SOLO_OVER]++;
    if (is_new) {
        const run_record *r = record_of(&c->now->run);
        look_at_grant(r);
        all_runs[number(r)].solo_ns = w->steady_ns;
    }
    has_solo = c->now != NULL;
    if (has_solo) solo_of = c->now->run;
}

/* ---- Waves ---- */

static void look_at_waves(const comeback *c)
{
    if (c->open > waves_open) {
        world_note("the waves up to %u of %u are open", c->open, c->waves);
        PROMISE("waves", !held || (c->open == waves_open + 1 && elapsed_ms() + ROUNDING_MS >= WAVE_LEAST_MS),
                "after %lld ms the waves from %u to %u are open", (long long)elapsed_ms(), waves_open, c->open);
        w->met[held ? MET_WAVE : MET_WAVE_EMPTY]++;
    }
    waves_open = c->open;
}

/* ---- Who waits ---- */

/* All before it may have a whole solo, each behind a quiet time that is as long as can be. */
static int64_t longest_ms(bool waits_solo)
{
    int64_t waves_ms = WAVES_MAX * (WAVE_MOST_MS + LATE_MS);
    int64_t solo_ms = SOLO_MOST_MS + QUIET_MOST_MS * QUIETS + 2 * LATE_MS;
    return waves_ms + (waits_solo ? solo_ms * (w->run_count + 1) : 0);
}

static void look_at_slot(const slot *s, bool seen[RUNS_MAX])
{
    const run_record *r = record_of(&s->id);
    coming *k = r ? &all_runs[number(r)] : NULL;
    if (!k) return; /* nobody has begun it: its letter or its row is all that there is */
    seen[number(r)] = true;
    if (!k->is_behind || k->waits_solo != s->has_crashed) *k = (coming){.behind_ns = w->steady_ns};
    k->is_behind = true;
    k->waits_solo = s->has_crashed;
    held |= !s->has_crashed;
    PROMISE("nobody waits for ever", drains || ms_since(k->behind_ns) <= longest_ms(s->has_crashed),
            "run %d waits for its %s for %lld ms", number(r), s->has_crashed ? "solo" : "wave",
            (long long)ms_since(k->behind_ns));
}

static slot *slot_of(unsigned i)
{
    run_id id;
    if (!run_id_parse(w->runs[i].id, RUN_ID_TEXT, &id)) return NULL;
    return slot_find(&app->loops[run_id_loop(&id, app->loop_count)].home.slots, &id);
}

static void look_at_queues(void)
{
    bool seen[RUNS_MAX] = {false};
    held = false;
    for (unsigned i = 0; i < app->loop_count; i++) {
        const home *h = &app->loops[i].home;
        if (h->draining && !drains && !TAILQ_EMPTY(&h->slots.behind)) w->met[MET_DRAIN_BEHIND]++;
        drains |= h->draining;
        const slot *s;
        TAILQ_FOREACH(s, &h->slots.behind, in_queue) look_at_slot(s, seen);
    }
    for (unsigned i = 0; i < w->run_count && !drains; i++) {
        if (!all_runs[i].is_behind || seen[i]) continue;
        const slot *s = slot_of(i);
        if (s && s->cancel) w->met[MET_CANCEL_BEHIND]++;
        all_runs[i].is_behind = false;
    }
}

static void look_at_memory(void)
{
    for (unsigned i = 0; i < w->run_count; i++) {
        coming *k = &all_runs[i];
        const run_record *r = &w->runs[i];
        k->looks = r->alive && k->execution == r->executions ? k->looks + 1 : 0;
        k->execution = r->executions;
        k->had_not_got_on = !r->has_got_on;
    }
}

void solos_look(void)
{
    const comeback *c = app->comeback;
    if (!c) return;
    look_at_waves(c);
    look_at_queues();
    look_at_solo(c);
    look_at_memory();
    since_ms = c->since_ms;
}

void solos_end(void)
{
    uint32_t unsettled = 0;
    for (unsigned i = 0; app->comeback && i < app->loop_count; i++) unsettled += app->comeback->states[i].unsettled;
    PROMISE("nothing is left", unsettled == 0, "%u runs that have come back have not got on, and none is in memory",
            unsettled);
    app = NULL;
}
