#include "runtime/run/fit.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "coro/seeded_bug.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/path.h"
#include "runtime/run/program.h"
#include "runtime/run/record.h"
#include "runtime/run/run_trace.h"
#include "runtime/run/step_spec.h"

replay_record *fit_find(run *r, uint64_t path) { return r->replay ? replay_find(r->replay, path) : NULL; }

bool fit_has_lost(const run *r, uint64_t path)
{
    return r->replay && replay_is_abandoned(r->replay, path) && !BUG(LOSERS_BEGIN) && !BUG(WIN_AGAIN);
}

bool fit_member_has_lost(const sw_ctx *c, uint64_t path)
{
    return c->strand->is_abandoned || fit_has_lost(c->run, path);
}

static const char *entry_kind_words(entry_kind kind)
{
    switch (kind) {
    case ENTRY_SLEEP:
        return "a sleep";
    case ENTRY_CALLED:
        return "a call";
    case ENTRY_WAIT:
        return "a wait";
    case ENTRY_SENT:
        return "a signal sent";
    case ENTRY_VALUE:
        return "a recorded value";
    case ENTRY_BRANCH:
        return "a branch";
    case ENTRY_PATCH:
        return "a patch";
    case ENTRY_WON:
        return "a group's decision";
    default:
        return "a step";
    }
}

bool fit_is(const replay_record *rec, entry_kind kind, const char *id, uint32_t occurrence)
{
    return rec->kind == kind && rec->occurrence == occurrence && entry_text_is(rec->id, id);
}

bool fit_is_step(run *r, const replay_record *rec, const step_spec *spec)
{
    if (rec->id.len > 0) return fit_is(rec, ENTRY_STEP_DONE, spec->id, spec->occurrence);
    return entry_text_is(rec->label,
                         path_label(r, spec->branch_label, spec->id, spec->occurrence)); /* only chunks of it */
}

static bool fit_stops(const run *r)
{
    return r->task.endpoint->options.on_difference == SW_STOP && !BUG(IGNORE_DIFFERENCE);
}

/* `text`: why; NULL: there was no memory for it. */
static failure fit_end(run *r, uint64_t path, const char *text)
{
    if (!text) text = "the journal does not fit the code";
    if (!fit_stops(r)) return (failure){.kind = FAILURE_FATAL, .message = text, .retry_after_ms = -1};
    run_stop(r, STOP_DIFFERS, path, text);
    return failure_unwind;
}

failure fit_misfit(run *r, const replay_record *rec, const char *what, const char *id)
{
    const entry_text *was = rec->id.len ? &rec->id : &rec->label;
    char number[24] = "";
    if (rec->occurrence > 0) (void)snprintf(number, sizeof number, " (number %u)", rec->occurrence + 1);
    const char *text = arena_printf(
        &r->task.arena, "the journal does not fit the code: it has %s \"%.*s\"%s where the code now has %s \"%s\"",
        entry_kind_words(rec->kind), (int)was->len, was->data, number, what, id);
    return fit_end(r, rec->path, text);
}

failure fit_misfit_lost(run *r, uint64_t path, const char *id)
{
    return fit_end(r, path,
                   arena_printf(&r->task.arena,
                                "the journal does not fit the code: \"%s\" has lost there, against another member of "
                                "its group (sw_group_any), and the code now waits for its end",
                                id));
}

bool fit_was_given_up(run *r, uint64_t path)
{
    const replay_record *rec = fit_find(r, path);
    return rec && rec->is_given_up;
}

bool fit_begins_anew(const replay_record *rec, bool is_member)
{
    return rec->is_void || (rec->is_given_up && !is_member);
}

failure fit_misfit_given_up(run *r, uint64_t path, const char *id)
{
    return fit_end(r, path,
                   arena_printf(&r->task.arena,
                                "the journal does not fit the code: \"%s\" was given up there, since another member "
                                "of its group had failed or its branch was over, and the code now waits for its end",
                                id));
}

/* Returns the version of the program's endpoint, which may be another one than the run began with. */
static const char *fit_version(const run *r)
{
    const char *version = r->task.endpoint->options.version;
    return version ? version : "";
}

/* Whether a line of the log about this step is the first one of a run that began with the same version. */
static bool fit_is_new(const run *r, const char *what, const char *id)
{
    return said_is_new(&r->task.home->app->said,
                       (const char *const[]){what, r->task.endpoint->route, r->version, fit_version(r), id, NULL});
}

/* ---- Inputs ---- */

/* Stops the run each time that it comes here: a run that is released to a program that does not fit stops again. */
static void fit_stop_for_input(run *r, const step_spec *spec)
{
    const char *text = arena_printf(&r->task.arena,
                                    "step \"%s\" is given another input than when the journal's result was made"
                                    " (version \"%s\" of the endpoint)",
                                    path_label(r, spec->branch_label, spec->id, spec->occurrence), fit_version(r));
    run_stop(r, STOP_DIFFERS, spec->path, text ? text : "a step is given another input than before");
}

/* Logs and journals the difference; the run goes on. */
static void fit_report_input(run *r, const step_spec *spec, replay_record *rec)
{
    rec->reported = true;
    rec->reported_by = entry_text_of(fit_version(r));
    if (fit_is_new(r, "input", spec->id))
        run_log(r, LOG_WARN,
                "%s: step \"%s\" is given another input than when the journal's result was made; the result is used"
                " (a run of version \"%s\", now \"%s\"; said once)",
                r->task.endpoint->route, path_label(r, spec->branch_label, spec->id, spec->occurrence), r->version,
                fit_version(r));
    entry e = {.kind = ENTRY_DIFFERS,
               .path = spec->path,
               .id = {spec->id, strlen(spec->id)},
               .occurrence = spec->occurrence,
               .input_hash = spec->input_hash,
               .at_ms = clock_wall_ms(),
               .version = entry_text_of(fit_version(r))};
    if (!record_append(r, &e)) rec->reported = false; /* the next replay reports it again */
}

bool fit_check_input(run *r, const step_spec *spec, replay_record *rec)
{
    assert(rec->path == spec->path);
    if (!rec->done && !rec->failed) return true; /* the next attempt is made with the new input */
    if (rec->input_hash == 0 || spec->input_hash == 0 || rec->input_hash == spec->input_hash) return true;
    bool stops = fit_stops(r);
    if (!stops && rec->reported && entry_text_is(rec->reported_by, fit_version(r))) return true;
    counter_add(&r->task.home->counters.inputs_differed, 1);
    if (stops)
        fit_stop_for_input(r, spec);
    else
        fit_report_input(r, spec, rec);
    return !stops;
}

/* ---- What was not asked for ---- */

enum { FIT_UNASKED_MAX = 16 /* entries of one run */ };

static void fit_log_unasked(run *r, const replay_record *rec)
{
    const char *id = arena_strndup(&r->task.arena, rec->id.data, rec->id.len);
    if (id && fit_is_new(r, "unasked", id))
        run_log(r, LOG_WARN,
                "%s has returned, and did not ask for what the journal has of %s \"%s\""
                " (a run of version \"%s\", now \"%s\"; said once)",
                r->task.endpoint->route, entry_kind_words(rec->kind), id, r->version, fit_version(r));
}

void fit_report_unasked(run *r)
{
    const replay_record *rec;
    size_t at = 0, count = 0;
    /* Of a group that was decided by a failure the journal may have more than a replay comes to. */
    if (!r->replay || r->has_abandoned) return;
    while ((rec = replay_next_unasked(r->replay, &at))) {
        counter_add(&r->task.home->counters.results_unasked, 1);
        if (count++ >= FIT_UNASKED_MAX) continue;
        fit_log_unasked(r, rec);
        (void)record_append(r, &(entry){.kind = ENTRY_UNASKED,
                                        .path = rec->path,
                                        .id = rec->id,
                                        .occurrence = rec->occurrence,
                                        .at_ms = clock_wall_ms(),
                                        .version = entry_text_of(fit_version(r))});
    }
}
