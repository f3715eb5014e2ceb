/* group: steps, branches, waits and sleeps of one context, its members, that run in parallel. Lives in the run's arena,
 * and owns its members: a step or branch has a strand of its own while it runs, a wait or sleep has none. Never
 * outlives its context: groups_settle waits for the members of each group before the context ends. */
#include <assert.h>
#include <stdint.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/group_core.h"
#include "runtime/api/patch.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/question.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/strand.h"

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
    g->strand = c->strand;
    g->run = c->run;
    g->end = &g->first;
    g->standing_end = &g->standing;
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

void member_abandon(member *m)
{
    assert(!m->ended);
    assert(!m->strand); /* what runs is waited for */
    assert(m->group->pending > 0);
    m->outcome = STEP_ABANDONED;
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
    g->run->has_abandoned = true;
    for (member *m = g->unstarted; m; m = m->next)
        if (!m->ended && m->kind->has_strand) member_abandon(m);
    g->unstarted = NULL;
    for (member *m = g->first; m; m = m->next)
        if (m->kind == &member_step && m->strand && m->strand->wait == STRAND_DUE)
            strand_interrupt(m->strand, INTERRUPT_STOP);
}

void member_ended(member *m)
{
    sw_group *g = m->group;
    assert(!m->ended);
    assert(!m->strand);
    assert(g->pending > 0);
    assert(m->outcome != STEP_OPEN);
    m->ended = true;
    g->pending--;
    assert(g->running <= g->pending);
    if (m->outcome == STEP_FAILED) g->has_failed = true;
    if (m->outcome == STEP_FAILED && g->fails_at_once && !g->decided && !BUG(EACH_GOES_ON)) group_decide(g);
    bool has_first = g->first_decides && m->outcome == STEP_OK;
    if (g->waiting && (g->pending == 0 || g->running == 0 || has_first)) strand_wake(g->waiting);
}

/* Journals that the branch began, for pages that draw the run. The entry is left out when the run's state has no room:
 * a replay does not need it. */
static void branch_record_start(run *r, const step_spec *spec)
{
    if (fit_find(r, spec->path) || strand_has_lost(r)) return;
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
    assert(m->kind == &member_branch);
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
    if (run_unwinds(r) || s->is_abandoned || !m->group->ctx)
        replay_log_drop(&c); /* the context around the branch may be gone; or nobody wants what it says */
    else
        replay_log_hand_over(&c, m->group->ctx);
    m->outcome = ok ? STEP_OK : s->failure.kind == FAILURE_UNWIND ? STEP_UNWOUND : STEP_FAILED;
    if (s->is_abandoned) question_branch_lost(r, spec->path);
}

static void member_set_unwound(member *m, strand *s)
{
    m->outcome = STEP_UNWOUND;
    s->failure = failure_unwind;
}

/* Whether the member was given up before it first ran, and the journal has nothing of it that could be replayed. */
static bool member_has_nothing(const member *m, const strand *s)
{
    return s->is_abandoned && m->kind == &member_branch && !fit_find(s->run, m->spec.path);
}

/* What loses, or works within something that has lost, only replays what the journal has. False: nothing of the member
 * has to be taken back or journaled. */
static bool member_enter(const member *m, strand *s)
{
    strand *parent = m->group->strand;
    if (parent) parent->entering--;
    if (!parent || run_unwinds(s->run)) return false;
    strand_join(s, parent);
    if (m->is_lost) s->is_abandoned = true;
    return !member_has_nothing(m, s);
}

static void member_main(void *arg)
{
    member *m = arg;
    strand s;
    assert(!m->ended);
    assert(!m->strand);
    assert(m->group->running > 0);
    strand_enter(&s, &m->group->run->task);
    m->strand = &s;
    if (!member_enter(m, &s))
        member_set_unwound(m, &s);
    else if (m->kind == &member_step)
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
    m->group->strand->entering++;
    if (strand_start(&r->task, member_main, m)) return true;
    m->group->strand->entering--;
    m->group->running--;
    if (!m->group->lacks_stack)
        run_log(r, LOG_WARN, "%s: no room for the stack of \"%s\", which is tried again", r->task.endpoint->route,
                m->spec.id);
    return false;
}

void group_start_members(sw_group *g)
{
    bool lacked_stack = g->lacks_stack;
    if (!g->strand) return;
    for (member *m;
         (m = g->unstarted) && (g->parallel_max == 0 || g->running < g->parallel_max + BUG(PARALLEL_MORE));) {
        if (!m->ended && m->kind->has_strand && !member_start(m)) {
            g->lacks_stack = true;
            if (g->waiting) strand_wake(g->waiting); /* it retries the start, and may be asleep already */
            return;
        }
        g->unstarted = m->next;
    }
    g->lacks_stack = lacked_stack && g->unstarted;
}

const member_kind member_step = {.has_strand = true};
const member_kind member_branch = {.has_strand = true};

member *member_new(sw_ctx *c, sw_group *g, const member_kind *kind)
{
    member *m = arena_zalloc(&c->task->arena, sizeof *m);
    if (!m) ctx_fail_memory(c);
    assert(g->ctx == c);
    *m = (member){.group = g, .kind = kind, .value = sw_nil()};
    return m;
}

void member_link(member *m)
{
    sw_group *g = m->group;
    assert(!*g->end);
    *g->end = m;
    g->end = &m->next;
    g->pending++;
}

bool member_begins_nothing(const member *m)
{
    sw_group *g = m->group;
    if (!m->is_lost && !g->strand->is_abandoned) return false;
    if (m->kind == &member_branch) return fit_find(g->run, m->spec.path) == NULL;
    return step_give_up(g->run, &m->spec);
}

void member_add(sw_ctx *c, sw_group *g, const member_kind *kind, const step_spec *spec)
{
    run *r = c->run;
    const char *error = NULL;
    member *m = member_new(c, g, kind);
    assert(kind->has_strand);
    m->spec = *spec;
    m->spec.decided = g->fails_at_once ? &g->decided : NULL;
    if (kind == &member_step && probe_on) probe_member(g->run, spec->path);
    m->is_lost = fit_has_lost(r, spec->path);
    if (kind == &member_step) m->outcome = step_answer(r, spec, &m->value, &m->failure);
    bool answered = m->outcome != STEP_OPEN;
    bool copied = answered || value_copy(&r->task.arena, spec->input, &m->spec.input, &error);
    if (!copied && error == value_no_memory) ctx_fail_memory(c);
    if (!copied) ctx_fail_misuse(c, "the input of \"%s\": %s (--run-state-max)", spec->id, error);
    member_link(m);
    if (answered)
        member_ended(m);
    else if (g->decided || member_begins_nothing(m))
        member_abandon(m);
    else if (!g->unstarted)
        g->unstarted = m;
}

sw_ctx *group_context(const sw_group *g, const char *function)
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
    member_add(c, g, &member_step, &spec);
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
    member_add(c, g, &member_branch, &spec);
    group_start_members(g);
}
