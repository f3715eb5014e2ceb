#include "runtime/admin/schedules_routes.h"

#include <assert.h>
#include <stdio.h>

#include "runtime/admin/body.h"
#include "runtime/base/json_writer.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/flow/schedules.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/program.h"

/* ---- Writing them as JSON ---- */

static void put_plan(json_writer *w, const schedule_view *v)
{
    const schedule_plan *p = v->plan;
    json_put_text(w, "cron", p->expression);
    if (*p->zone) json_put_text(w, "timezone", p->zone);
    json_put_text(w, "overlap", schedule_overlap_name(p->overlap));
    json_put_int(w, "catchUpMs", p->catch_up_ms);
}

static void put_row(json_writer *w, const schedule_row *row)
{
    char id[RUN_ID_TEXT + 1];
    if (*row->by) json_put_text(w, "by", row->by);
    if (*row->by) json_put_int(w, "at", row->at_ms);
    if (row->waits_ms > 0) json_put_int(w, "waiting", row->waits_ms);
    if (row->point_ms == 0) return;
    run_id_format(&row->run, id);
    json_put_int(w, "lastPoint", row->point_ms);
    json_put_text(w, "lastRun", id);
}

/* The next points, whether or not it is paused. */
static void put_next(json_writer *w, const schedule_view *v)
{
    json_open_array(w, "next");
    for (int i = 0; v->plan && i < SCHEDULE_NEXT && v->next_ms[i] != CRON_NEVER; i++)
        json_put_int(w, NULL, v->next_ms[i]);
    json_close_array(w);
}

static void put_schedule(void *arg, const schedule_view *v)
{
    json_writer *w = arg;
    json_open_map(w, NULL);
    json_put_text(w, "name", v->name);
    if (v->plan) put_plan(w, v);
    json_put_bool(w, "paused", v->row && v->row->is_paused);
    if (v->row) put_row(w, v->row);
    put_next(w, v);
    if (v->function && endpoint_stopped_s(v->function) > 0) json_put_bool(w, "stopped", true);
    if (!v->plan) json_put_bool(w, "missing", true);
    json_close_map(w);
}

/* Replies with the document; true: that was done. Without memory nothing is, and false is returned. */
static bool schedules_reply(http_exchange *x, json_writer *w)
{
    const http_reply_header type = {"Content-Type", "application/json"};
    assert(w->depth == 0);
    json_put_newline(w);
    bool is_whole = !w->is_short;
    if (is_whole) http_reply(x, 200, &type, 1, (http_text){w->out.data, w->out.size});
    json_writer_free(w);
    return is_whole;
}

void schedules_answer_list(home *h, http_exchange *x)
{
    json_writer w;
    if (!schedules_are_known(h->app->schedules)) {
        problem_reply(x, 503, schedules_unknown, "5");
        return;
    }
    json_writer_init(&w, h->arenas);
    json_open_map(&w, NULL);
    json_open_array(&w, "schedules");
    if (h->app->schedules) schedules_each(h->app->schedules, put_schedule, &w);
    json_close_array(&w);
    json_close_map(&w);
    if (!schedules_reply(x, &w)) problem_reply(x, 503, store_no_memory, "5");
}

/* ---- Changing ---- */

static void change_on_gone(http_exchange *x) { (void)x; /* it is written all the same; then the exchange is ended */ }

static void change_on_done(void *arg, schedule_result result, const schedule_view *now, const char *error)
{
    http_exchange *x = arg;
    json_writer w;
    switch (result) {
    case SCHEDULE_REFUSED:
        problem_reply(x, 503, error, "5");
        return;
    case SCHEDULE_UNSURE: /* nobody may be told that nothing was changed */
        http_reply_abort(x);
        return;
    case SCHEDULE_DONE:
        break;
    }
    if (!now) {
        http_reply(x, 204, NULL, 0, (http_text){"", 0});
        return;
    }
    json_writer_init(&w, NULL);
    put_schedule(&w, now);
    if (!schedules_reply(x, &w)) http_reply_abort(x); /* it is changed, and 503 would say the contrary */
}

/* Only the first loop changes schedules. False: the exchange has moved there, or has its answer. */
static bool change_is_here(home *h, http_exchange *x)
{
    if (h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else if (!schedules_are_known(h->app->schedules))
        problem_reply(x, 503, schedules_unknown, "5");
    else if (h->app->schedules && h->index != 0)
        h->move(h, 0, x, NULL);
    else
        return true;
    return false;
}

/* Whether this node owns the schedule. False: another one does, and the exchange has been told to ask that one. */
static bool schedule_is_here(const home *h, http_exchange *x, const char *name)
{
    char text[96];
    const schedules *all = h->app->schedules;
    if (!all || schedules_own(all, name)) return true;
    (void)snprintf(text, sizeof text,
                   "the schedule belongs to node %u of the cluster, and this is node %u: ask that one",
                   schedules_owner_of(all, name), (unsigned)h->cluster->self);
    problem_reply(x, 503, text, "1");
    return false;
}

/* Takes x. */
static void schedules_change_for(home *h, http_exchange *x, const schedule_wish *wish)
{
    if (!schedule_is_here(h, x, wish->name)) return;
    static const char *const does[] = {
        [SCHEDULE_PAUSE] = "pausing", [SCHEDULE_RESUME] = "resuming", [SCHEDULE_FORGET] = "forgetting"};
    log_line(LOG_INFO, NULL, "%s the schedule \"%s\": asked by operator %s", does[wish->act], wish->name, wish->by);
    http_exchange_on_gone(x, change_on_gone);
    if (h->app->schedules && schedules_change(h, wish, change_on_done, x)) return;
    problem_reply(x, 404, "there is no schedule of this name: GET /_sw/schedules has all of them", NULL);
}

void schedules_answer_put(home *h, http_exchange *x, const char *name, const char *by)
{
    arena a;
    sw_value paused;
    const body_member members[] = {{"paused", SW_BOOL, &paused}};
    if (!change_is_here(h, x)) return;
    arena_init(&a, h->arenas);
    bool is_read = body_read(x, &a, members, 1);
    if (is_read && sw_is_nil(paused))
        problem_reply(x, 400, "the body is {\"paused\": true} or {\"paused\": false}", NULL);
    else if (is_read)
        schedules_change_for(h, x,
                             &(schedule_wish){sw_as_bool(paused, false) ? SCHEDULE_PAUSE : SCHEDULE_RESUME, name, by});
    arena_free(&a);
}

void schedules_answer_delete(home *h, http_exchange *x, const char *name, const char *by)
{
    if (change_is_here(h, x)) schedules_change_for(h, x, &(schedule_wish){SCHEDULE_FORGET, name, by});
}
