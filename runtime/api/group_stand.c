/* group_stand: members of a group that run no code: waits for a signal, sleeps, and calls. Owns nothing. Each is
 * decided by the strand that waits for the group, when that looks. */
#include <assert.h>
#include <string.h>

#include "runtime/api/group_core.h"
#include "runtime/api/recorded.h"
#include "runtime/base/value.h"
#include "runtime/probe/probe.h"
#include "runtime/run/ctx.h"
#include "runtime/run/fit.h"
#include "runtime/run/home.h"
#include "runtime/run/mailbox.h"
#include "runtime/run/path.h"
#include "runtime/run/record.h"
#include "runtime/run/run_span.h"
#include "runtime/run/strand.h"

/* ---- Deciding ---- */

static void member_time_out(member *m)
{
    run *r = m->group->run;
    const waiting *w = &m->wait;
    const char *text = arena_printf(&r->task.arena, "the wait \"%s\" has timed out", w->open.id);
    if (!text) run_lose_for_memory(r);
    m->outcome = STEP_FAILED;
    m->failure = (failure){.kind = FAILURE_FATAL,
                           .message = text ? text : "a wait has timed out",
                           .path = path_label(r, m->group->ctx->label, w->open.id, w->occurrence),
                           .retry_after_ms = -1};
}

static void member_take(member *m, wait_state state)
{
    assert(state != WAIT_OPEN);
    if (state == WAIT_TAKEN)
        m->outcome = STEP_OK;
    else
        member_time_out(m);
}

static bool wait_member_decide(member *m, bool *is_coming)
{
    bool comes = false;
    wait_state state = wait_decide(&m->wait, &comes, &m->value);
    *is_coming = *is_coming || comes;
    if (state == WAIT_OPEN) return false;
    member_take(m, state);
    return true;
}

static bool sleep_member_decide(member *m, bool *is_coming)
{
    const open_wait *w = &m->wait.open;
    (void)is_coming;
    if (clock_left_ms(&w->until) > 0) return false;
    const wait_span span = {.name = "sleep", .id = w->id, .path = w->path, .from_ms = m->wait.at_ms};
    wait_span_slept(m->group->run, &span, &w->until);
    m->outcome = STEP_OK;
    return true;
}

static void wait_member_withdraw(member *m) { wait_withdraw(&m->wait); }

const member_kind member_wait = {.decide = wait_member_decide, .withdraw = wait_member_withdraw};
const member_kind member_sleep = {.decide = sleep_member_decide};

/* Takes the first of those behind *at from the list. */
static member *standing_take(sw_group *g, open_wait **at)
{
    member *m = member_of_wait(*at);
    *at = (*at)->next;
    if (!*at) g->standing_end = at;
    g->standing_count--;
    return m;
}

static bool standing_has_wait(const sw_group *g)
{
    const open_wait *w = g->standing;
    while (w && member_of_wait((open_wait *)(uintptr_t)w)->kind != &member_wait) w = w->next;
    return w != NULL;
}

/* Whether a sleep that is over may not win yet: another node may have written a signal before that, which counts; or
 * --prove has not sent its signals. */
static bool sleep_member_is_early(const sw_group *g, const member *m)
{
    const int64_t left_ms = clock_left_ms(&m->wait.open.until);
    const bool may_come = g->run->task.home->cluster->has_others && left_ms <= 0 && standing_has_wait(g);
    const bool are_to_come = probe_on && left_ms <= 0 && standing_has_wait(g) && probe_signals_come(g->run);
    return are_to_come || (may_come && mailbox_look_anew(g->run, left_ms) != MAILBOX_EMPTY);
}

/* Ends sleeps, or all others. True: `first`, and there is a success. */
static bool standing_decide(sw_group *g, bool sleeps, bool first, bool *is_coming)
{
    open_wait **at = &g->standing;
    while (*at) {
        member *m = member_of_wait(*at);
        bool is_early = first && sleeps && m->kind == &member_sleep && sleep_member_is_early(g, m);
        *is_coming = *is_coming || is_early;
        if (is_early || (m->kind == &member_sleep) != sleeps || !m->kind->decide(m, is_coming)) {
            at = &(*at)->next;
            continue;
        }
        member_ended(standing_take(g, at));
        if (first && m->outcome == STEP_OK) return true;
    }
    return false;
}

/* Where the first success decides, a signal on its way to the disk is waited for before a sleep may win: whoever sent
 * it is told that it counts. */
void group_decide_standing(sw_group *g, bool first, bool *is_coming)
{
    *is_coming = false;
    bool is_decided = standing_decide(g, false, first, is_coming) || (first && *is_coming);
    if (!is_decided) (void)standing_decide(g, true, first, is_coming);
}

/* Journals that a wait or sleep is given up, for people, and for the next execution. Of what has lost *won* tells. A
 * run that leaves memory gives nothing up: its next execution does, if it comes there. */
static void member_record_given_up(const member *m)
{
    run *r = m->group->run;
    const waiting *w = &m->wait;
    bool is_over = m->kind == &member_sleep && clock_left_ms(&w->open.until) <= 0;
    if (m->kind->is_work || is_over || m->group->strand->is_abandoned || run_unwinds(r)) return;
    (void)record_append(r, &(entry){.kind = ENTRY_ABANDONED,
                                    .path = w->open.path,
                                    .id = entry_text_of(w->open.id),
                                    .occurrence = w->occurrence,
                                    .at_ms = clock_wall_ms(),
                                    .branch = w->c->path,
                                    .began = w->began,
                                    .question = w->open.question});
}

static void standing_end(sw_group *g, bool with_work)
{
    open_wait **at = &g->standing;
    while (*at) {
        member *m = member_of_wait(*at);
        if (m->kind->is_work && !with_work) {
            at = &(*at)->next;
            continue;
        }
        (void)standing_take(g, at);
        if (!with_work) member_record_given_up(m);
        if (m->kind->withdraw) m->kind->withdraw(m);
        member_abandon(m);
    }
}

void group_withdraw(sw_group *g) { standing_end(g, false); }
void group_give_up_standing(sw_group *g) { standing_end(g, true); }

void group_lose_standing(sw_group *g)
{
    bool is_coming = false;
    for (open_wait **at = &g->standing; *at;) {
        member *m = member_of_wait(*at);
        bool is_over = m->kind == &member_sleep && sleep_member_decide(m, &is_coming);
        if (is_over)
            member_ended(standing_take(g, at));
        else
            at = &(*at)->next;
    }
    group_give_up_standing(g);
}

void group_end_sleep(member *m)
{
    sw_group *g = m->group;
    open_wait **at = &g->standing;
    assert(m->kind == &member_sleep && !m->ended);
    while (*at != &m->wait.open) at = &(*at)->next;
    (void)standing_take(g, at);
    m->outcome = STEP_OK;
    member_ended(m);
}

/* ---- Waiting ---- */

/* Clients that wait for the run's answer are sent on, if nothing but time and signals can bring the group further, and
 * that may take long. */
static void group_tell_long(sw_group *g)
{
    run *r = g->run;
    bool is_long = true;
    for (const open_wait *w = g->standing; w && is_long; w = w->next)
        is_long =
            !w->is_call && (w->until.due_ms == 0 || clock_left_ms(&w->until) > r->task.home->opt->redirect_after_ms);
    if (!is_long || g->is_told || g->running > 0) return;
    g->is_told = true;
    run_begin_long_wait(r);
}

bool group_suspend(sw_group *g, strand *s, bool is_coming)
{
    uint32_t calls = 0;
    uint64_t first_call = 0;
    if (!g->standing || !strand_may_begin(s)) return strand_await_group(s, NULL, false);
    for (open_wait *w = g->standing; w; w = w->next) {
        member *m = member_of_wait(w);
        if (probe_on && !m->wait.is_told) probe_stands(g->ctx, w);
        if (w->is_call && calls++ == 0) first_call = w->path;
        m->wait.is_told = true;
        m->wait.has_waited = true;
    }
    if (!is_coming) group_tell_long(g);
    /* What the look before this has not found is still to come, so the group cannot go on before so many have come. */
    s->work.awaits_calls = calls;
    s->work.returns_due = g->run->returns + (g->first_decides ? 1 : calls);
    s->work.sleep_path = first_call;
    bool awake = strand_await_group(s, g->standing, is_coming);
    s->work.awaits_calls = 0;
    return awake;
}

/* ---- Adding ---- */

/* One that has lost, or was given up, in an earlier execution stands no more, nor does one that is new in something
 * that has lost. */
void member_stand(member *m)
{
    sw_group *g = m->group;
    const uint64_t path = m->wait.open.path;
    assert(m->wait.open.next == NULL);
    member_link(m);
    m->is_lost = fit_has_lost(g->run, path);
    m->was_given_up = fit_was_given_up(g->run, path);
    if (m->is_lost || m->was_given_up || (g->strand->is_abandoned && !fit_find(g->run, path))) {
        if (m->kind->withdraw) m->kind->withdraw(m);
        member_abandon(m);
        return;
    }
    *g->standing_end = &m->wait.open;
    g->standing_end = &m->wait.open.next;
    g->standing_count++;
}

void sw_group_wait_for(sw_group *g, const char *id, const sw_wait *asked)
{
    static const char function[] = "sw_group_wait_for";
    sw_ctx *c = group_context(g, function);
    wait_check(c, &(wait_call){function, id, asked, true});
    member *m = member_new(c, g, &member_wait);
    sw_wait kept = *asked;
    const wait_call call = {function, step_copy_id(c, "a wait", id), &kept, true};
    kept.signal = arena_strndup(&c->task->arena, asked->signal, strlen(asked->signal));
    if (!kept.signal) ctx_fail_memory(c);
    m->wait = (waiting){.c = c};
    wait_state state = wait_begin(&m->wait, &call, &m->value);
    if (state == WAIT_OPEN) {
        member_stand(m);
        return;
    }
    member_link(m);
    member_take(m, state);
    member_ended(m);
}

static void group_sleep(sw_ctx *c, sw_group *g, const char *id, const sleep_asked *asked)
{
    member *m = member_new(c, g, &member_sleep);
    waiting *w = &m->wait;
    *w = (waiting){.c = c, .open.id = step_copy_id(c, "a sleep", id)};
    sleep_begun begun = sleep_begin(c, w->open.id, asked);
    w->occurrence = begun.occurrence;
    w->began = begun.began;
    w->open.path = begun.path;
    w->open.until = begun.until;
    w->at_ms = begun.from_ms;
    member_stand(m);
}

void sw_group_sleep(sw_group *g, const char *id, int64_t ms)
{
    sw_ctx *c = group_context(g, "sw_group_sleep");
    ctx_check_wait(c, "sw_group_sleep");
    clock_instant now = clock_now(&c->task->home->clock);
    group_sleep(c, g, id, &(sleep_asked){.now = &now, .until = clock_wait_for(&now, ms), .is_member = true});
}

void sw_group_sleep_until(sw_group *g, const char *id, int64_t unix_ms)
{
    sw_ctx *c = group_context(g, "sw_group_sleep_until");
    ctx_check_wait(c, "sw_group_sleep_until");
    clock_instant now = clock_now(&c->task->home->clock);
    group_sleep(c, g, id, &(sleep_asked){.now = &now, .until = clock_wait_until(unix_ms), .is_member = true});
}
