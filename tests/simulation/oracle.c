/* oracle: what a run has to answer, out of what the disk has of its steps and choices: the handler's tree again,
 * without any runtime. */
#include "tests/simulation/program.h"
#include "tests/simulation/selected.h"

typedef struct reading {
    const run_record *run;
    const job *job;
} reading;

static verdict answer(uint64_t result) { return (verdict){.kind = VERDICT_ANSWER, .result = result, .op = NO_OP}; }

static verdict read_list(const reading *r, int16_t first, uint64_t result);

static verdict read_step(const reading *r, int16_t at, uint64_t result)
{
    const op_state *s = &r->run->ops[at];
    if (s->done) return answer(program_mix(result, s->nonce));
    if (!s->failed) return (verdict){.kind = VERDICT_OPEN, .op = at};
    return (verdict){.kind = VERDICT_FAILS, .op = at, .is_exhausted = !s->fatal, .causes = UINT64_C(1) << at};
}

/* The first failure, for the causes of all. */
static void add_failure(verdict *all, const verdict *one)
{
    if (all->kind != VERDICT_FAILS) {
        *all = *one;
        return;
    }
    all->is_exhausted &= one->is_exhausted;
    all->causes |= one->causes;
}

/* Nothing has to be on disk of others when a member has failed, unless failures are tolerated. */
static verdict read_each(const reading *r, int16_t at, uint64_t result)
{
    const op *o = &r->job->ops[at];
    verdict v = answer(result), open = v, failed = v;
    for (int16_t m = o->child; m != NO_OP; m = r->job->ops[m].next) {
        verdict one = read_step(r, m, v.result);
        if (one.kind == VERDICT_FAILS && o->settles) one = answer(program_mix(v.result, PROGRAM_FAILED));
        if (one.kind == VERDICT_FAILS) add_failure(&failed, &one);
        if (one.kind == VERDICT_OPEN) open = one;
        v.result = one.result;
    }
    if (failed.kind == VERDICT_FAILS) return failed;
    return open.kind == VERDICT_OPEN ? open : v;
}

static verdict read_choice(const reading *r, int16_t at, uint64_t result)
{
    const op_state *s = &r->run->ops[at];
    if (!s->chosen) return (verdict){.kind = VERDICT_OPEN, .op = at};
    return answer(program_mix(result, s->choice));
}

/* Of a group it fails when its time is over. */
static verdict read_standing(const reading *r, int16_t at, uint64_t result)
{
    const op_state *s = &r->run->ops[at];
    bool has_failed = s->chosen && s->choice == PROGRAM_FAILED;
    return has_failed ? (verdict){.kind = VERDICT_FAILS, .op = at} : read_choice(r, at, result);
}

static verdict read_call(const reading *r, int16_t at, uint64_t result)
{
    const op_state *s = &r->run->ops[at];
    if (s->done) return answer(program_mix(result, s->nonce));
    if (!s->failed) return (verdict){.kind = VERDICT_OPEN, .op = at};
    return (verdict){.kind = VERDICT_FAILS, .op = at, .causes = UINT64_C(1) << at};
}

/* A branch gives its own result, from what was before the group. */
static verdict read_member(const reading *r, int16_t at, uint64_t before, uint64_t result)
{
    const op *o = &r->job->ops[at];
    if (o->kind == OP_STEP) return read_step(r, at, result);
    if (o->kind == OP_WAIT) return read_standing(r, at, result);
    if (o->kind == OP_SLEEP) return answer(result);
    if (o->kind == OP_CALL) return read_call(r, at, result);
    verdict v = read_list(r, o->child, before);
    return v.kind == VERDICT_ANSWER ? answer(program_mix(result, v.result)) : v;
}

/* The member that has won, or the failures of all. */
static verdict read_any(const reading *r, int16_t at, uint64_t before)
{
    const op *o = &r->job->ops[at];
    const op_state *s = &r->run->ops[at];
    verdict v = read_list(r, o->other, before), open = {.kind = VERDICT_OPEN, .op = at}, failed = v;
    if (v.kind != VERDICT_ANSWER) return v;
    if (s->chosen) {
        v = read_member(r, selected_member(r->job, at, s->choice), before, program_mix(v.result, s->choice));
        return v.kind == VERDICT_ANSWER ? v : open;
    }
    for (int16_t m = o->child; m != NO_OP; m = r->job->ops[m].next) {
        verdict one = read_member(r, m, before, v.result);
        if (one.kind != VERDICT_FAILS) return open;
        add_failure(&failed, &one);
    }
    return failed;
}

/* A failure gives up the waits that are not decided. */
static verdict read_group(const reading *r, int16_t at, uint64_t before)
{
    const op *o = &r->job->ops[at];
    verdict v = read_list(r, o->other, before);
    verdict failed = v, open = v; /* one that is still open tells more */
    if (v.kind != VERDICT_ANSWER) return v;
    for (int16_t m = o->child; m != NO_OP; m = r->job->ops[m].next) {
        verdict one = read_member(r, m, before, v.result);
        if (one.kind == VERDICT_OPEN) open = one;
        if (one.kind == VERDICT_OPEN && (o->settles || r->job->ops[m].kind != OP_WAIT)) return one;
        if (one.kind == VERDICT_FAILS && o->settles) one = answer(program_mix(v.result, PROGRAM_FAILED));
        if (one.kind == VERDICT_FAILS) add_failure(&failed, &one);
        if (one.kind == VERDICT_ANSWER) v = one;
    }
    if (failed.kind == VERDICT_FAILS) return failed;
    return open.kind == VERDICT_OPEN ? open : v;
}

static verdict read_op(const reading *r, int16_t at, uint64_t result)
{
    const op *o = &r->job->ops[at];
    verdict v;
    bool is_new;
    switch (o->kind) {
    case OP_STEP:
        return read_step(r, at, result);
    case OP_TRY:
        v = read_step(r, at, result);
        return v.kind == VERDICT_FAILS ? answer(program_mix(result, PROGRAM_FAILED)) : v;
    case OP_CALL:
        v = read_call(r, at, result);
        return v.kind == VERDICT_FAILS && o->tries ? answer(program_mix(result, PROGRAM_FAILED)) : v;
    case OP_EACH:
        return read_each(r, at, result);
    case OP_GROUP:
        return o->any ? read_any(r, at, result) : read_group(r, at, result);
    case OP_UNTIL:
    case OP_NOW:
    case OP_RANDOM:
    case OP_WAIT:
    case OP_SEND:
        return read_choice(r, at, result);
    case OP_IF:
        v = read_choice(r, at, result);
        if (v.kind != VERDICT_ANSWER) return v;
        return read_list(r, r->run->ops[at].choice % 2 ? o->child : o->other, v.result);
    case OP_PATCH: /* a program that does not ask takes the old way, and writes nothing of that */
        is_new = r->run->ops[at].chosen && r->run->ops[at].choice;
        return read_list(r, is_new ? o->child : o->other, program_mix(result, is_new));
    case OP_FAIL:
        return (verdict){.kind = VERDICT_FAILS, .op = at};
    default:
        return answer(result);
    }
}

static verdict read_list(const reading *r, int16_t first, uint64_t result)
{
    verdict v = answer(result);
    for (int16_t at = first; at != NO_OP && v.kind == VERDICT_ANSWER; at = r->job->ops[at].next)
        v = read_op(r, at, v.result);
    return v;
}

bool program_has_succeeded(const run_record *run, int member)
{
    reading r = {.run = run, .job = &w->jobs[run->job]};
    return read_member(&r, (int16_t)member, 0, 0).kind == VERDICT_ANSWER;
}

verdict program_verdict(const run_record *run)
{
    reading r = {.run = run, .job = &w->jobs[run->job]};
    return read_list(&r, r.job->first, program_first((unsigned)run->job));
}
