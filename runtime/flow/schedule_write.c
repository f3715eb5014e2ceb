/* schedule_write: what becomes of a point, or of an operator's wish, on its way to the disk. */
#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "runtime/base/log.h"
#include "runtime/flow/schedule_begin.h"
#include "runtime/flow/schedules_core.h"
#include "runtime/run/board.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/gate.h"
#include "runtime/run/program.h"
#include "runtime/run/reopen.h"
#include "runtime/run/slot_core.h"

typedef struct writing {
    store_segment segment;
    store_row row;
    home *home;
    schedule *schedule;
    schedule_change *change; /* what an operator wants; owned. NULL: a point, or a schedule that is new */
    schedule_write what;
    msgpack_sbuffer value;   /* of the row */
    msgpack_sbuffer entries; /* of the run that begins; empty: none does */
} writing;

static void writing_free(writing *w)
{
    msgpack_sbuffer_destroy(&w->value);
    msgpack_sbuffer_destroy(&w->entries);
    free(w);
}

/* ---- On its way ---- */

/* Makes the run that begins for the point. False: no memory. */
static bool writing_add_run(writing *w)
{
    home *h = w->home;
    schedule_row *row = &w->what.row;
    if (!schedule_encode_start(h, w->schedule->function, w->what.point_ms, &w->entries)) return false;
    row->point_ms = w->what.point_ms;
    row->run = home_next_run_id(h, clock_now(&h->clock).wall_ms);
    slot *s = slot_add(h, &row->run);
    if (s) slot_post(h, s, SLOT_ON_REOPENING);
    return s != NULL;
}

static void writing_send(writing *w, bool is_forgotten)
{
    const bool begins = w->entries.size > 0;
    w->row = (store_row){.op = is_forgotten ? STORE_ROW_DELETE : STORE_ROW_PUT,
                         .table = SCHEDULES_TABLE,
                         .key = {w->schedule->name, strlen(w->schedule->name)},
                         .value = {w->value.data, w->value.size}};
    w->segment = (store_segment){.live = begins ? STORE_LIVE_SET : STORE_LIVE_UNCHANGED,
                                 .retain_ms = -1,
                                 .data = w->entries.data,
                                 .len = w->entries.size,
                                 .rows = &w->row,
                                 .tag = SCHEDULE_TAG};
    if (begins) w->segment.run = w->what.row.run;
    w->schedule->is_busy = true;
    home_send(w->home, &w->segment);
}

/* Whether the journal takes more. False: schedules_look is called when it does, or soon. */
static bool journal_takes(const home *h)
{
    if (!gate_writable(h)) return false;
    if (!gate_full(h)) return true;
    (void)gate_awaits_store(h);
    return false;
}

/* NULL: it cannot be written now. */
static writing *writing_new(home *h, schedule *s, const schedule_write *what)
{
    writing *w = journal_takes(h) ? calloc(1, sizeof *w) : NULL;
    if (!w) return NULL;
    w->home = h;
    w->schedule = s;
    w->what = *what;
    msgpack_sbuffer_init(&w->value);
    msgpack_sbuffer_init(&w->entries);
    /* The run's slot comes last: there is no way back from it but through the store. */
    bool begins = what->fate == POINT_BEGUN;
    if (!begins || writing_add_run(w)) return w;
    writing_free(w);
    return NULL;
}

bool schedule_put(home *h, schedule *s, const schedule_write *what)
{
    writing *w = writing_new(h, s, what);
    if (!w) return false;
    if (schedule_row_pack(&w->what.row, &w->value)) {
        writing_send(w, false);
        return true;
    }
    slot *of = w->entries.size > 0 ? slot_find(&h->slots, &w->what.row.run) : NULL;
    if (of) slot_stay_ended(h, of, true);
    writing_free(w);
    return false;
}

/* ---- Changes ---- */

static void change_apply(const schedule *s, const schedule_change *c, int64_t now_ms, schedule_write *out)
{
    schedule_row *row = &out->row;
    const schedule_plan *plan = s->function ? s->function->schedule : NULL;
    *out = (schedule_write){.row = s->row, .fate = POINT_NONE};
    if (c->act == SCHEDULE_FORGET) return;
    if (!s->has_row && plan) schedule_plan_text(plan, row->plan, sizeof row->plan);
    if (!s->has_row || (c->act == SCHEDULE_RESUME && now_ms > row->upto_ms)) row->upto_ms = now_ms;
    row->is_paused = c->act == SCHEDULE_PAUSE;
    out->drops_waiting = row->is_paused && row->waits_ms > 0;
    if (row->is_paused) row->waits_ms = 0;
    memcpy(row->by, c->by, sizeof row->by);
    row->at_ms = now_ms;
}

bool schedule_put_change(home *h, schedule *s, int64_t now_ms)
{
    schedule_change *c = s->changes;
    schedule_write what;
    change_apply(s, c, now_ms, &what);
    writing *w = writing_new(h, s, &what);
    if (w && schedule_row_pack(&w->what.row, &w->value)) {
        s->changes = c->next;
        w->change = c;
        writing_send(w, c->act == SCHEDULE_FORGET);
        return true;
    }
    if (w) writing_free(w);
    s->changes = c->next; /* whoever waits is told at once, not when the journal takes writes again */
    c->on_done(c->arg, SCHEDULE_REFUSED, NULL, "the journal cannot be written now: nothing was changed");
    free(c);
    return false; /* its points are still to be looked at */
}

void schedule_deny_changes(schedule *s)
{
    while (s->changes) {
        schedule_change *c = s->changes;
        s->changes = c->next;
        c->on_done(c->arg, SCHEDULE_REFUSED, NULL, "the server is stopping: ask again");
        free(c);
    }
}

static void change_tell(const writing *w)
{
    const store_segment *segment = &w->segment;
    schedule_view view;
    bool is_unsure = segment->error && segment->outcome == STORE_UNKNOWN;
    schedule_result result = is_unsure ? SCHEDULE_UNSURE : segment->error ? SCHEDULE_REFUSED : SCHEDULE_DONE;
    schedule_fill_view(w->schedule, &view);
    bool is_gone = w->change->act == SCHEDULE_FORGET;
    w->change->on_done(w->change->arg, result, result == SCHEDULE_DONE && !is_gone ? &view : NULL, segment->error);
}

/* ---- On disk ---- */

const char *schedule_point_text(int64_t point_ms, char text[POINT_TEXT])
{
    time_t s = (time_t)(point_ms / 1000);
    struct tm tm;
    if (!gmtime_r(&s, &tm)) return "?";
    (void)strftime(text, POINT_TEXT, "%Y-%m-%dT%H:%M:%SZ", &tm);
    return text;
}

static void tell_point(const writing *w, log_level level, const char *what)
{
    char text[POINT_TEXT];
    log_line(level, NULL, "schedule \"%s\": the point %s %s", w->schedule->name,
             schedule_point_text(w->what.point_ms, text), what);
}

/* Says in the log and in the metrics what has become of the points. */
static void writing_tell(const writing *w)
{
    counters *n = &w->home->counters;
    const schedule_write *what = &w->what;
    char id[RUN_ID_TEXT + 1], text[POINT_TEXT];
    uint64_t missed = what->missed + (what->fate == POINT_MISSED);
    counter_add(&n->points_missed, (int64_t)missed);
    bool is_skipped = what->fate == POINT_SKIPPED || what->fate == POINT_CRASHED;
    counter_add(&n->points_skipped, is_skipped + what->drops_waiting);
    if (what->missed > 0)
        log_line(LOG_WARN, NULL, "schedule \"%s\": missed before %s: %llu", w->schedule->name,
                 schedule_point_text(what->point_ms, text), (unsigned long long)what->missed);
    if (what->drops_waiting)
        log_line(LOG_WARN, NULL, "schedule \"%s\": the point that waited is skipped", w->schedule->name);
    switch (what->fate) {
    case POINT_NONE:
        break;
    case POINT_BEGUN:
        run_id_format(&what->row.run, id);
        log_line(LOG_INFO, id, "begun by the schedule \"%s\" for %s", w->schedule->name,
                 schedule_point_text(what->point_ms, text));
        counter_add(&n->points_begun, 1);
        counter_add(&n->runs_started, 1);
        break;
    case POINT_WAITS:
        tell_point(w, LOG_INFO, "waits for the end of the last run");
        break;
    case POINT_SKIPPED:
        tell_point(w, LOG_WARN, "is skipped, since the last run has not ended");
        break;
    case POINT_CRASHED:
        tell_point(w, LOG_WARN, "is skipped, since the last run has crashed the process: release or cancel that run");
        break;
    case POINT_MISSED:
        tell_point(w, LOG_WARN, "was missed (.catch_up_ms)");
        break;
    case POINT_STOPPED:
        tell_point(w, LOG_WARN, "is passed over, since an operator has stopped the function");
        counter_add(&n->points_stopped, 1);
        break;
    }
}

static void writing_take_effect(writing *w)
{
    schedule *s = w->schedule;
    const schedule_row none = {.upto_ms = 0};
    const bool is_forgotten = w->change && w->change->act == SCHEDULE_FORGET, had_waiting = s->row.waits_ms > 0;
    uv_mutex_lock(&s->all->lock);
    s->row = is_forgotten ? none : w->what.row;
    s->has_row = !is_forgotten;
    uv_mutex_unlock(&s->all->lock);
    s->is_told = s->is_told && !is_forgotten;
    const bool has_waiting = s->row.waits_ms > 0;
    if (s->cancels && !has_waiting) {
        board_end(s->cancels);
        s->cancels = NULL;
    }
    (void)__atomic_add_fetch(&s->all->waiting, (uint32_t)has_waiting - (uint32_t)had_waiting, __ATOMIC_ACQ_REL);
    writing_tell(w);
}

/* Lets the run go on that has begun, or forgets it. */
static void writing_settle_run(const writing *w)
{
    home *h = w->home;
    slot *s = slot_find(&h->slots, &w->segment.run);
    assert(s && s->state == SLOT_REOPENING);
    if (!w->segment.error)
        slot_go_on(h, s);
    else
        slot_stay_ended(h, s, w->segment.outcome != STORE_UNKNOWN);
}

void schedules_committed(store_segment *segment)
{
    writing *w = (writing *)segment;
    _Static_assert(offsetof(writing, segment) == 0, "it begins with its segment");
    schedule *s = w->schedule;
    home *h = w->home;
    assert(segment->tag == SCHEDULE_TAG && s->is_busy);
    home_segment_back(h);
    s->is_busy = false;
    if (!segment->error) writing_take_effect(w);
    if (w->entries.size > 0) writing_settle_run(w);
    if (w->change) change_tell(w);
    free(w->change);
    s->is_retried = segment->error != NULL;
    if (!s->function && !s->has_row && !s->changes) schedules_drop(s->all, s);
    if (!segment->error)
        schedules_look_soon(h->app->schedules); /* not here: of a thousand that are due at once each comes back */
    else if (schedules_run(h->app->schedules))
        schedules_arm(h->app->schedules, clock_now(&h->clock).wall_ms);
    writing_free(w);
}
