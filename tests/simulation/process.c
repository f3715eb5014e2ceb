/* process: what the process as a whole keeps to. */
#include <stdio.h>

#include "runtime/loop/loop.h"
#include "runtime/run/comeback_core.h"
#include "runtime/run/suspects_core.h"
#include "tests/simulation/promise.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/solos.h"

enum { LOOPS_MAX = 2, DRAIN_SLACK_MS = 200000 }; /* of connections that are closed by time-outs of their own */

/* Handlers under way on each loop: who only ends a run, since it was cancelled, needs no place. */
static unsigned most_alive(unsigned loops)
{
    unsigned alive[LOOPS_MAX] = {0}, most = 0;
    for (unsigned i = 0; i < w->run_count; i++) {
        run_id id;
        if (!w->runs[i].alive || !run_id_parse(w->runs[i].id, RUN_ID_TEXT, &id)) continue;
        unsigned n = ++alive[run_id_loop(&id, loops)];
        if (n > most) most = n;
    }
    return most;
}

static bool all_drain(const sw_app *app)
{
    for (unsigned i = 0; i < app->loop_count; i++)
        if (!app->loops[i].home.draining) return false;
    return true;
}

void promise_turn(const sw_app *app)
{
    solos_look();
    w->drains = all_drain(app);
    unsigned most = most_alive(app->loop_count);
    unsigned allowed =
        w->plan.epoch[w->epoch].runs_max + (app->suspects ? 1 : 0); /* the suspect whose solo it is has its own place */
    PROMISE("runs-max", most <= allowed, "%u runs of one loop are in memory, %u may be", most, allowed);
}

/* Who still waits, in words. */
static void describe(char *to, size_t size)
{
    int n = 0;
    for (unsigned i = 0; i < w->plan.clients && (size_t)n < size; i++)
        if (w->clients[i].state < CLIENT_DONE)
            n += snprintf(to + n, size - (size_t)n, " client %u (state %d, target %d, run %d)", i, w->clients[i].state,
                          w->clients[i].target, w->clients[i].run);
    for (unsigned i = 0; i < w->run_count && (size_t)n < size; i++)
        if (w->runs[i].on_disk && !w->runs[i].ended)
            n += snprintf(to + n, size - (size_t)n, " run %u (job %d%s)", i, w->runs[i].job,
                          w->runs[i].alive ? ", in memory" : "");
}

void promise_rest(bool in_time)
{
    char who[512] = "";
    if (!in_time) describe(who, sizeof who);
    PROMISE("everything ends, everybody is told", in_time, "after many hours there still wait%s", who);
}

/* What a loop that drains still has, in words. */
static void describe_loops(const sw_app *app, char *to, size_t size)
{
    int n = 0;
    for (unsigned i = 0; i < app->loop_count && (size_t)n < size; i++) {
        const sw_loop *l = &app->loops[i];
        n += snprintf(to + n, size - (size_t)n,
                      " loop %u: %llu runs, %zu segments, %zu loads, %zu keys looked up, %zu reads%s%s%s;", i,
                      (unsigned long long)l->home.runs.count, l->home.outbox.in_flight, l->home.slots.loading,
                      l->claims.looking, store_reads(l->home.port), l->home.slots.recovered ? "" : ", not recovered",
                      http_server_busy(l->server) ? ", a busy connection" : "", l->stopping ? ", stopping" : "");
    }
}

void promise_drains(const sw_app *app, int64_t ns)
{
    char left[512] = "";
    bool in_time = ns / 1000000 < w->plan.drain_ms + DRAIN_SLACK_MS;
    if (!in_time) describe_loops(app, left, sizeof left);
    PROMISE("drain", in_time, "it drains for %lld ms already:%s", (long long)ns / 1000000, left);
}

/* But for those of the loop's own, which are late in a short life. */
static size_t timers_of_runs(const sw_loop *l)
{
    const slot_table *t = &l->home.slots;
    const suspects *all = l->home.suspects;
    const comeback *turns = l->home.comeback;
    bool gathers = all && timer_is_started(&all->time) && all->time.arg == &l->home;
    bool ticks = turns && timer_is_started(&turns->tick) && turns->tick.arg == &l->home;
    return l->home.timers.count - timer_is_started(&t->orphans) - timer_is_started(&t->scan) - gathers - ticks;
}

void promise_timers(const sw_app *app)
{
    for (unsigned i = 0; i < app->loop_count; i++) {
        const sw_loop *l = &app->loops[i];
        if (!l->stopping || l->handles_open == 0) continue;
        PROMISE("nothing is left", timers_of_runs(l) == 0, "%zu timers run in loop %u, and all runs are over",
                timers_of_runs(l), i);
    }
}

void promise_left(const char *what, long before, long after)
{
    unsigned defers = 0, alive = 0;
    for (unsigned i = 0; i < w->run_count; i++) {
        defers += w->runs[i].open_defers;
        alive += w->runs[i].alive;
    }
    PROMISE("nothing is left", before == after && defers == 0 && alive == 0,
            "%s: %ld before, %ld after; %u clean-ups not called, %u handlers not ended", what, before, after, defers,
            alive);
}

void promise_tables(size_t letters, size_t tries)
{
    PROMISE("letters are answered", letters == 0, "%zu letters are in the inbox, and all runs are over", letters);
    PROMISE("nothing is left", tries == 0, "%zu runs are under suspicion, and all runs are over", tries);
}
