#include "runtime/observe/duration_text.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "http/client/client.h"
#include "runtime/base/utf8.h"
#include "runtime/loop/loop.h"

/* ---- Labels ---- */

static bool text_add(msgpack_sbuffer *to, const char *text)
{
    return msgpack_sbuffer_write(to, text, strlen(text)) == 0;
}

/* Appends a label, behind a comma unless it is the first; the value as the format wants it: '\', '"' and line feeds are
 * escaped, and what is no UTF-8 becomes "?". */
static bool label_add(msgpack_sbuffer *to, const char *name, const char *value, size_t len)
{
    bool ok = (to->size == 0 || text_add(to, ",")) && text_add(to, name) && text_add(to, "=\"");
    for (size_t i = 0, bytes; i < len && ok; i += bytes > 0 ? bytes : 1) {
        bytes = utf8_length((const uint8_t *)value + i, len - i);
        if (value[i] == '\n')
            ok = text_add(to, "\\n");
        else if (bytes == 0 || value[i] == 0)
            ok = text_add(to, "?");
        else
            ok = (value[i] != '"' && value[i] != '\\' ? true : text_add(to, "\\")) &&
                 msgpack_sbuffer_write(to, value + i, bytes) == 0;
    }
    return ok && text_add(to, "\"");
}

static bool label_add_text(msgpack_sbuffer *to, const char *name, const char *value)
{
    return label_add(to, name, value, strlen(value));
}

static bool label_add_outcome(msgpack_sbuffer *to, int outcome)
{
    static const char *const names[] = {[OUTCOME_SUCCEEDED] = "succeeded",
                                        [OUTCOME_FAILED] = "failed",
                                        [OUTCOME_CANCELLED] = "cancelled",
                                        [OUTCOME_REJECTED] = "rejected",
                                        [OUTCOME_RETRIED] = "retried"};
    assert(outcome >= 0 && outcome < (int)(sizeof names / sizeof names[0]));
    return label_add_text(to, "outcome", names[outcome]);
}

/* A status, or the negative of a call's error; 0: the exchange, or the call, was cut. */
static bool label_add_code(msgpack_sbuffer *to, int code)
{
    char digits[16];
    if (code == -HTTP_CALL_OTHER) return label_add_text(to, "code", "failed"); /* "other" is SERIES_OTHER's */
    if (code < 0) return label_add_text(to, "code", http_call_error_name((http_call_error_kind)-code));
    (void)snprintf(digits, sizeof digits, "%d", code);
    return label_add_text(to, "code", code > 0 ? digits : "cut");
}

static bool labels_add_request(msgpack_sbuffer *to, const series_labels *l)
{
    return label_add_text(to, "endpoint", l->route ? l->route : "none") && label_add_code(to, l->code);
}

static bool labels_add_run(msgpack_sbuffer *to, const series_labels *l)
{
    return label_add_text(to, "endpoint", l->route) && label_add_outcome(to, l->code);
}

static bool labels_add_step(msgpack_sbuffer *to, const series_labels *l)
{
    return label_add_text(to, "endpoint", l->route) && label_add(to, "step", l->name, l->name_len) &&
           label_add_outcome(to, l->code);
}

static bool labels_add_call(msgpack_sbuffer *to, const series_labels *l)
{
    bool ok = l->name_len > 0 ? label_add(to, "host", l->name, l->name_len) : label_add_text(to, "host", "none");
    return ok && label_add_code(to, l->code);
}

/* ---- Histograms ---- */

typedef struct duration_metric {
    const char *name, *help;
    histogram_scale scale;
    const char *others; /* the labels of SERIES_OTHER */
    bool (*labels)(msgpack_sbuffer *to, const series_labels *l);
} duration_metric;

static const duration_metric metrics[DURATION_KINDS] = {
    [DURATION_REQUEST] = {"http_request_duration_seconds", "From a whole request to the end of its reply.",
                          HISTOGRAM_SHORT, "endpoint=\"other\",code=\"other\"", labels_add_request},
    [DURATION_RUN] = {"run_duration_seconds", "From a run's beginning, in whichever process, until its end is on disk.",
                      HISTOGRAM_LONG, "endpoint=\"other\",outcome=\"other\"", labels_add_run},
    [DURATION_STEP] = {"step_duration_seconds", "Attempts of steps, without the waits between them.", HISTOGRAM_SHORT,
                       "endpoint=\"other\",step=\"other\",outcome=\"other\"", labels_add_step},
    [DURATION_CALL] = {"call_duration_seconds", "Calls to other services, redirects included.", HISTOGRAM_SHORT,
                       "host=\"other\",code=\"other\"", labels_add_call},
};

static bool head_write(msgpack_sbuffer *to, const char *name, const char *help)
{
    char line[320];
    int len = snprintf(line, sizeof line, "# HELP stepwell_%s %s\n# TYPE stepwell_%s histogram\n", name, help, name);
    assert(len > 0 && (size_t)len < sizeof line);
    return msgpack_sbuffer_write(to, line, (size_t)len) == 0;
}

/* Appends one line: the metric's name with its ending, the labels, `le` unless NULL, and the value. */
static bool line_write(msgpack_sbuffer *to, const char *name, const char *ending, const msgpack_sbuffer *labels,
                       const char *le)
{
    bool ok = text_add(to, "stepwell_") && text_add(to, name) && text_add(to, ending);
    if (labels->size == 0 && !le) return ok && text_add(to, " ");
    ok = ok && text_add(to, "{") && (labels->size == 0 || msgpack_sbuffer_write(to, labels->data, labels->size) == 0);
    if (le)
        ok = ok && (labels->size == 0 || text_add(to, ",")) && text_add(to, "le=\"") && text_add(to, le) &&
             text_add(to, "\"");
    return ok && text_add(to, "} ");
}

static bool number_write(msgpack_sbuffer *to, uint64_t n)
{
    char digits[24];
    (void)snprintf(digits, sizeof digits, "%" PRIu64 "\n", n);
    return text_add(to, digits);
}

/* Writes microseconds as seconds, without zeros at the end. */
static void seconds_write(char *out, size_t size, uint64_t us)
{
    int len = snprintf(out, size, "%" PRIu64 ".%06" PRIu64, us / 1000000, us % 1000000);
    while (out[len - 1] == '0') out[--len] = 0;
    if (out[len - 1] == '.') out[len - 1] = 0;
}

static bool histogram_write(msgpack_sbuffer *to, const char *name, histogram_scale scale, const msgpack_sbuffer *labels,
                            const histogram *h)
{
    const uint64_t *bounds = histogram_scales[scale].us;
    uint64_t count = 0;
    char seconds[32];
    bool ok = true;
    for (unsigned i = 0; i < HISTOGRAM_BOUNDS && ok; i++) {
        count += h->counts[i];
        seconds_write(seconds, sizeof seconds, bounds[i]);
        ok = line_write(to, name, "_bucket", labels, seconds) && number_write(to, count);
    }
    count += h->counts[HISTOGRAM_BOUNDS];
    ok = ok && line_write(to, name, "_bucket", labels, "+Inf") && number_write(to, count);
    seconds_write(seconds, sizeof seconds, h->sum_us);
    ok = ok && line_write(to, name, "_sum", labels, NULL) && text_add(to, seconds) && text_add(to, "\n");
    return ok && line_write(to, name, "_count", labels, NULL) && number_write(to, count);
}

/* ---- All of them ---- */

static histogram series_sum(const sw_app *app, duration_kind kind, uint32_t id)
{
    histogram sum = {.sum_us = 0};
    for (unsigned i = 0; i < app->loop_count; i++) {
        const histogram *h = __atomic_load_n(&app->loops[i].home.durations.cells[kind][id], __ATOMIC_ACQUIRE);
        if (h) histogram_merge(&sum, h);
    }
    return sum;
}

static bool kind_write(msgpack_sbuffer *to, const sw_app *app, duration_kind kind, uint64_t *others)
{
    const duration_metric *m = &metrics[kind];
    msgpack_sbuffer labels;
    msgpack_sbuffer_init(&labels);
    bool ok = head_write(to, m->name, m->help);
    for (uint32_t id = 1, count = series_count(app->series[kind]); id <= count && ok; id++) {
        const series_labels l = series_get(app->series[kind], id);
        const histogram sum = series_sum(app, kind, id);
        labels.size = 0;
        ok = m->labels(&labels, &l) && histogram_write(to, m->name, m->scale, &labels, &sum);
    }
    const histogram other = series_sum(app, kind, SERIES_OTHER);
    labels.size = 0;
    if (histogram_count(&other) > 0)
        ok = ok && text_add(&labels, m->others) && histogram_write(to, m->name, m->scale, &labels, &other);
    *others += histogram_count(&other);
    msgpack_sbuffer_destroy(&labels);
    return ok;
}

bool duration_text_write(msgpack_sbuffer *to, const sw_app *app, uint64_t *others)
{
    const msgpack_sbuffer none = {.size = 0};
    histogram commits = {.sum_us = 0}, turns = {.sum_us = 0};
    bool ok = true;
    *others = 0;
    for (int kind = 0; kind < DURATION_KINDS && ok; kind++) ok = kind_write(to, app, (duration_kind)kind, others);
    histogram_merge(&commits, &app->commits);
    for (unsigned i = 0; i < app->loop_count; i++) histogram_merge(&turns, &app->loops[i].home.durations.turns);
    return ok && head_write(to, "journal_commit_duration_seconds", "Synced batches, from write to sync.") &&
           histogram_write(to, "journal_commit_duration_seconds", HISTOGRAM_SHORT, &none, &commits) &&
           head_write(to, "loop_turn_seconds", "Turns of all loops, from the first event to the next wait.") &&
           histogram_write(to, "loop_turn_seconds", HISTOGRAM_SHORT, &none, &turns);
}
