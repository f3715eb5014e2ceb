#include "runtime/admin/routes.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/uri.h"
#include "runtime/admin/backup.h"
#include "runtime/admin/dev.h"
#include "runtime/admin/runs.h"
#include "runtime/base/problem.h"
#include "runtime/clients/by_id.h"
#include "runtime/clients/run_access.h"
#include "runtime/clients/waiter.h"
#include "runtime/observe/metrics.h"
#include "runtime/process/app.h"

/* ---- Health ---- */

static void reply_json(http_exchange *x, int status, const char *json)
{
    http_reply_header type = {"Content-Type", "application/json"};
    http_reply(x, status, &type, 1, json, strlen(json));
}

static void on_healthz(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)h, (void)e, (void)params, (void)n;
    reply_json(x, 200, "{\"status\":\"ok\"}\n");
}

static void on_readyz(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    store_stats stats = {0};
    if (h->store) store_stats_get(h->store, &stats);
    if (h->draining)
        reply_json(x, 503, "{\"status\":\"draining\"}\n");
    else if (h->port && !h->slots.recovered)
        reply_json(x, 503, "{\"status\":\"recovering\"}\n");
    else if (stats.read_only)
        reply_json(x, 503, "{\"status\":\"journal cannot be written\"}\n");
    else
        reply_json(x, 200, "{\"status\":\"ready\"}\n");
}

/* ---- Output and stream ---- */

/* The last frame that the client has; false: it names none, and has its answer. */
static bool last_frame(http_exchange *x, const request_wish *asked, uint32_t *after)
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

/* The id in the path. False: nothing is left to do. */
static bool read_id(const home *h, http_exchange *x, const http_param *params, run_id *id)
{
    if (h->port && run_id_parse(params[0].value, params[0].value_len, id)) return true;
    problem_reply(x, 404, "no such run", NULL);
    return false;
}

/* When its loop is this one: otherwise the connection moves there. */
static bool take_id(home *h, http_exchange *x, const http_param *params, run_id *id)
{
    if (!read_id(h, x, params, id)) return false;
    unsigned owner = run_id_loop(id, h->count);
    if (owner == h->index) return true;
    h->move(h, owner, x, NULL);
    return false;
}

static void attach(home *h, http_exchange *x, const http_param *params, waiter_kind kind)
{
    run_id id;
    request_wish asked = request_wish_of_link(http_exchange_request(x));
    asked.answer = (waiter_wish){.kind = kind};
    /* While it drains the client is sent round, which any loop can do; that of the run may have ended. */
    bool here = h->draining ? read_id(h, x, params, &id) : take_id(h, x, params, &id);
    if (!here || !run_access_check(h, x, &id, RUN_TOKEN_READ, "reading a run")) return;
    if (kind != WAITER_STREAM || last_frame(x, &asked, &asked.answer.after)) by_id_attach(h, x, &id, &asked);
}

static void on_output(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    attach(h, x, params, WAITER_OUTPUT);
}

static void on_stream(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    attach(h, x, params, WAITER_STREAM);
}

/* ---- Administration ---- */

static bool admin(home *h, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const char *token = h->opt->admin_token;
    const char *given = http_request_header(q, "authorization");
    if (h->opt->dev && dev_trusts(q)) return true;
    if (h->opt->dev && q->peer_loopback && !given) {
        problem_reply(
            x, 403, "--dev trusts this machine's names (localhost, 127.0.0.1, [::1]) and pages of its own only", NULL);
        return false;
    }
    if (!token || !*token) {
        problem_reply(x, 403, "start with --admin-token, or --dev for requests from this machine", NULL);
        return false;
    }
    if (!given || strncasecmp(given, "bearer ", 7) != 0) {
        static const http_reply_header ask = {"WWW-Authenticate", "Bearer realm=\"admin\""};
        problem_reply_with(x, 401, "this needs Authorization: Bearer with the --admin-token", &ask, 1);
        return false;
    }
    given += 7;
    if (strlen(given) == strlen(token) && CRYPTO_memcmp(given, token, strlen(token)) == 0) return true;
    problem_reply(x, 403, "that is not the admin token", NULL);
    return false;
}

static void on_runs(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (admin(h, x)) runs_api_list(h, x);
}

static void on_run(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!admin(h, x)) return;
    if (run_id_parse(params[0].value, params[0].value_len, &id))
        runs_api_one(h, x, &id);
    else
        problem_reply(x, 404, "no such run", NULL);
}

/* With the run's token or as administrator. False: nothing is left to do. */
static bool may_steer(home *h, http_exchange *x, const http_param *params, run_id *id, const char *does)
{
    if (!take_id(h, x, params, id)) return false;
    if (!run_access_has_token(http_exchange_request(x))) return admin(h, x);
    return run_access_check(h, x, id, RUN_TOKEN_CONTROL, does);
}

static void on_cancel(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!may_steer(h, x, params, &id, "cancelling a run")) return;
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
    if (!may_steer(h, x, params, &id, "releasing a run")) return;
    if (h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        by_id_release(h, x, &id,
                      run_access_has_token(http_exchange_request(x)) ? RELEASER_CLIENT : RELEASER_ADMINISTRATOR);
}

static void on_metrics(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (admin(h, x)) metrics_answer(h, x);
}

static void on_backup(home *h, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (admin(h, x)) backup_answer(h, x);
}

void builtin_register(sw_app *app)
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
                  /* Some clients follow a 303 with the method they began with. */
                  {"POST /_sw/runs/:id/output", on_output, true},
                  {"PUT /_sw/runs/:id/output", on_output, true},
                  {"PATCH /_sw/runs/:id/output", on_output, true},
                  {"DELETE /_sw/runs/:id/output", on_output, true},
                  {"GET /_sw/runs/:id/stream", on_stream, true}};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        app_add(app, routes[i].route,
                (endpoint){.kind = ENDPOINT_BUILTIN, .builtin = routes[i].fn, .any_page = routes[i].any_page});
}
