/* A crowd of timers due at one moment: other handles of the loop get their turns between them, and none is forgotten,
 * whatever the timers' functions start, stop or hold up. */
#include "runtime/base/timers.h"

#include <stdlib.h>
#include <unistd.h>

#include "runtime/base/clock.h"
#include "tests/harness/check.h"

enum { CROWD = 1000, FIRED = 20000 };

typedef struct crowd {
    uv_loop_t loop;
    timers timers;
    struct timer each[CROWD];
    size_t fired, others, most; /* most: that fired between two calls of on_other */
    size_t at_last_other;
} crowd;

static void on_fired(struct timer *t) { ++((crowd *)t->arg)->fired; }

static void on_other(uv_check_t *h)
{
    crowd *c = h->data;
    size_t since = c->fired - c->at_last_other;
    c->at_last_other = c->fired;
    c->others++;
    if (since > c->most) c->most = since;
}

static void start_all(crowd *c)
{
    CHECK(timers_reserve(&c->timers, CROWD));
    for (size_t i = 0; i < CROWD; i++) {
        c->each[i] = (struct timer){.fn = on_fired, .arg = c, .has_reserve = true};
        CHECK(timers_start(&c->timers, &c->each[i], 0));
    }
}

static crowd *crowd_open(uv_check_t *other)
{
    crowd *c = calloc(1, sizeof *c);
    CHECK(c && uv_loop_init(&c->loop) == 0 && timers_init(&c->timers, &c->loop));
    CHECK(uv_check_init(&c->loop, other) == 0 && uv_check_start(other, on_other) == 0);
    other->data = c;
    return c;
}

static void crowd_close(crowd *c, uv_check_t *other)
{
    timers_unreserve(&c->timers, CROWD);
    timers_close(&c->timers);
    uv_close((uv_handle_t *)other, NULL);
    (void)uv_run(&c->loop, UV_RUN_DEFAULT);
    CHECK(uv_loop_close(&c->loop) == 0);
    free(c);
}

static void test_turns(void)
{
    uv_check_t other;
    crowd *c = crowd_open(&other);
    start_all(c);
    while (c->fired < CROWD) CHECK(uv_run(&c->loop, UV_RUN_NOWAIT) != 0);
    CHECK(c->most <= TIMERS_OF_TURN);
    CHECK(c->others >= CROWD / TIMERS_OF_TURN);
    for (size_t i = 0; i < CROWD; i++) CHECK(!timer_is_started(&c->each[i]));
    crowd_close(c, &other);
}

static void on_again(struct timer *t)
{
    crowd *c = t->arg;
    if (++c->fired < CROWD) CHECK(timers_start(&c->timers, t, 0));
}

/* One that starts itself anew, due at once, is not fired without end in one turn. */
static void test_again(void)
{
    uv_check_t other;
    crowd *c = crowd_open(&other);
    CHECK(timers_reserve(&c->timers, CROWD));
    c->each[0] = (struct timer){.fn = on_again, .arg = c, .has_reserve = true};
    CHECK(timers_start(&c->timers, &c->each[0], 0));
    while (c->fired < CROWD) CHECK(uv_run(&c->loop, UV_RUN_NOWAIT) != 0);
    CHECK(c->most <= TIMERS_OF_TURN);
    crowd_close(c, &other);
}

/* What was left for the next turn may be stopped in between. */
static void test_stopped(void)
{
    uv_check_t other;
    crowd *c = crowd_open(&other);
    start_all(c);
    while (c->fired == 0) CHECK(uv_run(&c->loop, UV_RUN_NOWAIT) != 0);
    CHECK(c->fired <= TIMERS_OF_TURN);
    size_t fired = c->fired;
    for (size_t i = 0; i < CROWD; i++) timers_stop(&c->timers, &c->each[i]);
    for (int i = 0; i < 5; i++) (void)uv_run(&c->loop, UV_RUN_NOWAIT);
    CHECK_INT(c->fired, fired);
    crowd_close(c, &other);
}

/* Those that are late by more than a second, because each turn is long, catch up. */
static void test_late(void)
{
    uv_check_t other;
    crowd *c = crowd_open(&other);
    start_all(c);
    clock_skip_us(1100000);
    while (c->fired == 0) CHECK(uv_run(&c->loop, UV_RUN_NOWAIT) != 0);
    CHECK_INT(c->fired, CROWD);
    crowd_close(c, &other);
}

/* ---- Whatever timers do ---- */

static unsigned lot(unsigned n)
{
    static unsigned state = 1;
    state = state * 1103515245 + 12345;
    return (state >> 16) % n;
}

/* Does one thing to one timer, any of them: also to one that is due and left for the next turn. */
static void meddle(crowd *c)
{
    struct timer *t = &c->each[lot(CROWD)];
    switch (lot(4)) {
    case 0:
        timers_stop(&c->timers, t);
        break;
    case 1:
        CHECK(timers_hasten(&c->timers, t, lot(3)));
        break;
    default:
        CHECK(timers_start(&c->timers, t, lot(4)));
    }
}

static void on_meddle(struct timer *t)
{
    crowd *c = t->arg;
    CHECK(!timer_is_started(t) && t->due_us <= clock_steady_us());
    if (++c->fired >= FIRED) return;
    meddle(c);
    meddle(c);
    if (lot(64) == 0) usleep(3000); /* others become due while this one runs, as on a busy machine */
}

/* Meanwhile another handle does the same, in the turns between. */
static void on_meddling_turn(uv_check_t *h)
{
    crowd *c = h->data;
    if (c->fired < FIRED) meddle(c);
}

static void test_meddled_with(void)
{
    uv_check_t other;
    crowd *c = crowd_open(&other);
    CHECK(uv_check_stop(&other) == 0 && uv_check_start(&other, on_meddling_turn) == 0);
    start_all(c);
    for (size_t i = 0; i < CROWD; i++) c->each[i].fn = on_meddle;
    while (c->timers.count > 0) CHECK(uv_run(&c->loop, UV_RUN_ONCE) != 0); /* for ever if a timer is forgotten */
    CHECK(c->fired >= FIRED);
    crowd_close(c, &other);
}

static const check_case cases[] = {
    {"a crowd of timers leaves turns to others", test_turns},
    {"a timer that is due again at once does so too", test_again},
    {"timers that are left for the next turn can be stopped", test_stopped},
    {"timers that are late catch up", test_late},
    {"no timer is forgotten, whatever is done to them", test_meddled_with},
};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof cases[0], argc, argv); }
