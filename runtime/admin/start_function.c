#include "runtime/admin/start_function.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "http/uri.h"
#include "runtime/base/json.h"
#include "runtime/base/json_reader.h"
#include "runtime/base/log.h"
#include "runtime/base/problem.h"
#include "runtime/base/value.h"
#include "runtime/clients/door.h"
#include "runtime/clients/idempotency.h"
#include "runtime/flow/schedule_begin.h"
#include "runtime/run/endpoint.h"
#include "runtime/run/omit.h"
#include "runtime/run/program.h"
#include "runtime/run/run.h"

static const char of_functions[] = "/_sw/functions/", of_schedules[] = "/_sw/schedules/";

/* In the arena of the request. */
typedef struct function_wish {
    http_text name;           /* decoded */
    const endpoint *function; /* NULL: the program has none of this name (any more) */
    sw_value input;           /* nil of a schedule, whose run is given one as it begins */
    bool is_scheduled;        /* a schedule is meant */
} function_wish;

/* ---- What is asked for ---- */

static bool wish_refuse_memory(http_exchange *x)
{
    problem_reply(x, 503, "out of memory", "5");
    return false;
}

/* False: the exchange has its answer. */
static bool wish_refuse_name(http_exchange *x, const function_wish *wish)
{
    problem_reply(
        x, 404,
        wish->is_scheduled
            ? "the program has no schedule of this name (sw_function_options.cron): GET /_sw/schedules has all"
            : "the program has no function of this name (sw_function): GET /_sw/endpoints has all",
        NULL);
    return false;
}

/* How the path begins. */
static const char *wish_path(const function_wish *wish) { return wish->is_scheduled ? of_schedules : of_functions; }

/* Finds the function by the name in the path. A request with a key may be for a run that has begun before the function
 * left the program, so an unknown name is told when the key is known to have no run. False: the exchange has its
 * answer. */
static bool wish_read_function(const home *h, http_exchange *x, arena *a, function_wish *wish)
{
    const http_text path = http_exchange_request(x)->path;
    size_t len = 0;
    char *decoded = arena_alloc(a, path.len + 1);
    if (!decoded) return wish_refuse_memory(x);
    bool is_decoded = uri_decode_path(path.data, path.len, decoded, &len);
    wish->is_scheduled =
        is_decoded && len >= sizeof of_schedules - 1 && memcmp(decoded, of_schedules, sizeof of_schedules - 1) == 0;
    const size_t begins = strlen(wish_path(wish));
    if (!is_decoded || len < begins || memcmp(decoded, wish_path(wish), begins) != 0) return wish_refuse_name(x, wish);
    wish->name = (http_text){decoded + begins, len - begins};
    const endpoint *e = app_endpoint(h->app, wish->name.data, wish->name.len);
    wish->function = e && e->function && (e->schedule || !wish->is_scheduled) ? e : NULL;
    return wish->function || idempotency_count(x) > 0 || wish_refuse_name(x, wish);
}

/* Reads the body as the function's input; an empty one is nil. False: the exchange has its answer. */
static bool wish_read_input(http_exchange *x, arena *a, function_wish *wish)
{
    char why[160];
    const http_text body = http_exchange_request(x)->body;
    const char *message = NULL;
    wish->input = sw_nil();
    if (wish->is_scheduled && body.len > 0) {
        problem_reply(x, 400, "a schedule's run is given its point in time, and this request has no body", NULL);
        return false;
    }
    if (body.len == 0 || json_read(a, body.data, body.len, &wish->input, &message)) return true;
    if (message == value_no_memory) return wish_refuse_memory(x);
    (void)snprintf(why, sizeof why, "the body is the function's input, and is not JSON: %s", message);
    problem_reply(x, 400, why, NULL);
    return false;
}

/* ---- Beginning ---- */

/* Has the run belong to the trace of the request that begins it: copies the headers that say so, and returns how many.
 */
static size_t headers_of_trace(const http_request *q, http_header *to)
{
    static const char *const names[] = {"traceparent", "tracestate", "baggage"};
    size_t count = 0;
    for (size_t i = 0; i < q->header_count; i++)
        for (size_t k = 0; k < sizeof names / sizeof *names; k++)
            if (strcasecmp(q->headers[i].name.data, names[k]) == 0) to[count++] = q->headers[i];
    return count;
}

/* Begins the run; its client is answered once it is on disk. NULL: the exchange has its answer. */
static run *function_begin(home *h, http_exchange *x, arena *a, const function_wish *wish, const run_origin *origin)
{
    const http_request *q = http_exchange_request(x);
    char id[RUN_ID_TEXT + 1];
    http_header *headers = arena_alloc(a, (q->header_count + 1) * sizeof *headers);
    if (!headers) {
        (void)wish_refuse_memory(x);
        return NULL;
    }
    if (!door_admits(h, x, wish->function)) return NULL;
    const schedule_input point = schedule_input_make(wish->function, clock_now(&h->clock).wall_ms);
    const sw_value scheduled = schedule_input_value(&point);
    const run_input input = {.value = wish->is_scheduled ? &scheduled : &wish->input,
                             .method = {"", 0},
                             .target = {"", 0},
                             .headers = headers,
                             .header_count = headers_of_trace(q, headers)};
    const request_wish asked = {
        .answer = {.kind = WAITER_ASYNC}, .scope = RUN_TOKEN_CONTROL, .key_count = origin->key ? 1 : 0};
    const door_work work = {.endpoint = wish->function, .input = &input, .key = origin->key, .by = origin->by};
    run *r = door_begin_work(h, x, &work, &asked);
    if (!r) return NULL;
    run_id_format(&r->id, id);
    log_line(LOG_INFO, id, "begun by operator %s", origin->by);
    return r;
}

static run *function_take(home *h, http_exchange *x, const char *by, run_key *key);

/* Has the run found by the key, or begun. A key is that of one function, as each has its own URL. */
static void function_keyed(home *h, http_exchange *x, arena *a, const function_wish *wish, const char *by)
{
    sw_bytes text;
    run_input kept = {.value = &wish->input};
    const char *route = arena_printf(a, "POST %s%.*s", wish_path(wish), (int)wish->name.len, wish->name.data);
    bool is_kept = !wish->function || omit_take_out(wish->function, a, &kept) == OMIT_DONE;
    if (!route || !is_kept || !json_write(a, *kept.value, &text)) {
        (void)wish_refuse_memory(x);
        return;
    }
    idempotency_take_admin(
        h, x,
        &(keyed_work){
            .route = route, .by = by, .asked = {wish->name, {"", 0}, {text.data, text.len}}, .begin = function_take});
}

/* `key`: NULL: the request's, if it has one, is still to be looked up. */
static run *function_take(home *h, http_exchange *x, const char *by, run_key *key)
{
    arena a;
    function_wish wish;
    run *begun = NULL;
    arena_init(&a, h->arenas);
    bool is_read = wish_read_function(h, x, &a, &wish) && wish_read_input(x, &a, &wish);
    if (is_read && home_refuses(h))
        problem_reply(x, 503, "the server is stopping", "1");
    else if (is_read && !key && idempotency_count(x) > 0)
        function_keyed(h, x, &a, &wish, by);
    else if (is_read && !wish.function)
        (void)wish_refuse_name(x, &wish);
    else if (is_read)
        begun = function_begin(h, x, &a, &wish, &(run_origin){.key = key, .by = by});
    arena_free(&a);
    return begun;
}

void start_function_answer(home *h, http_exchange *x, const char *by) { (void)function_take(h, x, by, NULL); }
