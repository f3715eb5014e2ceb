#include "tests/simulation/program.h"

#include <stdio.h>
#include <string.h>

#include "storage/entry_more.h"

enum { DEPTH_MAX = 4, QUESTION_NAMES = 20, CALLS_OF_JOB = 4, SHORT_MS = 40, LONG_MS = 20000 };

/* A tree in the making. */
typedef struct maker {
    job *job;
    unsigned left; /* operations that there may still be */
} maker;

static op *add(maker *m, op_kind kind)
{
    op *o = &m->job->ops[m->job->op_count++];
    *o = (op){.kind = kind, .child = NO_OP, .other = NO_OP, .next = NO_OP, .parent = NO_OP, .retries = 2};
    (void)snprintf(o->id, sizeof o->id, "%c%u", kind == OP_BRANCH ? 'b' : 's', world_below(RANDOM_PLAN, 3));
    m->left--;
    return o;
}

static int16_t index_of(const maker *m, const op *o) { return (int16_t)(o - m->job->ops); }

/* Whoever stops the run, or ends the process, comes while an attempt is under way, which ends by itself later on. */
static void set_lingering(op *o)
{
    o->lingers = true;
    o->fatal = false;
    o->retries = 3;
    o->fails = (int16_t)(1 + world_below(RANDOM_PLAN, 2));
    o->timeout_ms = (int32_t)world_between(RANDOM_PLAN, 50, 3000);
    o->work_ms = (int32_t)world_between(RANDOM_PLAN, 1, o->timeout_ms / 2);
}

static void set_step(op *o)
{
    o->retries = (int16_t)(world_chance(RANDOM_PLAN, 20) ? SW_NO_RETRIES : 1 + (int)world_below(RANDOM_PLAN, 3));
    if (world_chance(RANDOM_PLAN, 30)) o->fails = (int16_t)(1 + world_below(RANDOM_PLAN, 2));
    if (world_chance(RANDOM_PLAN, 4)) o->fails = FAILS_ALWAYS;
    o->fatal = world_chance(RANDOM_PLAN, 5);
    o->after = world_chance(RANDOM_PLAN, 20);
    o->sync = world_chance(RANDOM_PLAN, 15);
    o->calls = world_chance(RANDOM_PLAN, w->plan.calls);
    if (world_chance(RANDOM_PLAN, 40))
        o->work_ms = (int32_t)world_between(RANDOM_PLAN, 1, world_chance(RANDOM_PLAN, 8) ? 8000 : 200);
    if (world_chance(RANDOM_PLAN, 10)) o->timeout_ms = (int32_t)world_between(RANDOM_PLAN, 5, 200);
    o->backoff_ms = (int32_t)world_between(RANDOM_PLAN, 1, world_chance(RANDOM_PLAN, 20) ? LONG_MS : SHORT_MS);
    if (world_chance(RANDOM_PLAN, 25)) o->chunks = (int16_t)(1 + world_below(RANDOM_PLAN, 3));
    o->changes = world_chance(RANDOM_PLAN, 15);
    o->mends = (int16_t)world_below(RANDOM_PLAN, 3);
    if (world_chance(RANDOM_PLAN, w->plan.lingers)) set_lingering(o);
    if (world_chance(RANDOM_PLAN, 10)) o->bytes = (int32_t)world_between(RANDOM_PLAN, 1, 20000);
}

static int16_t make_list(maker *m, unsigned depth, unsigned most);

/* Where the group says so for all of them. */
static void share_options(op *o, const op *of, bool is_each)
{
    bool none = is_each && !of->by_options; /* sw_each has no options */
    if (!none && !of->by_options) return;
    o->retries = none ? 0 : of->retries;
    o->timeout_ms = none ? 0 : of->timeout_ms;
    o->backoff_ms = none ? 0 : of->backoff_ms;
    o->sync = !none && of->sync;
}

static void make_rest(maker *m, op *o, unsigned depth);

static unsigned number_of(const maker *m) { return (unsigned)(m->job - w->jobs); }

/* The first job that it may call: none calls another in a circle. */
static unsigned first_called(const maker *m)
{
    unsigned is = number_of(m);
    return is < w->plan.jobs ? w->plan.jobs : is + 1;
}

/* There is a job that it may call, and it does not call so many yet. */
static bool may_call(const maker *m)
{
    unsigned n = 0, most = number_of(m) < w->plan.jobs ? CALLS_OF_JOB : 1;
    for (unsigned i = 0; i < m->job->op_count; i++) n += m->job->ops[i].kind == OP_CALL;
    return m->job->endpoint != ENDPOINT_HASTY && n < most && first_called(m) < w->plan.jobs + w->plan.children;
}

/* A run that answers before its journal is on disk waits for no signal. */
static op_kind draw_member(const maker *m, unsigned depth)
{
    if (may_call(m) && world_chance(RANDOM_PLAN, 25)) return OP_CALL;
    if (w->plan.selects > 0 && world_chance(RANDOM_PLAN, 25))
        return world_chance(RANDOM_PLAN, 60) && m->job->endpoint != ENDPOINT_HASTY ? OP_WAIT : OP_SLEEP;
    return depth < DEPTH_MAX && world_chance(RANDOM_PLAN, 35) ? OP_BRANCH : OP_STEP;
}

static int16_t make_members(maker *m, const op *of, unsigned depth, bool steps_alone)
{
    unsigned count = 1 + world_below(RANDOM_PLAN, 5);
    bool fans_out = !steps_alone && may_call(m) && world_chance(RANDOM_PLAN, 30);
    int16_t first = NO_OP, *link = &first;
    for (unsigned i = 0; i < count && m->left > 2; i++) {
        op *o = add(m, steps_alone ? OP_STEP : fans_out && may_call(m) ? OP_CALL : draw_member(m, depth));
        bool branch = o->kind == OP_BRANCH;
        if (branch || o->kind == OP_STEP)
            set_step(o);
        else
            make_rest(m, o, depth);
        share_options(o, of, steps_alone);
        if (steps_alone) (void)snprintf(o->id, sizeof o->id, "%s", of->id);
        o->parent = index_of(m, of);
        *link = index_of(m, o);
        link = &o->next;
        if (branch) o->child = make_list(m, depth + 1, 3);
    }
    return first;
}

static void set_group(op *o)
{
    set_step(o); /* for all of its members */
    o->calls = o->fatal = o->after = o->changes = o->lingers = false;
    o->work_ms = o->bytes = o->fails = o->chunks = 0;
    o->by_options = world_chance(RANDOM_PLAN, 40);
    o->settles = world_chance(RANDOM_PLAN, 40);
    o->parallel = (int16_t)world_below(RANDOM_PLAN, 4);
}

static void set_call(const maker *m, op *o)
{
    unsigned first = first_called(m), count = w->plan.jobs + w->plan.children - first;
    (void)snprintf(o->id, sizeof o->id, "c%d", index_of(m, o));
    o->calls_job = (int16_t)(first + world_below(RANDOM_PLAN, count));
    o->detached = world_chance(RANDOM_PLAN, 15);
    o->tries = world_chance(RANDOM_PLAN, 40);
    if (world_chance(RANDOM_PLAN, 20)) o->ms = (int32_t)world_between(RANDOM_PLAN, 1, LONG_MS);
    if (world_chance(RANDOM_PLAN, 15)) o->timeout_ms = (int32_t)world_between(RANDOM_PLAN, 20, LONG_MS);
}

/* How many names of questions are taken. */
static unsigned questions_of(const maker *m)
{
    unsigned n = 0;
    for (unsigned i = 0; i < m->job->op_count; i++) n += m->job->ops[i].kind == OP_ASK;
    return n;
}

static void make_rest(maker *m, op *o, unsigned depth)
{
    switch (o->kind) {
    case OP_STEP:
    case OP_TRY:
        set_step(o);
        break;
    case OP_EACH:
        set_group(o);
        o->settles &= o->by_options;
        o->child = make_members(m, o, depth, true);
        break;
    case OP_GROUP:
        set_group(o);
        if (!o->by_options) o->parallel = 0;
        o->any = m->job->endpoint != ENDPOINT_HASTY && world_chance(RANDOM_PLAN, w->plan.selects);
        o->settles &= !o->any;
        (void)snprintf(o->id, sizeof o->id, "a%d", index_of(m, o));
        o->child = make_members(m, o, depth, false);
        if (world_chance(RANDOM_PLAN, 25)) o->other = make_list(m, depth + 1, 2);
        break;
    case OP_SLEEP:
    case OP_UNTIL:
        o->ms = (int32_t)world_between(RANDOM_PLAN, 1, world_chance(RANDOM_PLAN, 40) ? LONG_MS : SHORT_MS);
        if (world_chance(RANDOM_PLAN, 3)) o->ms *= 20;
        break;
    case OP_WAIT:
        (void)snprintf(o->id, sizeof o->id, "w%d", index_of(m, o));
        o->name = (char)('a' + world_below(RANDOM_PLAN, world_chance(RANDOM_PLAN, 60) ? 1 : SIGNAL_NAMES));
        if (world_chance(RANDOM_PLAN, 15)) o->ms = SW_NO_WAIT;
        if (o->ms == 0 && world_chance(RANDOM_PLAN, 60))
            o->ms = (int32_t)world_between(RANDOM_PLAN, 1, world_chance(RANDOM_PLAN, 50) ? LONG_MS : SHORT_MS);
        break;
    case OP_ASK:
        (void)snprintf(o->id, sizeof o->id, "q%d", index_of(m, o));
        o->name = (char)('A' + questions_of(m) - 1);
        if (world_chance(RANDOM_PLAN, 50)) o->choices = (int16_t)(2 + world_below(RANDOM_PLAN, CHOICES_MAX - 1));
        break;
    case OP_SEND:
        (void)snprintf(o->id, sizeof o->id, "e%d", index_of(m, o));
        break;
    case OP_CALL:
        set_call(m, o);
        break;
    case OP_IF:
    case OP_PATCH:
        o->child = make_list(m, depth + 1, 2);
        o->other = make_list(m, depth + 1, 2);
        break;
    default:
        break;
    }
}

/* A run that answers before its journal is on disk waits for no signal, and sends none. */
static op_kind draw_kind(const maker *m, unsigned depth)
{
    static const struct {
        op_kind kind;
        unsigned weight;
    } kinds[] = {{OP_STEP, 24}, {OP_WAIT, 6},  {OP_TRY, 8},   {OP_EACH, 7}, {OP_GROUP, 11},
                 {OP_SLEEP, 9}, {OP_UNTIL, 3}, {OP_CHUNK, 8}, {OP_NOW, 4},  {OP_RANDOM, 6},
                 {OP_IF, 6},    {OP_FAIL, 1},  {OP_DEFER, 3}, {OP_PATCH, 4}};
    if (w->plan.selects > 0 && depth < DEPTH_MAX && world_chance(RANDOM_PLAN, 10)) return OP_GROUP;
    if (may_call(m) && world_chance(RANDOM_PLAN, 12)) return OP_CALL;
    if (m->job->endpoint != ENDPOINT_HASTY && world_chance(RANDOM_PLAN, w->plan.talks))
        return world_chance(RANDOM_PLAN, 50) || questions_of(m) >= QUESTION_NAMES ? OP_SEND : OP_ASK;
    unsigned drawn = world_below(RANDOM_PLAN, 100), i = 0;
    while (drawn >= kinds[i].weight) drawn -= kinds[i++].weight;
    op_kind kind = kinds[i].kind;
    if (kind == OP_WAIT && m->job->endpoint == ENDPOINT_HASTY) return OP_STEP;
    bool nests = kind == OP_EACH || kind == OP_GROUP || kind == OP_IF || kind == OP_PATCH;
    return nests && depth >= DEPTH_MAX ? OP_STEP : kind;
}

/* The wait for the answer of a question comes behind it. */
static int16_t *make_answer(maker *m, op *ask, unsigned depth)
{
    op *o = add(m, OP_WAIT);
    ask->next = index_of(m, o);
    make_rest(m, o, depth);
    o->name = ask->name;
    if (o->ms < 0) o->ms = 0;
    return &o->next;
}

static int16_t make_list(maker *m, unsigned depth, unsigned most)
{
    unsigned count = 1 + world_below(RANDOM_PLAN, most);
    int16_t first = NO_OP, *link = &first;
    for (unsigned i = 0; i < count && m->left > 6; i++) {
        op *o = add(m, draw_kind(m, depth));
        *link = index_of(m, o);
        link = &o->next;
        make_rest(m, o, depth);
        if (o->kind == OP_ASK) link = make_answer(m, o, depth);
    }
    return first;
}

void program_make(unsigned at)
{
    job *j = &w->jobs[at];
    maker m = {.job = j, .left = 8 + world_below(RANDOM_PLAN, OPS_MAX - 8)};
    j->endpoint = world_chance(RANDOM_PLAN, 40) ? ENDPOINT_USUAL : world_below(RANDOM_PLAN, ENDPOINTS);
    if (world_chance(RANDOM_PLAN, 50)) (void)snprintf(j->key, sizeof j->key, "key-%u", at);
    if (world_chance(RANDOM_PLAN, 10)) j->pad = world_below(RANDOM_PLAN, 5000);
    j->poison = NO_OP;
    j->first = make_list(&m, 0, 7);
}

void program_make_child(unsigned at)
{
    job *j = &w->jobs[at];
    maker m = {.job = j, .left = 8 + world_below(RANDOM_PLAN, 10)};
    j->endpoint = ENDPOINT_FUNCTION;
    j->poison = NO_OP;
    j->first = make_list(&m, 1, 4);
}

bool program_changes(const run_record *r, int at)
{
    return w->jobs[r->job].ops[at].changes && w->plan.epoch[w->epoch].changed;
}

bool program_poison(unsigned at)
{
    job *j = &w->jobs[at];
    for (unsigned i = 0; i < j->op_count; i++) {
        if (j->ops[i].kind != OP_STEP && j->ops[i].kind != OP_TRY) continue;
        j->poison = (int16_t)i;
        if (world_chance(RANDOM_PLAN, 40)) j->ops[i].work_ms = (int32_t)world_between(RANDOM_PLAN, 500, 5000);
        return true;
    }
    return false;
}

/* ---- Telling ---- */

static void tell_op(const job *j, int16_t at, int depth)
{
    static const char *const kinds[] = {"step",        "try",   "each",   "group",     "branch", "sleep",
                                        "sleep until", "chunk", "sw_now", "sw_random", "if",     "patch",
                                        "fail",        "defer", "wait",   "ask",       "send",   "call"};
    const op *o = &j->ops[at];
    printf("%*sop %d: %s %s", depth * 2, "", at, kinds[o->kind], o->id);
    if (o->fails) printf(", fails %d", o->fails);
    if (o->kind == OP_STEP || o->kind == OP_TRY) printf(", retries %d", o->retries);
    if (o->work_ms) printf(", works %d ms", o->work_ms);
    if (o->timeout_ms) printf(", timeout %d ms%s", o->timeout_ms, o->lingers ? ", by which it fails" : "");
    if (o->name) printf(" for %c", o->name);
    if (o->kind == OP_CALL) printf(" job %d%s", o->calls_job, o->detached ? " alone" : o->tries ? " (tries)" : "");
    if (o->choices) printf(", %d choices", o->choices);
    if (o->ms) printf(", %d ms", o->ms);
    if (o->parallel) printf(", %d at a time", o->parallel);
    if (o->chunks) printf(", %d chunks", o->chunks);
    printf("%s%s%s%s%s%s%s\n", o->changes ? ", changes" : "", j->poison == at ? ", POISON" : "",
           o->fatal ? ", fatal" : "", o->sync ? ", .sync" : "", o->calls ? ", calls" : "",
           o->settles ? ", settles"
           : o->any   ? ", first success"
                      : "",
           o->by_options ? ", with options" : "");
}

static void tell_list(const job *j, int16_t first, int depth)
{
    for (int16_t at = first; at != NO_OP; at = j->ops[at].next) {
        tell_op(j, at, depth);
        tell_list(j, j->ops[at].child, depth + 1);
        if (j->ops[at].other != NO_OP) printf("%*selse, or before it is waited for:\n", depth * 2, "");
        tell_list(j, j->ops[at].other, depth + 1);
    }
}

void program_tell(unsigned at)
{
    const job *j = &w->jobs[at];
    printf("job %u, %s%s%s\n", at, program_routes[j->endpoint], j->key[0] ? ", key " : "", j->key);
    tell_list(j, j->first, 1);
}

/* ---- Requests and inputs ---- */

/* In msgpack, as a small number behind its name. */
static int asked_in_input(entry_text input, const char *name)
{
    size_t len = strlen(name);
    const unsigned char *at = input.len > 0 ? memmem(input.data, input.len - 1, name, len) : NULL;
    return at && at[len] <= 0x7f ? at[len] : -1;
}

int program_asked(const entry *started, const char *name)
{
    char member[16];
    int number = -1, len = snprintf(member, sizeof member, "\"%s\":", name);
    if (started->method.len == 0) return asked_in_input(entry_more_find(started->more, "input"), name);
    const char *at = memmem(started->body.data, started->body.len, member, (size_t)len);
    return at && sscanf(at + len, "%d", &number) == 1 ? number : -1;
}

/* ---- Results ---- */

uint64_t program_mix(uint64_t before, uint64_t with)
{
    uint64_t z = (before ^ with) * 0x9e3779b97f4a7c15U;
    return z ^ (z >> 29);
}

uint64_t program_first(unsigned at) { return program_mix(w->seed, at); }

void program_reply(char out[PROGRAM_REPLY_MAX], unsigned at, unsigned salt, uint64_t result)
{
    bool is_function = w->jobs[at].endpoint == ENDPOINT_FUNCTION; /* then the library writes it */
    (void)snprintf(out, PROGRAM_REPLY_MAX, "{\"job\":%u,\"salt\":%u,\"result\":\"%016llx\"}%s", at, salt,
                   (unsigned long long)result, is_function ? "" : "\n");
}

int program_status(unsigned at, uint64_t result)
{
    return w->jobs[at].endpoint == ENDPOINT_FUNCTION ? 200 : 200 + (int)(result & 1);
}
