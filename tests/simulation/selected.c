#include "tests/simulation/selected.h"

#include <stdlib.h>
#include <string.h>

#include "tests/simulation/asked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/program.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/sent.h"
#include "tests/simulation/signalled.h"

static const op *op_of(const run_record *r, int at) { return &w->jobs[r->job].ops[at]; }

int16_t selected_member(const job *j, int group, uint64_t number)
{
    int16_t m = j->ops[group].child;
    for (; m != NO_OP && number > 0; number--) m = j->ops[m].next;
    return m;
}

void selected_told(const run_record *r, int group) { w->met[MET_WON_AGAIN] += r->ops[group].chosen; }

int selected_op(const run_record *r, const entry *e)
{
    char id[8] = "";
    memcpy(id, e->id.data, e->id.len < sizeof id ? e->id.len : 0);
    int at = id[0] == 'a' ? atoi(id + 1) : NO_OP;
    return at >= 0 && at < (int)w->jobs[r->job].op_count && op_of(r, at)->any ? at : NO_OP;
}

/* ---- Who has lost ---- */

static void give_up(run_record *r, int at);

static void give_up_list(run_record *r, int first)
{
    for (int at = first; at != NO_OP; at = op_of(r, at)->next) give_up(r, at);
}

static bool has_begun(const run_record *r, int group)
{
    for (int m = op_of(r, group)->child; m != NO_OP; m = op_of(r, m)->next)
        if (r->ops[m].begun > 0 || r->ops[m].waits || r->ops[m].called) return true;
    return false;
}

static void give_up(run_record *r, int at)
{
    const op *o = op_of(r, at);
    w->met[MET_LOST_WITHIN] += o->any && !r->ops[at].chosen && !r->ops[at].given_up && has_begun(r, at);
    r->ops[at].given_up = true;
    give_up_list(r, o->child);
    give_up_list(r, o->other);
}

void selected_give_up(run_record *r, int group)
{
    int won = selected_member(&w->jobs[r->job], group, r->ops[group].choice);
    for (int m = op_of(r, group)->child; m != NO_OP; m = op_of(r, m)->next)
        if (m != won) give_up(r, m);
}

/* ---- The decision ---- */

static bool is_within(const job *j, int first, int at)
{
    for (int o = first; o != NO_OP; o = j->ops[o].next)
        if (o == at || is_within(j, j->ops[o].child, at) || is_within(j, j->ops[o].other, at)) return true;
    return false;
}

/* It is in a branch of another such group. */
static bool is_nested(const job *j, int group)
{
    for (unsigned i = 0; i < j->op_count; i++)
        if (j->ops[i].any && is_within(j, j->ops[i].child, group)) return true;
    return false;
}

bool selected_has_beaten(const run_record *r, int at, int other)
{
    const job *j = &w->jobs[r->job];
    for (unsigned i = 0; i < j->op_count; i++) {
        if (!j->ops[i].any || !r->ops[i].chosen || !is_within(j, j->ops[i].child, other)) continue;
        int16_t won = selected_member(j, (int)i, r->ops[i].choice);
        bool is_in = won == at || is_within(j, j->ops[won].child, at) || is_within(j, j->ops[won].other, at);
        bool is_same = won == other || is_within(j, j->ops[won].child, other) || is_within(j, j->ops[won].other, other);
        if (is_in && !is_same) return true;
    }
    return false;
}

bool selected_may_have_lost(const run_record *r, int at)
{
    const job *j = &w->jobs[r->job];
    for (unsigned i = 0; i < j->op_count; i++)
        if (j->ops[i].any && r->ops[i].drawn > 0 && is_within(j, j->ops[i].child, at)) return true;
    return r->ops[at].given_up;
}

static void note_won(const run_record *r, int group, int won)
{
    op_kind kind = op_of(r, won)->kind;
    w->met[MET_WON]++;
    w->met[MET_WON_BRANCH] += kind == OP_BRANCH;
    w->met[MET_WON_WAIT] += kind == OP_WAIT;
    w->met[MET_WON_SLEEP] += kind == OP_SLEEP;
    w->met[MET_WON_WITHIN] += is_nested(&w->jobs[r->job], group);
}

static bool has_taken(const op_state *s) { return s->chosen && s->choice != PROGRAM_FAILED; }

const char *selected_won(run_record *r, const entry *e)
{
    int at = selected_op(r, e);
    if (at == NO_OP) return "it has a decision of no group";
    op_state *s = &r->ops[at];
    int won = selected_member(&w->jobs[r->job], at, e->member);
    if (s->chosen) return "a group is decided twice";
    if (won == NO_OP) return "a group is decided by a member that it has not";
    if (s->seen && s->choice != e->member) return "a group is decided otherwise than its handler was told";
    if (!program_has_succeeded(r, won)) return "a group is decided, and the winner's success is not on disk before";
    for (int m = op_of(r, at)->child; m != NO_OP; m = op_of(r, m)->next)
        if (m != won && op_of(r, m)->kind == OP_WAIT && has_taken(&r->ops[m]))
            return "a group is decided, and one that has not won has taken a signal";
    s->chosen = true;
    s->choice = e->member;
    selected_give_up(r, at);
    note_won(r, at, won);
    return NULL;
}

/* A wait or sleep of that id that is a member of a group; NO_OP: there is none. Some sleeps have one id. */
static int standing_op(const run_record *r, const entry *e)
{
    const job *j = &w->jobs[r->job];
    for (unsigned i = 0; i < j->op_count; i++) {
        const op *o = &j->ops[i];
        bool stands = o->kind == OP_WAIT || o->kind == OP_SLEEP || o->kind == OP_UNTIL;
        if (stands && o->parent != NO_OP && entry_text_is(e->id, o->id)) return (int)i;
    }
    return NO_OP;
}

/* Nobody waits for it any more: something beside it has failed, or what holds it was over. It may begin anew when that
 * counts no more. */
static const char *take_given_up(run_record *r, int at)
{
    op_state *s = &r->ops[at];
    bool is_wait = op_of(r, at)->kind == OP_WAIT;
    if (is_wait && s->given_up) return "a wait is given up that has lost before";
    if (is_wait && (s->chosen || !s->waits)) return "a wait is given up that was decided, or has not begun";
    if (is_wait) s->waits = false;
    w->met[MET_GIVEN_UP]++;
    return NULL;
}

const char *selected_cut(run_record *r, const entry *e)
{
    int stood = e->attempt == 0 ? standing_op(r, e) : NO_OP;
    if (stood != NO_OP) return take_given_up(r, stood);
    int at = promise_op_at(r, e->path);
    if (at == NO_OP) return "an attempt is given up that never began";
    const op_state *s = &r->ops[at];
    if (!s->given_up) return "an attempt is given up, and nobody has won";
    if (s->done || s->failed) return "an attempt is given up of a step that was over";
    if (op_of(r, at)->kind == OP_CALL) return s->called ? NULL : "a call is given up that was never made";
    if (e->attempt <= s->failures || e->attempt > s->begun) return "an attempt is given up that was not under way";
    w->met[MET_CUT]++;
    return NULL;
}

/* ---- Nothing comes of it ---- */

static int op_of_entry(const run_record *r, const entry *e)
{
    switch (e->kind) {
    case ENTRY_STEP_DONE:
    case ENTRY_STEP_FAILED:
        return promise_op_at(r, e->path);
    case ENTRY_CHUNK:
        return e->id.len > 0 ? promise_op_at(r, e->path) : NO_OP;
    case ENTRY_WAIT:
    case ENTRY_TAKEN:
    case ENTRY_TIMED_OUT:
        return signalled_op(r, e);
    case ENTRY_WON:
        return selected_op(r, e);
    case ENTRY_VALUE:
        return asked_op(r, e);
    case ENTRY_SENT:
        return sent_op(r, e);
    case ENTRY_CALLED:
    case ENTRY_RETURNED:
        return called_op(r, e);
    default:
        return NO_OP;
    }
}

bool selected_has_lost(const run_record *r, const entry *e)
{
    int at = op_of_entry(r, e);
    return at != NO_OP && r->ops[at].given_up;
}

/* Whether a failure of all members has failed the run. */
void selected_ended(const run_record *r)
{
    verdict v = program_verdict(r);
    if (r->outcome != ENTRY_FAILED || v.kind != VERDICT_FAILS || v.op == NO_OP) return;
    int group = op_of(r, v.op)->parent;
    w->met[MET_NONE_WON] += group != NO_OP && op_of(r, group)->any;
}
