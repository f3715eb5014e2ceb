/* group: steps and branches of one context, its members, that run in parallel. Lives in the run's arena, and owns its
 * members, each with a strand of its own while it runs. Never outlives its context: groups_settle waits for the members
 * of each group before the context ends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/patch.h"
#include "runtime/api/step.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

enum { STACK_RETRY_MS = 200 }; /* between tries to start a member that found no room for its stack */

typedef enum member_kind { MEMBER_STEP, MEMBER_BRANCH } member_kind;

typedef struct member {
    sw_group *group;
    struct member *next;
    member_kind kind;
    step_spec spec;       /* a branch uses its id, path, label, fn and input */
    strand *strand;       /* while it runs */
    step_outcome outcome; /* STEP_OPEN until the member has ended */
    bool ended;
    sw_value value;
    failure failure;
} member;

struct sw_group {
    run *run;
    sw_ctx *ctx;    /* the context that made the group; dangles once a run that leaves memory has unwound it */
    sw_group *next; /* of the same context */
    member *first, **end;
    member *unstarted;   /* the first member that may have to be started; ended ones behind it are passed over */
    strand *waiting;     /* the strand in sw_group_wait or sw_group_join, else NULL */
    size_t running;      /* started and not ended */
    size_t pending;      /* not ended */
    size_t parallel_max; /* 0: no limit */
    sw_step_options step_options; /* of steps that bring none */
    bool settles;                 /* sw_group_wait returns failures as values */
    bool lacks_stack;   /* the first unstarted member found no room for its stack: the waiting strand tries again */
    bool fails_at_once; /* the first failure decides: nothing begins after it */
    bool decided;       /* with fails_at_once: a member has failed */
};

static void groups_settle(sw_ctx *c);

sw_group *sw_group_new(sw_ctx *c) { return sw_group_new_with(c, NULL); }

sw_group *sw_group_new_with(sw_ctx *c, const sw_group_options *options)
{
    ctx_check_wait(c, "sw_group_new");
    if (!c->run) ctx_fail_misuse(c, "a group in a plain route: groups need sw_endpoint");
    if (c->kind == CTX_STEP)
        ctx_fail_misuse(c, "a group inside step \"%s\": use a branch (sw_group_branch) for work that holds steps",
                        c->id);
    sw_group *g = arena_zalloc(&c->task->arena, sizeof *g);
    if (!g) ctx_fail_memory(c);
    g->ctx = c;
    g->run = c->run;
    g->end = &g->first;
    g->next = c->groups;
    c->groups = g;
    c->groups_settle = groups_settle;
    if (c->kind == CTX_HANDLER) patch_part_begins(c->run);
    if (!options) return g;
    g->parallel_max = options->parallel_max;
    g->settles = options->settle;
    g->step_options = options->step;
    return g;
}

static void member_abandon(member *m)
{
    assert(!m->ended);
    assert(!m->strand); /* what runs is waited for */
    assert(m->group->pending > 0);
    m->outcome = STEP_ABANDONED;
    m->group->run->has_abandoned = true;
    m->ended = true;
    m->group->pending--;
}

/* Begins nothing more after a failure that decides the group: unstarted members are abandoned, and a step that waits
 * for its next attempt is interrupted. Branches and attempts under way go on: they may have been paid for, so their
 * results are journaled. */
static void group_decide(sw_group *g)
{
    assert(g->fails_at_once);
    assert(!g->decided);
    g->decided = true;
    for (member *m = g->unstarted; m; m = m->next)
        if (!m->ended) member_abandon(m);
    g->unstarted = NULL;
    for (member *m = g->first; m; m = m->next)
        if (m->kind == MEMBER_STEP && m->strand && m->strand->wait == STRAND_DUE)
            strand_interrupt(m->strand, INTERRUPT_STOP);
}

static void member_ended(member *m)
{
    sw_group *g = m->group;
    assert(!m->ended);
    assert(!m->strand);
    assert(g->pending > 0);
    assert(m->outcome != STEP_OPEN);
    m->ended = true;
    g->pending--;
    assert(g->running <= g->pending);
    if (m->outcome == STEP_FAILED && g->fails_at_once && !g->decided && !BUG(EACH_GOES_ON)) group_decide(g);
    if (g->waiting && (g->pending == 0 || g->running == 0)) strand_wake(g->waiting);
}

static void group_start_members(sw_group *g);

/* Journals that the branch began, for pages that draw the run. The entry is left out when the run's state has no room:
 * a replay does not need it. */
static void branch_record_start(run *r, const step_spec *spec)
{
    if (fit_find(r, spec->path)) return;
    (void)record_append(r, &(entry){.kind = ENTRY_BRANCH,
                                    .path = spec->path,
                                    .branch = spec->branch,
                                    .id = {spec->id, strlen(spec->id)},
                                    .occurrence = spec->occurrence,
                                    .began = r->seq_next});
}

static void branch_run(strand *s, member *m)
{
    run *r = s->run;
    const step_spec *spec = &m->spec;
    assert(m->kind == MEMBER_BRANCH);
    branch_record_start(r, spec);
    sw_ctx c = {.kind = CTX_BRANCH,
                .strand = s,
                .task = &r->task,
                .run = r,
                .arena = &r->task.arena,
                .path = spec->path,
                .id = spec->id,
                .arg = spec->options.arg,
                .label = path_label(r, spec->branch_label, spec->id, spec->occurrence)};
    bool ok = ctx_call(&c, spec->fn, spec->input, &m->value);
    if (run_unwinds(r))
        replay_log_drop(&c); /* the context around the branch may be gone */
    else
        replay_log_hand_over(&c, m->group->ctx);
    m->outcome = ok ? STEP_OK : s->failure.kind == FAILURE_UNWIND ? STEP_UNWOUND : STEP_FAILED;
}

static void member_set_unwound(member *m, strand *s)
{
    m->outcome = STEP_UNWOUND;
    s->failure = failure_unwind;
}

static void member_main(void *arg)
{
    member *m = arg;
    run *r = m->group->run;
    strand s;
    assert(!m->ended);
    assert(!m->strand);
    assert(m->group->running > 0);
    strand_enter(&s, &r->task);
    m->strand = &s;
    if (run_unwinds(r)) /* since before the strand first ran: nothing of the member has to be taken back or journaled */
        member_set_unwound(m, &s);
    else if (m->kind == MEMBER_STEP)
        m->outcome = step_execute(&s, &m->spec, &m->value);
    else
        branch_run(&s, m);
    m->failure = s.failure;
    m->strand = NULL;
    m->group->running--;
    member_ended(m);
    group_start_members(m->group);
    strand_exit(&s);
}

static bool member_start(member *m)
{
    run *r = m->group->run;
    assert(!m->ended);
    assert(!m->strand);
    m->group->running++;
    if (strand_start(&r->task, member_main, m)) return true;
    m->group->running--;
    if (!m->group->lacks_stack)
        run_log(r, LOG_WARN, "%s: no room for the stack of \"%s\", which is tried again", r->task.endpoint->route,
                m->spec.id);
    return false;
}

static void group_start_members(sw_group *g)
{
    bool lacked_stack = g->lacks_stack;
    for (member *m;
         (m = g->unstarted) && (g->parallel_max == 0 || g->running < g->parallel_max + BUG(PARALLEL_MORE));) {
        if (!m->ended && !member_start(m)) {
            g->lacks_stack = true;
            if (g->waiting) strand_wake(g->waiting); /* it retries the start, and may be asleep already */
            return;
        }
        g->unstarted = m->next;
    }
    g->lacks_stack = lacked_stack && g->unstarted;
}

/* Adds a member. Copies its input, since the function that adds a member may have returned when the member runs. Fails
 * `c` for want of memory. */
static void member_add(sw_ctx *c, sw_group *g, member_kind kind, const step_spec *spec)
{
    run *r = c->run;
    const char *error = NULL;
    member *m = arena_zalloc(&r->task.arena, sizeof *m);
    if (!m) ctx_fail_memory(c);
    assert(g->ctx == c);
    assert(!*g->end);
    *m = (member){.group = g, .kind = kind, .spec = *spec};
    m->spec.decided = g->fails_at_once ? &g->decided : NULL;
    m->value = sw_nil();
    if (kind == MEMBER_STEP && probe_on) probe_member(spec);
    if (kind == MEMBER_STEP) m->outcome = step_answer(r, spec, &m->value, &m->failure);
    bool answered = m->outcome != STEP_OPEN;
    bool copied = answered || value_copy(&r->task.arena, spec->input, &m->spec.input, &error);
    if (!copied && error == value_no_memory) ctx_fail_memory(c);
    if (!copied) ctx_fail_misuse(c, "the input of \"%s\": %s (--run-state-max)", spec->id, error);
    *g->end = m;
    g->end = &m->next;
    g->pending++;
    if (answered)
        member_ended(m);
    else if (g->decided)
        member_abandon(m);
    else if (!g->unstarted)
        g->unstarted = m;
}

/* Returns the innermost context, which has made the group, or refuses `function`. Reads nothing behind `g` before it
 * has found `g` among the context's groups: a group of another strand, or of a run that is over, may be freed. */
static sw_ctx *group_context(const sw_group *g, const char *function)
{
    sw_ctx *c = ctx_current();
    for (const sw_group *open = c ? c->groups : NULL; open; open = open->next)
        if (open == g) return c;
    ctx_refuse(function, "with a group that is not open here: a group belongs to the handler or branch that made it, "
                         "until that has waited for it");
}

void sw_group_step_with(sw_group *g, const char *id, sw_step_fn fn, sw_value input, const sw_step_options *options)
{
    sw_ctx *c = group_context(g, "sw_group_step");
    step_spec spec = step_prepare(c, id, fn, input, options ? options : &g->step_options);
    member_add(c, g, MEMBER_STEP, &spec);
    group_start_members(g);
}

void sw_group_step(sw_group *g, const char *id, sw_step_fn fn, sw_value input)
{
    sw_group_step_with(g, id, fn, input, NULL);
}

void sw_group_branch(sw_group *g, const char *id, sw_step_fn fn, sw_value input)
{
    sw_group_branch_arg(g, id, fn, input, NULL);
}

void sw_group_branch_arg(sw_group *g, const char *id, sw_step_fn fn, sw_value input, void *arg)
{
    sw_ctx *c = group_context(g, "sw_group_branch");
    step_spec spec = step_prepare_branch(c, id, fn, input);
    spec.options.arg = arg;
    member_add(c, g, MEMBER_BRANCH, &spec);
    group_start_members(g);
}

/* Waits a moment and tries to start members again: stacks become free when strands end, also those of other runs. The
 * run does not park meanwhile. False: interrupted. */
static bool group_retry_start(sw_group *g, strand *s)
{
    run *r = s->run;
    if (!run_may_go_on(r)) { /* the process drains: the next one resumes the run, and starts the member */
        strand_interrupt(s, INTERRUPT_UNWIND);
        return false;
    }
    strand_set_wait(s, STRAND_BUSY);
    clock_instant now = clock_now(&r->task.home->clock);
    clock_wait pause = clock_wait_for(&now, STACK_RETRY_MS);
    bool awake = strand_sleep_until(s, &pause, STRAND_SLEEP_PLAIN);
    if (awake) group_start_members(g);
    strand_set_wait(s, STRAND_GROUP);
    return awake;
}

static bool group_await_members(sw_group *g, strand *s)
{
    if (g->pending == 0) return true;
    assert(!g->waiting);
    g->waiting = s;
    strand_set_wait(s, STRAND_GROUP);
    bool awake = true;
    while (awake && g->pending > 0) {
        if (g->lacks_stack)
            awake = group_retry_start(g, s);
        else
            awake = strand_suspend(s);
    }
    strand_set_wait(s, STRAND_BUSY);
    g->waiting = NULL;
    return g->pending == 0;
}

/* A strand that is being unwound waits all the same: its members unwind too, and until then may read what lies in this
 * strand's frames. Members that have not begun never will. */
void sw_group_join(sw_group *g)
{
    sw_ctx *c = ctx_current();
    if (!g || !c || c != g->ctx)
        ctx_refuse("sw_group_join", "with a group of another context: join a group in the function that made it");
    strand *s = c->strand;
    if (group_await_members(g, s)) return;
    assert(!s->uninterruptible);
    s->uninterruptible = true;
    g->waiting = s;
    while (g->running > 0) (void)strand_suspend(s);
    g->waiting = NULL;
    s->uninterruptible = false;
}

static void group_unlink(sw_group *g)
{
    sw_group **link = &g->ctx->groups;
    while (*link && *link != g) link = &(*link)->next;
    assert(*link); /* a group that is waited for is open */
    *link = g->next;
}

static void group_wait_members(sw_group *g)
{
    sw_ctx *c = g->ctx;
    if (!group_await_members(g, c->strand)) {
        c->groups = NULL; /* the run leaves memory: its other strands end on their own */
        ctx_raise_interrupt(c);
    }
    assert(g->pending == 0);
    assert(g->running == 0);
    group_unlink(g);
    if (c->kind == CTX_HANDLER) patch_part_ends(c->run);
    for (member *m = g->first; m; m = m->next)
        if (m->outcome == STEP_UNWOUND) ctx_raise(c, failure_unwind);
}

/* Waits for all members of a context that ends. */
static void groups_settle(sw_ctx *c)
{
    while (c->groups) group_wait_members(c->groups);
}

/* Returns the failure of `first`, the first member in start order that failed, with the causes of all failed members: a
 * release that mends the causes mends the group. */
static failure group_first_failure(sw_group *g, const member *first)
{
    failure f = first->failure;
    size_t count = 0;
    assert(first->outcome == STEP_FAILED);
    f.kind = FAILURE_FATAL;
    for (const member *m = first; m; m = m->next) {
        if (m->outcome != STEP_FAILED) continue;
        count += m->failure.cause_count;
        f.is_exhausted = f.is_exhausted && m->failure.is_exhausted;
    }
    if (BUG(LOSE_CAUSE)) return f;
    if (count <= f.cause_count) return f;
    uint64_t *causes = arena_alloc(&g->run->task.arena, count * sizeof *causes);
    if (!causes) ctx_fail_memory(g->ctx);
    f.causes = causes;
    f.cause_count = (uint32_t)count;
    for (const member *m = first; m; m = m->next) {
        if (m->outcome != STEP_FAILED || m->failure.cause_count == 0) continue;
        memcpy(causes, m->failure.causes, m->failure.cause_count * sizeof *causes);
        causes += m->failure.cause_count;
    }
    assert(causes == f.causes + count);
    return f;
}

/* Returns the results in start order, or fails with the first failure. All members have ended. */
static sw_value group_results(sw_group *g)
{
    sw_value results = sw_array(g->ctx, 0);
    for (member *m = g->first; m; m = m->next) {
        assert(m->ended);
        if (m->outcome == STEP_FAILED) ctx_raise(g->ctx, group_first_failure(g, m));
        assert(m->outcome == STEP_OK || g->decided); /* abandoned: a failed member follows */
        sw_push(g->ctx, &results, m->value);
    }
    if (BUG(SWAP_RESULTS) && results.via.array.size > 1) {
        sw_value first = results.via.array.ptr[0];
        results.via.array.ptr[0] = results.via.array.ptr[1];
        results.via.array.ptr[1] = first;
    }
    return results;
}

static sw_value group_settled_results(sw_group *g)
{
    sw_ctx *c = g->ctx;
    sw_value results = sw_array(c, 0);
    for (member *m = g->first; m; m = m->next)
        sw_push(c, &results,
                m->outcome == STEP_OK ? sw_map(c, "ok", sw_bool(true), "value", m->value)
                                      : sw_map(c, "ok", sw_bool(false), "error", sw_str(c, m->failure.message)));
    return results;
}

sw_value sw_group_wait(sw_group *g)
{
    ctx_check_wait(group_context(g, "sw_group_wait"), "sw_group_wait");
    group_wait_members(g);
    return g->settles && !BUG(TOLERATE_NONE) ? group_settled_results(g) : group_results(g);
}

sw_value sw_group_settle(sw_group *g)
{
    ctx_check_wait(group_context(g, "sw_group_settle"), "sw_group_settle");
    group_wait_members(g);
    return group_settled_results(g);
}

/* Adds all members before the first one starts: a failure that the journal has of any member decides the group. */
sw_group *sw_each_begin(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options)
{
    static const sw_each_options none = {.parallel_max = 0};
    const sw_each_options *o = options ? options : &none;
    ctx_check(c, "sw_each");
    if (inputs.type != MSGPACK_OBJECT_ARRAY && inputs.type != MSGPACK_OBJECT_NIL)
        ctx_fail_misuse(c, "sw_each \"%s\" needs an array of inputs", id ? id : "");
    sw_group *g = sw_group_new_with(
        c, &(sw_group_options){.parallel_max = o->parallel_max, .settle = o->settle, .step = o->step});
    g->fails_at_once = !o->settle;
    assert(c->groups == g);
    c->groups = g->next; /* while members are added the context does not know the group: when adding fails, it must not
                            wait for them */
    for (size_t i = 0; i < sw_len(inputs); i++) {
        step_spec spec = step_prepare(c, id, fn, sw_at(inputs, i), &o->step);
        member_add(c, g, MEMBER_STEP, &spec);
    }
    g->next = c->groups;
    c->groups = g;
    group_start_members(g);
    return g;
}

sw_value sw_each_with(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, const sw_each_options *options)
{
    return sw_group_wait(sw_each_begin(c, id, fn, inputs, options));
}

sw_value sw_each(sw_ctx *c, const char *id, sw_step_fn fn, sw_value inputs, size_t max_parallel)
{
    return sw_each_with(c, id, fn, inputs, &(sw_each_options){.parallel_max = max_parallel});
}
