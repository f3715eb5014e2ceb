/* reopen_judge: whether a run that has ended can go on, and for how long. Of its journal and the program alone. */
#include "runtime/base/moment.h"
#include "runtime/run/called_by.h"
#include "runtime/run/calling.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen_core.h"

/* ---- Whether ---- */

void reopen_on_entry(void *arg, const entry *e, uint32_t seq)
{
    reopen_sight *see = arg;
    (void)seq;
    if (e->kind == ENTRY_STEP_FAILED && e->due_ms == 0 && e->epoch == 0) see->is_old = true;
}

static const endpoint *journal_endpoint(const home *h, const replay *p)
{
    const entry *started = replay_started(p);
    return app_endpoint(h->app, started->function.data, started->function.len);
}

const char *reopening_objection(const home *h, const replay *p, const reopen_sight *see)
{
    const entry *ended = replay_ended(p), *reopened = replay_reopened(p);
    if (!ended) return "the run's journal has no end: what came last is lost";
    if (reopened && reopened->attempt >= LETTER_GENERATION_MAX) return "the run was resumed too often";
    if (see->is_old && !replay_cancel(p) && ended->causes.len == 0)
        return "version 0.1 wrote the run's journal, which does not say which failures ended the run";
    if (!journal_endpoint(h, p)) return "this program has no such endpoint: the run would stand still";
    return NULL;
}

const char *reopen_objection(const home *h, arena *a, entry_text journal, bool *is_short)
{
    const char *error = NULL;
    reopen_sight see = {.is_old = false};
    const replay *p = replay_new(a, journal, reopen_on_entry, &see, &error);
    *is_short = !p && error == replay_no_memory;
    return p ? reopening_objection(h, p, &see) : error;
}

/* ---- For how long ---- */

/* When a time is over that counts from when the run goes on; which it does when it is to begin, if that is still to
 * come (sw_call_options.at_ms). */
static int64_t reopening_over_ms(const replay *p, const clock_instant *now, int64_t timeout_ms)
{
    called_by by;
    const bool is_called = called_by_read(replay_started(p), &by);
    if (is_called && by.begins_ms > now->wall_ms) return moment_after(by.begins_ms, timeout_ms);
    return clock_wait_for(now, timeout_ms).due_ms;
}

int64_t reopening_due_ms(const reopening *q, const replay *p, const clock_instant *now)
{
    int64_t timeout_ms = q->timeout_ms >= 0 ? q->timeout_ms : journal_endpoint(q->home, p)->options.timeout_ms;
    if (q->call.timeout_ms > 0 && (timeout_ms == 0 || q->call.timeout_ms < timeout_ms)) timeout_ms = q->call.timeout_ms;
    int64_t due_ms = timeout_ms > 0 ? reopening_over_ms(p, now, timeout_ms) : 0;
    int64_t parent_ms = q->call.parent_due_ms > 0 ? moment_after(q->call.parent_due_ms, BEHIND_PARENT_MS) : 0;
    return parent_ms > 0 && (due_ms == 0 || parent_ms < due_ms) ? parent_ms : due_ms;
}
