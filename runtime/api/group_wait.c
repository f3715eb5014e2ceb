/* group_wait: waiting for a group's members, and what comes of them. Owns nothing. */
#include <assert.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/group_core.h"
#include "runtime/api/patch.h"
#include "runtime/run/ctx.h"
#include "runtime/run/fit.h"
#include "runtime/run/gate.h"
#include "runtime/run/home.h"
#include "runtime/run/strand.h"

enum { STACK_RETRY_MS = 200 /* between tries to start a member that found no room for its stack */ };

/* Waits a moment and tries to start members again: stacks become free when strands end, also those of other runs and
 * loops, or when the system has memory again, of which nobody tells. The run does not park meanwhile. False:
 * interrupted. */
static bool group_retry_start(sw_group *g, strand *s)
{
    run *r = s->run;
    if (!run_may_go_on(r)) { /* the process drains: the next one resumes the run, and starts the member */
        strand_interrupt(s, INTERRUPT_UNWIND);
        return false;
    }
    clock_instant now = clock_now(&r->task.home->clock);
    clock_wait pause = clock_wait_for(&now, STACK_RETRY_MS);
    bool awake = strand_sleep_until(s, &pause, STRAND_SLEEP_PLAIN);
    if (awake) group_start_members(g);
    return awake;
}

static bool group_is_over(const sw_group *g, group_goal goal)
{
    return g->pending == (goal == GROUP_QUIET ? g->standing_count : 0);
}

/* Ends the members that stand, if the goal says so. A failure comes first: then no signal is taken for nothing. False:
 * the run goes no further, and nothing of the group is at work. */
static bool group_look(sw_group *g, group_goal goal, bool *is_coming)
{
    bool decides = goal != GROUP_QUIET;
    *is_coming = false;
    bool is_for_nothing = goal == GROUP_END || (goal == GROUP_RESULTS && g->has_failed);
    if (g->strand->is_abandoned) group_lose_standing(g);
    if (is_for_nothing) group_withdraw(g);
    if (!g->standing || !decides) return true;
    if (!run_may_go_on(g->run)) return g->running > 0;
    group_decide_standing(g, false, is_coming);
    if (goal == GROUP_RESULTS && g->has_failed) group_withdraw(g);
    return true;
}

bool group_suspend_for(sw_group *g, strand *s, bool is_coming)
{
    assert(!g->waiting);
    g->waiting = s;
    bool awake = g->lacks_stack  ? group_retry_start(g, s)
                 : g->lacks_room ? gate_wait_room(s)
                                 : group_suspend(g, s, is_coming);
    g->waiting = NULL;
    g->lacks_room = false;
    return awake;
}

/* Waits until a member with a strand has ended: of those that stand neither a time nor a signal matters. */
static bool group_suspend_quiet(sw_group *g, strand *s)
{
    assert(!g->waiting);
    g->waiting = s;
    bool awake = g->lacks_stack ? group_retry_start(g, s) : strand_await_group(s, NULL, false);
    g->waiting = NULL;
    return awake;
}

/* A failure that the journal has of a branch gives up what stands, as it did at first, also if the time of what stands
 * has come by now: so members with code come to what the journal has of them before one that stands is decided. False:
 * interrupted. */
static bool group_catch_up(sw_group *g, strand *s)
{
    bool awake = true;
    while (g->run->replay && g->standing && g->running > 0 && !g->is_caught_up && awake) {
        bool lacked_stack = g->lacks_stack;
        awake = lacked_stack ? group_retry_start(g, s) : strand_catch_up(s);
        g->is_caught_up = awake && !lacked_stack && !g->lacks_stack;
    }
    return awake;
}

/* False: interrupted. */
static bool group_await(sw_group *g, strand *s, group_goal goal)
{
    bool is_coming = false, awake = goal != GROUP_RESULTS || group_catch_up(g, s);
    while (!group_is_over(g, goal) && awake) {
        if (!group_look(g, goal, &is_coming)) strand_interrupt(s, INTERRUPT_UNWIND);
        if (group_is_over(g, goal)) break;
        awake = goal == GROUP_QUIET ? group_suspend_quiet(g, s) : group_suspend_for(g, s, is_coming);
    }
    return group_is_over(g, goal);
}

/* Waits, whatever interrupts the strand, until no code of the group runs. */
static void group_let_go(sw_group *g, strand *s)
{
    assert(!s->uninterruptible);
    s->uninterruptible = true;
    g->waiting = s;
    while (g->running > 0) (void)strand_suspend(s);
    g->waiting = NULL;
    s->uninterruptible = false;
}

/* A strand that is being unwound waits all the same: its members unwind too, and until then may read what lies in this
 * strand's frames. Members that have not begun never will. */
void sw_group_join(sw_group *g)
{
    sw_ctx *c = ctx_current();
    if (!g || !c || c != g->ctx)
        ctx_refuse("sw_group_join", "with a group of another context: join a group in the function that made it");
    if (!group_await(g, c->strand, GROUP_QUIET)) group_let_go(g, c->strand);
}

static void group_unlink(sw_group *g)
{
    sw_group **link = &g->ctx->groups;
    while (*link && *link != g) link = &(*link)->next;
    assert(*link); /* a group that is waited for is open */
    *link = g->next;
}

void group_close(sw_group *g)
{
    assert(g->pending == 0);
    assert(g->running == 0);
    group_unlink(g);
    if (g->ctx->kind == CTX_HANDLER) patch_part_ends(g->run);
}

void group_quit(sw_group *g)
{
    sw_ctx *c = g->ctx;
    for (sw_group *open = c->strand->is_abandoned ? c->groups : NULL; open; open = open->next)
        group_let_go(open, c->strand);
    for (sw_group *open; (open = c->groups) != NULL;) { /* the run leaves memory: its other strands end on their own */
        c->groups = open->next;
        open->strand = NULL;
        open->ctx = NULL;
    }
    ctx_raise_interrupt(c);
}

/* Whether the member was unwound with its run, or with what its strand works for; not because it has lost. */
static bool member_is_unwound(const member *m)
{
    const sw_group *g = m->group;
    return m->outcome == STEP_UNWOUND && (!m->is_lost || g->strand->is_abandoned || run_unwinds(g->run));
}

/* One that has lost has no end for the code to see, unless that has another sw_group_any than the journal; nor has one
 * that was given up, unless what failed then does not fail now. */
void group_refuse_unended(const sw_group *g, group_goal goal)
{
    const member *given_up = NULL;
    for (const member *m = g->first; m; m = m->next) {
        if (member_is_unwound(m)) ctx_raise(g->ctx, failure_unwind);
        bool is_given_up = m->outcome == STEP_ABANDONED || m->outcome == STEP_UNWOUND;
        if (is_given_up && !given_up) given_up = m;
    }
    if (!given_up || goal == GROUP_END || (goal == GROUP_RESULTS && g->has_failed)) return;
    if (g->strand->is_abandoned) ctx_raise(g->ctx, failure_unwind);
    if (given_up->is_lost) ctx_raise(g->ctx, fit_misfit_lost(g->run, member_path(given_up), member_id(given_up)));
    if (given_up->was_given_up)
        ctx_raise(g->ctx, fit_misfit_given_up(g->run, member_path(given_up), member_id(given_up)));
}

static void group_wait_members(sw_group *g, group_goal goal)
{
    if (!group_await(g, g->ctx->strand, goal)) group_quit(g);
    group_close(g);
    group_refuse_unended(g, goal);
}

void groups_settle(sw_ctx *c)
{
    bool has_unwound = false;
    for (sw_group *g; (g = c->groups) != NULL;) {
        if (!group_await(g, c->strand, GROUP_END)) group_quit(g);
        group_close(g);
        for (const member *m = g->first; m && !has_unwound; m = m->next) has_unwound = member_is_unwound(m);
    }
    if (has_unwound) ctx_raise(c, failure_unwind);
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

void group_fail(sw_group *g, const member *first) { ctx_raise(g->ctx, group_first_failure(g, first)); }

/* Returns the results in start order, or fails with the first failure. All members have ended. */
static sw_value group_results(sw_group *g)
{
    sw_value results = sw_array(g->ctx, 0);
    for (member *m = g->first; m; m = m->next) {
        assert(m->ended);
        if (m->outcome == STEP_FAILED) group_fail(g, m);
        assert(m->outcome == STEP_OK || g->has_failed); /* abandoned: a failed member follows */
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
    bool settles = g->settles && !BUG(TOLERATE_NONE);
    group_wait_members(g, settles ? GROUP_SETTLED : GROUP_RESULTS);
    return settles ? group_settled_results(g) : group_results(g);
}

sw_value sw_group_settle(sw_group *g)
{
    ctx_check_wait(group_context(g, "sw_group_settle"), "sw_group_settle");
    group_wait_members(g, GROUP_SETTLED);
    return group_settled_results(g);
}
