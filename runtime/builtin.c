#include "runtime/builtin.h"

#include <openssl/crypto.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "http/files.h"
#include "http/uri.h"
#include "runtime/runs_api.h"
#include "runtime/waiter.h"

void builtin_no_route(sw_loop *l, http_exchange *x, const http_match *m)
{
    (void)l;
    if (m->result == HTTP_MATCH_BAD_PATH) {
        waiter_problem(x, 400, "the path is not validly percent-encoded", NULL);
    } else if (m->result == HTTP_MATCH_METHOD) {
        http_reply_header headers[] = {{"Allow", m->allow}, {"Content-Type", "application/problem+json"}};
        static const char body[] = "{\"type\":\"about:blank\",\"title\":\"Method Not Allowed\",\"status\":405}\n";
        bool options = strcmp(http_exchange_request(x)->method.data, "OPTIONS") == 0;
        http_reply(x, options ? 204 : 405, headers, options ? 1 : 2, options ? "" : body,
                   options ? 0 : sizeof body - 1);
    } else {
        waiter_problem(x, 404, "nothing is at this path", NULL);
    }
}

void builtin_files(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t param_count)
{
    (void)params;
    (void)param_count;
    const char *path = http_exchange_request(x)->path.data;
    /* The prefix may be spelled with escapes: its segments are counted, not its bytes. */
    for (unsigned skip = e->files_depth; skip > 0 && *path; skip--) path += 1 + strcspn(path + 1, "/");
    http_files_serve(&l->uv, x, e->files_dir, path);
}

/* ---- Health ---- */

static void reply_json(http_exchange *x, int status, const char *json)
{
    http_reply_header type = {"Content-Type", "application/json"};
    http_reply(x, status, &type, 1, json, strlen(json));
}

static void on_healthz(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)l, (void)e, (void)params, (void)n;
    reply_json(x, 200, "{\"status\":\"ok\"}\n");
}

static void on_readyz(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    store_stats stats = {0};
    if (l->app->store) store_stats_get(l->app->store, &stats);
    if (l->draining)
        reply_json(x, 503, "{\"status\":\"draining\"}\n");
    else if (l->port && !l->recovered)
        reply_json(x, 503, "{\"status\":\"recovering\"}\n");
    else if (stats.read_only)
        reply_json(x, 503, "{\"status\":\"journal cannot be written\"}\n");
    else
        reply_json(x, 200, "{\"status\":\"ready\"}\n");
}

/* ---- Output and stream ---- */

static bool check_token(sw_loop *l, http_exchange *x, const run_id *id)
{
    const http_request *q = http_exchange_request(x);
    char token[TOKEN_TEXT_MAX];
    if (q->query.len >= 1024) {
        waiter_problem(x, 403, "the token is not valid", NULL);
        return false;
    }
    char value[1024];
    if (!uri_query(q->query.data, q->query.len, "token", value)) {
        waiter_problem(x, 401, "this URL needs its token", NULL);
        return false;
    }
    if (strlen(value) >= sizeof token) value[0] = 0;
    switch (token_check(&l->app->key, id, loop_now_ms(), value, strlen(value))) {
    case TOKEN_OK:
        return true;
    case TOKEN_EXPIRED:
        waiter_problem(x, 403, "the token has expired", NULL);
        return false;
    default:
        waiter_problem(x, 403, "the token is not valid for this run", NULL);
        return false;
    }
}

static uint32_t last_frame(const http_request *q)
{
    char value[1024] = "";
    const char *last = http_request_header(q, "last-event-id");
    if (!last && q->query.len < sizeof value && uri_query(q->query.data, q->query.len, "after", value)) last = value;
    if (!last) return 0;
    char *end;
    unsigned long n = strtoul(last, &end, 10);
    return *last >= '0' && *last <= '9' && *end == 0 && n < UINT32_MAX ? (uint32_t)n : 0;
}

static void attach(sw_loop *l, http_exchange *x, const http_param *params, waiter_kind kind)
{
    run_id id;
    if (!run_id_parse(params[0].value, params[0].value_len, &id)) {
        waiter_problem(x, 404, "no such run", NULL);
        return;
    }
    if (!check_token(l, x, &id)) return;
    if (!l->port) {
        waiter_problem(x, 404, "no such run", NULL);
        return;
    }
    unsigned owner = run_id_loop(&id, l->count);
    if (owner != l->index) {
        loop_move(&l->app->loops[owner], x);
        return;
    }
    uint32_t after = kind == WAITER_STREAM ? last_frame(http_exchange_request(x)) : 0;
    slot *s = slot_find(&l->slots, &id);
    if (s && s->run) {
        run *r = s->run;
        waiter_attach(l, &r->waiters, kind, x, &id, after);
        run_touch(r);
        return;
    }
    bool parked = s != NULL;
    if (!s && !(s = slot_add(l, &id))) {
        waiter_problem(x, 503, "out of memory", "5");
        return;
    }
    waiter_attach(l, &s->waiters, kind, x, &id, after);
    if (parked && kind != WAITER_STREAM) return;
    s->state = parked ? s->state : SLOT_PARKED;
    slot_wake(l, s);
}

static void on_output(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    attach(l, x, params, WAITER_OUTPUT);
}

static void on_stream(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    attach(l, x, params, WAITER_STREAM);
}

/* ---- Administration ---- */

static bool admin(sw_loop *l, http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const char *token = l->app->opt.admin_token;
    const char *given = http_request_header(q, "authorization");
    if (l->app->opt.dev && q->peer_loopback) return true;
    if (!token || !*token) {
        waiter_problem(x, 403, "start with --admin-token, or --dev for requests from this machine", NULL);
        return false;
    }
    if (!given || strncasecmp(given, "bearer ", 7) != 0) {
        http_reply_header ask = {"WWW-Authenticate", "Bearer"};
        http_reply(x, 401, &ask, 1, "", 0);
        return false;
    }
    given += 7;
    if (strlen(given) == strlen(token) && CRYPTO_memcmp(given, token, strlen(token)) == 0) return true;
    waiter_problem(x, 403, "that is not the admin token", NULL);
    return false;
}

static void on_runs(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (admin(l, x)) runs_api_list(l, x);
}

static void on_run(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)n;
    run_id id;
    if (!admin(l, x)) return;
    if (run_id_parse(params[0].value, params[0].value_len, &id))
        runs_api_one(l, x, &id);
    else
        waiter_problem(x, 404, "no such run", NULL);
}

static void on_metrics(sw_loop *l, http_exchange *x, const endpoint *e, const http_param *params, size_t n)
{
    (void)e, (void)params, (void)n;
    if (admin(l, x)) runs_api_metrics(l, x);
}

void builtin_register(sw_app *app)
{
    static const struct {
        const char *route;
        builtin_fn fn;
    } routes[] = {{"GET /_sw/healthz", on_healthz},       {"GET /_sw/readyz", on_readyz},
                  {"GET /_sw/metrics", on_metrics},       {"GET /_sw/runs", on_runs},
                  {"GET /_sw/runs/:id", on_run},          {"GET /_sw/runs/:id/output", on_output},
                  {"GET /_sw/runs/:id/stream", on_stream}};
    for (size_t i = 0; i < sizeof routes / sizeof routes[0]; i++)
        app_add(app, routes[i].route, (endpoint){.kind = ENDPOINT_BUILTIN, .builtin = routes[i].fn});
}
