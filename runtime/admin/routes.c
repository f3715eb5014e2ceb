#include "runtime/admin/routes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/admin/auth.h"
#include "runtime/admin/backup.h"
#include "runtime/admin/body.h"
#include "runtime/admin/bulk.h"
#include "runtime/admin/bulk_plan.h"
#include "runtime/admin/bulk_run.h"
#include "runtime/admin/children.h"
#include "runtime/admin/console.h"
#include "runtime/admin/endpoints_list.h"
#include "runtime/admin/error_groups.h"
#include "runtime/admin/feed_reader.h"
#include "runtime/admin/fork_request.h"
#include "runtime/admin/health.h"
#include "runtime/admin/list_query.h"
#include "runtime/admin/process_state.h"
#include "runtime/admin/resume.h"
#include "runtime/admin/runs.h"
#include "runtime/admin/runs_list.h"
#include "runtime/admin/schedules_routes.h"
#include "runtime/admin/session.h"
#include "runtime/admin/settings_routes.h"
#include "runtime/admin/start_function.h"
#include "runtime/admin/start_run.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/clients/by_id.h"
#include "runtime/clients/question_page.h"
#include "runtime/clients/question_request.h"
#include "runtime/clients/run_access.h"
#include "runtime/clients/signal_request.h"
#include "runtime/clients/waiter.h"
#include "runtime/loop/loop.h"
#include "runtime/observe/held.h"
#include "runtime/observe/metrics.h"
#include "runtime/process/app.h"

/* ---- Output and stream ---- */

/* Reads which frame of the stream the client has last; 0: none. False: what it names is no number, and the exchange has
 * its answer. */
static bool route_read_last_frame(http_exchange *x, const request_wish *asked, uint32_t *after)
{
    const http_request *q = http_exchange_request(x);
    char value[RUN_QUERY_BYTES] = "";
    const char *last = asked->last_event_id;
    bool readable = q->query.len < sizeof value;
    if ((!last || !*last) && readable && uri_query(q->query.data, q->query.len, "after", value)) last = value;
    *after = 0;
    if (!last || !*last) return true;
    size_t digits = strspn(last, "0123456789");
    unsigned long long n = digits <= 10 ? strtoull(last, NULL, 10) : UINT64_MAX;
    if (last[digits] == 0 && n < UINT32_MAX) {
        *after = (uint32_t)n;
        return true;
    }
    problem_reply(x, 400, "Last-Event-ID (or ?after=) is not the number of a frame", NULL);
    return false;
}

/* Reads the id in the path. False: there is no such run, and the exchange has its answer. */
static bool route_read_id(const home *h, http_exchange *x, const http_param *params, run_id *id)
{
    const bool is_id = run_id_parse(params[0].value, params[0].value_len, id);
    if (h->port && is_id) return true;
    problem_reply(x, 404, is_id ? "no such run" : "no such run: an id has 26 letters and digits, without I, L, O and U",
                  NULL);
    return false;
}

/* Reads the id of a run of this loop, or of one that has the same loop at another node. False: there is no such run, or
 * the connection moves to the run's loop; in both cases nothing is left to do. */
static bool route_take_any_id(home *h, http_exchange *x, const http_param *params, run_id *id)
{
    if (!route_read_id(h, x, params, id)) return false;
    unsigned owner = run_id_loop(id, h->count);
    assert(owner < h->count);
    if (owner == h->index) return true;
    h->move(h, owner, x, NULL);
    return false;
}

/* Likewise, but refuses those of other nodes. */
static bool route_take_id(home *h, http_exchange *x, const http_param *params, run_id *id)
{
    return route_take_any_id(h, x, params, id) && run_access_is_here(h, x, id);
}

static void route_attach(home *h, http_exchange *x, const http_param *params, waiter_kind kind)
{
    run_id id;
    request_wish asked = request_wish_of_link(http_exchange_request(x));
    assert(kind == WAITER_OUTPUT || kind == WAITER_STREAM);
    asked.answer = (waiter_wish){.kind = kind};
    /* While the server drains a client is sent round, which any loop can do; the run's loop may have ended. */
    bool here = h->draining ? route_read_id(h, x, params, &id) : route_take_id(h, x, params, &id);
    if (!here || !run_access_check(h, x, &id, RUN_TOKEN_READ, "reading a run")) return;
    if (!run_access_is_here(h, x, &id)) return;
    if (kind != WAITER_STREAM || route_read_last_frame(x, &asked, &asked.answer.after)) by_id_attach(h, x, &id, &asked);
}

static void on_output(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    route_attach(h, x, params, WAITER_OUTPUT);
}

static void on_stream(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    route_attach(h, x, params, WAITER_STREAM);
}

/* ---- Administration ---- */

/* Like auth_admits, of a request that has no parameters. */
static const operator_entry *route_admits(home *h, http_exchange *x, operator_scope needed, const char *does)
{
    const operator_entry *who = auth_admits(h, x, needed, does);
    return who && list_query_is_empty(x) ? who : NULL;
}

static void on_runs(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x, OPERATOR_VIEW, "listing runs")) runs_answer_list(h, x);
}

static void on_start(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_START, "starting a run");
    if (who) start_run_answer(h, x, who->name);
}

static void on_function(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_START, "starting a function");
    if (who) start_function_answer(h, x, who->name);
}

static void on_endpoints(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (route_admits(h, x, OPERATOR_VIEW, "listing endpoints")) endpoints_answer(h, x);
}

static void on_errors(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x, OPERATOR_VIEW, "listing errors")) errors_answer(h, x);
}

static void on_process(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (route_admits(h, x, OPERATOR_VIEW, "looking at the process")) process_answer(h, x);
}

static void on_run(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!auth_admits(h, x, OPERATOR_VIEW, "reading a run")) return;
    if (!route_read_id(h, x, params, &id)) return;
    unsigned owner = run_id_loop(&id, h->count);
    /* The run's own loop knows what it is doing. While the server drains that loop may have ended, and a loop that is
     * kept busy would answer late: any reads a journal. */
    if (owner == h->index || h->draining || !home_owns(h, &id) || held_is(h->app, &id))
        runs_answer_one(h, x, &id);
    else
        h->move(h, owner, x, NULL);
}

static void on_children(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (auth_admits(h, x, OPERATOR_VIEW, "listing a run's children") && route_read_id(h, x, params, &id))
        children_answer(h, x, &id);
}

/* Who steers which run. */
typedef struct steering {
    run_id id;
    const operator_entry *who; /* NULL: a client, by the run's token */
} steering;

/* One line for each thing that an operator does, with the name. */
static void audit(const run_id *id, const operator_entry *who, const char *does)
{
    char text[RUN_ID_TEXT + 1] = "";
    if (id) run_id_format(id, text);
    log_line(LOG_INFO, id ? text : NULL, "%s: asked by operator %s", does, who->name);
}

/* Whether the client may steer out->id, by the run's token or as an operator, who is out->who then; else that is NULL.
 * False: the exchange has its answer. `does`: for the refusal. */
static bool steering_is_allowed(home *h, http_exchange *x, const char *does, steering *out)
{
    bool is_admin_door = loop_is_admin_door(h, x);
    bool has_token = run_access_has_token(http_exchange_request(x));
    if (!is_admin_door && (has_token || !h->opt->admin_on_public))
        return run_access_check(h, x, &out->id, RUN_TOKEN_CONTROL, does);
    out->who = auth_admits(h, x, OPERATOR_ACT, does);
    if (out->who) audit(&out->id, out->who, does);
    return out->who != NULL;
}

/* Likewise, of the run that the path names; false also if the connection moves to the run's loop. */
static bool route_may_steer(home *h, http_exchange *x, const http_param *params, const char *does, steering *out)
{
    *out = (steering){.who = NULL};
    return route_take_id(h, x, params, &out->id) && steering_is_allowed(h, x, does, out) &&
           (!out->who || list_query_is_empty(x)); /* a client's URL may have more than its token */
}

static void on_cancel(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    steering s;
    if (!route_may_steer(h, x, params, "cancelling a run", &s)) return;
    slot *of = slot_find(&h->slots, &s.id);
    if (h->draining && !(of && of->run))
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_cancel(h, x, &s.id, s.who ? s.who->name : NULL);
}

static void on_release(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    steering s;
    if (!route_may_steer(h, x, params, "releasing a run", &s)) return;
    if (h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_release(h, x, &s.id, s.who ? s.who->name : NULL);
}

/* By the question's own URL. False: the request has none, and is another one's. */
static bool route_answers_question(home *h, http_exchange *x, const run_id *id, http_text signal)
{
    if (loop_is_admin_door(h, x)) return false;
    const question_wish wish = {.run = id, .question = run_access_question(h, x, id), .signal = signal};
    if (wish.question) question_request_take(h, x, &wish);
    return wish.question != 0;
}

static void on_question(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    run_id id;
    (void)e, (void)n;
    if (!route_take_any_id(h, x, params, &id)) return;
    if (!route_answers_question(h, x, &id, (http_text){params[1].value, params[1].value_len}))
        question_page_refuse(x, 403, h->app->name, "This link is not valid: it was cut, or altered.");
}

static const char *signal_take_parameter(void *arg, const char *name, const char *value)
{
    (void)arg, (void)value;
    return strcmp(name, "question") == 0 ? NULL : list_query_unknown;
}

/* Reads which question the operator answers; 0: none. False: the exchange has its answer. */
static bool signal_read_question(http_exchange *x, uint64_t *question)
{
    char wrong[LIST_QUERY_WRONG];
    const http_text query = http_exchange_request(x)->query;
    const char *why = list_query_read(query, "question", signal_take_parameter, NULL, wrong);
    if (why) problem_reply(x, 400, why, NULL);
    return !why && question_request_path(x, question);
}

static void on_signal(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    steering s = {.who = NULL};
    const http_text name = {params[1].value, params[1].value_len};
    if (!route_take_any_id(h, x, params, &s.id) || route_answers_question(h, x, &s.id, name)) return;
    if (!steering_is_allowed(h, x, "sending a signal to a run", &s)) return;
    const char *by = s.who ? s.who->name : NULL;
    uint64_t question = 0;
    if (s.who && !signal_read_question(x, &question)) return;
    if (question)
        question_request_take(h, x, &(question_wish){&s.id, question, name, by});
    else
        signal_request_take(h, x, &(signal_wish){.run = &s.id, .name = name, .by = by});
}

/* Reads what the operator says into `text`, which has room for LETTER_TEXT_MAX bytes and a zero. False: the exchange
 * has its answer. */
static bool route_read_text(const home *h, http_exchange *x, char *text)
{
    arena a;
    sw_value said;
    const body_member members[] = {{"text", SW_STRING, &said}};
    arena_init(&a, h->arenas);
    bool is_read = body_read(x, &a, members, 1), fits = is_read && body_copy_text(text, LETTER_TEXT_MAX, said);
    if (is_read && !fits) problem_reply(x, 400, body_no_letter_text, NULL);
    arena_free(&a);
    return fits;
}

/* Only operators stop runs. */
static void on_stop(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    static const char does[] = "stopping a run";
    char text[LETTER_TEXT_MAX + 1];
    run_id id;
    (void)e, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, does);
    if (!who || !route_take_id(h, x, params, &id) || !route_read_text(h, x, text)) return;
    audit(&id, who, does);
    if (h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_stop(h, x, &id, who->name, text);
}

static void on_feed(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x, OPERATOR_VIEW, "reading the feed")) feed_reader_begin(h, x);
}

/* Has an operator go on with a run of this loop; `does` is what for. NULL: nothing is left to do. */
static const operator_entry *route_admits_actor(home *h, http_exchange *x, const http_param *params, const char *does,
                                                run_id *id)
{
    if (!route_take_id(h, x, params, id)) return NULL;
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, does);
    if (who) audit(id, who, does);
    return who;
}

static void on_resume(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    const operator_entry *who = route_admits_actor(h, x, params, "resuming a run", &id);
    if (who) resume_answer(h, x, &id, who->name);
}

static void on_fork(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    const operator_entry *who = route_admits_actor(h, x, params, "forking a run", &id);
    if (who) fork_request_answer(h, x, &id, who->name);
}

static void on_metrics(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x, OPERATOR_VIEW, "reading metrics")) metrics_answer(h, x);
}

static void on_backup(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    const operator_entry *who = auth_admits(h, x, OPERATOR_ADMIN, "making a backup");
    if (!who) return;
    audit(NULL, who, "making a backup");
    backup_answer(h, x);
}

static void on_settings(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (route_admits(h, x, OPERATOR_VIEW, "reading settings")) settings_answer_list(h, x);
}

/* Who may cancel all runs of an endpoint may stop the endpoint: the scope is that of steering. */
static const operator_entry *route_admits_setting(home *h, http_exchange *x, const http_param *params, const char *does)
{
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, does);
    if (who) log_line(LOG_INFO, NULL, "%s \"%s\": asked by operator %s", does, params[0].value, who->name);
    return who;
}

static void on_set(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    const operator_entry *who = route_admits_setting(h, x, params, "changing the setting");
    if (who) settings_answer_put(h, x, params[0].value, who->name);
}

static void on_unset(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    const operator_entry *who = route_admits_setting(h, x, params, "deleting the setting");
    if (who) settings_answer_delete(h, x, params[0].value, who->name);
}

static void on_schedules(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (route_admits(h, x, OPERATOR_VIEW, "listing schedules")) schedules_answer_list(h, x);
}

static void on_schedule_put(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, "pausing or resuming a schedule");
    if (who) schedules_answer_put(h, x, params[0].value, who->name);
}

static void on_schedule_delete(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, "forgetting a schedule");
    if (who) schedules_answer_delete(h, x, params[0].value, who->name);
}

static void on_trigger(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_START, "triggering a schedule");
    if (who) start_function_answer(h, x, who->name);
}

static void on_bulk(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    static const char does[] = "acting on many runs";
    (void)e, (void)params, (void)n;
    const operator_entry *who = route_admits(h, x, OPERATOR_ACT, does);
    if (!who) return;
    audit(NULL, who, does);
    bulk_answer(h, x, who->name);
}

static void on_session(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (list_query_is_empty(x)) session_answer(h, x);
}

void admin_register_routes(sw_app *app)
{
    static const struct {
        const char *route;
        builtin_fn fn;
        endpoint_door door;
        bool any_page;
    } routes[] = {{"GET /_sw/healthz", health_on_alive, DOOR_BOTH, false},
                  {"GET /_sw/readyz", health_on_ready, DOOR_BOTH, false},
                  {"GET /_sw/metrics", on_metrics, DOOR_ADMIN, false},
                  {"POST /_sw/backup", on_backup, DOOR_ADMIN, false},
                  {"POST /_sw/session", on_session, DOOR_ADMIN, false},
                  {"POST /_sw/bulk", on_bulk, DOOR_ADMIN, false}, /* whose runs are of this endpoint, bulk_route */
                  {"GET /_sw/settings", on_settings, DOOR_ADMIN, false},
                  {"PUT /_sw/settings/*name", on_set, DOOR_ADMIN, false},
                  {"DELETE /_sw/settings/*name", on_unset, DOOR_ADMIN, false},
                  {"GET /_sw/feed", on_feed, DOOR_ADMIN, false},
                  {"GET /_sw/runs", on_runs, DOOR_ADMIN, false},
                  {"GET /_sw/endpoints", on_endpoints, DOOR_ADMIN, false},
                  {"GET /_sw/errors", on_errors, DOOR_ADMIN, false},
                  {"GET /_sw/process", on_process, DOOR_ADMIN, false},
                  {"POST /_sw/runs", on_start, DOOR_ADMIN, false},
                  {"POST /_sw/functions/*name", on_function, DOOR_ADMIN, false},
                  {"GET /_sw/schedules", on_schedules, DOOR_ADMIN, false},
                  {"PUT /_sw/schedules/*name", on_schedule_put, DOOR_ADMIN, false},
                  {"DELETE /_sw/schedules/*name", on_schedule_delete, DOOR_ADMIN, false},
                  {"POST /_sw/schedules/*name", on_trigger, DOOR_ADMIN, false},
                  {"GET /_sw/runs/:id", on_run, DOOR_ADMIN, false},
                  {"GET /_sw/runs/:id/children", on_children, DOOR_ADMIN, false},
                  {"POST /_sw/runs/:id/release", on_release, DOOR_BOTH, true},
                  {"POST /_sw/runs/:id/signals/:name", on_signal, DOOR_BOTH, true},
                  {"GET /_sw/runs/:id/signals/:name", on_question, DOOR_PUBLIC, false},
                  {"POST /_sw/runs/:id/stop", on_stop, DOOR_ADMIN, false},
                  {"POST /_sw/runs/:id/resume", on_resume, DOOR_ADMIN, false},
                  {"POST /_sw/runs/:id/fork", on_fork, DOOR_ADMIN, false},
                  {"DELETE /_sw/runs/:id", on_cancel, DOOR_BOTH, true},
                  {"GET /_sw/runs/:id/output", on_output, DOOR_PUBLIC, true},
                  /* Some clients follow a 303 with the method of their first request. */
                  {"POST /_sw/runs/:id/output", on_output, DOOR_PUBLIC, true},
                  {"PUT /_sw/runs/:id/output", on_output, DOOR_PUBLIC, true},
                  {"PATCH /_sw/runs/:id/output", on_output, DOOR_PUBLIC, true},
                  {"DELETE /_sw/runs/:id/output", on_output, DOOR_PUBLIC, true},
                  {"GET /_sw/runs/:id/stream", on_stream, DOOR_PUBLIC, true}};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        app_add(app, routes[i].route,
                (endpoint){.kind = routes[i].fn == on_bulk ? ENDPOINT_DURABLE : ENDPOINT_BUILTIN,
                           .handler = routes[i].fn == on_bulk ? bulk_run : NULL,
                           .builtin = routes[i].fn,
                           .door = routes[i].door,
                           .any_page = routes[i].any_page});
    console_register_routes(app);
}
