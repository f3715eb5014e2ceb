/* A shop that survives any crash: what --prove finds nothing in. --upstream: where it pays, mails and looks things up.
 */
#include <stepwell.h>
#include <time.h>

static sw_app *app;

static sw_value call(sw_ctx *c, const char *method, const char *path, sw_value body, const char *key)
{
    const char *const headers[] = {"Content-Type: application/json", "Authorization: Bearer secret",
                                   key ? sw_printf(c, "Idempotency-Key: %s", key) : NULL, NULL};
    sw_request request = {
        .method = method, .url = sw_printf(c, "%s%s", sw_flag_value(app, "upstream"), path), .headers = headers};
    if (!sw_is_nil(body)) request.body = sw_json(c, body);
    return sw_fetch_json(c, &request);
}

static sw_value stock(sw_ctx *c, sw_value item)
{
    return call(c, "GET", sw_printf(c, "/stock/%s?at=%lld", sw_cstr(c, item), (long long)sw_now(c)), sw_nil(), NULL);
}

static sw_value charge(sw_ctx *c, sw_value order) { return call(c, "POST", "/charge", order, sw_step_key(c)); }
static sw_value mail(sw_ctx *c, sw_value order)
{
    return call(c, "POST", "/mail", sw_map(c, "order", order, "reference", sw_str(c, sw_step_key(c)), NULL), NULL);
}
static sw_value note(sw_ctx *c, sw_value order) { return call(c, "PUT", "/notes/1", order, NULL); }

/* Another one each time that it is made: steps may do so. */
static sw_value number(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_int((int64_t)(sw_random(c) >> 12) + time(NULL) % 2);
}

/* Overloaded at first. */
static sw_value ship(sw_ctx *c, sw_value order)
{
    sw_push_chunk(c, sw_map(c, "attempt", sw_int(sw_attempt(c)), NULL));
    return call(c, "POST", "/flaky", order, sw_step_key(c));
}

static sw_value pack(sw_ctx *c, sw_value order)
{
    sw_value box = sw_step(c, "box", stock, sw_str(c, "box"));
    sw_sleep(c, "let the glue dry", 3600000);
    return sw_map(c, "order", order, "box", box, NULL);
}

static void on_order(sw_ctx *c)
{
    sw_value order = sw_body_json(c);
    sw_set(c, &order, "at", sw_int(sw_now(c)));
    sw_set(c, &order, "lot", sw_int((int64_t)(sw_random(c) >> 12)));
    sw_set(c, &order, "number", sw_step(c, "number", number, sw_nil()));
    sw_push_chunk(c, sw_str(c, "ordered"));
    sw_group *g = sw_group_new(c);
    sw_group_step(g, "stock", stock, sw_get(order, "item"));
    sw_group_branch(g, "pack", pack, order);
    sw_value both = sw_group_wait(g);
    sw_set(c, &order, "both", both);
    sw_value receipt = sw_step_with(c, "charge", charge, order, &(sw_step_options){.sync = true});
    sw_step(c, "mail", mail, order);
    sw_step(c, "note", note, order);
    sw_value shipped = sw_step(c, "ship", ship, order);
    sw_sleep(c, "a month for complaints", 30LL * 86400 * 1000);
    sw_push_chunk(c, sw_str(c, "shipped"));
    sw_reply_header(c, "X-Lot", sw_printf(c, "%lld", (long long)sw_as_int(sw_get(order, "lot"), 0)));
    sw_reply_json(c, 201, sw_map(c, "receipt", receipt, "shipped", shipped, "order", order, NULL));
}

static void on_plain(sw_ctx *c) { sw_reply_text(c, 200, "plain\n"); }

static sw_value lend(sw_ctx *c, sw_value v)
{
    (void)v;
    sw_fail(c, "the bank is closed");
}

static void on_loan(sw_ctx *c)
{
    sw_value n = sw_step(c, "number", number, sw_nil());
    sw_reply_json(c, 200, sw_step_with(c, "lend", lend, n, &(sw_step_options){.retries = 2}));
}

/* A function: what is right in an endpoint is right in it. */
static sw_value deliver(sw_ctx *c, sw_value order)
{
    int64_t at = sw_now(c);
    sw_set(c, &order, "at", sw_int(at));
    sw_value sent = sw_step(c, "mail", mail, order);
    sw_sleep(c, "a day", 86400000);
    return sw_map(c, "sent", sent, "number", sw_step(c, "number", number, sw_nil()));
}

int main(int argc, char **argv)
{
    app = sw_app_new("good");
    sw_flag(app, "upstream", "URL", "http://127.0.0.1:1", "where it calls");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    sw_endpoint(app, "POST /loans", on_loan, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    sw_function(app, "orders/deliver", deliver, NULL);
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}
