#include "runtime/observe/runs_json.h"

#include <assert.h>

#include "runtime/flow/schedules.h"
#include "runtime/observe/detail_json.h"
#include "runtime/observe/entry_json.h"
#include "runtime/observe/forks_json.h"
#include "runtime/observe/questions_json.h"
#include "runtime/run/begun.h"
#include "runtime/run/stop_found.h"
#include "runtime/stepwell.h"

static void put_bytes(json_writer *w, const char *name, entry_text s) { json_put_bytes(w, name, s.data, s.len); }

static void put_said(json_writer *w, const char *name, entry_text s) { json_put_said(w, name, s.data, s.len); }

static void put_labels(json_writer *w, const run_remarks *r)
{
    msgpack_object_kv pairs[REMARKS_LABELS_MAX];
    sw_value labels = {.type = MSGPACK_OBJECT_MAP};
    for (uint32_t i = 0; i < r->label_count; i++)
        pairs[i] = (msgpack_object_kv){entry_json_text(r->labels[i].key), entry_json_text(r->labels[i].value)};
    labels.via.map.ptr = pairs;
    labels.via.map.size = r->label_count;
    if (r->label_count > 0) json_put_value(w, "labels", labels);
}

/* What the run says of itself. */
static void put_remarks(json_writer *w, const run_remarks *r)
{
    put_labels(w, r);
    entry_json_packed(w, "status", r->status);
    if (!r->has_used) return;
    json_open_map(w, "usage");
    entry_json_used(w, r->used);
    json_close_map(w);
}

static shown_state state_of_outcome(int outcome)
{
    switch (outcome) {
    case ENTRY_SUCCEEDED:
        return SHOWN_SUCCEEDED;
    case ENTRY_FAILED:
        return SHOWN_FAILED;
    default:
        return SHOWN_CANCELLED;
    }
}

static shown_state state_of(const store_summary *s, stop_reason stop)
{
    if (stop != STOP_NONE) return SHOWN_STOPPED;
    if (!s->live && s->of.error) return SHOWN_UNREADABLE;
    if (s->of.ended.kind) return state_of_outcome(s->of.ended.status);
    return s->due_ms > clock_wall_ms() ? SHOWN_SLEEPING : SHOWN_RUNNING;
}

shown_state runs_json_state(const sw_app *app, const store_summary *s) { return state_of(s, stop_found(app, s)); }

const char *shown_state_name(shown_state state)
{
    static const char *const names[SHOWN_STATES] = {
        [SHOWN_RUNNING] = "running",      [SHOWN_SLEEPING] = "sleeping", [SHOWN_STOPPED] = "stopped",
        [SHOWN_SUCCEEDED] = "succeeded",  [SHOWN_FAILED] = "failed",     [SHOWN_CANCELLED] = "cancelled",
        [SHOWN_UNREADABLE] = "unreadable"};
    assert(state < SHOWN_STATES);
    return names[state];
}

static void put_entries(json_writer *w, const store_journal *j)
{
    const char *error = NULL;
    entry e;
    json_open_array(w, "entries");
    for (size_t at = 0, n; at < j->len && (n = entry_decode(j->data + at, j->len - at, &e, &error)) > 0; at += n)
        entry_json_put(w, &e);
    json_close_array(w);
}

/* How much the run has done. Of a journal that was not read whole only the number of entries is known. */
static void put_counts(json_writer *w, const store_summary *s)
{
    const run_summary *of = &s->of;
    json_put_int(w, "entryCount", of->entries);
    if (s->cut) return;
    json_put_int(w, "stepsDone", of->steps);
    json_put_int(w, "failedAttempts", of->failures);
    if (of->differences) json_put_int(w, "inputsDiffered", of->differences);
    if (of->unasked) json_put_int(w, "resultsUnasked", of->unasked);
    if (of->crashes) json_put_int(w, "crashes", of->crashes);
    if (of->reopened) json_put_int(w, "reopened", of->reopened);
}

/* What its page has beside its line. */
static void put_detail(json_writer *w, const sw_app *app, const store_summary *s, const run_page *page)
{
    const run_summary *of = &s->of;
    bool may_hold = app && s->live;
    const detail d = {.started = &of->started,
                      .data = page->journal->data,
                      .len = page->journal->len,
                      .is_live = s->live,
                      .now = page->now,
                      .stop = stop_found(app, s),
                      .stop_text = of->stopped.error,
                      .ended_ms = of->ended.kind ? of->ended.at_ms : 0,
                      .point_ms = may_hold ? schedules_point_behind(app->schedules, of->started.function, &s->run) : 0};
    detail_json_put(w, &d);
    questions_json_put(w, &s->run, (entry_text){page->journal->data, page->journal->len});
    put_entries(w, page->journal);
}

/* Who began the run, if that was no client's request. */
static void put_begun(json_writer *w, const entry *started)
{
    begun how;
    begun_read(started, &how);
    if (*how.by) json_put_text(w, "begunBy", how.by);
    if (*how.forked_from) json_put_text(w, "forkedFrom", how.forked_from);
    if (how.scheduled_ms > 0) json_put_int(w, "scheduledAt", how.scheduled_ms);
    if (*how.called_by) json_put_text(w, "calledBy", how.called_by);
    if (how.is_detached) json_put_bool(w, "detached", true);
}

/* `page` NULL: as a line. */
static void put_run(json_writer *w, const sw_app *app, const store_summary *s, const run_page *page)
{
    char id[RUN_ID_TEXT + 1];
    const run_summary *of = &s->of;
    stop_reason stop = stop_found(app, s);
    assert(!page || page->journal->found || page->journal->live);
    run_id_format(&s->run, id);
    w->hides = app ? app->redact : NULL;
    json_open_map(w, NULL);
    json_put_text(w, "runId", id);
    json_put_text(w, "state", shown_state_name(state_of(s, stop)));
    if (stop != STOP_NONE) json_put_text(w, "reason", stop_name(stop));
    if (stop != STOP_NONE && !of->stopped.kind) json_put_text(w, "detail", stop_text(stop));
    if (stop != STOP_NONE && of->stopped.kind) put_said(w, "detail", of->stopped.error);
    if (stop != STOP_NONE && of->stopped.by.len) put_bytes(w, "stoppedBy", of->stopped.by);
    put_bytes(w, "endpoint", of->started.function);
    entry_json_target(w, of->started.target);
    if (of->started.version.len) put_bytes(w, "version", of->started.version);
    json_put_int(w, "startedAt", of->started.kind ? of->started.at_ms : run_id_time_ms(&s->run));
    if (of->ended.kind) json_put_int(w, "endedAt", of->ended.at_ms);
    if (of->ended.error.len) put_said(w, "error", of->ended.error);
    if (of->cancelled_by.len) put_bytes(w, "cancelledBy", of->cancelled_by);
    bool has_due = s->due_ms > 0 && s->due_ms < STORE_DUE_NEVER;
    if (stop == STOP_NONE && !of->ended.kind && has_due) json_put_int(w, "due", s->due_ms);
    put_begun(w, &of->started);
    if (page) forks_json_put(w, page->forks);
    put_counts(w, s);
    put_remarks(w, &of->remarks);
    if (page) put_detail(w, app, s, page);
    if (of->error) json_put_text(w, "damage", of->error);
    json_close_map(w);
}

void runs_json_line(json_writer *w, const sw_app *app, const store_summary *s) { put_run(w, app, s, NULL); }

void runs_json_run(json_writer *w, const sw_app *app, const run_page *page)
{
    const store_journal *j = page->journal;
    store_summary s = {.run = j->run, .found = j->found, .live = j->live, .due_ms = j->due_ms, .of.error = j->error};
    summary_read(&s.of, j->data, j->len);
    put_run(w, app, &s, page);
}
