#include "runtime/admin/bulk_plan.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/admin/body.h"
#include "runtime/base/moment.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/program.h"

const char bulk_route[] = "POST /_sw/bulk";

static const char *const actions[BULK_ACTIONS] = {
    [BULK_CANCEL] = "cancel", [BULK_STOP] = "stop", [BULK_RELEASE] = "release", [BULK_RESUME] = "resume"};

const char *bulk_action_name(bulk_action action)
{
    assert(action < BULK_ACTIONS);
    return actions[action];
}

/* ---- Reading ---- */

/* Microseconds, say, would leave no run out. */
static const char no_as_of[] = "\"asOf\" is a time in Unix milliseconds, before the year 10000";

static bool text_is(sw_value v, const char *text)
{
    return sw_type(v) == SW_STRING && sw_len(v) == strlen(text) && memcmp(v.via.str.ptr, text, sw_len(v)) == 0;
}

/* Whether the text has U+0000: filters and letters hold C strings, which would end there. */
static bool text_has_zero(sw_value v) { return sw_type(v) == SW_STRING && memchr(v.via.str.ptr, 0, sw_len(v)) != NULL; }

static const char *plan_read_action(bulk_plan *p, sw_value action)
{
    for (int i = 0; i < BULK_ACTIONS; i++) {
        if (!text_is(action, actions[i])) continue;
        p->action = (bulk_action)i;
        return NULL;
    }
    return "\"action\" is cancel, stop, release or resume";
}

/* A member of the filter has the name and the value that a parameter of GET /_sw/runs has; numbers may be numbers. */
static const char *plan_read_criterion(bulk_plan *p, sw_value key, sw_value value, char wrong[BULK_WRONG_BYTES])
{
    char name[32] = "", text[RUN_FILTER_TEXT] = "";
    if (sw_type(key) == SW_STRING && sw_len(key) < sizeof name) memcpy(name, key.via.str.ptr, sw_len(key));
    if (text_has_zero(key) || text_has_zero(value)) return "\"filter\" has a character U+0000, which no run has";
    if (sw_type(value) == SW_INT)
        (void)snprintf(text, sizeof text, "%" PRId64, sw_as_int(value, 0));
    else if (sw_type(value) == SW_STRING && sw_len(value) < sizeof text)
        memcpy(text, value.via.str.ptr, sw_len(value));
    else
        return "\"filter\" has texts of at most 511 bytes, or numbers";
    if (!run_filter_knows(name)) {
        (void)snprintf(wrong, BULK_WRONG_BYTES, "\"filter\" takes " RUN_FILTER_NAMES ", but no \"%s\"", name);
        return wrong;
    }
    p->names_endpoint = p->names_endpoint || strcmp(name, "endpoint") == 0;
    return run_filter_set(&p->filter, name, text);
}

static const char *plan_read_filter(bulk_plan *p, sw_value filter, char wrong[BULK_WRONG_BYTES])
{
    if (sw_type(filter) != SW_MAP) return "\"filter\" is an object; {} means all runs";
    for (size_t i = 0; i < sw_len(filter); i++) {
        sw_value value, key = sw_key_at(filter, i, &value);
        const char *why = plan_read_criterion(p, key, value, wrong);
        if (why) return why;
    }
    return NULL;
}

/* False: it is said, and is no number from 1 to `most`. */
static bool plan_read_number(sw_value v, int64_t most, int64_t *to)
{
    if (sw_type(v) == SW_NIL) return true;
    *to = sw_type(v) == SW_INT ? sw_as_int(v, 0) : 0;
    return *to >= 1 && *to <= most;
}

/* Leaves out runs that began later. */
static void plan_bound(bulk_plan *p)
{
    if (p->as_of_ms == 0 || p->as_of_ms >= MOMENT_LAST_MS) return;
    const run_id bound = run_id_lowest(p->as_of_ms + 1);
    run_filter_lower(&p->filter, &bound);
}

const char *bulk_plan_read(bulk_plan *p, const sw_app *app, const bulk_body *body, char wrong[BULK_WRONG_BYTES])
{
    memset(p, 0, sizeof *p);
    p->per_second = BULK_PER_SECOND;
    run_filter_init(&p->filter, app);
    const char *why = plan_read_action(p, body->action);
    if (!why) why = plan_read_filter(p, body->filter, wrong);
    if (why) return why;
    if (!plan_read_number(body->as_of, MOMENT_LAST_MS, &p->as_of_ms)) return no_as_of;
    if (!plan_read_number(body->per_second, BULK_PER_SECOND_MAX, &p->per_second)) return "\"perSecond\" is 1 to 10000";
    if (!plan_read_number(body->max, INT64_MAX, &p->max)) return "\"max\" is a number from 1 on";
    if (!body_copy_text(p->text, LETTER_TEXT_MAX, body->text)) return body_no_letter_text;
    if (*p->text && p->action != BULK_STOP) return "\"text\" says why runs are stopped: no other action takes it";
    if (!body_copy_text(p->by, LETTER_BY_MAX, body->by)) return "\"by\" is too long";
    p->dry_run = sw_as_bool(body->dry_run, false);
    plan_bound(p);
    return NULL;
}

/* ---- Judging ---- */

static const char *const verdicts[BULK_VERDICTS] = {[BULK_ACTS] = "",
                                                    [BULK_HAS_ENDED] = "ended",
                                                    [BULK_HAS_NOT_ENDED] = "not ended",
                                                    [BULK_HAS_SUCCEEDED] = "succeeded",
                                                    [BULK_IS_STOPPED] = "stopped already",
                                                    [BULK_IS_NOT_STOPPED] = "not stopped",
                                                    [BULK_HAS_NO_ENDPOINT] = "no endpoint",
                                                    [BULK_IS_UNREADABLE] = "unreadable",
                                                    [BULK_ENDED_LATER] = "ended after asOf",
                                                    [BULK_IS_BULK] = "a bulk action itself",
                                                    [BULK_CHANGED] = "changed meanwhile",
                                                    [BULK_IS_REFUSED] = "cannot be resumed"};

const char *bulk_verdict_name(bulk_verdict v)
{
    assert(v < BULK_VERDICTS && verdicts[v]);
    return verdicts[v];
}

static bool summary_is_bulk(const store_summary *s)
{
    const entry_text *function = &s->of.started.function;
    return function->len == strlen(bulk_route) && memcmp(function->data, bulk_route, function->len) == 0;
}

static bool summary_has_endpoint(const bulk_plan *p, const store_summary *s)
{
    return app_endpoint(p->filter.app, s->of.started.function.data, s->of.started.function.len) != NULL;
}

/* Of a run that has not ended. */
static bulk_verdict plan_judge_live(const bulk_plan *p, const store_summary *s)
{
    bool is_stopped = runs_json_state(p->filter.app, s) == SHOWN_STOPPED, by_entry = s->of.stopped.kind != 0;
    if (p->action == BULK_RESUME) return BULK_HAS_NOT_ENDED;
    if (p->action == BULK_CANCEL) return BULK_ACTS;
    if (p->action == BULK_STOP) return is_stopped && by_entry ? BULK_IS_STOPPED : BULK_ACTS;
    if (!is_stopped) return BULK_IS_NOT_STOPPED;
    return summary_has_endpoint(p, s) ? BULK_ACTS : BULK_HAS_NO_ENDPOINT;
}

bulk_verdict bulk_plan_judge(const bulk_plan *p, const store_summary *s)
{
    if (!p->names_endpoint && summary_is_bulk(s)) return BULK_IS_BULK;
    if (!s->live && (s->error || s->of.error)) return BULK_IS_UNREADABLE;
    if (s->of.ended.kind && p->as_of_ms > 0 && s->of.ended.at_ms > p->as_of_ms) return BULK_ENDED_LATER;
    if (s->live) return plan_judge_live(p, s);
    if (p->action != BULK_RESUME) return BULK_HAS_ENDED;
    if (s->of.ended.status == ENTRY_SUCCEEDED) return BULK_HAS_SUCCEEDED;
    return summary_has_endpoint(p, s) ? BULK_ACTS : BULK_HAS_NO_ENDPOINT;
}
