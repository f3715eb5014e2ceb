#include "runtime/admin/endpoints_list.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

#include "runtime/admin/inquiry.h"
#include "runtime/admin/run_filter.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/settings.h"
#include "storage/store_by_hand.h"

enum { STOPPED_MAX = 500, STOPPED_MS_MAX = 50, GLANCE_BYTES = 4096, HOUR_MS = 3600000 };

/* A request that waits for the store: first for the stopped runs, if there are any, then for the counts. */
typedef struct endpoints_inquiry {
    inquiry base;
    run_filter filter; /* stopped runs */
    size_t *stopped;   /* by the endpoint's number in the app */
    bool has_more_stopped;
} endpoints_inquiry;

/* ---- One endpoint ---- */

/* What is counted of one. */
typedef struct endpoint_counts {
    uint64_t live, succeeded, failed, cancelled;
    uint64_t recent[3]; /* succeeded, failed, cancelled */
} endpoint_counts;

static void counts_add(endpoint_counts *n, const store_class *c)
{
    switch (c->fate) {
    case FATE_SUCCEEDED:
        n->succeeded += c->runs;
        n->recent[0] += c->recent;
        break;
    case FATE_FAILED:
        n->failed += c->runs;
        n->recent[1] += c->recent;
        break;
    case FATE_CANCELLED:
        n->cancelled += c->runs;
        n->recent[2] += c->recent;
        break;
    case FATE_LIVE:
        n->live += c->runs;
        break;
    default:
        break;
    }
}

/* How long runs of the route, or requests to it, took in this process. */
static void put_latencies(json_writer *w, const sw_app *app, const endpoint *e)
{
    duration_kind kind = e->kind == ENDPOINT_DURABLE ? DURATION_RUN : DURATION_REQUEST;
    histogram_scale scale = kind == DURATION_RUN ? HISTOGRAM_LONG : HISTOGRAM_SHORT;
    histogram sum = {.sum_us = 0};
    for (uint32_t id = 1, count = series_count(app->series[kind]); id <= count; id++) {
        const char *route = series_get(app->series[kind], id).route;
        if (!route || strcmp(route, e->route) != 0) continue;
        for (unsigned i = 0; i < app->loop_count; i++) {
            const histogram *h = __atomic_load_n(&app->loops[i].home.durations.cells[kind][id], __ATOMIC_ACQUIRE);
            if (h) histogram_merge(&sum, h);
        }
    }
    if (histogram_count(&sum) == 0) return;
    json_put_value(w, "p50Ms", sw_double((double)histogram_percentile(&sum, scale, 50) / 1000));
    json_put_value(w, "p95Ms", sw_double((double)histogram_percentile(&sum, scale, 95) / 1000));
    json_put_value(w, "p99Ms", sw_double((double)histogram_percentile(&sum, scale, 99) / 1000));
}

static void put_options(json_writer *w, const endpoint *e)
{
    const sw_endpoint_options *o = &e->options;
    static const char *const retain[] = {
        [SW_RETAIN_ALL] = "all", [SW_RETAIN_FAILED] = "failed", [SW_RETAIN_NONE] = "none"};
    json_open_map(w, "options");
    if (!e->function) json_put_text(w, "durability", o->durability == SW_RELAXED ? "relaxed" : "synced");
    json_put_text(w, "retain", o->retain <= SW_RETAIN_NONE ? retain[o->retain] : "all");
    if (o->retain_ms > 0) json_put_int(w, "retainMs", o->retain_ms);
    if (!e->function) json_put_text(w, "onDisconnect", o->on_disconnect == SW_CANCEL ? "cancel" : "goOn");
    json_put_text(w, "onDifference", o->on_difference == SW_STOP ? "stop" : "report");
    json_put_text(w, "onExhausted", o->on_exhausted == SW_STOP ? "stop" : "fail");
    if (o->timeout_ms > 0) json_put_int(w, "timeoutMs", o->timeout_ms);
    json_close_map(w);
}

/* The versions of which there are runs, and the present one. */
static void put_versions(json_writer *w, const store_counts *all, const char *route, const char *present)
{
    bool has_present = !present || !*present;
    json_open_array(w, "versions");
    for (size_t i = 0; i < all->count; i++) {
        const store_class *c = &all->classes[i];
        bool is_new = strcmp(c->function, route) == 0 && *c->version;
        for (size_t k = 0; k < i && is_new; k++)
            is_new = strcmp(all->classes[k].function, route) != 0 || strcmp(all->classes[k].version, c->version) != 0;
        if (!is_new) continue;
        json_put_text(w, NULL, c->version);
        has_present = has_present || strcmp(c->version, present) == 0;
    }
    if (!has_present) json_put_text(w, NULL, present);
    json_close_array(w);
}

/* What is looked for among the settings. */
typedef struct stop_search {
    json_writer *w;
    const endpoint *e;
} stop_search;

static void stop_on_setting(void *arg, const setting *one, bool is_of_nothing)
{
    static const char prefix[] = "endpoint:";
    const stop_search *s = arg;
    if (is_of_nothing || strncmp(one->name, prefix, sizeof prefix - 1) != 0) return;
    if (strcmp(one->name + sizeof prefix - 1, s->e->route) != 0) return;
    json_open_map(s->w, "stopped");
    json_put_text(s->w, "by", one->by);
    json_put_int(s->w, "at", one->at_ms);
    json_close_map(s->w);
}

/* Who has stopped the endpoint for new requests, if anybody has. */
static void put_stop(json_writer *w, const sw_app *app, const endpoint *e)
{
    stop_search s = {.w = w, .e = e};
    if (endpoint_stopped_s(e) > 0) settings_each(app->settings, stop_on_setting, &s);
}

static void put_counts(json_writer *w, const endpoint_counts *n, size_t stopped)
{
    json_put_int(w, "running", (int64_t)(n->live > stopped ? n->live - stopped : 0));
    json_put_int(w, "stoppedRuns", (int64_t)stopped);
    json_put_int(w, "succeeded", (int64_t)n->succeeded);
    json_put_int(w, "failed", (int64_t)n->failed);
    json_put_int(w, "cancelled", (int64_t)n->cancelled);
    json_open_map(w, "lastHour");
    json_put_int(w, "succeeded", (int64_t)n->recent[0]);
    json_put_int(w, "failed", (int64_t)n->recent[1]);
    json_put_int(w, "cancelled", (int64_t)n->recent[2]);
    json_close_map(w);
}

static const char *kind_text(const endpoint *e)
{
    if (!e) return "gone";
    if (e->kind != ENDPOINT_DURABLE) return "plain";
    return e->function ? "function" : "durable";
}

/* `e` NULL: the program has no such endpoint any more. */
static void put_endpoint(json_writer *w, const endpoints_inquiry *q, const store_counts *all, const char *route,
                         const endpoint *e)
{
    const sw_app *app = q->base.home->app;
    endpoint_counts n = {.live = 0};
    size_t stopped = 0;
    for (size_t i = 0; i < all->count; i++)
        if (strcmp(all->classes[i].function, route) == 0) counts_add(&n, &all->classes[i]);
    for (size_t i = 0; e && q->stopped && i < app->endpoint_count; i++)
        if (app->endpoints[i] == e) stopped = q->stopped[i];
    if (!e) stopped = n.live; /* until a program has the endpoint again */
    json_open_map(w, NULL);
    json_put_text(w, "endpoint", route);
    json_put_text(w, "kind", kind_text(e));
    if (!e || e->kind == ENDPOINT_DURABLE) {
        put_versions(w, all, route, e ? e->options.version : NULL);
        put_counts(w, &n, stopped);
    }
    if (e) put_latencies(w, app, e);
    if (e && app->settings) put_stop(w, app, e);
    if (e && e->kind == ENDPOINT_DURABLE) put_options(w, e);
    json_close_map(w);
}

/* ---- All of them ---- */

static const endpoint *find_endpoint(const sw_app *app, const char *route)
{
    const endpoint *e = app_endpoint(app, route, strlen(route));
    return e && e->kind == ENDPOINT_DURABLE ? e : NULL;
}

/* Endpoints of which only runs are left. */
static void put_gone(json_writer *w, const endpoints_inquiry *q, const store_counts *all)
{
    for (size_t i = 0; i < all->count; i++) {
        const char *route = all->classes[i].function;
        bool is_new = *route && !find_endpoint(q->base.home->app, route);
        for (size_t k = 0; k < i && is_new; k++) is_new = strcmp(all->classes[k].function, route) != 0;
        if (is_new) put_endpoint(w, q, all, route, NULL);
    }
}

static void endpoints_on_counted(void *arg, const store_counts *all)
{
    endpoints_inquiry *q = arg;
    const sw_app *app = q->base.home->app;
    json_writer w;
    json_writer_init(&w, q->base.home->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "endpoints");
    for (size_t i = 0; i < app->endpoint_count; i++) {
        const endpoint *e = app->endpoints[i];
        bool is_own = e->builtin != NULL; /* of the library: nobody outside asks for it */
        if (!is_own && e->kind != ENDPOINT_FILES) put_endpoint(&w, q, all, e->route, e);
    }
    put_gone(&w, q, all);
    json_close_array(&w);
    json_put_value(&w, "counted", sw_bool(all->whole));
    if (q->has_more_stopped) json_put_value(&w, "moreStopped", sw_bool(true));
    json_close_map(&w);
    free(q->stopped);
    if (all->error) {
        inquiry_refuse_store(&q->base, all->error);
        json_writer_free(&w);
    } else {
        inquiry_answer(&q->base, &w);
    }
}

static void endpoints_count(endpoints_inquiry *q)
{
    if (store_count(q->base.home->port, clock_wall_ms() - HOUR_MS, endpoints_on_counted, q)) return;
    free(q->stopped);
    inquiry_refuse_memory(&q->base);
}

static void endpoints_on_stopped(void *arg, const store_found *found)
{
    endpoints_inquiry *q = arg;
    const sw_app *app = q->base.home->app;
    if (found->error) {
        free(q->stopped);
        inquiry_refuse_store(&q->base, found->error);
        return;
    }
    q->has_more_stopped = found->next != NULL;
    for (size_t i = 0; i < found->count; i++) {
        const entry_text route = found->runs[i].of.started.function;
        const endpoint *e = app_endpoint(app, route.data, route.len);
        for (size_t k = 0; k < app->endpoint_count; k++) q->stopped[k] += app->endpoints[k] == e;
    }
    endpoints_count(q);
}

/* Looks for stopped runs, of which there are some. False: no memory. */
static bool endpoints_find_stopped(endpoints_inquiry *q)
{
    home *h = q->base.home;
    run_filter_init(&q->filter, h->app);
    const char *wrong = run_filter_set(&q->filter, "state", "stopped");
    assert(!wrong);
    (void)wrong;
    q->filter.query.limit = STOPPED_MAX;
    q->filter.query.bytes_max = GLANCE_BYTES;
    q->filter.query.ms_max = store_is_by_hand(h->store) ? 0 : STOPPED_MS_MAX;
    q->stopped = calloc(h->app->endpoint_count, sizeof *q->stopped);
    return q->stopped && store_find(h->port, &q->filter.query, endpoints_on_stopped, q);
}

static bool app_has_stopped(const sw_app *app)
{
    for (unsigned i = 0; i < app->loop_count; i++)
        if (__atomic_load_n(&app->loops[i].home.slots.stopped, __ATOMIC_RELAXED) > 0) return true;
    return false;
}

void endpoints_answer(home *h, http_exchange *x)
{
    endpoints_inquiry *q = inquiry_new(h, x, sizeof *q);
    if (!q) return;
    if (!h->port) {
        endpoints_on_counted(q, &(store_counts){.whole = true});
        return;
    }
    if (!app_has_stopped(h->app)) {
        endpoints_count(q);
        return;
    }
    if (endpoints_find_stopped(q)) return;
    free(q->stopped);
    inquiry_refuse_memory(&q->base);
}
