#include "runtime/admin/routes.h"

#include <assert.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/admin/auth.h"
#include "runtime/admin/backup.h"
#include "runtime/admin/runs.h"
#include "runtime/base/problem.h"
#include "runtime/clients/by_id.h"
#include "runtime/clients/run_access.h"
#include "runtime/clients/waiter.h"
#include "runtime/observe/metrics.h"
#include "runtime/process/app.h"

enum { HEALTH_BYTES = 64 };

/* ---- Health ---- */

/* Replies {"status": state}; `state` is plain text without quotes. Takes no memory: a probe is answered when all else
 * is not. */
static void health_reply(http_exchange *x, int status, const char *state)
{
    char body[HEALTH_BYTES];
    http_reply_header type = {"Content-Type", "application/json"};
    int len = snprintf(body, sizeof body, "{\"status\":\"%s\"}\n", state);
    assert(len > 0 && (size_t)len < sizeof body);
    http_reply(x, status, &type, 1, (http_text){body, (size_t)len});
}

static void on_healthz(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)h, (void)e, (void)params, (void)n;
    health_reply(x, 200, "ok");
}

static void on_readyz(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    store_stats stats = {0};
    if (h->store) store_stats_get(h->store, &stats);
    if (h->draining)
        health_reply(x, 503, "draining");
    else if (h->port && !h->slots.recovered)
        health_reply(x, 503, "recovering");
    else if (stats.read_only)
        health_reply(x, 503, "journal cannot be written");
    else
        health_reply(x, 200, "ready");
}

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
    if (h->port && run_id_parse(params[0].value, params[0].value_len, id)) return true;
    problem_reply(x, 404, "no such run", NULL);
    return false;
}

/* Reads the id of a run of this loop. False: there is no such run, or the connection moves to the run's loop; in both
 * cases nothing is left to do. */
static bool route_take_id(home *h, http_exchange *x, const http_param *params, run_id *id)
{
    if (!route_read_id(h, x, params, id)) return false;
    unsigned owner = run_id_loop(id, h->count);
    assert(owner < h->count);
    if (owner == h->index) return true;
    h->move(h, owner, x, NULL);
    return false;
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

static void on_runs(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x)) runs_answer_list(h, x);
}

static void on_run(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!auth_admits(h, x)) return;
    if (run_id_parse(params[0].value, params[0].value_len, &id))
        runs_answer_one(h, x, &id);
    else
        problem_reply(x, 404, "no such run", NULL);
}

/* Whether the client may cancel or release the run, by the run's token or as administrator. False: nothing is left to
 * do. `does`: for the refusal. */
static bool route_may_steer(home *h, http_exchange *x, const http_param *params, run_id *id, const char *does)
{
    if (!route_take_id(h, x, params, id)) return false;
    if (!run_access_has_token(http_exchange_request(x))) return auth_admits(h, x);
    return run_access_check(h, x, id, RUN_TOKEN_CONTROL, does);
}

static void on_cancel(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!route_may_steer(h, x, params, &id, "cancelling a run")) return;
    slot *s = slot_find(&h->slots, &id);
    if (h->draining && !(s && s->run))
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_cancel(h, x, &id);
}

static void on_release(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!route_may_steer(h, x, params, &id, "releasing a run")) return;
    if (h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_release(h, x, &id,
                      run_access_has_token(http_exchange_request(x)) ? RELEASER_CLIENT : RELEASER_ADMINISTRATOR);
}

static void on_metrics(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x)) metrics_answer(h, x);
}

static void on_backup(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (auth_admits(h, x)) backup_answer(h, x);
}

void admin_register_routes(sw_app *app)
{
    static const struct {
        const char *route;
        builtin_fn fn;
        bool any_page;
    } routes[] = {{"GET /_sw/healthz", on_healthz, false},
                  {"GET /_sw/readyz", on_readyz, false},
                  {"GET /_sw/metrics", on_metrics, false},
                  {"POST /_sw/backup", on_backup, false},
                  {"GET /_sw/runs", on_runs, false},
                  {"GET /_sw/runs/:id", on_run, false},
                  {"DELETE /_sw/runs/:id", on_cancel, true},
                  {"POST /_sw/runs/:id/release", on_release, true},
                  {"GET /_sw/runs/:id/output", on_output, true},
                  /* Some clients follow a 303 with the method of their first request. */
                  {"POST /_sw/runs/:id/output", on_output, true},
                  {"PUT /_sw/runs/:id/output", on_output, true},
                  {"PATCH /_sw/runs/:id/output", on_output, true},
                  {"DELETE /_sw/runs/:id/output", on_output, true},
                  {"GET /_sw/runs/:id/stream", on_stream, true}};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        app_add(app, routes[i].route,
                (endpoint){.kind = ENDPOINT_BUILTIN, .builtin = routes[i].fn, .any_page = routes[i].any_page});
}
