#include "runtime/loop/dispatch.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/server/files.h"
#include "runtime/base/problem.h"
#include "runtime/clients/by_id.h"
#include "runtime/clients/door.h"
#include "runtime/clients/waiter.h"
#include "runtime/loop/loop.h"
#include "runtime/loop/move.h"

/* The headers of every reply to what a request's path names. A preflight names its endpoint in another header, which
 * dispatch_reply_options() looks at. */
static http_policy dispatch_policy(const http_match *m, http_text method)
{
    bool is_options = method.len == 7 && memcmp(method.data, "OPTIONS", 7) == 0;
    bool known = m->result == HTTP_MATCH_FOUND || m->result == HTTP_MATCH_TOO_LONG ||
                 (m->result == HTTP_MATCH_METHOD && !is_options);
    return app_policy(known ? m->target : NULL);
}

http_policy dispatch_refusal(void *arg, http_text method, http_text path)
{
    const sw_loop *l = arg;
    http_match m;
    http_router_find(l->home.app->router, method, path, &m);
    return dispatch_policy(&m, method);
}

/* Takes the first request of a connection that another loop, or a former worker, had: its run is known. */
static void dispatch_adopted(home *h, http_exchange *x, const destination *to)
{
    const http_request *q = http_exchange_request(x);
    bool of_link = request_is_of_link(h->app->router, q->method, q->path);
    request_wish asked = of_link ? request_wish_of_link(q) : request_wish_of(q);
    if (to->kept) {
        waiter_take_back(h, x, &asked, to->kept);
    } else {
        assert(run_id_loop(&to->run, h->count) == h->index);
        asked.answer = to->answer;
        by_id_attach(h, x, &to->run, &asked);
    }
}

static void dispatch_run(home *h, http_exchange *x, const http_match *m)
{
    request_wish asked = request_wish_of(http_exchange_request(x));
    if (asked.key_count > 0)
        idempotency_take(h, m->target, x, &asked);
    else
        (void)door_begin(h, x, m, &asked, NULL);
}

/* The origin whose pages may call the endpoint of this path with the method that the preflight names; NULL: none. */
static const char *dispatch_page_origin(const home *h, const http_exchange *x)
{
    const http_request *q = http_exchange_request(x);
    const char *method = http_request_header(q, "access-control-request-method");
    http_match m;
    if (loop_is_admin_door(h, x)) return NULL;
    if (!method || !http_request_header(q, "origin")) return NULL;
    http_text wanted = {method, strlen(method)};
    if (http_router_find(h->app->router, wanted, q->path, &m) != HTTP_MATCH_FOUND) return NULL;
    return app_origin(h->app, m.target);
}

/* Answers OPTIONS: which methods a path takes, and to browsers that ask before a call from another origin, which
 * origins may make it. */
static void dispatch_reply_options(home *h, http_exchange *x, const char *allow)
{
    const http_request *q = http_exchange_request(x);
    const char *origin = dispatch_page_origin(h, x), *wanted = http_request_header(q, "access-control-request-headers");
    http_reply_header headers[8] = {{"Allow", allow}};
    size_t n = 1;
    if (origin) {
        headers[n++] = (http_reply_header){"Access-Control-Allow-Origin", origin};
        headers[n++] = (http_reply_header){"Access-Control-Allow-Methods", allow};
        headers[n++] = (http_reply_header){"Access-Control-Max-Age", "600"};
        headers[n++] = (http_reply_header){"Vary", "Origin, Access-Control-Request-Headers"};
        if (wanted) headers[n++] = (http_reply_header){"Access-Control-Allow-Headers", wanted};
    }
    assert(n <= sizeof headers / sizeof *headers);
    http_reply(x, 204, headers, n, (http_text){"", 0});
}

static void dispatch_reply_method(http_exchange *x, const char *allow)
{
    const http_reply_header header = {"Allow", allow};
    char why[HTTP_ALLOW_BYTES + 32];
    (void)snprintf(why, sizeof why, "the methods of this path are %s", allow);
    problem_reply_with(x, 405, why, &header, 1);
}

/* RFC 9110, 9.3.7: "*" is the server itself. */
static bool dispatch_is_about_server(const http_request *q)
{
    return strcmp(q->method.data, "OPTIONS") == 0 && strcmp(q->path.data, "*") == 0;
}

/* Answers a request that no route takes: 400, 404, 405 or 414. */
static void dispatch_no_route(home *h, http_exchange *x, const http_match *m)
{
    assert(m->result != HTTP_MATCH_FOUND);
    if (m->result == HTTP_MATCH_BAD_PATH) {
        problem_reply(x, 400, "the path is not validly percent-encoded", NULL);
    } else if (m->result == HTTP_MATCH_TOO_LONG) {
        char why[80];
        (void)snprintf(why, sizeof why, "the parameters in the path are longer than %d bytes", HTTP_PARAM_BYTES);
        problem_reply(x, 414, why, NULL);
    } else if (m->result == HTTP_MATCH_METHOD) {
        if (strcmp(http_exchange_request(x)->method.data, "OPTIONS") == 0)
            dispatch_reply_options(h, x, m->allow);
        else
            dispatch_reply_method(x, m->allow);
    } else if (dispatch_is_about_server(http_exchange_request(x))) {
        const http_router *routes = loop_is_admin_door(h, x) ? h->app->admin_router : h->app->router;
        const http_reply_header allow = {"Allow", http_router_methods(routes)};
        http_reply(x, 204, &allow, 1, (http_text){"", 0});
    } else {
        problem_reply(x, 404, "nothing is at this path", NULL);
    }
}

/* Serves a file of sw_static, from the endpoint's folder. */
static void dispatch_file(home *h, http_exchange *x, const endpoint *e)
{
    const char *path = http_exchange_request(x)->path.data;
    assert(e->files_dir);
    /* The prefix may be spelled with escapes: its segments are counted, not its bytes. */
    for (unsigned skip = e->files_depth; skip > 0 && *path; skip--) path += 1 + strcspn(path + 1, "/");
    http_files_serve(h->uv, x, e->files_dir, path);
}

static void dispatch_match(home *h, http_exchange *x, const http_match *m)
{
    const endpoint *e = m->target;
    if (m->result != HTTP_MATCH_FOUND) {
        dispatch_no_route(h, x, m);
    } else if (e->builtin) {
        e->builtin(h, x, e, m->params, m->param_count);
    } else if (e->kind == ENDPOINT_FILES) {
        if (door_admits(h, x, e)) dispatch_file(h, x, e);
    } else if (home_refuses(h)) { /* else it is journaled for the next process */
        counter_add(&h->counters.requests_refused, 1);
        problem_reply(x, 503, "the server is stopping", "1");
    } else if (e->kind == ENDPOINT_PLAIN) {
        door_begin_plain(h, x, m);
    } else {
        dispatch_run(h, x, m);
    }
}

/* Has the exchange counted when it ends, as one of the endpoint that was found. The console's files are not counted: a
 * route of the program's may have the same name, "GET /", and its figures are its own. */
static void dispatch_time(sw_loop *l, http_exchange *x, const http_match *m)
{
    const endpoint *e = m->result == HTTP_MATCH_FOUND ? m->target : NULL;
    if (e && e->door == DOOR_ADMIN_ALONE) return;
    http_exchange_set_timing(x, e, durations_turn_us(&l->home.durations));
}

void dispatch_request(void *arg, http_exchange *x)
{
    sw_loop *l = arg;
    const http_request *q = http_exchange_request(x);
    http_match m;
    http_router_find(l->home.app->router, q->method, q->path, &m);
    http_exchange_policy(x, dispatch_policy(&m, q->method));
    dispatch_time(l, x, &m);
    if (l->adopting) {
        const destination *to = l->adopting;
        l->adopting = NULL;
        dispatch_adopted(&l->home, x, to);
        return;
    }
    if (l->home.draining && l->home.followed && move_to_next_process(&l->home, x)) return;
    l->turn_requests++;
    dispatch_match(&l->home, x, &m);
}

http_policy dispatch_admin_refusal(void *arg, http_text method, http_text path)
{
    (void)arg, (void)method, (void)path;
    return app_policy(NULL);
}

void dispatch_admin_request(void *arg, http_exchange *x)
{
    sw_loop *l = arg;
    const http_request *q = http_exchange_request(x);
    http_match m;
    assert(!l->adopting); /* no run's client comes to this door */
    http_router_find(l->home.app->admin_router, q->method, q->path, &m);
    http_exchange_policy(x, app_policy(NULL));
    dispatch_time(l, x, &m);
    if (l->home.draining && l->home.followed && move_to_next_process(&l->home, x)) return;
    l->turn_requests++;
    if (m.result == HTTP_MATCH_FOUND) {
        const endpoint *e = m.target;
        assert(e->builtin);
        e->builtin(&l->home, x, e, m.params, m.param_count);
    } else {
        dispatch_no_route(&l->home, x, &m);
    }
}
