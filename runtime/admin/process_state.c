#include "runtime/admin/process_state.h"

#include <stdlib.h>
#include <unistd.h>

#include "runtime/admin/inquiry.h"
#include "runtime/base/problem.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/process_figures.h"

/* A request for which a thread of the pool asks the kernel: that takes a while with many open files. */
typedef struct process_inquiry {
    inquiry base;
    uv_work_t work;
    process_figures figures;
    bool has_figures;
} process_inquiry;

static void put_loops(json_writer *w, const sw_app *app)
{
    json_open_array(w, "loops");
    for (unsigned i = 0; i < app->loop_count; i++) {
        const home *h = &app->loops[i].home;
        json_open_map(w, NULL);
        json_put_int(w, "runs", (int64_t)__atomic_load_n(&h->runs.count, __ATOMIC_RELAXED));
        json_put_int(w, "slots", (int64_t)__atomic_load_n(&h->slots.count, __ATOMIC_RELAXED));
        json_put_int(w, "stopped", (int64_t)__atomic_load_n(&h->slots.stopped, __ATOMIC_RELAXED));
        json_put_int(w, "connections", (int64_t)__atomic_load_n(&h->connections, __ATOMIC_RELAXED));
        json_put_int(w, "waiting", (int64_t)__atomic_load_n(&h->gate.waiting, __ATOMIC_RELAXED));
        json_put_int(w, "started", (int64_t)__atomic_load_n(&h->counters.runs_started, __ATOMIC_RELAXED));
        json_put_int(w, "resumed", (int64_t)__atomic_load_n(&h->counters.runs_resumed, __ATOMIC_RELAXED));
        json_put_int(w, "parked", (int64_t)__atomic_load_n(&h->counters.runs_parked, __ATOMIC_RELAXED));
        json_put_int(w, "refused", (int64_t)__atomic_load_n(&h->counters.requests_refused, __ATOMIC_RELAXED));
        json_close_map(w);
    }
    json_close_array(w);
}

static void put_commit_us(json_writer *w, const char *name, const histogram *commits, unsigned percent)
{
    json_put_int(w, name, (int64_t)histogram_percentile(commits, HISTOGRAM_SHORT, percent));
}

static void put_journal(json_writer *w, const sw_app *app)
{
    store_stats s = {0};
    histogram commits = {.sum_us = 0};
    if (!app->store) return;
    store_stats_get(app->store, &s);
    histogram_merge(&commits, &app->commits);
    json_open_map(w, "journal");
    json_put_int(w, "commits", (int64_t)s.commits);
    json_put_int(w, "segments", (int64_t)s.segments);
    json_put_int(w, "bytes", (int64_t)s.bytes);
    json_put_int(w, "errors", (int64_t)s.commit_errors);
    json_put_int(w, "queueBytes", (int64_t)s.queue_bytes);
    json_put_value(w, "readOnly", sw_bool(s.read_only));
    put_commit_us(w, "commitP50Us", &commits, 50);
    put_commit_us(w, "commitP95Us", &commits, 95);
    put_commit_us(w, "commitP99Us", &commits, 99);
    json_close_map(w);
    json_open_map(w, "store");
    json_put_int(w, "diskBytes", (int64_t)s.disk_bytes);
    json_put_int(w, "runsDeleted", (int64_t)s.runs_deleted);
    json_close_map(w);
}

static void put_figures(json_writer *w, const process_figures *p)
{
    json_open_map(w, "memory");
    json_put_int(w, "residentBytes", (int64_t)p->resident_bytes);
    json_put_int(w, "virtualBytes", (int64_t)p->virtual_bytes);
    json_close_map(w);
    json_put_int(w, "cpuMs", (int64_t)(p->cpu_seconds * 1000));
    json_put_int(w, "threads", (int64_t)p->threads);
    json_put_int(w, "openFiles", (int64_t)p->open_files);
    json_put_int(w, "openFilesMax", (int64_t)p->files_max);
}

static void process_on_work(uv_work_t *work)
{
    process_inquiry *q = work->data;
    q->has_figures = process_figures_read(&q->figures);
}

static void process_on_done(uv_work_t *work, int status)
{
    process_inquiry *q = work->data;
    const sw_app *app = q->base.home->app;
    json_writer w;
    json_writer_init(&w, q->base.home->arenas);
    json_open_map(&w, NULL);
    json_put_text(&w, "version", STEPWELL_VERSION);
    json_put_text(&w, "name", app->name);
    json_put_int(&w, "pid", getpid());
    json_put_int(&w, "startedAt", app->started_ms);
    json_put_int(&w, "endedByRuns", app->ended_by_runs);
    put_loops(&w, app);
    put_journal(&w, app);
    if (status == 0 && q->has_figures) put_figures(&w, &q->figures);
    json_close_map(&w);
    inquiry_answer(&q->base, &w);
}

void process_answer(home *h, http_exchange *x)
{
    process_inquiry *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    q->work.data = q;
    if (uv_queue_work(h->uv, &q->work, process_on_work, process_on_done) != 0) inquiry_refuse_memory(&q->base);
}
