#include "runtime/admin/runs.h"

#include <assert.h>
#include <string.h>

#include "runtime/admin/inquiry.h"
#include "runtime/admin/list_query.h"
#include "runtime/base/problem.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/forks_json.h"
#include "runtime/observe/held.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/survey.h"
#include "storage/kin.h"

/* A request for a run's page: first its forks are read, then its journal. */
typedef struct run_inquiry {
    inquiry base;
    run_id run;
    run_id forks_before; /* with has_before: older forks than this one */
    bool has_before;
    shown_forks forks;
} run_inquiry;

/* ---- The run ---- */

/* Finds out what the run is doing. False: its loop alone could say, or its node. */
static bool inquiry_survey(const inquiry *q, const run_id *id, arena *a, survey *now)
{
    unsigned owner = run_id_loop(id, q->home->count);
    if (!home_owns(q->home, id)) return false;
    if (owner != q->home->index) return held_look(q->home->app, id, a, now);
    survey_take(q->home, id, a, now);
    return true;
}

static void run_on_loaded(void *arg, store_journal *j, size_t count)
{
    run_inquiry *r = arg;
    inquiry *q = &r->base;
    assert(count == 1);
    (void)count;
    bool has_page = j->found || j->live; /* of a run that cannot be read, too */
    if (j->error && (!has_page || j->error == store_no_memory)) {
        inquiry_refuse_store(q, j->error);
        return;
    }
    if (!has_page) {
        inquiry_refuse(q, 404, "no such run", NULL);
        return;
    }
    json_writer w;
    json_writer_init(&w, q->home->arenas);
    survey now;
    bool is_known = inquiry_survey(q, &j->run, &w.arena, &now);
    runs_json_run(&w, q->home->app, &(run_page){.journal = j, .now = is_known ? &now : NULL, .forks = &r->forks});
    inquiry_answer(q, &w);
}

static void run_read(run_inquiry *r)
{
    if (!store_load(r->base.home->port, &r->run, 1, run_on_loaded, r)) inquiry_refuse_memory(&r->base);
}

/* ---- Its forks ---- */

static void forks_on_runs(void *arg, const store_summary *runs, size_t count)
{
    run_inquiry *r = arg;
    bool is_short = false;
    assert(count == r->forks.count);
    for (size_t i = 0; i < count; i++) {
        is_short = is_short || runs[i].error == store_no_memory;
        forks_take_run(&r->forks, i, r->base.home->app, &runs[i]);
    }
    if (is_short)
        inquiry_refuse_memory(&r->base);
    else
        run_read(r);
}

static void forks_on_rows(void *arg, const store_table_row *rows, size_t count, bool end, const char *error)
{
    run_inquiry *r = arg;
    if (error == store_no_memory) {
        inquiry_refuse_memory(&r->base);
        return;
    }
    for (size_t i = 0; i < count; i++) forks_take_row(&r->forks, rows[i].key);
    r->forks.has_older = !end;
    r->forks.error = error;
    if (r->forks.count == 0)
        run_read(r);
    else if (!store_summarize(r->base.home->port, r->forks.ids, r->forks.count, FORKS_GLANCE_BYTES, forks_on_runs, r))
        inquiry_refuse_memory(&r->base);
}

static void forks_read(run_inquiry *r)
{
    kin_bounds b;
    const store_range range = kin_range(&b, &r->run, KIN_FORK, r->has_before ? &r->forks_before : NULL, FORKS_MAX);
    if (!store_scan(r->base.home->port, &range, forks_on_rows, r)) inquiry_refuse_memory(&r->base);
}

/* ---- The request ---- */

/* Sets what one parameter says. Returns NULL, or what is wrong with it. */
static const char *run_take_parameter(void *arg, const char *name, const char *value)
{
    run_inquiry *r = arg;
    if (strcmp(name, "forks_before") != 0) return list_query_unknown;
    r->has_before = run_id_parse(value, strlen(value), &r->forks_before);
    return r->has_before ? NULL : "\"forks_before\" is a run id";
}

void runs_answer_one(home *h, http_exchange *x, const run_id *id)
{
    char wrong[LIST_QUERY_WRONG];
    if (!h->port) {
        problem_reply(x, 404, "no such run", NULL);
        return;
    }
    run_inquiry *r = inquiry_new(h, x, sizeof *r);
    if (!r) return;
    r->run = *id;
    const char *why = list_query_read(http_exchange_request(x)->query, "forks_before", run_take_parameter, r, wrong);
    if (why)
        inquiry_refuse(&r->base, 400, why, NULL);
    else
        forks_read(r);
}
