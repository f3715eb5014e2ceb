/* schedule_meet: which point of a schedule is due, and what becomes of it. */
#include <assert.h>
#include <string.h>

#include "runtime/base/log.h"
#include "runtime/flow/schedules_core.h"
#include "runtime/run/board.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/program.h"
#include "runtime/run/settings.h"
#include "runtime/run/stop_found.h"

enum {
    DAY_MS = 86400000,
    LATE_MS = 60000,       /* so long, and --drain, may an upgrade take, or a disk that hangs */
    UNREAD_MS = 20000,     /* so long a run is tried to be read: less than a point may be late */
    WAITING_MS = 60000,    /* a run that a point waits for is looked at so often, should the news of its end be lost */
    SUMMARY_BYTES = 16384, /* of each end of its journal: enough to tell whether it is stopped */
    MISSED_MAX = 1000      /* points that are counted */
};

static const schedule_plan *plan_of(const schedule *s) { return s->function ? s->function->schedule : NULL; }

/* How many points lie between the two, MISSED_MAX at most. */
static uint64_t points_between(const schedule_plan *p, int64_t after_ms, int64_t before_ms)
{
    uint64_t count = 0;
    for (int64_t at_ms = cron_next(p->cron, after_ms); at_ms < before_ms && count < MISSED_MAX; count++)
        at_ms = cron_next(p->cron, at_ms);
    return count;
}

/* Writes what becomes of a point. */
static void schedule_settle(home *h, schedule *s, int64_t point_ms, point_fate fate)
{
    const schedule_row *row = &s->row;
    bool is_new = point_ms > row->upto_ms, has_waiting = row->waits_ms > 0;
    schedule_write what = {.row = *row, .fate = fate, .point_ms = point_ms};
    if (is_new) {
        what.missed = points_between(plan_of(s), row->upto_ms, point_ms);
        what.row.upto_ms = point_ms;
    }
    /* A later point takes the place of one that waits, and a run of it may begin in its stead. */
    what.drops_waiting = has_waiting && is_new && (fate == POINT_BEGUN || fate == POINT_WAITS || fate == POINT_STOPPED);
    if (fate == POINT_WAITS)
        what.row.waits_ms = point_ms;
    else if (fate == POINT_BEGUN || fate == POINT_STOPPED)
        what.row.waits_ms = 0;
    s->is_retried = !schedule_put(h, s, &what);
}

/* ---- The last run ---- */

/* SW_OVERLAP_REPLACE: has the run cancelled, whichever loop it is of. A letter that came to nothing is sent again. */
static void schedule_cancel_last(home *h, schedule *s)
{
    const letter_wish wish = {.kind = LETTER_CANCEL, .by = "schedule"};
    letter_fate fate;
    if (!s->cancels) {
        s->cancels = board_begin(h->app->board, &s->row.run, &wish, 1);
        s->is_retried = !s->cancels;
        if (s->cancels) (void)board_send(s->cancels, &s->row.run);
    } else if (board_stage_of(s->cancels, 0, &fate) == BOARD_TOLD && fate == LETTER_UNWRITTEN) {
        board_send_again(s->cancels, 0);
    }
}

/* The point waits on for the end of the last run. */
static void schedule_wait_on(home *h, schedule *s)
{
    int64_t again_ms = clock_now(&h->clock).wall_ms + WAITING_MS;
    if (again_ms < s->next_ms) s->next_ms = again_ms;
}

/* The last run has not ended. */
static void schedule_meet_running(home *h, schedule *s, int64_t point_ms)
{
    if (point_ms == s->row.waits_ms) {
        if (plan_of(s)->overlap == SW_OVERLAP_REPLACE) schedule_cancel_last(h, s);
        schedule_wait_on(h, s);
    } else if (plan_of(s)->overlap == SW_OVERLAP_SKIP) {
        schedule_settle(h, s, point_ms, POINT_SKIPPED);
    } else {
        schedule_settle(h, s, point_ms, POINT_WAITS);
    }
}

/* The last run stands still since it has crashed the process: until somebody releases or cancels it no other begins,
 * whatever .overlap says. A point that waited for it before waits on, and a later one takes its place. */
static void schedule_meet_crashed(home *h, schedule *s, int64_t point_ms)
{
    if (point_ms == s->row.waits_ms)
        schedule_wait_on(h, s);
    else
        schedule_settle(h, s, point_ms, s->row.waits_ms > 0 ? POINT_WAITS : POINT_CRASHED);
}

/* What the last run means for a point. */
typedef enum last_run {
    LAST_LETS,    /* it has ended, is stopped and may stand still for ever, or .overlap lets others run beside it; or it
                     has not been read for so long that it stands still: a run that cannot be read is stopped */
    LAST_UNREAD,  /* whether it has ended cannot be read at the moment */
    LAST_RUNNING, /* it goes on by itself */
    LAST_CRASHED  /* it has ended the process several times: the next one would do so too */
} last_run;

static last_run last_run_of(schedule *s, const store_summary *run)
{
    if (!run->error) s->unread_ms = 0;
    if (run->error) {
        int64_t now_ms = clock_now(&s->all->home->clock).steady_ms;
        if (s->unread_ms == 0) s->unread_ms = now_ms;
        if (now_ms - s->unread_ms < UNREAD_MS) return LAST_UNREAD;
        s->unread_ms = 0; /* for the next run */
        return LAST_LETS;
    }
    if (!run->live) return LAST_LETS;
    stop_reason stop = stop_found(s->all->app, run);
    if (stop == STOP_CRASHES) return LAST_CRASHED;
    return stop == STOP_NONE && plan_of(s)->overlap != SW_OVERLAP_ALLOW ? LAST_RUNNING : LAST_LETS;
}

static void schedule_meet_last(home *h, schedule *s, int64_t point_ms, last_run last)
{
    if (last == LAST_UNREAD)
        s->is_retried = true;
    else if (last == LAST_LETS)
        schedule_settle(h, s, point_ms, POINT_BEGUN);
    else if (s->is_outdated)
        schedule_look(h, s, clock_now(&h->clock).wall_ms); /* it may have ended since it was read */
    else if (last == LAST_CRASHED)
        schedule_meet_crashed(h, s, point_ms);
    else
        schedule_meet_running(h, s, point_ms);
}

static void schedule_on_summary(void *arg, const store_summary *runs, size_t count)
{
    schedule *s = arg;
    const store_summary *last = &runs[0];
    schedules *all = s->all;
    home *h = all->home;
    int64_t point_ms = s->asked_ms;
    assert(count == 1 && s->is_busy);
    (void)count;
    s->is_busy = false;
    if (all->is_draining) return;
    s->is_retried = last->is_closed || last->error == store_no_memory;
    if (s->changes || s->is_retried) {
        if (s->changes) schedules_look(h); /* it may be paused by now */
    } else {
        schedule_meet_last(h, s, point_ms, last_run_of(s, last));
    }
    schedules_arm(all, clock_now(&h->clock).wall_ms);
}

/* Begins a run for the point, if the last run lets it. */
static void schedule_meet(home *h, schedule *s, int64_t point_ms)
{
    if (s->row.point_ms == 0) {
        schedule_settle(h, s, point_ms, POINT_BEGUN);
        return;
    }
    s->is_busy = true;
    s->is_outdated = false;
    s->asked_ms = point_ms;
    if (store_summarize(h->port, &s->row.run, 1, SUMMARY_BYTES, schedule_on_summary, s)) return;
    s->is_busy = false;
    s->is_retried = true;
}

/* ---- Points ---- */

/* Whether the clock was set back so far that points pass which nobody would expect to have been dealt with. */
static bool schedule_is_behind(const schedule *s, int64_t now_ms)
{
    int64_t back_ms = s->row.upto_ms - now_ms;
    if (back_ms <= 0 || back_ms > DAY_MS) return back_ms > 0;
    int64_t next_ms = cron_next(plan_of(s)->cron, now_ms); /* the last point itself: its run has begun */
    return next_ms < s->row.upto_ms && cron_next(plan_of(s)->cron, next_ms) < s->row.upto_ms;
}

/* Says so once, until the clock has come to the last point. */
static void schedule_tell_behind(schedule *s, int64_t now_ms)
{
    char text[POINT_TEXT];
    bool is_behind = schedule_is_behind(s, now_ms), is_told = s->is_told;
    s->is_told = is_behind || (is_told && s->row.upto_ms > now_ms);
    if (is_told || !is_behind) return;
    log_line(LOG_WARN, NULL,
             "schedule \"%s\": the clock is behind the last point, %s, and no run begins until then: if the clock was "
             "wrong before, have the schedule forget (stepwell schedules forget)",
             s->name, schedule_point_text(s->row.upto_ms, text));
}

/* A schedule that is new, or whose points are others than those that were dealt with, begins with the next point. */
static bool schedule_is_new(const schedule *s)
{
    char plan[PLAN_TEXT_MAX + 1];
    schedule_plan_text(plan_of(s), plan, sizeof plan);
    return !s->has_row || strcmp(plan, s->row.plan) != 0;
}

static void schedule_settle_new(home *h, schedule *s, int64_t now_ms)
{
    schedule_write what = {.row = s->row, .fate = POINT_NONE};
    if (!s->has_row || now_ms > what.row.upto_ms) what.row.upto_ms = now_ms;
    schedule_plan_text(plan_of(s), what.row.plan, sizeof what.row.plan);
    s->is_retried = !schedule_put(h, s, &what);
}

/* How old a point may be: the process that this one has taken the place of may have drained for as long as --drain. */
static int64_t late_ms(const home *h, const schedule_plan *p)
{
    int64_t least_ms = LATE_MS + h->opt->drain_ms;
    return p->catch_up_ms > least_ms ? p->catch_up_ms : least_ms;
}

void schedule_look(home *h, schedule *s, int64_t now_ms)
{
    const schedule_plan *p = plan_of(s);
    s->next_ms = CRON_NEVER;
    s->is_retried = false;
    assert(!s->is_busy);
    if (s->changes) {
        s->is_retried = !schedule_put_change(h, s, now_ms);
        return;
    }
    if (!p || (s->has_row && s->row.is_paused) || h->opt->no_resume) return;
    if (schedule_is_new(s)) {
        schedule_settle_new(h, s, now_ms);
        return;
    }
    schedule_tell_behind(s, now_ms);
    int64_t from_ms = s->row.upto_ms, point_ms = cron_newest(p->cron, from_ms, now_ms);
    s->next_ms = cron_next(p->cron, from_ms > now_ms ? from_ms : now_ms);
    if (point_ms == CRON_NEVER && s->row.waits_ms == 0) return;
    if (!settings_are_known(h->app->settings)) {
        s->is_retried = true; /* nobody knows whether the function is stopped */
        return;
    }
    bool is_due = point_ms != CRON_NEVER;
    if (is_due && now_ms - point_ms > late_ms(h, p))
        schedule_settle(h, s, point_ms, POINT_MISSED);
    else if (endpoint_stopped_s(s->function) > 0)
        schedule_settle(h, s, is_due ? point_ms : s->row.waits_ms, POINT_STOPPED);
    else
        schedule_meet(h, s, is_due ? point_ms : s->row.waits_ms);
}
