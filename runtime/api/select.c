/* select: sw_group_any: the first success of a group decides it. Owns nothing: the decision is an entry, *won*, a
 * choice, and it alone decides at a replay, whatever comes to an end first then (runtime/api/group_core.h has the
 * states). */
#include <assert.h>
#include <endian.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/api/group_core.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/fit.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/replay_log.h"
#include "runtime/run/strand.h"

static const char function[] = "sw_group_any";

static void any_check(sw_ctx *c, const sw_group *g, const char *id)
{
    ctx_check_wait(c, function);
    (void)step_check_id(c, "a decision", id);
    if (!g->first)
        ctx_fail_misuse(c, "%s \"%s\" of a group without members, none of which can be the first: add them before",
                        function, id);
    if (g->settles || g->fails_at_once)
        ctx_fail_misuse(c, "%s \"%s\" of a group with .settle, or of sw_each: make it with sw_group_new", function, id);
    if (c->task->endpoint->options.durability == SW_RELAXED)
        ctx_fail_misuse(c,
                        "%s \"%s\" in an endpoint with SW_RELAXED, whose answer may leave before it is journaled who "
                        "has won: use SW_SYNCED",
                        function, id);
}

/* ---- The decision ---- */

/* Returns the first member that has succeeded; one that has taken a signal before all others, since nobody else could
 * have it. NULL: none has. */
static member *any_success(const sw_group *g)
{
    member *first = NULL;
    for (member *m = g->first; m; m = m->next) {
        bool is_success = m->ended && m->outcome == STEP_OK;
        if (is_success && m->kind == &member_wait) return m;
        if (is_success && !first) first = m;
    }
    return first;
}

/* Members that run code have come first: a signal is taken only if it wins. */
static member *any_decide(sw_group *g, bool *is_coming)
{
    member *winner = any_success(g);
    if (winner || !g->standing) return winner;
    group_decide_standing(g, true, is_coming);
    return any_success(g);
}

/* Waits for the first success. NULL: all members have failed. */
static member *any_await(sw_group *g)
{
    strand *s = g->strand;
    for (;;) {
        bool is_coming = false, may_begin = strand_may_begin(s);
        if (s->is_abandoned) group_lose_standing(g);
        member *winner = may_begin ? any_decide(g, &is_coming) : NULL;
        if (winner) return winner;
        if (g->pending == 0 && !any_success(g)) return NULL;
        if (!may_begin && g->running == 0) strand_interrupt(s, INTERRUPT_UNWIND);
        if (!group_suspend_for(g, s, is_coming)) group_quit(g);
    }
}

static uint32_t member_number(const member *of)
{
    uint32_t n = 0;
    for (const member *m = of->group->first; m != of; m = m->next) n++;
    return n;
}

/* The paths of those that have not ended, as an entry has them. */
static entry_text any_losers(const sw_group *g)
{
    size_t count = 0;
    for (const member *m = g->first; m; m = m->next) count += !m->ended;
    if (count == 0) return (entry_text){NULL, 0};
    uint64_t *paths = arena_alloc(&g->run->task.arena, count * sizeof *paths), *at = paths;
    if (!paths) ctx_fail_memory(g->ctx);
    for (const member *m = g->first; m; m = m->next)
        if (!m->ended) *at++ = htobe64(member_path(m));
    assert(at == paths + count);
    return (entry_text){(const char *)paths, count * sizeof *paths};
}

static void any_record(const member *winner, entry won)
{
    sw_group *g = winner->group;
    won.at_ms = clock_wall_ms();
    won.winner = member_path(winner);
    won.member = member_number(winner);
    won.causes = any_losers(g);
    if (!record_append(g->run, &won)) ctx_fail_misuse(g->ctx, "the run's state is over its limit (--run-state-max)");
    if (run_has_lost(g->run)) ctx_raise(g->ctx, failure_unwind); /* the decision will never be on disk */
}

/* ---- The losers ---- */

/* All but the winner are given up: what stands is withdrawn, what has not begun never will, calls of attempts under way
 * are cut, and branches unwind. A branch that the journal has, and that waits for its place or its stack in a replay,
 * is executed when it gets that. */
static void any_give_up(sw_group *g, const member *winner)
{
    for (member *m = g->first; m; m = m->next) {
        if (m == winner || m->ended) continue;
        m->is_lost = true;
        if (m->strand) strand_abandon(m->strand);
    }
    for (member *m = g->unstarted; m; m = m->next)
        if (m != winner && !m->ended && m->kind->has_strand && member_begins_nothing(m)) member_abandon(m);
    group_give_up_standing(g);
}

/* ---- Replays ---- */

static member *any_recorded(const sw_group *g, const replay_record *rec)
{
    member *m = g->first;
    while (m && member_path(m) != rec->winner) m = m->next;
    return m;
}

/* A sleep that has won is over, whatever the clock says now. Whoever else stands has its end in the journal. */
static bool any_end_standing(member *winner)
{
    if (winner->ended || winner->kind->has_strand) return true;
    if (winner->kind != &member_sleep) return false;
    group_end_sleep(winner);
    return true;
}

/* ---- All of it ---- */

static entry any_begin(sw_ctx *c, const char *id, replay_record **rec)
{
    run *r = c->run;
    entry won = {.kind = ENTRY_WON, .id = entry_text_of(id), .branch = c->path, .began = r->seq_next};
    step_count_one(c, "decision", id);
    won.path = path_next(c, PATH_STEP, id, &won.occurrence);
    if (probe_on) probe_choice(c, id, won.path);
    *rec = fit_find(r, won.path);
    if (c->pending_lines) replay_log_pass(c, *rec != NULL);
    if (*rec && !fit_is(*rec, ENTRY_WON, id, won.occurrence)) ctx_raise(c, fit_misfit(r, *rec, "sw_group_any", id));
    return won;
}

/* Waits for the winner's result, in a replay, and until no code of a loser runs. */
static void any_finish(sw_group *g, const member *winner)
{
    while (g->pending > 0)
        if (!group_suspend_for(g, g->strand, false)) group_quit(g);
    group_close(g);
    if (winner->outcome == STEP_OK) return;
    group_refuse_unended(g, winner->outcome == STEP_FAILED ? GROUP_RESULTS : GROUP_SETTLED);
    group_fail(g, winner); /* the program has changed */
}

/* No member has succeeded, and none is at work. In a strand that has lost those that the journal has no end of were
 * given up: so they did not fail. */
static SW_NORETURN void any_fail(sw_group *g)
{
    const member *m = g->first;
    group_close(g);
    group_refuse_unended(g, GROUP_SETTLED);
    while (m->outcome != STEP_FAILED) m = m->next;
    group_fail(g, m);
}

size_t sw_group_any(sw_group *g, const char *id, sw_value *out)
{
    sw_ctx *c = group_context(g, function);
    replay_record *rec;
    any_check(c, g, id);
    entry won = any_begin(c, id, &rec);
    bool is_decided = rec && !BUG(WIN_AGAIN);
    g->first_decides = true;
    member *winner = is_decided ? any_recorded(g, rec) : any_await(g);
    if (is_decided && (!winner || !any_end_standing(winner))) ctx_raise(c, fit_misfit(c->run, rec, "sw_group_any", id));
    if (!winner) any_fail(g);
    if (!rec) any_record(winner, won);
    any_give_up(g, winner);
    any_finish(g, winner);
    if (out) *out = winner->value;
    return member_number(winner);
}
