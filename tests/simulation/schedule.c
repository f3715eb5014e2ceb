#include "tests/simulation/schedule.h"

#include "tests/simulation/heap.h"
#include "tests/simulation/program.h"
#include "tests/simulation/stand.h"

static const int64_t MS = 1000000;
enum { CALLERS_MAX = 4 };

/* ---- Making ---- */

static bool chance(unsigned percent) { return world_chance(RANDOM_PLAN, percent); }
static int64_t between(int64_t least, int64_t most) { return world_between(RANDOM_PLAN, least, most); }

static void make_client(client *c, int of)
{
    c->job = (int16_t)of;
    c->run = -1;
    c->fd = -1;
    c->at_ns = w->steady_ns + between(0, 3000) * MS;
    c->wish = chance(45) ? WISH_ANSWER : world_below(RANDOM_PLAN, WISHES);
    c->reuses = chance(50);
    if (chance(20)) c->pace = (unsigned)between(1, 200);
    if (c->pace > 0) c->rest_ms = (int32_t)between(0, 20);
    if (chance(20)) c->stays_ms = (int32_t)between(1, 2000);
}

/* What may go wrong in all of a seed's processes: most seeds have few kinds, so that these meet. */
typedef struct dangers {
    unsigned events[EVENT_KINDS]; /* percent */
    bool slow;
    bool changes, lacks, holds; /* the program, or how it is started, is another one in some processes */
    bool poisoned, faulty;      /* most processes die of a poison, or between runs */
    bool lingers;               /* steps last long, and processes end by a drain meanwhile */
    bool by_bulk;               /* most processes have operators who act on many runs */
} dangers;

static dangers draw_dangers(void)
{
    dangers d = {.slow = chance(40)};
    for (unsigned i = 0; i < EVENT_KINDS; i++) d.events[i] = chance(30) ? 60 : 0;
    d.changes = chance(25);
    d.lacks = chance(12);
    d.holds = chance(12);
    d.poisoned = chance(10);
    d.faulty = chance(10);
    d.by_bulk = chance(25);
    d.lingers = chance(15);
    d.slow |= d.faulty && chance(80); /* runs of which nothing is written yet are suspects at the next start */
    return d;
}

static event make_event(event_kind kind)
{
    static const memory_fault faults[] = {MEMORY_REFUSES, MEMORY_LOSES, MEMORY_APPEARS};
    event v = {.kind = kind, .at_ms = between(0, 4000), .b = between(1, 3000)};
    if (kind == EVENT_WRITE_FAULT) {
        v.a = faults[world_below(RANDOM_PLAN, 3)];
        if (chance(50)) v.b = 0;
    }
    if (kind == EVENT_NO_MEMORY) v.a = world_below(RANDOM_PLAN, HEAP_SHORTAGES);
    if (kind == EVENT_CLOCK_SET) v.a = (chance(50) ? 1 : -1) * between(30, chance(30) ? 7200000 : 5000);
    if (kind == EVENT_STALL) v.b = between(1, 1000);
    return v;
}

static end_kind draw_end(const dangers *d)
{
    if (d->poisoned && chance(85)) return END_POISON;
    if (d->faulty && chance(85)) return END_FAULT;
    if (d->lingers && chance(60)) return END_DRAIN;
    return 1 + world_below(RANDOM_PLAN, ENDS_DRAWN - 1);
}

/* What the program is in this process. */
static void make_program(epoch_plan *e, const dangers *d, bool last)
{
    e->lacks = d->lacks && !last && chance(40) ? (int)world_below(RANDOM_PLAN, ENDPOINTS) : -1;
    if (w->plan.children > 0 && e->lacks == ENDPOINT_FUNCTION) e->lacks = -1; /* a call of it would fail its caller */
    e->changed = d->changes && chance(40);
    e->no_resume = d->holds && chance(50);
    if (chance(40)) e->operations = world_below(RANDOM_PLAN, 8);
    if (w->plan.children > 0) e->operations += 1 + world_below(RANDOM_PLAN, 8); /* many callers are resumed */
    if (d->by_bulk && chance(70)) e->bulks = 1 + world_below(RANDOM_PLAN, 3);
}

static void make_epoch(epoch_plan *e, const dangers *d, bool last)
{
    static const unsigned most[END_KINDS] = {
        [END_DRAIN] = 5000, [END_TURN] = 400, [END_BEFORE_WRITE] = 40, [END_AFTER_WRITE] = 40,
        [END_ATTEMPT] = 60, [END_POWER] = 40, [END_FAULT] = 80,        [END_POISON] = 1};
    e->loops = chance(25) ? 2 : 1;
    e->runs_max = chance(d->faulty ? 60 : 15) ? (unsigned)between(1, d->faulty ? 3 : 6) : 1000;
    e->end = last ? END_QUIET : draw_end(d);
    e->at = last ? 0 : (unsigned)between(1, most[e->end]);
    make_program(e, d, last);
    if (d->slow) e->write_ms = (int32_t)between(1, 300);
    if (d->slow) e->read_ms = (int32_t)between(1, 300);
    for (unsigned kind = 0; kind < EVENT_KINDS; kind++)
        while (e->event_count < EVENTS_MAX && chance(d->events[kind])) e->events[e->event_count++] = make_event(kind);
}

/* Runs that cannot be read for that long are deleted: the ledger would miss them. */
static int64_t draw_retain_stopped_ms(const dangers *d)
{
    return d->events[EVENT_READ_FAULT] == 0 && chance(25) ? between(1000, 30000) : 2592000000;
}

static void make_options(plan *p, const dangers *d)
{
    p->redirect_after_ms = chance(50) ? 1000 : between(0, 3000);
    p->park_after_ms = chance(50) ? between(0, 100) : 1000;
    p->hold_ms = chance(50) ? 55000 : between(100, 3000);
    p->heartbeat_ms = chance(50) ? 15000 : between(50, 1000);
    p->drain_ms = chance(50) ? 30000 : between(0, 2000);
    p->retain_stopped_ms = draw_retain_stopped_ms(d);
    p->stopped_answer_ms = chance(50) ? 600000 : between(0, 5000);
    /* A run is stopped after some processes at the earliest: those with a short deadline have ended by then. */
    p->deadline_ms = chance(50) ? DEADLINE_LEAST_MS : between(DEADLINE_LEAST_MS, DEADLINE_MOST_MS);
    p->sets_clock = d->events[EVENT_CLOCK_SET] > 0;
    p->deaths = d->poisoned ? 1 + world_below(RANDOM_PLAN, 6) : 0;
}

/* Many suspects come back to few places. */
static void crowd(plan *p)
{
    for (unsigned i = 0; i < p->epochs; i++) {
        epoch_plan *e = &p->epoch[i];
        unsigned left = p->epochs - 1 - i;
        e->runs_max = left > 0 ? 1000 : 1 + world_below(RANDOM_PLAN, 2);
        e->loops = 1;
        if (left == 1 || left == 2) e->end = END_FAULT;
        if (left == 1 || left == 2) e->at = (unsigned)between(8, 40);
    }
}

void schedule_make(void)
{
    plan *p = &w->plan;
    dangers d = draw_dangers();
    p->jobs = (unsigned)between(d.faulty ? JOBS_MAX / 2 : 1, JOBS_MAX); /* several suspects, and others beside them */
    p->children = chance(25) ? 1 + world_below(RANDOM_PLAN, CHILD_JOBS) : 0;
    if (p->children > 0 && p->jobs > CALLERS_MAX) p->jobs = CALLERS_MAX; /* each of their runs calls others */
    p->clients = p->jobs + (unsigned)between(0, p->children > 0 ? CALLERS_MAX : CLIENTS_MAX - JOBS_MAX);
    p->epochs = d.poisoned || d.faulty ? EPOCHS_MAX - world_below(RANDOM_PLAN, 3) : 1 + world_below(RANDOM_PLAN, 6);
    make_options(p, &d);
    p->calls = chance(30) ? 70 : 10;
    p->lingers = d.lingers ? 40 : 0;
    p->talks = chance(25) ? 8 + world_below(RANDOM_PLAN, 15) : 0;
    p->selects = chance(40) ? 30 + world_below(RANDOM_PLAN, 50) : 0;
    for (unsigned i = p->children; i > 0; i--) program_make_child(p->jobs + i - 1);
    for (unsigned i = 0; i < p->jobs; i++) program_make(i);
    bool hurries = (d.changes || d.poisoned) && chance(40); /* many runs that are stopped have a deadline */
    for (unsigned i = 0; i < p->jobs && hurries; i++)
        if (chance(60)) w->jobs[i].endpoint = ENDPOINT_LATE;
    for (unsigned n = d.poisoned ? 1 + world_below(RANDOM_PLAN, 3) : 0; n > 0; n--)
        (void)program_poison(world_below(RANDOM_PLAN, p->jobs));
    for (unsigned i = 0; i < p->clients; i++)
        make_client(&w->clients[i], i < p->jobs ? (int)i : (int)world_below(RANDOM_PLAN, p->jobs));
    for (unsigned i = 0; i < p->epochs; i++) make_epoch(&p->epoch[i], &d, i + 1 == p->epochs);
    if (d.faulty && chance(75)) crowd(p);
    p->patched_from = chance(50) ? 0 : world_below(RANDOM_PLAN, p->epochs + 1);
}

/* ---- Doing ---- */

static int64_t began_ns;

static epoch_plan *now_planned(void) { return &w->plan.epoch[w->epoch]; }

void schedule_begin(void)
{
    began_ns = w->steady_ns;
    w->no_stacks = false;
    memory_fail(w->disk, MEMORY_GOOD, 0, false);
    memory_fail_reads(w->disk, false);
}

static void begin_event(event *v)
{
    world_note("event %d: %lld for %lld ms", v->kind, (long long)v->a, (long long)v->b);
    switch (v->kind) {
    case EVENT_WRITE_FAULT:
        memory_fail(w->disk, (memory_fault)v->a, 0, v->b > 0);
        break;
    case EVENT_READ_FAULT:
        memory_fail_reads(w->disk, true);
        break;
    case EVENT_NO_STACKS:
        w->no_stacks = true;
        break;
    case EVENT_NO_MEMORY:
        heap_fail((heap_shortage)v->a);
        break;
    case EVENT_CLOCK_SET:
        w->ahead_ms += v->a;
        if (world_chance(RANDOM_LIVE, 70)) stand_tell_clock_set();
        break;
    default:
        w->steady_ns += v->b * MS;
    }
}

static void end_event(const event *v)
{
    if (v->kind == EVENT_WRITE_FAULT && v->b > 0) memory_fail(w->disk, MEMORY_GOOD, 0, false);
    if (v->kind == EVENT_READ_FAULT) memory_fail_reads(w->disk, false);
    if (v->kind == EVENT_NO_STACKS) w->no_stacks = false;
    if (v->kind == EVENT_NO_MEMORY) heap_relax();
}

bool schedule_turn(void)
{
    bool any = false;
    for (unsigned i = 0; i < now_planned()->event_count; i++) {
        event *v = &now_planned()->events[i];
        int64_t begins_ns = began_ns + v->at_ms * MS;
        if (v->state == EVENT_WAITS && w->steady_ns >= begins_ns) {
            v->state = EVENT_LASTS;
            begin_event(v);
            any = true;
        }
        if (v->state == EVENT_LASTS && w->steady_ns >= begins_ns + v->b * MS) {
            v->state = EVENT_OVER;
            end_event(v);
            any = true;
        }
    }
    return any;
}

int64_t schedule_due_ns(void)
{
    int64_t due = INT64_MAX;
    for (unsigned i = 0; i < now_planned()->event_count; i++) {
        const event *v = &now_planned()->events[i];
        int64_t at_ns = began_ns + v->at_ms * MS;
        if (v->state == EVENT_OVER) continue;
        if (v->state == EVENT_LASTS) at_ns += v->b * MS;
        if (at_ns < due) due = at_ns;
    }
    return due;
}
