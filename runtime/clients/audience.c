#include "runtime/clients/audience.h"

#include "runtime/run.h"
#include "runtime/run/home.h"
#include "runtime/waiter.h"

static const char PARTLY_DONE[] =
    "the journal could not be written after steps of the request had begun: what they did "
    "may have been done, and is not recorded";

/* Streams get what is new, async clients their 202. */
static void on_durable(run *r)
{
    if (!r->waiters) return;
    waiter_pump(&r->waiters, r->frames);
    if (r->seq_release > 0 && r->seq_durable >= r->seq_release) waiter_released(&r->waiters);
}

static void on_waits_long(run *r) { waiter_redirect(&r->waiters); }

static void answer(run *r)
{
    entry response;
    if (run_response_entry(r, &response))
        waiter_answer(r->task.home, &r->waiters, &r->id, &response, r->outcome, r->frames);
    else
        waiter_dismiss(&r->waiters); /* no memory: they ask again at its URLs */
}

/* SW_RELAXED is about the response: a URL of the run is given out when the run is on disk, with any endpoint. */
static void answer_early(run *r)
{
    waiter *later = NULL;
    waiter_move_async(&r->waiters, &later);
    if (r->waiters && waiter_unkeep(&r->waiters)) answer(r);
    waiter_move_async(&later, &r->waiters);
}

static void on_over(run *r, run_over when)
{
    if (!r->waiters) return;
    if (when == RUN_OVER_EARLY) {
        answer_early(r);
        return;
    }
    if (r->seq_release > 0) waiter_released(&r->waiters);
    answer(r);
}

static void on_left(run *r, run_left where)
{
    if (where == RUN_LEFT_TO_NEXT) {
        waiter_dismiss(&r->waiters);
        return;
    }
    waiter_move(&r->waiters, &r->slot->waiters);
    if (where == RUN_LEFT_LOST) waiter_redirect(&r->slot->waiters);
}

/* 503 says: ask again; that is only true of what was not done, and will not be. */
static void on_refused(run *r, run_refused how)
{
    switch (how) {
    case RUN_REFUSED_UNDONE:
        waiter_refuse(&r->waiters, 503, RUN_NOT_DONE);
        return;
    case RUN_REFUSED_PARTLY:
        waiter_refuse(&r->waiters, 500, PARTLY_DONE);
        return;
    case RUN_REFUSED_UNKNOWN:
        waiter_cut(&r->waiters);
        return;
    }
}

const run_listener audience = {.on_durable = on_durable,
                               .on_waits_long = on_waits_long,
                               .on_over = on_over,
                               .on_left = on_left,
                               .on_refused = on_refused};
