#include "tests/simulation/epoch.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "coro/stack.h"
#include "runtime/base/random.h"
#include "runtime/loop/loop.h"
#include "runtime/process/by_hand.h"
#include "runtime/recovery/crash.h"
#include "tests/simulation/bulked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/client.h"
#include "tests/simulation/disk.h"
#include "tests/simulation/heap.h"
#include "tests/simulation/operator.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/reasons.h"
#include "tests/simulation/schedule.h"
#include "tests/simulation/solos.h"
#include "tests/simulation/stand.h"
#include "tests/simulation/standing.h"
#include "tests/simulation/upstream.h"

enum {
    LOOPS_MAX = 2,
    FILES_MAX = 1024,
    ARGUMENTS = 20,
    FLAG_MAX = 64,
    QUIET_TURNS = 20,
    QUIET_MS = 50,
    REST_S = 40000
};
static const int64_t MS = 1000000, SECOND_NS = 1000000000;

typedef enum stage { STAGE_SERVES, STAGE_AUDITS, STAGE_DRAINS } stage;

typedef struct epoch {
    sw_app *app;
    stage stage;
    int64_t began_ns, drain_ns;
    unsigned idle;  /* turns in a row in which nothing happened */
    unsigned quiet; /* and how often the clock was moved meanwhile */
} epoch;

/* ---- Opening and closing ---- */

static unsigned open_files(void)
{
    unsigned n = 0;
    for (int fd = 0; fd < FILES_MAX; fd++) n += fcntl(fd, F_GETFD) >= 0;
    return n;
}

/* A process that is really new has no random bytes of the one that it was forked from. */
static void forget_random(void)
{
    uint8_t byte;
    for (unsigned before = stand_drawn(); stand_drawn() == before;) random_bytes(&byte, 1);
}

/* What ended with the last process. */
static void forget_process(void)
{
    w->turns = w->writes = w->attempts = 0;
    w->journal_fails = w->drains = false;
    memset(w->cut_open, 0, sizeof w->cut_open);
    for (unsigned i = 0; i < w->run_count; i++) {
        run_record *r = &w->runs[i];
        r->alive = false;
        r->open_defers = 0;
        r->released_here = false;
        r->cancelled_ns = 0;
        r->told_due_ns = 0;
        for (unsigned o = 0; o < OPS_MAX; o++) {
            r->ops[o].open = 0;
            if (r->ops[o].slept_ns != 0) r->ops[o].slept_ns = -1;
        }
    }
}

static int make_arguments(char text[ARGUMENTS][FLAG_MAX], char *argv[ARGUMENTS])
{
    const plan *p = &w->plan;
    int n = 0;
    (void)snprintf(text[n++], FLAG_MAX, "simulation");
    (void)snprintf(text[n++], FLAG_MAX, "--runs-max=%u", p->epoch[w->epoch].runs_max);
    (void)snprintf(text[n++], FLAG_MAX, "--journal-load-max=%s", w->epoch % 2 ? "1KiB" : "64MiB");
    (void)snprintf(text[n++], FLAG_MAX, "--redirect-after=%lldms", (long long)p->redirect_after_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--park-after=%lldms", (long long)p->park_after_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--hold=%lldms", (long long)p->hold_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--heartbeat=%lldms", (long long)p->heartbeat_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--drain=%lldms", (long long)p->drain_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--retain=3650d");
    (void)snprintf(text[n++], FLAG_MAX, "--retain-stopped=%lldms", (long long)p->retain_stopped_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--stopped-answer=%lldms", (long long)p->stopped_answer_ms);
    (void)snprintf(text[n++], FLAG_MAX, "--admin-token=" OPERATOR_TOKEN);
    (void)snprintf(text[n++], FLAG_MAX, "--admin-on-public");
    (void)snprintf(text[n++], FLAG_MAX, "--public-url=http://sim");
    (void)snprintf(text[n++], FLAG_MAX, "--data=%s", w->folder);
    if (p->epoch[w->epoch].no_resume) (void)snprintf(text[n++], FLAG_MAX, "--no-resume");
    (void)snprintf(text[n++], FLAG_MAX, "--log-level=error"); /* also for --talk: lines of the log take memory */
    for (int i = 0; i < n; i++) argv[i] = text[i];
    return n;
}

static void begin(epoch *e)
{
    static char text[ARGUMENTS][FLAG_MAX]; /* the options lie there */
    char *argv[ARGUMENTS], error[512];
    int fds[LOOPS_MAX];
    unsigned loops = w->plan.epoch[w->epoch].loops;
    forget_process();
    forget_random();
    stand_forget_clocks();
    schedule_begin();
    client_listen(fds, loops);
    upstream_begin();
    sw_app *app = sw_app_new("simulation");
    program_endpoints(app);
    by_hand_options o = {
        .backend = disk_open(), .listeners = fds, .loops = loops, .has_index = true, .has_folder = true};
    if (!by_hand_open(app, make_arguments(text, argv), argv, &o, error, sizeof error)) {
        fprintf(stderr, "simulation: %s\n", error);
        abort();
    }
    disk_index_begin(app->store);
    solos_begin(app);
    *e = (epoch){.app = app, .began_ns = w->steady_ns};
    clients_begin();
}

/* ---- Time ---- */

static int64_t first(int64_t a, int64_t b) { return a < b ? a : b; }

/* When the process itself wants to do something. */
static int64_t loops_due_ns(const epoch *e)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < e->app->loop_count; i++) {
        int ms = uv_backend_timeout(&e->app->loops[i].uv);
        if (ms >= 0) due = first(due, w->steady_ns + (int64_t)ms * MS);
    }
    return due;
}

/* Where for long nothing happens but that somebody looks whether something has, timers come late. */
static void move_clock(epoch *e)
{
    int64_t others = first(first(clients_due_ns(), schedule_due_ns()), disk_due_ns(e->app->store));
    others = first(others, upstream_due_ns());
    int64_t due = first(others, loops_due_ns(e));
    if (e->quiet++ > QUIET_TURNS) due += first((int64_t)(e->quiet - QUIET_TURNS) * QUIET_MS, 5000) * MS;
    due = first(due, others);
    if (due > w->steady_ns) w->steady_ns = first(due, w->steady_ns + 3600 * SECOND_NS);
    w->steady_ns += (int64_t)world_below(RANDOM_LIVE, 1000) * 1000;
    e->idle = 0;
}

/* ---- Turns ---- */

/* False: all loops have closed. */
static bool turn_loops(const epoch *e)
{
    bool open = false;
    unsigned n = e->app->loop_count, from = world_below(RANDOM_LIVE, n);
    for (unsigned i = 0; i < n; i++) open = uv_run(&e->app->loops[(from + i) % n].uv, UV_RUN_NOWAIT) != 0 || open;
    return open;
}

static void drain(epoch *e)
{
    world_note("drains");
    e->stage = STAGE_DRAINS;
    e->drain_ns = w->steady_ns;
    by_hand_drain(e->app);
}

static bool all_runs_over(void)
{
    for (unsigned i = 0; i < w->run_count; i++)
        if (w->runs[i].on_disk && !w->runs[i].ended) return false;
    return bulked_over();
}

/* Also letters to runs that have ended, or never were, which a former process left. */
static bool all_letters_read(const epoch *e)
{
    for (unsigned i = 0; i < e->app->loop_count; i++) {
        const home *h = &e->app->loops[i].home;
        if (!h->slots.recovered || h->slots.count > 0 || h->undeleted || h->mailboxes.count > 0 ||
            h->outbox.in_flight > 0)
            return false;
    }
    return true;
}

/* Nothing will happen any more: what is not over stands still, and the next process may see to it. */
static bool all_at_rest(void)
{
    for (unsigned i = 0; i < w->run_count; i++) {
        const run_record *r = &w->runs[i];
        if (r->on_disk && !r->ended && !standing(r) && !called_rests(r, standing)) return false;
    }
    return bulked_at_rest() && clients_at_rest();
}

static void look_at_stage(epoch *e)
{
    const epoch_plan *p = &w->plan.epoch[w->epoch];
    bool drains = p->end == END_DRAIN && w->steady_ns - e->began_ns >= (int64_t)p->at * MS;
    if (e->stage == STAGE_DRAINS) {
        promise_drains(e->app, w->steady_ns - e->drain_ns);
    } else if (drains || (p->end != END_QUIET && all_at_rest())) {
        drain(e);
    } else if (p->end == END_QUIET && clients_done() && all_runs_over() && all_letters_read(e)) {
        if (e->stage == STAGE_AUDITS) {
            promise_rest(true);
            drain(e);
        } else {
            e->stage = STAGE_AUDITS;
            clients_audit();
        }
    } else {
        promise_rest(w->steady_ns - e->began_ns < REST_S * SECOND_NS);
    }
}

static void crash_when_planned(void)
{
    const epoch_plan *p = &w->plan.epoch[w->epoch];
    if ((p->end != END_TURN && p->end != END_FAULT) || ++w->turns != p->at) return;
    if (p->end == END_TURN) world_crash("in a turn");
    w->faults++;
    world_fault("between runs");
}

static void serve(epoch *e)
{
    for (bool open = true; open;) {
        crash_when_planned();
        bool any = schedule_turn();
        any = clients_turn() || any;
        any = upstream_turn() || any;
        heap_begin();
        open = turn_loops(e);
        any = disk_turn(e->app->store) || any;
        heap_end();
        promise_turn(e->app);
        reasons_look(e->app);
        if (e->stage == STAGE_DRAINS && w->plan.epoch[w->epoch].end == END_QUIET) promise_timers(e->app);
        if (any) e->quiet = e->idle = 0;
        if (any || e->idle++ == 0) continue;
        look_at_stage(e);
        move_clock(e);
    }
}

void epoch_rehearse(void)
{
    epoch e;
    begin(&e);
    serve(&e);
    solos_end();
    clients_end();
    upstream_end();
    by_hand_close(e.app);
}

void epoch_run(void)
{
    world_expect_fault();
    overflow_install(crash_leave_record);
    unsigned files = open_files();
    long blocks = heap_blocks();
    epoch_rehearse();
    if (w->plan.epoch[w->epoch].end == END_QUIET) promise_tables(disk_rows("inbox"), disk_rows("tries"));
    if (w->plan.epoch[w->epoch].end == END_QUIET) bulked_left(disk_rows("bulk"));
    promise_left("descriptors", (long)files, (long)open_files());
    promise_left("blocks of memory", blocks, heap_blocks());
    world_exit(0);
}
