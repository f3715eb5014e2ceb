#include "runtime/admin/runs.h"

#include <assert.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/queue.h>

#include "runtime/admin/inquiry.h"
#include "runtime/admin/list_query.h"
#include "runtime/base/pool.h"
#include "runtime/base/problem.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/forks_json.h"
#include "runtime/observe/held.h"
#include "runtime/observe/runs_json.h"
#include "runtime/run/survey.h"
#include "storage/kin.h"

enum {
    ASIDE_BYTES = 128 << 10, /* a journal of which the page would keep the loop for a millisecond and more */
    ASIDE_MAX = 4            /* such journals in memory, for pages of one loop: each may be --run-state-max long */
};

/* A request for a run's page: first its forks are read, then its journal. The page of a long one is made by another
 * thread; while several are made, the next one waits without its journal, which is read again. */
typedef struct run_inquiry {
    inquiry base;
    TAILQ_ENTRY(run_inquiry) in_home; /* while it waits */
    pool_job job;                     /* while its page is made: this, and what follows, are the thread's */
    store_journal journal;
    survey now;
    bool is_known; /* `now` says something */
    bool has_turn; /* it is one of home.pages_made */
    json_writer w;
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

static void run_read(run_inquiry *r);

/* Touches nothing of the home: also on another thread. */
static void run_write(run_inquiry *r)
{
    runs_json_run(&r->w, r->base.home->app,
                  &(run_page){.journal = &r->journal, .now = r->is_known ? &r->now : NULL, .forks = &r->forks});
}

/* Frees what only the page was made of: that takes its time, too. */
static void run_on_work(pool_job *j)
{
    run_inquiry *r = (run_inquiry *)((char *)j - offsetof(run_inquiry, job));
    run_write(r);
    arena_free(&r->w.arena);
    free(r->journal.data);
}

/* One page less is made: the next one that waits has its turn. */
static void run_end_turn(home *h)
{
    run_inquiry *next = TAILQ_FIRST(&h->pages);
    assert(h->pages_made > 0);
    h->pages_made--;
    if (!next) return;
    TAILQ_REMOVE(&h->pages, next, in_home);
    h->pages_made++;
    next->has_turn = true;
    run_read(next);
}

static void run_on_written(pool_job *j)
{
    run_inquiry *r = (run_inquiry *)((char *)j - offsetof(run_inquiry, job));
    home *h = r->base.home;
    json_writer w = r->w;
    inquiry_answer(&r->base, &w);
    run_end_turn(h);
}

/* Has a thread make the page, or lets it wait for its turn. False: this thread has to make it. */
static bool run_put_aside(run_inquiry *r, store_journal *j)
{
    home *h = r->base.home;
    if (j->len < ASIDE_BYTES) return false;
    if (!r->has_turn && h->pages_made == ASIDE_MAX) {
        json_writer_free(&r->w);
        TAILQ_INSERT_TAIL(&h->pages, r, in_home);
        return true;
    }
    survey_keep(&r->now, &r->w.arena);
    r->job = (pool_job){.work = run_on_work, .done = run_on_written};
    if (!pool_submit(&h->aside, &r->job)) return false;
    j->data = NULL; /* run_on_work frees it */
    h->pages_made += !r->has_turn;
    return true;
}

/* Answers with the page. False: that is still to come. */
static bool run_show(run_inquiry *r, store_journal *j)
{
    json_writer_init(&r->w, NULL); /* no memory of the home's: another thread may write */
    r->journal = *j;
    r->is_known = inquiry_survey(&r->base, &j->run, &r->w.arena, &r->now);
    if (run_put_aside(r, j)) return false;
    run_write(r);
    json_writer w = r->w;
    inquiry_answer(&r->base, &w);
    return true;
}

/* False: the page is still to come. */
static bool run_take(run_inquiry *r, store_journal *j)
{
    bool has_page = j->found || j->live; /* of a run that cannot be read, too */
    if (j->error && (!has_page || j->error == store_no_memory)) {
        inquiry_refuse_store(&r->base, j->error);
        return true;
    }
    if (has_page) return run_show(r, j);
    inquiry_refuse(&r->base, 404, "no such run", NULL);
    return true;
}

static void run_on_loaded(void *arg, store_journal *j, size_t count)
{
    run_inquiry *r = arg;
    home *h = r->base.home;
    bool has_turn = r->has_turn;
    assert(count == 1);
    (void)count;
    if (run_take(r, j) && has_turn) run_end_turn(h);
}

static void run_read(run_inquiry *r)
{
    home *h = r->base.home;
    bool has_turn = r->has_turn;
    if (store_load(h->port, &r->run, 1, run_on_loaded, r)) return;
    inquiry_refuse_memory(&r->base);
    if (has_turn) run_end_turn(h);
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
    return r->has_before ? NULL : "\"forks_before\" is a run id, which has 26 letters and digits";
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
