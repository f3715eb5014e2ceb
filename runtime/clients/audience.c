#include "runtime/clients/audience.h"

#include <assert.h>

#include "runtime/clients/waiter.h"
#include "runtime/flow/schedules.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/replay.h"
#include "runtime/run/run.h"
#include "runtime/run/slot_core.h"

static const char PARTLY_DONE[] =
    "the journal could not be written after steps of the request had begun: what they did "
    "may have been done, and is not recorded";

/* Gives streams what is new, async clients their 202, and whoever asked for a stop the news of it. */
static void audience_on_durable(run *r)
{
    if (!r->waiters) return;
    waiters_pump(&r->waiters, r->frames);
    if (run_was_stopped_as_asked(r)) waiters_tell_done(&r->waiters, WAITER_STOP);
}

static void audience_on_released(run *r) { waiters_tell_done(&r->waiters, WAITER_RELEASE); }

static void audience_on_waits_long(run *r) { waiters_redirect(&r->waiters); }

static void audience_answer(run *r)
{
    entry response;
    const run_result result = {.response = &response, .ended = r->outcome, .frames = r->frames};
    if (run_response_entry(r, &response))
        waiters_answer(r->task.home, &r->waiters, &r->id, &result);
    else
        waiters_dismiss(&r->waiters); /* no memory: the clients are sent on, and ask again at the run's URLs */
}

/* SW_RELAXED gives the response out early, but no URL of the run before the run is on disk: async clients wait on. */
static void audience_answer_early(run *r)
{
    waiter *later = NULL;
    waiters_move_async(&r->waiters, &later);
    if (r->waiters && waiters_unkeep(&r->waiters)) audience_answer(r);
    waiters_move_async(&later, &r->waiters);
}

static void audience_on_over(run *r, run_over when)
{
    if (when == RUN_OVER_DURABLE && r->task.endpoint->schedule) schedules_tell_over(r->task.home->app);
    if (!r->waiters) return;
    if (when == RUN_OVER_EARLY) {
        audience_answer_early(r);
        return;
    }
    audience_answer(r);
    assert(!r->waiters);
}

static void audience_on_left(run *r, run_left where)
{
    if (where == RUN_LEFT_TO_NEXT) {
        waiters_dismiss(&r->waiters);
        assert(!r->waiters);
        return;
    }
    assert(r->slot);
    waiters_move(&r->waiters, &r->slot->waiters);
    if (where == RUN_LEFT_LOST) waiters_redirect(&r->slot->waiters);
}

/* Only a run of which nothing was done, nor will be, gets 503, which says: ask again. */
static void audience_on_refused(run *r, run_refused how)
{
    switch (how) {
    case RUN_REFUSED_UNDONE:
        waiters_refuse(&r->waiters, 503, RUN_NOT_DONE);
        break;
    case RUN_REFUSED_PARTLY:
        waiters_refuse(&r->waiters, 500, PARTLY_DONE);
        break;
    case RUN_REFUSED_UNKNOWN:
        waiters_cut(&r->waiters);
        break;
    }
    assert(!r->waiters);
}

/* Touches the run, so that streams get what there is now, not only when something new is on disk. */
static void audience_on_loaded(slot *s)
{
    assert(s->run);
    waiters_move(&s->waiters, &s->run->waiters);
    if (s->run->waiters) run_touch(s->run);
}

/* Treats the clients as those that come to such a run by its id, see by_id_attach. */
static void audience_on_put_back(slot *s)
{
    waiters_redirect(&s->waiters);
    waiters_accept(&s->waiters);
}

static void audience_on_stopped(home *h, slot *s, const stop_cause *why, bool refuses)
{
    schedules_tell_over(h->app);
    waiters_tell_stopped(&s->waiters, why, refuses);
}

static void audience_on_found_ended(home *h, slot *s, const store_journal *j)
{
    const char *error = NULL;
    schedules_tell_over(h->app);
    assert(run_id_equal(&s->id, &j->run));
    waiters_answer_journal(h, &s->waiters, j, &error);
    /* Not 500 for want of memory, which would be taken for the run's answer: that is there when asked for again. */
    if (error) waiters_refuse(&s->waiters, error == replay_no_memory ? 503 : 500, error);
    assert(!s->waiters);
}

static void audience_on_not_found(slot *s, int status, const char *why) { waiters_refuse(&s->waiters, status, why); }

static waiter_kind letter_waiter_kind(letter_kind kind)
{
    switch (kind) {
    case LETTER_CANCEL:
        return WAITER_CANCEL;
    case LETTER_RELEASE:
        return WAITER_RELEASE;
    default:
        assert(kind == LETTER_STOP);
        return WAITER_STOP;
    }
}

static void audience_on_denied(slot *s, letter_kind kind, int status, const char *why)
{
    waiters_deny(slot_waiters(s), letter_waiter_kind(kind), status, why);
}

static void audience_on_promised(slot *s, letter_kind kind)
{
    waiters_promise(slot_waiters(s), letter_waiter_kind(kind));
}

static bool audience_is_awaited(const slot *s)
{
    return !waiters_none_asks(s->waiters) || (s->run && !waiters_none_asks(s->run->waiters));
}

const run_listener audience = {.on_durable = audience_on_durable,
                               .on_released = audience_on_released,
                               .on_waits_long = audience_on_waits_long,
                               .on_over = audience_on_over,
                               .on_left = audience_on_left,
                               .on_refused = audience_on_refused,
                               .on_loaded = audience_on_loaded,
                               .on_put_back = audience_on_put_back,
                               .on_stopped = audience_on_stopped,
                               .on_found_ended = audience_on_found_ended,
                               .on_not_found = audience_on_not_found,
                               .on_denied = audience_on_denied,
                               .on_promised = audience_on_promised,
                               .is_awaited = audience_is_awaited};
