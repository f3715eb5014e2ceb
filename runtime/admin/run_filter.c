#include "runtime/admin/run_filter.h"

#include <assert.h>
#include <string.h>

#include "runtime/base/moment_text.h"
#include "runtime/observe/runs_json.h"

static const run_id id_zero;

static const redact *filter_hides(const run_filter *f) { return f->app ? f->app->redact : NULL; }

static bool error_is_shown_with(const run_filter *f, entry_text error)
{
    return error.len > 0 && shown_text_has(filter_hides(f), (http_text){error.data, error.len}, f->shown_error);
}

static bool label_is_shown(const run_filter *f, const run_remarks *of)
{
    const redact *hides = filter_hides(f);
    for (uint32_t i = 0; i < of->label_count; i++) {
        const run_label *l = &of->labels[i];
        if (!entry_text_is(l->key, f->shown_label_key)) continue;
        return redact_has_member(hides, l->key.data, l->key.len)
                   ? strcmp(f->shown_label, REDACTED) == 0
                   : shown_text_is(hides, (http_text){l->value.data, l->value.len}, f->shown_label);
    }
    return false;
}

static bool filter_wants(void *arg, const store_summary *s)
{
    const run_filter *f = arg;
    const run_summary *of = &s->of;
    const entry_text error = of->ended.error;
    if (!(f->states >> runs_json_state(f->app, s) & 1)) return false;
    if (f->failed_step && !entry_text_is(of->failed_step, f->failed_step)) return false;
    if (f->shown_error && !error_is_shown_with(f, error) && !error_is_shown_with(f, of->stopped.error)) return false;
    if (f->shown_label && !label_is_shown(f, &of->remarks)) return false;
    return !f->kind || error_is_of_kind(filter_hides(f), (http_text){error.data, error.len}, f->kind);
}

/* Has `wants` asked, and leaves out fates of which it takes none. */
static void filter_wants_more(run_filter *f)
{
    bool is_failure = f->failed_step || f->kind;
    unsigned fates = is_failure ? FATE_FAILED : f->shown_error ? FATES & ~(unsigned)FATE_SUCCEEDED : FATES;
    f->query.fates = f->fates & fates;
    f->is_empty = f->is_empty || !f->query.fates;
    f->query.wants = filter_wants;
    f->query.arg = f;
}

void run_filter_init(run_filter *f, const sw_app *app)
{
    memset(f, 0, sizeof *f);
    f->app = app;
    f->query.fates = f->fates = FATES;
    f->query.bytes_max = RUN_FILTER_BYTES;
    f->states = (1U << SHOWN_STATES) - 1;
}

/* ---- Bounds ---- */

/* Only ids from `id` on; NULL: none is so high. */
static void filter_raise(run_filter *f, const run_id *id)
{
    if (!id)
        f->is_empty = true;
    else if (run_id_compare(id, &f->query.from) > 0)
        f->query.from = *id;
    f->is_empty = f->is_empty || (f->query.has_before && run_id_compare(&f->query.from, &f->query.before) >= 0);
}

void run_filter_lower(run_filter *f, const run_id *id)
{
    if (!f->query.has_before || run_id_compare(id, &f->query.before) < 0) f->query.before = *id;
    f->query.has_before = true;
    filter_raise(f, &id_zero);
}

/* ---- Values ---- */

static const char *set_text(const char **to, char copy[RUN_FILTER_TEXT], const char *value, const char *wrong)
{
    size_t len = strlen(value);
    if (len == 0 || len >= RUN_FILTER_TEXT) return wrong;
    memcpy(copy, value, len + 1);
    *to = copy;
    return NULL;
}

static const char *set_endpoint(run_filter *f, const char *value)
{
    return set_text(&f->query.function, f->function, value,
                    "\"endpoint\" is a method, a space and a route, as in \"POST /orders\", or a function's name");
}

static const char *set_version(run_filter *f, const char *value)
{
    return set_text(&f->query.version, f->version, value, "\"version\" is 1 to 511 bytes");
}

/* The store knows no --redact: what it finds in the whole error is looked for in what is shown of it. Only a part that
 * lies in the mark for what is hidden is not in the error itself. */
static const char *set_error(run_filter *f, const char *value)
{
    const char *wrong =
        set_text(&f->query.error, f->error, value, "\"error\" is a part of a message, of 1 to 511 bytes");
    if (wrong || !filter_hides(f)) return wrong;
    f->shown_error = f->error;
    if (shown_text_may_be_mark(f->error)) f->query.error = NULL;
    filter_wants_more(f);
    return NULL;
}

static const char *set_step(run_filter *f, const char *value)
{
    if (strlen(value) >= sizeof f->step_text) return "\"step\" is at most 511 bytes";
    f->failed_step = strcpy(f->step_text, value);
    filter_wants_more(f);
    return NULL;
}

static const char *set_kind(run_filter *f, const char *value)
{
    if (strlen(value) >= sizeof f->kind_text) return "\"kind\" is \"error\" of a group of GET /_sw/errors";
    f->kind = strcpy(f->kind_text, value);
    filter_wants_more(f);
    return NULL;
}

/* Whether a label is shown as this whenever it is this, and never else. */
static bool label_is_plain(const run_filter *f)
{
    const http_text text = {f->query.label_value, strlen(f->query.label_value)};
    const redact *hides = filter_hides(f);
    if (redact_has_member(hides, f->query.label_key, strlen(f->query.label_key))) return false;
    return !shown_text_may_be_mark(text.data) && shown_text_is(hides, text, text.data);
}

static const char *set_label(run_filter *f, const char *value)
{
    const char *colon = strchr(value, ':'), *wrong = "\"label\" is a key, a colon and a value, as in \"topic:bees\"";
    if (!colon || colon == value) return wrong;
    wrong = set_text(&f->query.label_key, f->label, value, wrong);
    if (wrong) return wrong;
    f->label[colon - value] = 0;
    f->query.label_value = f->label + (colon - value) + 1;
    if (!filter_hides(f) || label_is_plain(f)) return NULL;
    f->shown_label_key = f->query.label_key;
    f->shown_label = f->query.label_value;
    f->query.label_key = f->query.label_value = NULL;
    filter_wants_more(f);
    return NULL;
}

static unsigned fates_of_state(shown_state state)
{
    switch (state) {
    case SHOWN_SUCCEEDED:
        return FATE_SUCCEEDED;
    case SHOWN_FAILED:
        return FATE_FAILED;
    case SHOWN_CANCELLED:
        return FATE_CANCELLED;
    case SHOWN_UNREADABLE:
        return FATE_UNREADABLE;
    default:
        return FATE_LIVE;
    }
}

/* SHOWN_STATES: there is none of that name. */
static shown_state state_of_name(const char *name, size_t len)
{
    for (int s = 0; s < SHOWN_STATES; s++)
        if (strlen(shown_state_name((shown_state)s)) == len && memcmp(shown_state_name((shown_state)s), name, len) == 0)
            return (shown_state)s;
    return SHOWN_STATES;
}

static const char *set_state(run_filter *f, const char *value)
{
    f->states = f->fates = 0;
    for (const char *at = value;; at++) {
        size_t len = strcspn(at, ",");
        shown_state state = state_of_name(at, len);
        if (state == SHOWN_STATES)
            return "\"state\" is one or several, with commas, of running, sleeping, stopped, succeeded, failed, "
                   "cancelled and unreadable";
        f->states |= 1U << state;
        f->fates |= fates_of_state(state);
        at += len;
        if (!*at) break;
    }
    filter_wants_more(f);
    return NULL;
}

static const char *set_from(run_filter *f, const char *value)
{
    int64_t ms;
    if (!moment_text_read(value, strlen(value), &ms))
        return "\"from\" is a time, in Unix milliseconds or as in 2026-11-27T15:42:53Z";
    run_id id = run_id_lowest(ms);
    filter_raise(f, &id);
    return NULL;
}

static const char *set_to(run_filter *f, const char *value)
{
    int64_t ms;
    if (!moment_text_read(value, strlen(value), &ms))
        return "\"to\" is a time, in Unix milliseconds or as in 2026-11-27T15:42:53Z";
    run_id behind = run_id_lowest(ms + 1); /* all runs of that millisecond are meant */
    run_filter_lower(f, &behind);
    return NULL;
}

static const char *set_id(run_filter *f, const char *value)
{
    char low[RUN_ID_TEXT + 1], high[RUN_ID_TEXT + 1];
    run_id first, last;
    size_t len = strlen(value);
    if (len > 0 && len <= RUN_ID_TEXT) {
        memset(low, '0', RUN_ID_TEXT);
        memset(high, 'Z', RUN_ID_TEXT);
        memcpy(low, value, len);
        memcpy(high, value, len);
        if (run_id_parse(low, RUN_ID_TEXT, &first) && run_id_parse(high, RUN_ID_TEXT, &last)) {
            filter_raise(f, &first);
            if (run_id_advance(&last)) run_filter_lower(f, &last);
            return NULL;
        }
    }
    return "\"id\" is the beginning of a run id";
}

static const char *set_before(run_filter *f, const char *value)
{
    run_id id;
    if (!run_id_parse(value, strlen(value), &id)) return "\"before\" is not a run id, which has 26 letters and digits";
    run_filter_lower(f, &id);
    return NULL;
}

static const char *set_after(run_filter *f, const char *value)
{
    run_id id;
    if (!run_id_parse(value, strlen(value), &id)) return "\"after\" is not a run id, which has 26 letters and digits";
    filter_raise(f, run_id_advance(&id) ? &id : NULL);
    return NULL;
}

/* ---- Names ---- */

static const struct {
    const char *name;
    const char *(*set)(run_filter *f, const char *value);
} settable[] = {{"endpoint", set_endpoint}, {"state", set_state}, {"version", set_version}, {"label", set_label},
                {"from", set_from},         {"to", set_to},       {"id", set_id},           {"error", set_error},
                {"step", set_step},         {"kind", set_kind},   {"after", set_after},     {"before", set_before}};

enum { SETTABLE = sizeof settable / sizeof settable[0] };

/* SETTABLE: there is none of that name. */
static size_t settable_find(const char *name)
{
    size_t i = 0;
    while (i < SETTABLE && strcmp(settable[i].name, name) != 0) i++;
    return i;
}

bool run_filter_knows(const char *name) { return settable_find(name) < SETTABLE; }

const char *run_filter_set(run_filter *f, const char *name, const char *value)
{
    size_t which = settable_find(name);
    assert(which < SETTABLE);
    if (f->given >> which & 1) return "each of the filter's names is given once";
    f->given |= 1U << which;
    return settable[which].set(f, value);
}
