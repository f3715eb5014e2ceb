#include "runtime/admin/bulk.h"

#include <assert.h>
#include <string.h>

#include "runtime/admin/body.h"
#include "runtime/admin/bulk_plan.h"
#include "runtime/admin/inquiry.h"
#include "runtime/base/json.h"
#include "runtime/base/problem.h"
#include "runtime/clients/door.h"
#include "runtime/clients/idempotency.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"
#include "runtime/run/run_input.h"

enum {
    SAMPLE_RUNS = 10,
    FIND_RUNS = 500,
    FIND_MS = 200,   /* of one question to the store */
    COUNT_MS = 20000 /* of a dry run: what is beyond is not counted */
};

/* ---- The dry run ---- */

typedef struct counting {
    inquiry base;
    bulk_plan plan;
    int64_t began_ms;
    int64_t matches, skipped[BULK_VERDICTS];
    bool has_more; /* than `max` */
    size_t sample_count;
    run_id sample[SAMPLE_RUNS];
} counting;

static void counting_take(counting *n, const store_summary *s)
{
    bulk_verdict v = bulk_plan_judge(&n->plan, s);
    if (v != BULK_ACTS) {
        n->skipped[v]++;
        return;
    }
    if (n->plan.max > 0 && n->matches >= n->plan.max) {
        n->has_more = true;
        return;
    }
    if (n->sample_count < SAMPLE_RUNS) n->sample[n->sample_count++] = s->run;
    n->matches++;
}

static void counting_answer(counting *n, bool is_cut)
{
    char id[RUN_ID_TEXT + 1];
    json_writer w;
    json_writer_init(&w, n->base.home->arenas);
    json_open_map(&w, NULL);
    json_put_int(&w, "asOf", n->plan.as_of_ms);
    json_put_int(&w, "matches", n->matches);
    if (is_cut) json_put_value(&w, "more", sw_bool(true));
    json_open_map(&w, "skipped");
    for (int v = BULK_ACTS + 1; v < BULK_VERDICTS; v++)
        if (n->skipped[v] > 0) json_put_int(&w, bulk_verdict_name((bulk_verdict)v), n->skipped[v]);
    json_close_map(&w);
    json_open_array(&w, "sample");
    for (size_t i = 0; i < n->sample_count; i++) {
        run_id_format(&n->sample[i], id);
        json_put_text(&w, NULL, id);
    }
    json_close_array(&w);
    json_close_map(&w);
    inquiry_answer(&n->base, &w);
}

static void counting_go_on(counting *n);

static void counting_on_found(void *arg, const store_found *found)
{
    counting *n = arg;
    if (found->error) {
        inquiry_refuse_store(&n->base, found->error);
        return;
    }
    for (size_t i = 0; i < found->count && !n->has_more; i++) counting_take(n, &found->runs[i]);
    bool is_late = clock_steady_ms() - n->began_ms >= COUNT_MS || n->base.home->draining;
    if (!found->next || n->has_more || is_late) {
        counting_answer(n, found->next || n->has_more);
        return;
    }
    run_filter_lower(&n->plan.filter, found->next);
    counting_go_on(n);
}

static void counting_go_on(counting *n)
{
    run_query *q = &n->plan.filter.query;
    if (n->plan.filter.is_empty)
        counting_answer(n, false);
    else if (!store_find(n->base.home->port, q, counting_on_found, n))
        inquiry_refuse_memory(&n->base);
}

/* Takes x. The plan is read anew, where it will stay. */
static void bulk_count(home *h, http_exchange *x, const bulk_body *body)
{
    char wrong[BULK_WRONG_BYTES];
    counting *n = inquiry_new(h, x, sizeof *n);
    if (!n) return;
    const char *why = bulk_plan_read(&n->plan, h->app, body, wrong);
    assert(!why);
    (void)why;
    n->plan.filter.query.limit = FIND_RUNS;
    n->plan.filter.query.ms_max = FIND_MS;
    n->began_ms = clock_steady_ms();
    counting_go_on(n);
}

/* ---- The run ---- */

static sw_value text_value(const char *text)
{
    sw_value v = {.type = MSGPACK_OBJECT_STR};
    v.via.str.ptr = text;
    v.via.str.size = (uint32_t)strlen(text);
    return v;
}

/* The body that is journaled: with who asked. */
static bool bulk_write_body(arena *a, const bulk_body *body, const bulk_plan *p, sw_bytes *out)
{
    msgpack_object_kv members[] = {{text_value("action"), body->action},
                                   {text_value("filter"), body->filter},
                                   {text_value("asOf"), sw_int(p->as_of_ms)},
                                   {text_value("perSecond"), sw_int(p->per_second)},
                                   {text_value("max"), body->max},
                                   {text_value("text"), body->text},
                                   {text_value("by"), body->by}};
    sw_value v = {.type = MSGPACK_OBJECT_MAP};
    v.via.map.ptr = members;
    v.via.map.size = sizeof members / sizeof *members;
    return json_write(a, v, out);
}

/* Without `asOf` the wish is as of now. The clock of a loop, of which ids are made, may be CLOCK_SET_MS ahead, and no
 * run is left out that began before. A dry run's answer has `asOf`: sent with
 * the real wish, it keeps that wish to the runs that the dry run looked at. */
static void bulk_set_as_of(bulk_body *body)
{
    if (sw_is_nil(body->as_of)) body->as_of = sw_int(clock_wall_ms() + CLOCK_SET_MS);
}

/* A request that is being answered. */
typedef struct bulk_request {
    home *home;
    http_exchange *x;
    const char *by;
    run_key *key; /* under which the run begins; NULL: none, or it is still to be looked up */
    arena *arena; /* for what is made on the way */
} bulk_request;

/* Takes x, which gets 202 when the run is on disk. */
static run *bulk_begin(const bulk_request *q, sw_bytes body)
{
    static const http_header type[] = {{{"content-type", 12}, {"application/json", 16}}};
    const endpoint *e = app_endpoint(q->home->app, bulk_route, strlen(bulk_route));
    const run_input input = {.method = {"POST", 4},
                             .target = {"/_sw/bulk", 9},
                             .headers = type,
                             .header_count = 1,
                             .body = {body.data, body.len}};
    /* Without its Host, which is that of the admin API: the run's URLs are at the public door. */
    const request_wish wish = {
        .answer = {.kind = WAITER_ASYNC}, .scope = RUN_TOKEN_CONTROL, .key_count = q->key ? 1 : 0};
    assert(e);
    return door_begin_work(q->home, q->x, &(door_work){.endpoint = e, .input = &input, .key = q->key, .by = q->by},
                           &wish);
}

static run *bulk_answer_with(home *h, http_exchange *x, const char *by, run_key *key);

/* Has the run found by the key, or begun. */
static void bulk_keyed(const bulk_request *q)
{
    idempotency_take_admin(q->home, q->x,
                           &(keyed_work){.route = bulk_route,
                                         .by = q->by,
                                         .asked = {http_exchange_request(q->x)->body, {"", 0}, {"", 0}},
                                         .begin = bulk_answer_with});
}

/* Takes x. `body` has who asks. Returns the run that has begun; NULL: none. */
static run *bulk_take(const bulk_request *q, const bulk_body *body)
{
    char wrong[BULK_WRONG_BYTES];
    sw_bytes text;
    bulk_plan *p = arena_alloc(q->arena, sizeof *p);
    const char *why = p ? bulk_plan_read(p, q->home->app, body, wrong) : NULL;
    if (why)
        problem_reply(q->x, 400, why, NULL);
    else if (p && p->dry_run)
        bulk_count(q->home, q->x, body);
    else if (p && !q->key && idempotency_count(q->x) > 0)
        bulk_keyed(q);
    else if (p && bulk_write_body(q->arena, body, p, &text))
        return bulk_begin(q, text);
    else
        problem_reply(q->x, 503, "out of memory", "5");
    return NULL;
}

static run *bulk_answer_with(home *h, http_exchange *x, const char *by, run_key *key)
{
    arena a;
    bulk_body body;
    run *begun = NULL;
    const body_member members[] = {{"action", SW_STRING, &body.action}, {"filter", SW_MAP, &body.filter},
                                   {"asOf", SW_INT, &body.as_of},       {"perSecond", SW_INT, &body.per_second},
                                   {"max", SW_INT, &body.max},          {"dryRun", SW_BOOL, &body.dry_run},
                                   {"text", SW_STRING, &body.text}};
    body.by = text_value(by);
    arena_init(&a, h->arenas);
    bool is_read = body_read(x, &a, members, sizeof members / sizeof *members);
    if (is_read) bulk_set_as_of(&body);
    if (is_read) begun = bulk_take(&(bulk_request){h, x, by, key, &a}, &body);
    arena_free(&a);
    return begun;
}

void bulk_answer(home *h, http_exchange *x, const char *by)
{
    if (!h->port)
        problem_reply(x, 404, "this program has no endpoints", NULL);
    else if (home_refuses(h) || h->draining)
        problem_reply(x, 503, "the server is stopping: ask again", "1");
    else
        (void)bulk_answer_with(h, x, by, NULL);
}
