#include "tests/simulation/standing.h"

#include <string.h>

#include "tests/simulation/program.h"

enum { CRASHES_IN_A_ROW = 3, ROUNDING_MS = 5 };

static const epoch_plan *now_planned(void) { return &w->plan.epoch[w->epoch]; }

/* ---- Whether it stands ---- */

static bool is_not_resumed(const run_record *r)
{
    return now_planned()->no_resume && r->is_former && !r->released_here;
}

bool standing_is_held(const run_record *r) { return r->on_disk && !r->ended && (r->stop != 0 || is_not_resumed(r)); }

bool standing_lacks(int of) { return of >= 0 && (int)w->jobs[of].endpoint == now_planned()->lacks; }

bool standing(const run_record *r)
{
    return standing_is_held(r) || (r->on_disk && !r->ended && standing_lacks(r->job));
}

/* ---- Entries ---- */

static bool any_changed(void)
{
    for (unsigned i = 0; i <= w->epoch; i++)
        if (w->plan.epoch[i].changed) return true;
    return false;
}

static bool any_held(void)
{
    for (unsigned i = 0; i <= w->epoch; i++)
        if (w->plan.epoch[i].no_resume) return true;
    return false;
}

static bool ever_lacked(int of)
{
    for (unsigned i = 0; i <= w->epoch; i++)
        if (w->plan.epoch[i].lacks == (int)w->jobs[of].endpoint) return true;
    return false;
}

static bool may_differ(const run_record *r, int at)
{
    return at != NO_OP && w->jobs[r->job].ops[at].changes && any_changed();
}

/* What the handler's failure is made of is on disk, and no cause of it is left out. */
static bool is_exhausted(const run_record *r)
{
    verdict v = program_verdict(r);
    return w->jobs[r->job].endpoint == ENDPOINT_PATIENT && v.kind == VERDICT_FAILS && v.is_exhausted &&
           v.causes == r->causes;
}

/* The steps that it names begin anew, and so do those that were to be tried again. */
static void give_attempts(run_record *r)
{
    for (unsigned o = 0; o < OPS_MAX; o++) {
        op_state *s = &r->ops[o];
        if (s->done || (s->failed && !(r->causes >> o & 1))) continue;
        s->failed = s->fatal = false;
        s->failures = 0;
    }
}

const char *standing_stopped(run_record *r, const entry *e, int at)
{
    static const char name[] = "admin"; /* of --admin-token */
    bool is_asked = e->status == ENTRY_STOP_OPERATOR;
    if (r->stop != 0) return "it is stopped twice";
    r->stop_owed = false;
    r->stops_asked += is_asked;
    if (is_asked != (e->by.len == strlen(name) && memcmp(e->by.data, name, e->by.len) == 0))
        return "it is stopped, and by another";
    r->stop = e->status;
    r->stops++;
    r->reasons |= 1U << e->status;
    r->stopped_ms = e->at_ms;
    w->met[MET_EXHAUSTED] += e->status == ENTRY_STOP_EXHAUSTED;
    w->met[MET_STOP_ASKED] += is_asked;
    w->met[MET_STOP_AWAY] += is_asked && !r->alive;
    switch (e->status) {
    case ENTRY_STOP_OPERATOR:
        return r->stops_asked <= r->asked_to_stop ? NULL : "it is stopped more often than the operator has asked";
    case ENTRY_STOP_CRASHES:
        return r->in_a_row >= CRASHES_IN_A_ROW || w->faults > 1 ? NULL
                                                                : "it is stopped, and the process did not die of it";
    case ENTRY_STOP_DIFFERS:
        return endpoint_stops(w->jobs[r->job].endpoint) && may_differ(r, at) ? NULL
                                                                             : "it is stopped, and nothing differs";
    case ENTRY_STOP_EXHAUSTED:
        return is_exhausted(r) ? NULL : "it is stopped, and its steps have not used their retries, or others have";
    default:
        return "it is stopped for a reason that nobody has";
    }
}

const char *standing_released(run_record *r, const entry *e)
{
    bool stood = r->stop != 0 || any_held();
    if (r->stop != 0) r->stood_ms += e->at_ms - r->stopped_ms;
    if (r->stop == ENTRY_STOP_EXHAUSTED) give_attempts(r);
    r->stop = 0;
    r->releases++;
    r->released_here = true;
    if (!stood) return "it is released, and did not stand";
    return r->asked_to_release ? NULL : "it is released, and nobody wanted that";
}

/* What it has to take back: the causes of its end, and those of a stop that it was ended in. */
static uint64_t voids_of(const run_record *r) { return r->causes | (r->stop != 0 ? r->stop_causes : 0); }

static void begin_anew(run_record *r, uint64_t voids)
{
    for (unsigned o = 0; o < OPS_MAX; o++) {
        if (!(voids >> o & 1)) continue;
        r->ops[o].failed = r->ops[o].fatal = false;
        r->ops[o].failures = 0;
    }
}

const char *standing_reopened(run_record *r, const entry *e, uint64_t voids)
{
    if (!r->ended) return "it goes on after its end, and had not ended";
    if (r->outcome == ENTRY_SUCCEEDED) return "it goes on after its end, and had succeeded";
    if (!r->asked_to_reopen && !r->wanted) return "it goes on after its end, and nobody wanted that";
    if (e->attempt != r->reopened + 1 || r->reopened == REOPENS_MAX) return "it is in another generation";
    if (voids != voids_of(r)) return "other failures are taken back than those that ended it";
    begin_anew(r, voids);
    r->reopened++;
    r->ended = r->cancelled = r->cancel_promised = r->stop_owed = false;
    r->cancel_reason = r->stop = r->status = 0;
    r->cancelled_ns = 0;
    r->started_ms = e->at_ms; /* its deadline counts from here */
    r->stood_ms = 0;
    bool is_callers = e->asked != r->asked; /* else an operator's */
    r->asked = e->asked;
    r->released_here = !is_callers || r->wanted_in == w->epoch + 1;
    w->met[MET_REOPENED]++;
    return NULL;
}

const char *standing_crashed(run_record *r)
{
    r->crashes++;
    r->in_a_row++;
    return r->crashes <= r->kills ? NULL : "a process died of it, says its journal, and none did";
}

const char *standing_differs(const run_record *r, int at)
{
    bool tells = !endpoint_stops(w->jobs[r->job].endpoint);
    return tells && may_differ(r, at) ? NULL : "a replay gave a step another input";
}

/* What each execution may make anew is no progress. */
static bool is_progress(const entry *e)
{
    return e->kind != ENTRY_CHUNK && e->kind != ENTRY_ROLLBACK && (int)e->kind < ENTRY_PASSABLE;
}

void standing_note(run_record *r, const entry *e)
{
    if (e->kind == ENTRY_STARTED) r->started_ms = e->at_ms;
    if (e->at_ms > r->last_ms) r->last_ms = e->at_ms;
    if (is_progress(e) && e->kind != ENTRY_STOPPED) r->in_a_row = 0;
}

/* ---- Times ---- */

/* Wall-clock times of one history tell how long it was, unless somebody has set the clock. */
static bool is_over(int64_t since_ms, int64_t ms, int64_t now_ms)
{
    return w->plan.sets_clock || now_ms - since_ms + ROUNDING_MS >= ms;
}

bool standing_is_late(const run_record *r)
{
    return is_over(r->started_ms + r->stood_ms, w->plan.deadline_ms, r->last_ms);
}

bool standing_is_stale(const run_record *r)
{
    if (r->stop != 0) return is_over(r->stopped_ms, w->plan.retain_stopped_ms, r->last_ms);
    return ever_lacked(r->job);
}

bool standing_may_end(const run_record *r)
{
    int64_t wall_ms = w->steady_ns / 1000000 + w->ahead_ms;
    return r->asked_to_cancel || is_over(r->stopped_ms, w->plan.retain_stopped_ms, wall_ms);
}

/* ---- What clients are told ---- */

static bool is(const char *reason, size_t len, const char *name)
{
    return strlen(name) == len && memcmp(reason, name, len) == 0;
}

static bool reads_fail(void)
{
    const epoch_plan *e = now_planned();
    for (unsigned i = 0; i < e->event_count; i++)
        if (e->events[i].kind == EVENT_READ_FAULT) return true;
    return false;
}

bool standing_is_named(const run_record *r, int of, const char *reason, size_t len)
{
    if (is(reason, len, "no endpoint")) return standing_lacks(of);
    if (is(reason, len, "unreadable")) return reads_fail();
    if (is(reason, len, "not resumed")) return now_planned()->no_resume && (!r || r->is_former);
    if (is(reason, len, "operator")) return r && (r->reasons & 1U << ENTRY_STOP_OPERATOR) != 0;
    if (is(reason, len, "crashes")) return r && (r->reasons & 1U << ENTRY_STOP_CRASHES) != 0;
    if (is(reason, len, "exhausted")) return r && (r->reasons & 1U << ENTRY_STOP_EXHAUSTED) != 0;
    if (is(reason, len, "differs")) return r && (r->reasons & 1U << ENTRY_STOP_DIFFERS) != 0;
    return false;
}
