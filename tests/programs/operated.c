/* operated: endpoints for the tests of the console, on <stepwell.h> alone: runs that wait, fail, stop, branch out,
 * sleep, ask, and say what no page must take for markup. What a step waits for is a call to the test's own server
 * (?gate=http://...). */
#include <stepwell.h>

#include <stdlib.h>
#include <string.h>

enum { HOUR_MS = 3600000, EACH_MAX = 20000, PIECE_BYTES = 4000000 };

static const sw_step_options once = {.retries = SW_NO_RETRIES};
static const sw_step_options patient = {.retries = 3, .backoff_ms = HOUR_MS, .backoff_max_ms = HOUR_MS};
static const sw_step_options quick = {.retries = 3, .backoff_ms = 20, .backoff_max_ms = 20};

static const char hostile[] = "<img src=x onerror=\"window.hacked=1\"></script><script>window.hacked=1</script>'\"&";

static sw_value gate_input(sw_ctx *c, const char *name)
{
    return sw_map(c, "gate", sw_str(c, sw_query(c, "gate")), "name", sw_str(c, name), NULL);
}

/* Asks the test for leave to go on; what the test refuses fails. */
static sw_value ask_gate(sw_ctx *c, sw_value input)
{
    const char *url = sw_cstr(c, sw_get(input, "gate")), *name = sw_cstr(c, sw_get(input, "name"));
    if (!url) return sw_str(c, name);
    const char *const headers[] = {"X-Secret: do not show", NULL};
    sw_response r = sw_fetch(c, &(sw_request){.url = sw_printf(c, "%s/%s", url, name), .headers = headers});
    if (r.status != 200) sw_fail(c, "the gate answered %d to %s", r.status, name);
    return sw_map(c, "name", sw_get(input, "name"), "answer", sw_strn(c, r.body.data, r.body.len), NULL);
}

static sw_value echo(sw_ctx *c, sw_value input)
{
    sw_push_chunk(c, input);
    return input;
}

/* ---- Straight lines ---- */

static void on_order(sw_ctx *c)
{
    sw_value order = sw_body_json(c);
    sw_step(c, "reserve", echo, order);
    sw_step_with(c, "charge", ask_gate, gate_input(c, "charge"), &once);
    sw_step(c, "ship", echo, sw_map(c, "id", sw_str(c, sw_param(c, "id")), NULL));
    sw_reply_json(c, 201, sw_map(c, "order", order, NULL));
}

static void on_quick(sw_ctx *c)
{
    sw_step(c, "only", echo, sw_int(1));
    sw_reply_text(c, 200, "done");
}

static void on_sleep(sw_ctx *c)
{
    sw_step(c, "before", echo, sw_nil());
    sw_sleep(c, "night", HOUR_MS);
    sw_reply_text(c, 200, "rested");
}

static void on_retry(sw_ctx *c)
{
    sw_step_with(c, "flaky", ask_gate, gate_input(c, "flaky"), &patient);
    sw_reply_text(c, 200, "at last");
}

/* Waits as long as a service asks for that is busy. */
static sw_value ask_busy(sw_ctx *c, sw_value input)
{
    const char *gate = sw_cstr(c, sw_get(input, "gate")), *name = sw_cstr(c, sw_get(input, "name"));
    const sw_request q = {.url = sw_printf(c, "%s/%s", gate, name)};
    sw_response r = sw_fetch(c, &q);
    sw_response_check(c, &q, &r);
    return input;
}

static void on_busy(sw_ctx *c)
{
    sw_step_with(c, "search", ask_busy, gate_input(c, "search"), &quick);
    sw_reply_text(c, 200, "found");
}

static sw_value ask_json(sw_ctx *c, sw_value input)
{
    return sw_fetch_json(c, &(sw_request){.url = sw_printf(c, "%s/json", sw_cstr(c, sw_get(input, "gate")))});
}

static void on_json(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_step_with(c, "json", ask_json, gate_input(c, "json"), &once));
}

/* Fails with a message that is a number alone. */
static sw_value ask_number(sw_ctx *c, sw_value input)
{
    const char *gate = sw_cstr(c, sw_get(input, "gate")), *name = sw_cstr(c, sw_get(input, "name"));
    sw_response r = sw_fetch(c, &(sw_request){.url = sw_printf(c, "%s/%s", gate, name)});
    if (r.status != 200) sw_fail(c, "%d", r.status);
    return sw_int(r.status);
}

static void on_alike(sw_ctx *c)
{
    const char *step = sw_param(c, "step");
    sw_reply_json(c, 200, sw_step_with(c, step, ask_number, gate_input(c, step), &once));
}

/* Goes on when "notify" has failed; "parcel" waits long for its next attempt. */
static void on_mixed(sw_ctx *c)
{
    sw_value out;
    sw_error error;
    (void)sw_try_with(c, "notify", ask_gate, gate_input(c, "notify"), &once, &out, &error);
    sw_step_with(c, "parcel", ask_gate, gate_input(c, "parcel"), &patient);
    sw_step_with(c, "charge", ask_gate, gate_input(c, "charge"), &once);
    sw_reply_text(c, 200, "done");
}

static sw_value fail_twice(sw_ctx *c, sw_value input)
{
    if (sw_attempt(c) < 3) sw_fail(c, "attempt %d fails", sw_attempt(c));
    return input;
}

static void on_third(sw_ctx *c)
{
    sw_step_with(c, "third", fail_twice, sw_nil(), &quick);
    sw_reply_text(c, 200, "third time lucky");
}

/* ---- Side by side ---- */

static sw_value follow(sw_ctx *c, sw_value input)
{
    sw_value found = sw_step(c, "search", ask_gate, input);
    sw_step(c, "learn", echo, found);
    return found;
}

static void on_fan(sw_ctx *c)
{
    static const char *const names[] = {"tides", "wind", "sun"};
    const char *asked = sw_query(c, "each");
    long each = asked ? strtol(asked, NULL, 10) : 30;
    sw_value inputs = sw_array(c, 0);
    sw_group *g = sw_group_new(c);
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        sw_group_branch(g, sw_printf(c, "query-%s", names[i]), follow, gate_input(c, names[i]));
    sw_group_wait(g);
    for (long i = 0; i < each && i < EACH_MAX; i++) sw_push(c, &inputs, sw_int(i));
    sw_each(c, "page", echo, inputs, 8);
    sw_reply_text(c, 200, "fanned out");
}

/* ---- Large ---- */

static sw_value piece(sw_ctx *c, sw_value input)
{
    char *text = sw_alloc(c, PIECE_BYTES);
    memset(text, 'a' + (int)sw_as_int(input, 0) % 26, PIECE_BYTES);
    return sw_strn(c, text, PIECE_BYTES);
}

static void on_large(sw_ctx *c)
{
    const char *count = sw_query(c, "count");
    for (long i = 0; count && i < strtol(count, NULL, 10); i++) sw_step(c, "piece", piece, sw_int(i));
    sw_reply_text(c, 200, "done");
}

/* ---- What no page must take for markup ---- */

static sw_value fail_hostile(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail_fatal(c, "%s", hostile);
}

static void on_hostile(sw_ctx *c)
{
    sw_value input = sw_map(c, hostile, sw_str(c, hostile), "__proto__", sw_str(c, "javascript:window.hacked=1"), NULL);
    sw_step(c, hostile, echo, input);
    sw_step(c, "javascript:window.hacked=1", echo, sw_str(c, hostile));
    sw_step(c, "fails", fail_hostile, sw_nil());
}

/* ---- Without a request ---- */

static sw_value on_pack(sw_ctx *c, sw_value input)
{
    if (sw_is_nil(sw_get(input, "item"))) sw_fail_fatal(c, "there is nothing to pack");
    return sw_step(c, "pack", echo, input);
}

/* Asks two people, of whom one has a choice. */
static sw_value on_approve(sw_ctx *c, sw_value input)
{
    static const char *const choices[] = {"yes", "no, not <b>this</b> week", NULL};
    const char *text = sw_printf(c, "May %s be shipped?", sw_cstr(c, sw_get(input, "item")));
    sw_value may = sw_nil(), why = sw_nil();
    sw_signal_url(c, "may", "shipping", &(sw_question){.text = text, .choices = choices});
    sw_signal_url(c, "why", "reason/of it", NULL);
    sw_wait_for(c, "shipping", &(sw_wait){.signal = "shipping"}, &may);
    sw_wait_for(c, "reason", &(sw_wait){.signal = "reason/of it"}, &why);
    return sw_map(c, "may", may, "why", why);
}

static sw_value on_tell(sw_ctx *c, sw_value input)
{
    const char *run = sw_cstr(c, sw_get(input, "run"));
    bool is_sent = sw_send_signal(c, "tell", run, "reason/of it", sw_get(input, "why"));
    return sw_bool(is_sent);
}

/* ---- Runs that call others, and race for what comes first ---- */

static sw_value on_rest(sw_ctx *c, sw_value input)
{
    sw_sleep(c, "night", HOUR_MS);
    return input;
}

/* Has `count` things packed. Of its other calls one fails, one loses, one is awaited, and for one nobody waits. */
static sw_value on_batch(sw_ctx *c, sw_value input)
{
    sw_value item = sw_map(c, "item", sw_str(c, "lamp"), NULL), out = sw_nil();
    sw_error error;
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < sw_as_int(sw_get(input, "count"), 0); i++) sw_group_call(g, "pack", "orders/pack", item);
    (void)sw_group_wait(g);
    (void)sw_try_call(c, "nothing", "orders/pack", sw_nil(), &out, &error);
    sw_group *any = sw_group_new(c);
    sw_group_call(any, "slow", "orders/rest", item);
    sw_group_sleep(any, "soon", 1);
    (void)sw_group_any(any, "first", &out);
    (void)sw_call_with(c, "beside", "orders/rest", item, &(sw_call_options){.detached = true});
    return sw_call(c, "night", "orders/rest", item);
}

static sw_value on_deliver(sw_ctx *c, sw_value input)
{
    sw_value got = sw_nil();
    (void)input;
    sw_wait_for(c, "delivery", &(sw_wait){.signal = "delivered"}, &got);
    return got;
}

static sw_value on_fulfil(sw_ctx *c, sw_value input)
{
    sw_value first = sw_nil(), item = sw_get(input, "item");
    sw_value delivered = sw_call(c, "deliver", "orders/deliver", sw_map(c, "item", item, NULL));
    sw_call_with(c, "file", "orders/pack", input, &(sw_call_options){.detached = true});
    sw_group *g = sw_group_new(c);
    sw_value asked = sw_map(c, "gate", sw_get(input, "gate"), "name", sw_str(c, "courier"), NULL);
    sw_group_step_with(g, "courier", ask_gate, asked, &once);
    sw_group_wait_for(g, "collection", &(sw_wait){.signal = "collected"});
    sw_group_sleep(g, "patience", HOUR_MS);
    sw_group_any(g, "handed over", &first);
    return sw_map(c, "delivered", delivered, "first", first, NULL);
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("operated");
    const sw_endpoint_options stopping = {.on_exhausted = SW_STOP, .version = "v7"};
    const char *const journaled[] = {"authorization", "x-trace", NULL};
    sw_endpoint(app, "POST /orders/:id", on_order, &(sw_endpoint_options){.journal_headers = journaled});
    sw_endpoint(app, "POST /stopping/:id", on_order, &stopping);
    sw_endpoint(app, "GET /quick", on_quick, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "GET /retry", on_retry, NULL);
    sw_endpoint(app, "GET /third", on_third, NULL);
    sw_endpoint(app, "GET /busy", on_busy, NULL);
    sw_endpoint(app, "GET /json", on_json, NULL);
    sw_endpoint(app, "GET /mixed", on_mixed, NULL);
    sw_endpoint(app, "GET /alike/:step", on_alike, NULL);
    sw_endpoint(app, "GET /fan", on_fan, NULL);
    sw_endpoint(app, "GET /large", on_large, NULL);
    sw_endpoint(app, "GET /hostile", on_hostile, NULL);
    sw_function(app, "orders/pack", on_pack, &(sw_function_options){.cron = "0 0 29 2 *", .timezone = "Europe/Berlin"});
    sw_function(app, "orders/approve", on_approve, NULL);
    sw_function(app, "orders/tell", on_tell, NULL);
    sw_function(app, "orders/rest", on_rest, NULL);
    sw_function(app, "orders/batch", on_batch, NULL);
    sw_function(app, "orders/deliver", on_deliver, NULL);
    sw_function(app, "orders/fulfil", on_fulfil, NULL);
    return sw_main(app, argc, argv);
}
