#include "runtime/observe/metrics_page.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "runtime/loop/loop.h"
#include "runtime/observe/duration_text.h"
#include "runtime/observe/process_figures.h"
#include "runtime/trace/tracer.h"

typedef struct metric {
    const char *name, *type, *help;
    uint64_t value;
} metric;

enum { METRIC_BYTES = 320 };

/* How much all loops have at the moment. */
typedef struct gauges {
    size_t runs, slots, stopped, waiting, connections;
} gauges;

/* counters is read as an array of numbers: a member of another type would be half of one, or two. */
_Static_assert(sizeof(counters) % sizeof(uint64_t) == 0, "counters is numbers of 64 bits and nothing else");

static counters counters_sum(const sw_app *app, gauges *g)
{
    counters sum = {0};
    for (unsigned i = 0; i < app->loop_count; i++) {
        const home *h = &app->loops[i].home;
        uint64_t *to = (uint64_t *)&sum;
        const uint64_t *from = (const uint64_t *)&h->counters;
        for (size_t k = 0; k < sizeof sum / sizeof *to; k++) to[k] += __atomic_load_n(&from[k], __ATOMIC_RELAXED);
        g->runs += __atomic_load_n(&h->runs.count, __ATOMIC_RELAXED);
        g->slots += __atomic_load_n(&h->slots.count, __ATOMIC_RELAXED);
        g->stopped += __atomic_load_n(&h->slots.stopped, __ATOMIC_RELAXED);
        g->waiting += __atomic_load_n(&h->gate.waiting, __ATOMIC_RELAXED);
        g->connections += __atomic_load_n(&h->connections, __ATOMIC_RELAXED);
    }
    return sum;
}

/* Appends the metric in Prometheus's form. False: no memory. */
static bool metric_write(msgpack_sbuffer *to, const metric *m)
{
    char line[METRIC_BYTES];
    int len = snprintf(line, sizeof line, "# HELP stepwell_%s %s\n# TYPE stepwell_%s %s\nstepwell_%s %llu\n", m->name,
                       m->help, m->name, m->type, m->name, (unsigned long long)m->value);
    assert(len > 0 && (size_t)len < sizeof line);
    return msgpack_sbuffer_write(to, line, (size_t)len) == 0;
}

static bool stepwell_figures_write(msgpack_sbuffer *to, const sw_app *app)
{
    gauges g = {0};
    counters n = counters_sum(app, &g);
    store_stats s = {0};
    if (app->store) store_stats_get(app->store, &s);
    const metric all[] = {
        {"runs_started_total", "counter", "Runs begun, plain requests included.", n.runs_started},
        {"runs_resumed_total", "counter", "Runs taken up again from their journal.", n.runs_resumed},
        {"runs_succeeded_total", "counter", "Runs whose handler returned.", n.runs_succeeded},
        {"runs_failed_total", "counter", "Runs that failed for good.", n.runs_failed},
        {"runs_rejected_total", "counter", "Runs that ended with a mistake of their client's (4xx).", n.runs_rejected},
        {"runs_cancelled_total", "counter", "Runs that were cancelled.", n.runs_cancelled},
        {"runs_parked_total", "counter", "Times a run gave its stack back to sleep.", n.runs_parked},
        {"steps_done_total", "counter", "Steps that succeeded.", n.steps_done},
        {"steps_replayed_total", "counter", "Steps answered from the journal.", n.steps_replayed},
        {"attempts_failed_total", "counter", "Step attempts that failed.", n.attempts_failed},
        {"inputs_differed_total", "counter", "Journaled results used for another input than they were made from.",
         n.inputs_differed},
        {"results_unasked_total", "counter", "Journaled results that a handler returned without asking for.",
         n.results_unasked},
        {"schedule_runs_begun_total", "counter", "Runs that began for a point in time of a schedule.", n.points_begun},
        {"schedule_points_skipped_total", "counter", "Points of schedules whose last run had not ended.",
         n.points_skipped},
        {"schedule_points_missed_total", "counter", "Points of schedules that it was too late for.", n.points_missed},
        {"schedule_points_stopped_total", "counter", "Points of schedules whose function an operator had stopped.",
         n.points_stopped},
        {"requests_refused_total", "counter", "Requests answered 503.", n.requests_refused},
        {"connections", "gauge", "Client connections at --listen.", g.connections},
        {"connections_kept_total", "counter", "Connections given to the supervisor to outlive this process.",
         n.connections_kept},
        {"connections_taken_back_total", "counter", "Connections that were a former worker's.",
         n.connections_taken_back},
        {"runs_in_memory", "gauge", "Runs with a stack.", g.runs},
        {"runs_unfinished", "gauge", "Runs that can be asked for and have not ended.", g.slots},
        {"runs_stopped", "gauge", "Runs that do not go on until somebody does something.", g.stopped},
        {"journal_commits_total", "counter", "Synced batches.", s.commits},
        {"journal_segments_total", "counter", "Segments in them.", s.segments},
        {"journal_bytes_total", "counter", "Bytes in them.", s.bytes},
        {"journal_errors_total", "counter", "Batches that could not be written.", s.commit_errors},
        {"journal_queue_bytes", "gauge", "Bytes that wait to be written.", s.queue_bytes},
        {"journal_attempts_waiting", "gauge",
         "Attempts and chunks that wait for a journal that is full or takes no writes.", g.waiting},
        {"journal_disk_bytes", "gauge", "Size on disk, about.", s.disk_bytes},
        {"journal_runs_deleted_total", "counter", "Runs deleted by retention.", s.runs_deleted},
        {"journal_read_only", "gauge", "1 while writes fail.", s.read_only ? 1 : 0}};
    bool whole = true;
    for (size_t i = 0; whole && i < sizeof all / sizeof all[0]; i++) whole = metric_write(to, &all[i]);
    return whole;
}

/* Of a process that exports traces. */
static bool traces_write(msgpack_sbuffer *to, const sw_app *app)
{
    if (!app->tracer) return true;
    const spool_figures s = spool_figures_of(app->tracer->spool);
    const exporter_figures e = exporter_figures_of(app->tracer->exporter);
    const metric all[] = {
        {"trace_spans_exported_total", "counter", "Spans that the collector has taken.", e.exported},
        {"trace_spans_dropped_total", "counter", "Spans for which the queue had no room (OTEL_BSP_MAX_QUEUE_SIZE).",
         s.dropped},
        {"trace_spans_refused_total", "counter", "Spans that the collector refused, or never took.", e.refused},
        {"trace_export_errors_total", "counter", "Exports that failed.", e.errors},
        {"trace_spans_waiting", "gauge", "Spans that are to be exported.", s.waiting}};
    bool whole = true;
    for (size_t i = 0; whole && i < sizeof all / sizeof all[0]; i++) whole = metric_write(to, &all[i]);
    return whole;
}

static bool build_info_write(msgpack_sbuffer *to)
{
    static const char text[] = "# HELP stepwell_build_info Which library this is.\n# TYPE stepwell_build_info gauge\n"
                               "stepwell_build_info{version=\"" STEPWELL_VERSION "\"} 1\n";
    return msgpack_sbuffer_write(to, text, sizeof text - 1) == 0;
}

static bool process_metric_write(msgpack_sbuffer *to, const char *name, const char *type, const char *help,
                                 double value)
{
    char line[METRIC_BYTES];
    int len = snprintf(line, sizeof line, "# HELP process_%s %s\n# TYPE process_%s %s\nprocess_%s %.3f\n", name, help,
                       name, type, name, value);
    assert(len > 0 && (size_t)len < sizeof line);
    return msgpack_sbuffer_write(to, line, (size_t)len) == 0;
}

/* The names and meanings are those of Prometheus's own client libraries. */
static bool process_write(msgpack_sbuffer *to, const sw_app *app)
{
    process_figures p;
    if (!process_figures_read(&p)) return true;
    return process_metric_write(to, "cpu_seconds_total", "counter", "User and system time.", p.cpu_seconds) &&
           process_metric_write(to, "resident_memory_bytes", "gauge", "In memory.", (double)p.resident_bytes) &&
           process_metric_write(to, "virtual_memory_bytes", "gauge", "Mapped.", (double)p.virtual_bytes) &&
           process_metric_write(to, "threads", "gauge", "Threads.", (double)p.threads) &&
           process_metric_write(to, "open_fds", "gauge", "Open files.", (double)p.open_files) &&
           process_metric_write(to, "max_fds", "gauge", "The limit of open files.", (double)p.files_max) &&
           process_metric_write(to, "start_time_seconds", "gauge", "Start, in Unix time.",
                                (double)app->started_ms / 1000);
}

bool metrics_page_write(msgpack_sbuffer *to, const sw_app *app)
{
    uint64_t others = 0;
    const metric figure = {"metric_others_total", "counter",
                           "Durations counted as \"other\": no series was free (--metric-series-max).", 0};
    bool whole = build_info_write(to) && stepwell_figures_write(to, app) && traces_write(to, app) &&
                 duration_text_write(to, app, &others);
    metric m = figure;
    m.value = others;
    return whole && metric_write(to, &m) && process_write(to, app);
}
