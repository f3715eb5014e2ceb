/* group_call: calls as members of a group: they stand, without a stack, while the runs that were called are at work.
 * Owns nothing. All of them begin at once; the strand that waits for the group takes their results when all have come.
 */
#include <assert.h>

#include "runtime/api/call_function.h"
#include "runtime/api/group_core.h"
#include "runtime/run/ctx.h"
#include "runtime/run/fit.h"
#include "runtime/run/strand.h"

static bool call_member_decide(member *m, bool *is_coming)
{
    bool comes = false;
    sw_group *g = m->group;
    step_outcome outcome = function_call_look(g->run, m->call, &comes, &m->value, &m->failure);
    g->lacks_room = g->lacks_room || m->call->needs_room;
    *is_coming = *is_coming || comes || m->call->needs_room;
    if (outcome == STEP_OPEN) return false;
    m->outcome = outcome;
    return true;
}

static void call_member_withdraw(member *m) { function_call_withdraw(m->group->run, m->call); }

const member_kind member_call = {.is_work = true, .decide = call_member_decide, .withdraw = call_member_withdraw};

/* The run may have been told to leave memory: then nothing is called any more. */
static void call_member_check(sw_ctx *c)
{
    if (run_may_go_on(c->run)) return;
    strand_interrupt(c->strand, INTERRUPT_UNWIND);
    ctx_raise_interrupt(c);
}

void sw_group_call_with(sw_group *g, const char *id, const char *function, sw_value input,
                        const sw_call_options *options)
{
    sw_ctx *c = group_context(g, "sw_group_call");
    const call_asked asked = {"sw_group_call", id, function, options, true};
    function_call *q = arena_alloc(&c->task->arena, sizeof *q);
    if (!q) ctx_fail_memory(c);
    *q = function_call_prepare(c, &asked, input);
    member *m = member_new(c, g, &member_call);
    m->call = q;
    m->wait = (waiting){.c = c, .open = {.id = q->named.id.data, .path = q->named.path, .is_call = true}};
    if (c->strand->is_abandoned && !fit_find(c->run, q->named.path)) { /* what has lost calls nothing */
        member_stand(m);
        return;
    }
    call_member_check(c);
    step_outcome outcome = function_call_begin(c->run, q, &m->value, &m->failure);
    if (outcome == STEP_UNWOUND) ctx_raise(c, failure_unwind);
    if (outcome == STEP_OPEN) {
        member_stand(m);
        return;
    }
    member_link(m);
    m->outcome = outcome;
    member_ended(m);
}

void sw_group_call(sw_group *g, const char *id, const char *function, sw_value input)
{
    sw_group_call_with(g, id, function, input, NULL);
}
