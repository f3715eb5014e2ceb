#include "runtime/run/durations.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "http/client/client.h"
#include "runtime/base/series_name.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/home.h"
#include "runtime/run/program.h"
#include "runtime/run/step_spec.h"

bool durations_tables_new(series_table *tables[DURATION_KINDS], uint32_t series_max)
{
    bool made = true;
    for (int kind = 0; kind < DURATION_KINDS; kind++) made = (tables[kind] = series_table_new(series_max)) && made;
    return made;
}

void durations_tables_free(series_table *tables[DURATION_KINDS])
{
    for (int kind = 0; kind < DURATION_KINDS; kind++) series_table_free(tables[kind]);
}

bool durations_init(durations *d, uint32_t series_max)
{
    *d = (durations){.turn_began_us = 0};
    bool made = true;
    for (int kind = 0; kind < DURATION_KINDS; kind++)
        made = (d->cells[kind] = calloc((size_t)series_max + 1, sizeof(histogram *))) && made;
    for (int kind = 0; kind < DURATION_KINDS && made; kind++) d->cells[kind][SERIES_OTHER] = &d->other[kind];
    return made;
}

void durations_free(durations *d, uint32_t series_max)
{
    for (int kind = 0; kind < DURATION_KINDS; kind++) {
        for (uint32_t id = 1; d->cells[kind] && id <= series_max; id++) free(d->cells[kind][id]);
        free(d->cells[kind]);
        d->cells[kind] = NULL;
    }
}

/* Returns the histogram of the series, which is made when this home counts under it for the first time. What has no
 * series, or no memory, counts as `other`. */
static histogram *durations_find(home *h, duration_kind kind, const series_labels *labels)
{
    durations *d = &h->durations;
    uint32_t id = series_find(h->app->series[kind], labels);
    if (d->cells[kind][id]) return d->cells[kind][id];
    histogram *made = calloc(1, sizeof *made);
    if (!made) return &d->other[kind];
    __atomic_store_n(&d->cells[kind][id], made, __ATOMIC_RELEASE);
    return made;
}

static duration_recent *durations_recent(durations *d, const char *route, uint64_t path, int code)
{
    uint64_t hash = ((uint64_t)(uintptr_t)route >> 4) + path + (uint64_t)code * 31;
    return &d->recent[hash % DURATIONS_RECENT];
}

static bool recent_is(const duration_recent *r, duration_kind kind, const char *route, uint64_t path, int code)
{
    return r->to && r->route == route && r->path == path && r->code == code && r->kind == kind;
}

/* Remembers where it was counted; `other` is no place for good. */
static void recent_set(durations *d, duration_recent *r, const duration_recent *counted)
{
    if (counted->to != &d->other[counted->kind]) *r = *counted;
}

static __attribute__((noinline)) histogram *durations_find_route(home *h, duration_recent *r, duration_kind kind,
                                                                 const char *route, int code)
{
    const series_labels labels = {.route = route, .code = code};
    histogram *to = durations_find(h, kind, &labels);
    recent_set(&h->durations, r, &(duration_recent){.route = route, .code = code, .kind = kind, .to = to});
    return to;
}

void durations_add_request(home *h, const endpoint *e, int status, uint64_t us)
{
    const char *route = e ? e->route : NULL;
    duration_recent *r = durations_recent(&h->durations, route, 0, status);
    bool known = recent_is(r, DURATION_REQUEST, route, 0, status);
    histogram *to = known ? r->to : durations_find_route(h, r, DURATION_REQUEST, route, status);
    histogram_add(to, HISTOGRAM_SHORT, us);
}

void durations_add_run(home *h, const endpoint *e, duration_outcome outcome, uint64_t us)
{
    duration_recent *r = durations_recent(&h->durations, e->route, 0, (int)outcome);
    bool known = recent_is(r, DURATION_RUN, e->route, 0, (int)outcome);
    histogram *to = known ? r->to : durations_find_route(h, r, DURATION_RUN, e->route, (int)outcome);
    histogram_add(to, HISTOGRAM_LONG, us);
}

/* Fills like->to and remembers it. */
static __attribute__((noinline)) histogram *durations_find_step(home *h, duration_recent *r, const step_spec *spec,
                                                                duration_recent *like)
{
    char name[SERIES_NAME_BYTES_MAX];
    const char *metric = spec->options.metric;
    size_t len = metric ? series_name_of_metric(name, metric) : series_name_of_step(name, spec->id);
    const series_labels labels = {.route = like->route, .name = name, .name_len = len, .code = like->code};
    like->to = durations_find(h, DURATION_STEP, &labels);
    recent_set(&h->durations, r, like);
    return like->to;
}

/* A path is made of the step's id and stands for it: all runs of an endpoint have equal paths. */
static uint64_t step_place(const step_spec *spec)
{
    const char *metric = spec->options.metric;
    return metric ? XXH3_64bits(metric, strlen(metric)) : spec->path;
}

void durations_add_step(home *h, const endpoint *e, const step_spec *spec, duration_outcome outcome, uint64_t us)
{
    duration_recent like = {.route = e->route, .path = step_place(spec), .code = (int)outcome, .kind = DURATION_STEP};
    duration_recent *r = durations_recent(&h->durations, like.route, like.path, like.code);
    bool known = recent_is(r, DURATION_STEP, like.route, like.path, like.code);
    histogram *to = known ? r->to : durations_find_step(h, r, spec, &like);
    histogram_add(to, HISTOGRAM_SHORT, us);
}

/* The status of the answer, or the negative of the error; 0: the call was given up before its answer came. */
static int call_code(const http_call *call)
{
    if (http_call_state_of(call) == HTTP_CALL_FAILED) return -(int)http_call_error(call);
    return http_call_answered(call) ? http_call_status(call) : 0;
}

void durations_add_call(home *h, const http_call *call)
{
    char name[SERIES_NAME_BYTES_MAX];
    const char *url = http_call_url(call);
    http_shown_url shown = http_url_shown(url ? url : "");
    const series_labels labels = {.name = name,
                                  .name_len = series_name_of_host(name, shown.host_path, (size_t)shown.host_len),
                                  .code = call_code(call)};
    histogram_add(durations_find(h, DURATION_CALL, &labels), HISTOGRAM_SHORT, http_call_took_us(call));
}

void durations_end_turn(durations *d)
{
    if (d->turn_began_us == 0) return;
    uint64_t now_us = clock_steady_us();
    histogram_add(&d->turns, HISTOGRAM_SHORT, now_us > d->turn_began_us ? now_us - d->turn_began_us : 0);
    __atomic_store_n(&d->turn_began_us, 0, __ATOMIC_RELAXED);
}
