/* Schedules in processes that live one after the other on one disk, each of which ends by a crash in some turn, or by a
 * drain, while the clock is set, machines sleep and writes fail, all by a seed. In some seeds two nodes of a cluster
 * share the disk; both have the schedule, and either may be killed, and have other slots in its next life. In all: no
 * point ever has two runs, none begins before its time or beside a run that has not ended or while it is paused, and in
 * the end each point has its run again. With SEED=N in the environment that seed alone, with the log. */
#include <fcntl.h>
#include <sys/mman.h>
#include <sys/wait.h>

#include "runtime/flow/schedules.h"
#include "tests/harness/pair.h"

enum {
    SEEDS = SANITIZED ? 20 : 80,
    LIVES = 6,
    OPS = 30,
    BEGUN_MAX = 4096,
    SPACE_BYTES = 256 << 20,
    PATIENCE = 200000, /* turns */
    LAST_POINTS = 5
};

/* What all processes of a seed share. */
typedef struct shared {
    clocks_state clocks;
    int64_t wall_most_ms; /* that the clock has shown so far */
    sw_overlap overlap;
    bool has_pair;     /* two nodes */
    bool hurries;      /* runs take no time any more */
    bool is_rare;      /* the program's expression is another one: only even minutes */
    int64_t paused_ms; /* wall_most_ms when the operator was told that the schedule is paused; 0: it may not be */
    uint64_t random;
    unsigned count;
    struct {
        int64_t point_ms;
        char run[RUN_ID_TEXT + 1];
        bool has_returned;
    } begun[BEGUN_MAX];
    char wrong[256];
    size_t used; /* of `space` */
    char space[SPACE_BYTES];
} shared;

static shared *all;

/* ---- A disk in memory that outlives processes: it only grows ---- */

static void *space_resize(void *arg, void *block, size_t bytes)
{
    size_t *header = block ? (size_t *)block - 2 : NULL;
    (void)arg;
    if (bytes == 0) return NULL;
    if (header && header[0] >= bytes) return block;
    size_t room = (bytes + 15) / 16 * 16;
    CHECK(all->used + room + 16 <= SPACE_BYTES);
    size_t *made = (size_t *)(void *)(all->space + all->used);
    all->used += room + 16;
    made[0] = room;
    if (header) memcpy(made + 2, block, header[0]);
    return made + 2;
}

static unsigned draw(unsigned below)
{
    all->random ^= all->random << 13;
    all->random ^= all->random >> 7;
    all->random ^= all->random << 17;
    return (unsigned)(all->random % below);
}

__attribute__((noreturn)) static void die(const char *why, int64_t point_ms)
{
    (void)snprintf(all->wrong, sizeof all->wrong, "%s (point %lld)", why, (long long)point_ms);
    _exit(1);
}

#define HOLDS(condition, why, point_ms) ((condition) ? (void)0 : die(why, point_ms))

/* ---- The program ---- */

static void note_clock(void)
{
    int64_t now_ms = clock_wall_ms();
    if (now_ms > all->wall_most_ms) all->wall_most_ms = now_ms;
}

/* Finds the run that has the point, or notes it. */
static unsigned begun_of(int64_t point_ms, const char *id)
{
    for (unsigned i = 0; i < all->count; i++) {
        bool is_point = all->begun[i].point_ms == point_ms, is_run = strcmp(all->begun[i].run, id) == 0;
        HOLDS(is_point == is_run, "a point has two runs, or a run two points", point_ms);
        if (is_point) return i;
    }
    note_clock(); /* real time passes, too */
    HOLDS(point_ms <= all->wall_most_ms, "a run begins before its point", point_ms);
    HOLDS(all->paused_ms == 0 || point_ms <= all->paused_ms, "a run begins, and the schedule is paused", point_ms);
    bool is_alone = all->overlap == SW_OVERLAP_SKIP || all->overlap == SW_OVERLAP_QUEUE;
    for (unsigned i = 0; i < all->count && is_alone; i++)
        HOLDS(all->begun[i].has_returned, "a run begins beside one that has not ended", point_ms);
    HOLDS(all->count < BEGUN_MAX, "there is no room for so many points", point_ms);
    all->begun[all->count].point_ms = point_ms;
    (void)snprintf(all->begun[all->count].run, sizeof all->begun->run, "%s", id);
    return all->count++;
}

static sw_value on_point(sw_ctx *c, sw_value input)
{
    int64_t point_ms = sw_as_int(sw_get(input, "scheduled_at"), -1);
    run_id id;
    HOLDS(run_id_parse(sw_run_id(c), RUN_ID_TEXT, &id) && home_owns(turned_home(), &id), "another node's run",
          point_ms);
    unsigned at = begun_of(point_ms, sw_run_id(c));
    if (!all->hurries) sw_sleep(c, "work", point_ms / 1000 % 7 * 20000);
    all->begun[at].has_returned = true;
    return input;
}

static void routes(sw_app *app)
{
    sw_function(app, "lives", on_point,
                &(sw_function_options){.cron = all->is_rare ? "*/2 * * * *" : "* * * * *",
                                       .timezone = "Europe/Berlin",
                                       .overlap = all->overlap,
                                       .catch_up_ms = 600000});
}

static void other_routes(sw_app *app) { sw_function(app, "other", on_point, NULL); }

/* ---- Nodes ---- */

typedef void routes_fn(sw_app *app);
static routes_fn *node_routes[PAIR_NODES]; /* of this life */

/* What follows is done at the node that owns the schedule. */
static void use_owner(void)
{
    if (all->has_pair) pair_use(schedules_owner_of(turned_app->schedules, "lives"));
}

static void open_all(void)
{
    if (!all->has_pair) {
        turned_open(node_routes[0], NULL);
        return;
    }
    pair_slots = (pair_layout)draw(PAIR_LAYOUTS);
    turned_also = pair_turn_other;
    for (unsigned n = 0; n < PAIR_NODES; n++) pair_open_node(n, node_routes[n], NULL);
    use_owner();
}

static void end_all(void)
{
    if (!all->has_pair) {
        turned_end();
        return;
    }
    for (unsigned n = 0; n < PAIR_NODES; n++) pair_end_node(n);
}

static void turns(unsigned count);

/* One of the nodes dies; the other is alone for a while. */
static void kill_one(void)
{
    const unsigned n = draw(PAIR_NODES);
    if (pair_dead_count == PAIR_DEAD_MAX) return;
    pair_kill(n);
    turns(draw(30));
    pair_open_node(n, node_routes[n], NULL);
    use_owner();
}

/* ---- What happens ---- */

static uintptr_t wishes; /* of this process */

/* `arg`: which wish it was; a later one may follow. */
static void on_paused(void *arg, schedule_result result, const schedule_view *now, const char *error)
{
    (void)now, (void)error;
    note_clock();
    if (result == SCHEDULE_DONE && (uintptr_t)arg == wishes) all->paused_ms = all->wall_most_ms;
}

static void on_resumed(void *arg, schedule_result result, const schedule_view *now, const char *error)
{
    (void)now, (void)error;
    if (arg) *(bool *)arg = result == SCHEDULE_DONE;
}

static void pause_it(void)
{
    if (schedules_are_known(turned_app->schedules))
        (void)schedules_change(turned_home(), &(schedule_wish){SCHEDULE_PAUSE, "lives", "ops"}, on_paused,
                               (void *)++wishes);
}

/* *is_done: it is on disk. */
static void resume_it(bool *is_done)
{
    all->paused_ms = 0;
    wishes++;
    if (schedules_are_known(turned_app->schedules))
        (void)schedules_change(turned_home(), &(schedule_wish){SCHEDULE_RESUME, "lives", "ops"}, on_resumed, is_done);
}

/* Time passes, in a machine that sleeps meanwhile. */
static void pass(int64_t ms)
{
    clocks->slept_ms += ms;
    note_clock();
    clocks_tell();
}

static void set_clock(int64_t by_ms)
{
    clocks->set_ms += by_ms;
    note_clock();
    clocks_tell();
}

static void turns(unsigned count)
{
    for (; count > 0; count--) CHECK(turned_turn());
}

static void happen(void)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    unsigned what = draw(100);
    if (what < 40)
        pass(60000 - clock_wall_ms() % 60000); /* to the next point */
    else if (what < 60)
        pass(draw(150000));
    else if (what < 66)
        set_clock(-(int64_t)draw(3600000));
    else if (what < 72)
        set_clock((int64_t)draw(3600000));
    else if (what < 84)
        memory_fail(turned_disk, faults[draw(3)], draw(3), false);
    else if (what < 88)
        pause_it();
    else if (what < 94)
        resume_it(NULL);
    else if (all->has_pair)
        kill_one();
    turns(draw(30));
}

static void on_view(void *arg, const schedule_view *v)
{
    int64_t minute_ms = clock_wall_ms() / 60000 * 60000;
    *(bool *)arg = v->row && v->row->upto_ms >= minute_ms && v->row->waits_ms == 0;
}

/* At this node all points up to now are dealt with, and no run is under way. */
static bool node_is_settled(void)
{
    bool is_settled = false;
    if (!schedules_are_known(turned_app->schedules)) return false;
    schedules_each(turned_app->schedules, on_view, &is_settled);
    return is_settled && turned_home()->runs.count == 0 && turned_home()->slots.count == 0;
}

/* And at the other one, which has read what became of the points. */
static bool is_settled(void)
{
    bool is_settled = node_is_settled();
    if (!all->has_pair || !is_settled) return is_settled;
    pair_use(pair_other());
    is_settled = node_is_settled();
    pair_use(pair_other());
    return is_settled;
}

static void settle(void)
{
    for (int n = 1; n < PATIENCE && !is_settled(); n++) {
        turns(1);
        if (all->has_pair && n % 100 == 0) pass(1000);
    }
    HOLDS(is_settled(), "it never comes to rest", clock_wall_ms());
}

/* Each point has its run again, once time goes on and nothing fails. */
static void live_well(void)
{
    all->hurries = true;
    memory_fail(turned_disk, MEMORY_GOOD, 0, false);
    bool is_resumed = false;
    all->is_rare = false;
    for (unsigned n = 0; n < PAIR_NODES; n++) node_routes[n] = routes;
    open_all();
    for (int n = 0; n < PATIENCE && !is_resumed; n++) {
        if (n % 100 == 0) resume_it(&is_resumed);
        turns(1);
    }
    /* The clock has come to where it was once, and what waits by the wrong time goes on. */
    pass(all->wall_most_ms - clock_wall_ms() + 7200000);
    settle();
    for (int i = 0; i < LAST_POINTS; i++) {
        int64_t point_ms = clock_wall_ms() / 60000 * 60000 + 60000;
        unsigned before = all->count;
        pass(point_ms - clock_wall_ms());
        for (int n = 0; n < PATIENCE && all->count == before; n++) turns(1);
        HOLDS(all->count == before + 1 && all->begun[before].point_ms == point_ms, "a point has no run", point_ms);
        settle();
    }
    end_all();
}

static void live(bool is_last)
{
    if (!getenv("SEED")) (void)dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
    clocks = &all->clocks;
    if (is_last) {
        live_well();
        _exit(0);
    }
    all->is_rare = draw(4) == 0;
    for (unsigned n = 0; n < PAIR_NODES; n++) node_routes[n] = draw(8) == 0 ? other_routes : routes;
    open_all();
    for (unsigned left = 1 + draw(OPS); left > 0; left--) happen();
    if (draw(3) == 0) {
        memory_fail(turned_disk, MEMORY_GOOD, 0, false);
        end_all();
    }
    _exit(0);
}

static void run_seed(uint64_t seed)
{
    memset(all, 0, offsetof(shared, space));
    all->random = seed * 2654435761U + 88172645463325252ULL;
    all->overlap = (sw_overlap)draw(SW_OVERLAP_ALLOW + 1);
    all->has_pair = draw(2) == 1;
    turned_disk = memory_disk_new_in(&(memory_space){.resize = space_resize});
    CHECK(turned_disk);
    for (int i = 0; i < LIVES; i++) {
        int status = 0;
        (void)fflush(stdout);
        pid_t pid = fork();
        CHECK(pid >= 0);
        if (pid == 0) live(i == LIVES - 1);
        CHECK(waitpid(pid, &status, 0) == pid);
        memory_abandon(turned_disk);
        if (status != 0) printf("# seed %llu, life %d: %d %s\n", (unsigned long long)seed, i, status, all->wrong);
        CHECK_INT(status, 0);
    }
    turned_disk = NULL;
}

static void test_lives(void)
{
    unsigned points = 0;
    all = mmap(NULL, sizeof *all, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    CHECK(all != MAP_FAILED);
    const char *only = getenv("SEED");
    uint64_t first = only ? strtoull(only, NULL, 10) : 1, end = only ? first + 1 : first + SEEDS;
    for (uint64_t seed = first; seed < end; seed++) {
        run_seed(seed);
        points += all->count;
    }
    printf("# %u points had a run\n", points);
    CHECK(points > (end - first) * LAST_POINTS);
}

static const check_case cases[] = {
    {"whatever becomes of processes, clocks and writes: one run for a point", test_lives}};

int main(int argc, char **argv) { return check_run(cases, sizeof cases / sizeof *cases, argc, argv); }
