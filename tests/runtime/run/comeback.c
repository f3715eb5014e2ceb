/* comeback alone, with two homes that the test moves: what it may not miss of loops that begin late, of runs that wait
 * for the journal, of loops that have no time, and without memory. */
#include "runtime/clients/audience.h"
#include "runtime/run/comeback_core.h"
#include "runtime/run/home.h"
#include "runtime/run/slot_core.h"
#include "tests/harness/check.h"

enum { HOMES = 2, LIVED_MS = 3600000 /* so that no wave is over by itself before two seconds */ };

static uv_loop_t loop;
static home homes[HOMES];
static comeback *all;
static bool no_memory, closed;
static unsigned wakes;

/* By the linker's --wrap. */
bool __real_timers_start(timers *t, struct timer *timer, uint64_t delay_ms);
bool __wrap_timers_start(timers *t, struct timer *timer, uint64_t delay_ms);
bool __wrap_timers_start(timers *t, struct timer *timer, uint64_t delay_ms)
{
    return !no_memory && __real_timers_start(t, timer, delay_ms);
}

bool __wrap_gate_writable(const home *h);
bool __wrap_gate_writable(const home *h)
{
    CHECK(!h->draining); /* its port may be closed by then */
    return !closed;
}

static void on_wake(home *h)
{
    (void)h;
    wakes++;
}

static void begin(unsigned ends)
{
    CHECK(uv_loop_init(&loop) == 0);
    all = comeback_new(&(comeback_options){.ends = ends, .lived_ms = LIVED_MS, .epoch = 7, .loops = HOMES});
    CHECK(all);
    for (unsigned i = 0; i < HOMES; i++) {
        homes[i] =
            (home){.uv = &loop, .index = i, .count = HOMES, .comeback = all, .wake = on_wake, .listener = &audience};
        CHECK(timers_init(&homes[i].timers, &loop) && slot_table_init(&homes[i].slots));
    }
}

static void join(unsigned i)
{
    comeback_join(&homes[i]);
    comeback_publish(&homes[i]);
}

/* All its runs are known. */
static void recover(unsigned i)
{
    homes[i].slots.recovered = true;
    comeback_publish(&homes[i]);
}

/* Time goes on to the next tick. False: there is none. */
static bool tick(void)
{
    if (!timers_skip(&homes[0].timers)) return false;
    timers_look(&homes[0].timers);
    uv_update_time(&loop);
    (void)uv_run(&loop, UV_RUN_NOWAIT);
    return true;
}

static void end(void)
{
    for (unsigned i = 0; i < HOMES; i++) {
        timers_stop(&homes[i].timers, &all->tick);
        timers_close(&homes[i].timers);
        slot_table_free(&homes[i].slots);
    }
    while (uv_run(&loop, UV_RUN_DEFAULT) != 0) continue;
    CHECK(uv_loop_close(&loop) == 0);
    comeback_free(all);
}

static slot *slot_in(unsigned i, uint8_t n)
{
    run_id id = run_id_make(1000, (const uint8_t[10]){n}, i, HOMES);
    slot *s = slot_add(&homes[i], &id);
    CHECK(s);
    slot_post(&homes[i], s, SLOT_ON_PARKED);
    slot_post(&homes[i], s, SLOT_ON_WAKE);
    return s;
}

/* ---- The cases ---- */

/* Nobody knows of its runs yet. */
static void test_late(void)
{
    begin(3);
    join(0);
    recover(0);
    for (int i = 0; i < 5; i++) (void)tick();
    CHECK_INT(all->open, 0);
    join(1);
    for (int i = 0; i < 5; i++) (void)tick();
    CHECK_INT(all->open, 0);
    recover(1);
    (void)tick();
    CHECK_INT(all->open, 2); /* there are none */
    end();
}

/* The journal takes no writes, for longer than all waves last; then each of them comes in its turn. */
static void test_held(void)
{
    closed = true;
    begin(3);
    join(0);
    join(1);
    slot *s = slot_in(1, 1);
    slot_post(&homes[1], s, SLOT_ON_GATE_CLOSED);
    recover(0);
    recover(1);
    for (int i = 0; i < 5; i++) (void)tick();
    CHECK_INT(all->open, 0);
    for (int i = 0; i < 5; i++) {
        all->since_ms -= LIVED_MS;
        CHECK(tick());
        CHECK_INT(all->open, 0);
    }
    closed = false;
    CHECK(tick());
    CHECK_INT(all->open, 0);
    for (unsigned i = 1; i < 3; i++) {
        all->since_ms -= LIVED_MS;
        CHECK(tick());
        CHECK_INT(all->open, i);
    }
    end();
}

/* Nor is the solo of a run that ended the process over while it cannot be loaded. */
static void test_solo_gated(void)
{
    begin(1);
    join(0);
    join(1);
    slot *s = slot_in(0, 1);
    slot_post(&homes[0], s, SLOT_ON_TAKEN);
    s->has_crashed = true;
    CHECK(comeback_put_behind(&homes[0], s));
    recover(0);
    recover(1);
    comeback_look(&homes[0]);
    closed = true;
    CHECK(tick() && !all->now);
    closed = false;
    CHECK(tick() && all->now);
    comeback_look(&homes[0]);
    CHECK(all->now->taken);
    closed = true;
    all->since_ms -= 10 * LIVED_MS;
    CHECK(tick() && all->now);
    closed = false;
    CHECK(tick() && all->now);
    all->since_ms -= 10 * LIVED_MS;
    (void)tick();
    CHECK(!all->now);
    end();
}

static void test_no_memory(void)
{
    begin(3);
    no_memory = true;
    join(0);
    join(1);
    CHECK(!timer_is_started(&all->tick));
    no_memory = false;
    comeback_publish(&homes[0]); /* as at the end of each turn */
    CHECK(timer_is_started(&all->tick));
    no_memory = true;
    (void)tick();
    CHECK(!timer_is_started(&all->tick));
    CHECK_INT(all->open, 0);
    no_memory = false;
    recover(0);
    recover(1);
    (void)tick();
    CHECK_INT(all->open, 2);
    end();
}

/* Its loop is kept by another run for longer than a solo lasts. */
static void test_drain(void)
{
    begin(3);
    join(0);
    join(1);
    homes[0].draining = true;
    CHECK(tick());
    CHECK(!tick());
    end();
}

static void test_busy(void)
{
    begin(1);
    join(0);
    join(1);
    recover(0);
    recover(1);
    slot *s = slot_in(1, 1);
    slot_post(&homes[1], s, SLOT_ON_TAKEN);
    s->has_crashed = true;
    CHECK(comeback_comes_later(&homes[1], s, 1) && comeback_put_behind(&homes[1], s));
    comeback_publish(&homes[1]);
    comeback_look(&homes[0]);
    while (!all->now && tick()) continue;
    CHECK(all->now);
    int64_t until_ms = clock_steady_ms() + 2 * all->solo_ms;
    while (clock_steady_ms() < until_ms && tick()) continue;
    comeback_look(&homes[1]);
    CHECK_INT(s->state, SLOT_DUE);
    slot_post(&homes[1], s, SLOT_ON_TAKEN);
    CHECK(!comeback_comes_later(&homes[1], s, 1));
    end();
}

static const check_case cases[] = {
    {"a loop that begins late", test_late},
    {"runs that wait for the journal", test_held},
    {"a solo while the journal takes no writes", test_solo_gated},
    {"no memory for the tick", test_no_memory},
    {"a solo that its loop has no time to take", test_busy},
    {"a loop that drains asks nothing of the journal", test_drain},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
