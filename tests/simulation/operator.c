#include "tests/simulation/operator.h"

#include "tests/simulation/asked.h"
#include "tests/simulation/bulked.h"
#include "tests/simulation/called.h"
#include "tests/simulation/client_core.h"
#include "tests/simulation/forked.h"
#include "tests/simulation/promises.h"
#include "tests/simulation/reasons.h"
#include "tests/simulation/shut.h"
#include "tests/simulation/signalled.h"
#include "tests/simulation/standing.h"

enum { PAUSE_MS = 2000, TIRED_MS = 100, PATIENCE = 2, PATIENCE_LONG = 6 };
static const int64_t MS = 1000000;

static bool is_last(void) { return w->epoch + 1 == w->plan.epochs; }

/* ---- What there is to do ---- */

/* A run that waits for a signal is not left alone: else the process would never come to rest. */
static bool needs_signal(const run_record *r) { return !standing(r) && signalled_lacks(r) != 0; }

static bool needs_help(const run_record *r) { return (is_last() && standing_is_held(r)) || needs_signal(r); }

/* NULL: no run is so. */
static run_record *next_that(bool (*is_so)(const run_record *r))
{
    unsigned from = world_below(RANDOM_LIVE, w->run_count);
    for (unsigned i = 0; i < w->run_count; i++) {
        run_record *r = &w->runs[(from + i) % w->run_count];
        if (is_so(r)) return r;
    }
    return NULL;
}

static bool has_work(void)
{
    if (w->plan.epoch[w->epoch].operations > 0 || (w->plan.epoch[w->epoch].bulks > 0 && bulked_may_ask())) return true;
    for (unsigned i = 0; i < w->run_count; i++)
        if (needs_help(&w->runs[i])) return true;
    return is_last() && (shut_any() || bulked_in_need() >= 0);
}

/* What it is asked for that nobody needs: pages, stops, releases of runs that do not stand, resumes of runs that have
 * not ended, forks. One that has failed is resumed more often than not. */
static client_target wish_for(const run_record *r)
{
    bool may_resume = r->reopened < RESUMES_MAX;
    bool has_failed = r->ended && r->outcome != ENTRY_SUCCEEDED;
    if (signalled_may_send(r) && world_chance(RANDOM_LIVE, signalled_is_awaited(r) ? 70 : 10)) return TARGET_SIGNAL;
    if (forked_may_ask(r) && world_chance(RANDOM_LIVE, called_others(r) ? 50 : 30)) return TARGET_FORK_DRY;
    if (may_resume && world_chance(RANDOM_LIVE, has_failed ? 70 : 15)) return TARGET_RESUME;
    if (world_chance(RANDOM_LIVE, 50)) return TARGET_STOP;
    return world_chance(RANDOM_LIVE, 50) ? TARGET_PAGE : TARGET_RELEASE;
}

/* A run that has called others, and has failed or was cancelled: perhaps because of them. */
static bool may_go_on_with_others(const run_record *r)
{
    return called_others(r) && r->ended && r->outcome != ENTRY_SUCCEEDED && r->reopened < RESUMES_MAX;
}

static run_record *any_run(client_target *target)
{
    unsigned *left = &w->plan.epoch[w->epoch].operations;
    if (*left == 0 || w->run_count == 0) return NULL;
    --*left;
    run_record *r = &w->runs[world_below(RANDOM_LIVE, w->run_count)];
    run_record *waits = world_chance(RANDOM_LIVE, 40) ? next_that(signalled_is_awaited) : NULL;
    if (waits) r = waits;
    run_record *calls = w->plan.children > 0 && world_chance(RANDOM_LIVE, 40) ? next_that(called_others) : NULL;
    if (calls) r = calls;
    run_record *again = w->plan.children > 0 && world_chance(RANDOM_LIVE, 60) ? next_that(may_go_on_with_others) : NULL;
    *target = again ? TARGET_RESUME : wish_for(r);
    return again ? again : r;
}

/* One that a program stops each time anew is given up. */
static client_target help_for(const run_record *r)
{
    bool mends = (r->stop == ENTRY_STOP_EXHAUSTED && r->releases < PATIENCE_LONG) || r->stop == ENTRY_STOP_OPERATOR;
    bool again = !mends && r->stop != ENTRY_STOP_CRASHES && r->stop != 0 && r->releases >= PATIENCE;
    if (world_chance(RANDOM_LIVE, 30)) return TARGET_PAGE;
    if (needs_signal(r)) return TARGET_SIGNAL;
    return again ? TARGET_RUN : TARGET_RELEASE;
}

/* ---- Turns ---- */

void operator_begin(void)
{
    client *c = operator_of();
    *c = (client){.wish = WISH_OPERATE, .job = -1, .run = -1, .fd = -1, .state = CLIENT_DONE};
    c->at_ns = w->steady_ns + world_between(RANDOM_LIVE, 0, PAUSE_MS) * MS;
}

/* Stops an endpoint, or starts one: while there is no run nothing else can be done; and in the last process all of them
 * are started. */
static bool sets_endpoint(client *c)
{
    unsigned *left = &w->plan.epoch[w->epoch].operations;
    bool needs = is_last() && shut_any();
    if (!needs && *left == 0) return false;
    if (!needs && w->run_count > 0 && !world_chance(RANDOM_LIVE, 10)) return false;
    if (!needs) --*left;
    c->run = c->job = -1;
    client_ask_again(c, shut_wish(c, needs), 0);
    return true;
}

/* Sends a request for a fork again whose answer was lost. */
static bool repeats_fork(client *c)
{
    unsigned *left = &w->plan.epoch[w->epoch].operations;
    int16_t lost = forked_lost();
    if (lost < 0 || *left == 0 || !world_chance(RANDOM_LIVE, 70)) return false;
    --*left;
    c->fork_ask = lost;
    c->run = w->fork_asks[lost].source;
    c->job = w->runs[c->run].job;
    client_ask_again(c, TARGET_FORK, 0);
    return true;
}

/* Asks for a bulk action, what it would do first or not, or for one again whose answer was lost. */
static bool acts_on_many(client *c)
{
    unsigned *left = &w->plan.epoch[w->epoch].bulks;
    int16_t lost = bulked_lost();
    bool repeats = lost >= 0 && world_chance(RANDOM_LIVE, 70);
    if (*left == 0 || (!repeats && !(bulked_may_ask() && world_chance(RANDOM_LIVE, 60)))) return false;
    --*left;
    c->bulk = repeats ? lost : bulked_ask();
    c->run = c->job = -1;
    client_ask_again(c, repeats || world_chance(RANDOM_LIVE, 30) ? TARGET_BULK : TARGET_BULK_DRY, 0);
    return true;
}

static bool releases_bulk(client *c)
{
    int16_t held = is_last() ? bulked_in_need() : -1;
    if (held < 0) return false;
    c->bulk = held;
    c->run = c->job = -1;
    client_ask_again(c, TARGET_BULK_RELEASE, 0);
    return true;
}

/* Sends a signal again, as one does who has lost the answer. */
static bool repeats_signal(client *c)
{
    unsigned *left = &w->plan.epoch[w->epoch].operations;
    int16_t again = *left > 0 && world_chance(RANDOM_LIVE, 20) ? signalled_again() : -1;
    if (again < 0) return false;
    --*left;
    c->signal = again;
    c->run = w->signals[again].run;
    c->job = w->runs[c->run].job;
    client_ask_again(c, asked_first(c), 0);
    return true;
}

bool operator_turn(void)
{
    client *c = operator_of();
    if (c->state != CLIENT_DONE || c->at_ns > w->steady_ns || !has_work()) return false;
    if (sets_endpoint(c) || repeats_fork(c) || repeats_signal(c) || releases_bulk(c) || acts_on_many(c)) return true;
    client_target target = TARGET_RELEASE;
    run_record *r = next_that(needs_help);
    if (r)
        target = help_for(r);
    else
        r = any_run(&target);
    if (!r) return false;
    c->run = (int16_t)(r - w->runs);
    c->job = r->job;
    if (target == TARGET_RELEASE) r->asked_to_release = true;
    if (target == TARGET_RUN) r->asked_to_cancel = true;
    if (target == TARGET_STOP) r->asked_to_stop++;
    if (target == TARGET_RESUME) r->asked_to_reopen = true;
    if (target == TARGET_FORK_DRY) c->fork_ask = forked_ask(r);
    if (target == TARGET_SIGNAL) c->signal = asked_draw(signalled_new(r, signalled_lacks(r)));
    if (target == TARGET_SIGNAL) target = asked_first(c);
    client_ask_again(c, target, 0);
    return true;
}

int64_t operator_due_ns(void)
{
    const client *c = operator_of();
    return c->state == CLIENT_DONE && has_work() ? c->at_ns : INT64_MAX;
}

/* ---- Answers ---- */

static void page_told(const client *c, run_record *r)
{
    promise_page(c, r, c->answer, c->answer_len);
    reasons_told(c, r, c->answer);
    forked_page_told(c, r);
}

/* Who has heard what a fork would be may want it, and may not wait for the answer. */
static bool goes_on_to_fork(client *c)
{
    bool was_told = c->target == TARGET_FORK_DRY && c->status == 200;
    if (!was_told || !world_chance(RANDOM_LIVE, 85)) return false;
    client_ask_again(c, TARGET_FORK, world_between(RANDOM_LIVE, 0, 200));
    if (world_chance(RANDOM_LIVE, 20)) c->stays_ms = 1 + (int32_t)world_below(RANDOM_LIVE, 200);
    return true;
}

static bool goes_on_to_bulk(client *c)
{
    bool was_told = c->target == TARGET_BULK_DRY && c->status == 200;
    if (!was_told || !world_chance(RANDOM_LIVE, 85)) return false;
    client_ask_again(c, TARGET_BULK, world_between(RANDOM_LIVE, 0, 200));
    return true;
}

/* Signals come in bursts: one again, since its answer was lost, say, or the next. What the first has woken is not in
 * memory yet, or has not come to its next wait. */
static bool goes_on_to_signal(client *c)
{
    if (c->target != TARGET_SIGNAL) return false;
    const run_record *r = &w->runs[c->run];
    bool repeats = signalled_may_repeat(c->signal) && world_chance(RANDOM_LIVE, 50);
    bool is_next = !repeats && signalled_may_send(r) && signalled_is_awaited(r) && world_chance(RANDOM_LIVE, 30);
    if (!repeats && !is_next) return false;
    if (is_next) c->signal = asked_draw(signalled_new(r, 0));
    client_ask_again(c, asked_first(c), world_chance(RANDOM_LIVE, 50) ? 0 : world_between(RANDOM_LIVE, 0, 200));
    return true;
}

/* Who has the page fills in its form, sometimes when it is too old. */
static bool goes_on_to_form(client *c)
{
    if (c->target != TARGET_QUESTION || c->status != 200 || c->form_question == 0) return false;
    int64_t in_ms = world_chance(RANDOM_LIVE, 2) ? ASKED_FORM_DEAD_MS : world_between(RANDOM_LIVE, 0, 500);
    client_ask_again(c, TARGET_SIGNAL, in_ms);
    return true;
}

static bool is_bulk(client_target t) { return t == TARGET_BULK || t == TARGET_BULK_DRY || t == TARGET_BULK_RELEASE; }

/* About a run. */
static void run_answered(client *c, run_record *r)
{
    bool unknown = c->status == 404 && (!r->on_disk || client_may_be_forgotten(c));
    bool refused = c->status == 503 || c->status == 0;
    if (c->target == TARGET_RELEASE && !unknown && !refused)
        promise_release_told(c, r, c->status);
    else if (c->target == TARGET_RUN && !unknown && !refused)
        promise_cancel_told(c, r, c->status);
    else if (c->target == TARGET_STOP && !unknown && !refused)
        promise_stop_told(c, r, c->status);
    else if (c->target == TARGET_RESUME && !unknown && !refused)
        promise_resume_told(c, r, c->status);
    else if (c->target == TARGET_PAGE && c->status == 200)
        page_told(c, r);
    else if (c->target == TARGET_SIGNAL)
        signalled_told(c, r);
    else if (c->target == TARGET_QUESTION)
        asked_page_told(c, r);
    else if (c->target == TARGET_FORK || c->target == TARGET_FORK_DRY)
        forked_told(c, r);
}

void operator_answered(client *c)
{
    world_note("the operator has %d, run %d", c->status, c->run);
    if (is_bulk(c->target))
        bulked_told(c);
    else if (c->run >= 0)
        run_answered(c, &w->runs[c->run]);
    else
        shut_told(c);
    c->stays_ms = 0;
    c->leaves_ns = 0;
    if (goes_on_to_fork(c) || goes_on_to_bulk(c) || goes_on_to_form(c) || goes_on_to_signal(c)) return;
    client_close(c);
    c->state = CLIENT_DONE;
    c->at_ns = w->steady_ns + (world_between(RANDOM_LIVE, 0, PAUSE_MS) + (int64_t)c->requests * TIRED_MS) * MS;
}
