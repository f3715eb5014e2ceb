#include "runtime/admin/start_run.h"

#include <assert.h>
#include <stdio.h>
#include <string.h>

#include "http/server/router.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/clients/door.h"
#include "runtime/clients/idempotency.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/omit.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"

enum { TARGET_BYTES_MAX = 8192 };

static const char no_memory[] = "out of memory"; /* compared by its address */

/* What the run's handler is to read as its request. In the arena of the request to the admin API. */
typedef struct start_wish {
    http_text route, target, body;
} start_wish;

static http_text start_text(sw_value v)
{
    if (v.type != MSGPACK_OBJECT_STR) return (http_text){NULL, 0};
    return (http_text){v.via.str.ptr, v.via.str.size};
}

/* As a request line may have it: a path, percent-encoded, and perhaps a query. */
static bool start_target_is_valid(http_text target)
{
    if (target.len == 0 || target.len > TARGET_BYTES_MAX || target.data[0] != '/') return false;
    for (size_t i = 0; i < target.len; i++)
        if (target.data[i] <= ' ' || target.data[i] >= 0x7f || target.data[i] == '#') return false;
    return true;
}

/* A text is the body itself, any other value its JSON. False: no memory. */
static bool start_read_body(arena *a, sw_value v, http_text *body)
{
    sw_bytes json = {"", 0};
    *body = start_text(v);
    if (body->data) return true;
    if (v.type != MSGPACK_OBJECT_NIL && !json_write(a, v, &json)) return false;
    *body = (http_text){json.data, json.len};
    return true;
}

/* NULL, or what is wrong with the body. */
static const char *start_read(arena *a, http_text body, start_wish *wish)
{
    const char *message = NULL;
    sw_value v;
    size_t known = 0;
    if (!json_read(a, body.data, body.len, &v, &message)) {
        const char *why = message == value_no_memory ? NULL : arena_printf(a, "the body is not JSON: %s", message);
        return why ? why : no_memory;
    }
    static const char *const names[] = {"endpoint", "target", "body"};
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) known += !sw_is_nil(sw_get(v, names[i]));
    if (v.type != MSGPACK_OBJECT_MAP || sw_len(v) != known)
        return "the body is a JSON object of \"endpoint\", \"target\" and \"body\", without other members or nulls";
    wish->route = start_text(sw_get(v, "endpoint"));
    wish->target = start_text(sw_get(v, "target"));
    if (!wish->route.data) return "\"endpoint\" is the route of an endpoint: \"POST /orders/:id\"";
    if (!start_target_is_valid(wish->target))
        return "\"target\" is a path, percent-encoded, and perhaps a query: \"/orders/7?fast=1\"; 8,192 bytes at most";
    return start_read_body(a, sw_get(v, "body"), &wish->body) ? NULL : no_memory;
}

/* Finds the endpoint and the parameters of its route. False: the exchange has its answer. */
static bool start_find(home *h, http_exchange *x, const start_wish *wish, http_match *m)
{
    const char *space = memchr(wish->route.data, ' ', wish->route.len), *query;
    const endpoint *e = app_endpoint(h->app, wish->route.data, wish->route.len);
    if (!space || !e || e->door == DOOR_ADMIN) { /* the library's own say themselves who may begin them */
        problem_reply(x, 404,
                      e && e->function
                          ? "this is a function: POST /_sw/functions/NAME begins it"
                          : "the program has no durable endpoint of this route: GET /_sw/endpoints has all",
                      NULL);
        return false;
    }
    query = memchr(wish->target.data, '?', wish->target.len);
    http_text method = {wish->route.data, (size_t)(space - wish->route.data)};
    http_text path = {wish->target.data, query ? (size_t)(query - wish->target.data) : wish->target.len};
    if (http_router_find(h->app->router, method, path, m) == HTTP_MATCH_FOUND &&
        m->target == app_endpoint(h->app, wish->route.data, wish->route.len))
        return true;
    problem_reply(
        x, 400, "a request for \"target\" would not come to that endpoint: its path is another route's, or none", NULL);
    return false;
}

/* Begins the run; its client is answered once it is on disk. NULL: the exchange has its answer. */
static run *start_begin(home *h, http_exchange *x, const start_wish *wish, const char *by, run_key *key)
{
    http_match m;
    if (!start_find(h, x, wish, &m)) return NULL;
    const char *space = memchr(wish->route.data, ' ', wish->route.len);
    const http_header type = {{"Content-Type", 12}, {"application/json", 16}};
    const run_input input = {.method = {wish->route.data, (size_t)(space - wish->route.data)},
                             .target = wish->target,
                             .headers = &type,
                             .header_count = wish->body.len > 0 ? 1 : 0,
                             .params = m.params,
                             .param_count = m.param_count,
                             .body = wish->body};
    const request_wish asked = {.answer = {.kind = WAITER_ASYNC}, .scope = RUN_TOKEN_CONTROL, .key_count = key ? 1 : 0};
    const door_work work = {.endpoint = m.target, .input = &input, .key = key, .by = by};
    run *r = door_begin_work(h, x, &work, &asked);
    char id[RUN_ID_TEXT + 1];
    if (!r) return NULL;
    run_id_format(&r->id, id);
    log_line(LOG_INFO, id, "begun by operator %s", by);
    return r;
}

static run *start_take(home *h, http_exchange *x, const char *by, run_key *key);

/* Has the run found by the key, or begun. */
static void start_keyed(home *h, http_exchange *x, const start_wish *wish, const char *by, arena *a)
{
    const endpoint *e = app_endpoint(h->app, wish->route.data, wish->route.len);
    run_input kept = {.target = wish->target, .body = wish->body};
    omit_result omitted = e ? omit_take_out(e, a, &kept) : OMIT_DONE;
    if (omitted == OMIT_NO_MEMORY)
        problem_reply(x, 503, no_memory, "5");
    else if (omitted == OMIT_NO_JSON) /* no run begins with such a body, which has a 400 */
        (void)start_begin(h, x, wish, by, NULL);
    else
        idempotency_take_admin(h, x,
                               &(keyed_work){.route = "POST /_sw/runs",
                                             .by = by,
                                             .asked = {wish->route, kept.target, kept.body},
                                             .begin = start_take});
}

/* `key`: NULL: the request's, if it has one, is still to be looked up. */
static run *start_take(home *h, http_exchange *x, const char *by, run_key *key)
{
    arena a;
    start_wish wish;
    run *begun = NULL;
    arena_init(&a, h->arenas);
    const char *wrong = start_read(&a, http_exchange_request(x)->body, &wish);
    if (wrong == no_memory)
        problem_reply(x, 503, no_memory, "5");
    else if (wrong)
        problem_reply(x, 400, wrong, NULL);
    else if (home_refuses(h))
        problem_reply(x, 503, "the server is stopping", "1");
    else if (!key && idempotency_count(x) > 0)
        start_keyed(h, x, &wish, by, &a);
    else
        begun = start_begin(h, x, &wish, by, key);
    arena_free(&a);
    return begun;
}

void start_run_answer(home *h, http_exchange *x, const char *by) { (void)start_take(h, x, by, NULL); }
