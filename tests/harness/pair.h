/* pair: two nodes on one disk of memory, each owning half of the slots of the cluster, both turned by hand on the
 * test's thread: what happens at one node happens between two turns of the other. One of them at a time is the one that
 * tests/harness/turned.h is about; clients come to that one, and the other one turns with it. Time passes when the
 * test says so, or waits for something. */
#ifndef TESTS_HARNESS_PAIR_H
#define TESTS_HARNESS_PAIR_H

#include "tests/harness/clock_faults.h"
#include "tests/harness/turned.h"

enum { PAIR_NODES = 2, PAIR_DEAD_MAX = 16, PAIR_LOOK_TURNS = 40 };

typedef struct pair_node {
    sw_app *app; /* NULL: it does not serve */
    int port;
    cluster of;
} pair_node;

static pair_node pair[PAIR_NODES];
/* Which node owns a slot. */
typedef enum pair_layout {
    PAIR_HALVES,
    PAIR_HALVES_SWAPPED,
    PAIR_STRIPES,
    PAIR_STRIPES_SWAPPED,
    PAIR_LAYOUTS
} pair_layout;
static pair_layout pair_slots;
static unsigned pair_at;                 /* which of them turned.h is about */
static sw_app *pair_dead[PAIR_DEAD_MAX]; /* of nodes that were killed: nothing is freed */
static unsigned pair_dead_count;

static inline unsigned pair_other(void) { return 1 - pair_at; }

/* What follows is done at that node. */
static inline void pair_use(unsigned n)
{
    pair[pair_at].app = turned_app;
    pair[pair_at].port = turned_port;
    pair_at = n;
    turned_app = pair[n].app;
    turned_port = pair[n].port;
    turned_cluster = &pair[n].of;
}

/* Turns the other node once. */
static inline void pair_turn_other(void)
{
    static bool is_turning;
    if (is_turning || !pair[pair_other()].app) return;
    is_turning = true;
    pair_use(pair_other());
    (void)turned_turn();
    pair_use(pair_other());
    is_turning = false;
}

/* So much time passes for both, as if the machine had slept. */
static inline void pair_pass(int64_t ms)
{
    __atomic_add_fetch(&clocks->slept_ms, ms, __ATOMIC_SEQ_CST);
    clocks_tell();
}

static inline unsigned pair_owner(unsigned of)
{
    bool is_second = pair_slots < PAIR_STRIPES ? of >= CLUSTER_SLOTS / PAIR_NODES : of % 2 == 1;
    return is_second != (pair_slots == PAIR_HALVES_SWAPPED || pair_slots == PAIR_STRIPES_SWAPPED);
}

static inline void pair_open_node(unsigned n, void (*routes)(sw_app *app), const char *const *flags)
{
    pair_use(n);
    pair[n].of = (cluster){.has_others = true, .self = (uint8_t)n};
    for (unsigned i = 0; i < CLUSTER_SLOTS; i++) pair[n].of.owners[i] = (uint8_t)pair_owner(i);
    turned_open(routes, flags);
    pair[n].app = turned_app;
}

/* Opens both; the first is the one that is used. */
static inline void pair_open(void (*routes)(sw_app *app), const char *const *flags)
{
    static clocks_state passing;
    if (!clocks) clocks = &passing;
    turned_also = pair_turn_other;
    for (unsigned n = PAIR_NODES; n-- > 0;) pair_open_node(n, routes, flags);
}

/* The node drains and ends; the other goes on. */
static inline void pair_end_node(unsigned n)
{
    pair_use(n);
    turned_end();
    turned_app = pair[n].app = NULL;
}

/* The process of the node dies. */
static inline void pair_kill(unsigned n)
{
    pair_use(n);
    memory_kill(turned_disk, n);
    CHECK(pair_dead_count < PAIR_DEAD_MAX);
    pair_dead[pair_dead_count++] = turned_app;
    turned_app = pair[n].app = NULL;
    pair_use(pair_other());
}

static inline void pair_close(void)
{
    pair_use(0);
    for (unsigned n = 0; n < PAIR_NODES; n++)
        if (pair[n].app || n == pair_at) pair_end_node(n);
    memory_disk_free(turned_disk);
    turned_disk = NULL;
    turned_also = NULL;
    turned_cluster = &cluster_alone;
}

/* Both turn until it is so, and a second passes now and then: so each looks for what the other has left. */
#define PAIR_UNTIL(condition)                                                                                          \
    for (int turns_ = 1; !(condition); turns_++) {                                                                     \
        CHECK(turned_turn());                                                                                          \
        if (turns_ % PAIR_LOOK_TURNS == 0) pair_pass(1000);                                                            \
    }

/* Long enough for both to look twice, and for all that follows from it. */
static inline void pair_often(void)
{
    for (int i = 0; i < 3; i++) {
        pair_pass(1000);
        for (int n = 0; n < PAIR_LOOK_TURNS; n++) CHECK(turned_turn());
    }
}

/* A run of this route at that node. */
static inline run_id pair_begin(unsigned n, const char *route)
{
    unsigned was = pair_at;
    pair_use(n);
    run_id id = turned_begin(route)->id;
    CHECK(home_owns(turned_home(), &id));
    pair_use(was);
    return id;
}

/* What that node knows of the run; NULL: nothing. */
static inline slot *pair_slot(unsigned n, const run_id *id)
{
    return slot_find(&(n == pair_at ? turned_app : pair[n].app)->loops[0].home.slots, id);
}

static inline bool pair_is_parked(unsigned n, const run_id *id)
{
    const slot *s = pair_slot(n, id);
    return s && s->state == SLOT_PARKED;
}

#endif
