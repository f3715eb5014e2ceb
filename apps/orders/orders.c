/* orders: a shop's orders. One request is one order: it is paid with a key, waits for the payment service's word, has
 * its parcels packed side by side, each by a run of its own, and sends its mail by another that nobody waits for. Each
 * morning a report of the day before is mailed.
 *
 *     POST /orders   payment (step) -> paid? (signal) --yes--> orders/ship for each item (calls) -> orders/mail (call)
 *                       --no, for --pay-within--> cancel (step) --cancelled--> orders/mail
 *                                                     \--paid at the last moment--> as above
 *
 * Whatever dies when: nobody pays twice, or for nothing; no parcel is packed twice, no mail is lost. A service that is
 * closed stops the runs that need it, until somebody releases them. */
#include <stdlib.h>
#include <stepwell.h>

enum { ITEMS_MAX = 100, COUNT_MAX = 1000, CENTS_MAX = 100000000, PAY_WITHIN_MAX_S = 365 * 24 * 3600 };

static sw_app *app;
static int64_t pay_within_ms;

/* ---- The services ---- */

/* POSTs JSON with the step's key, so that a service which has done this already does not do it again. */
static sw_value service_post(sw_ctx *c, const char *path, sw_value what)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c));
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s%s", sw_flag_value(app, "services"), path);
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, what)});
}

static sw_value pay(sw_ctx *c, sw_value payment) { return service_post(c, "/payments", payment); }
static sw_value cancel(sw_ctx *c, sw_value payment) { return service_post(c, "/cancellations", payment); }
static sw_value pack(sw_ctx *c, sw_value item) { return service_post(c, "/parcels", item); }
static sw_value post_mail(sw_ctx *c, sw_value mail) { return service_post(c, "/mails", mail); }

static sw_value read_ledger(sw_ctx *c, sw_value day)
{
    const char *url = sw_printf(c, "%s/ledger?day=%s", sw_flag_value(app, "services"), sw_cstr(c, day));
    return sw_fetch_json(c, &(sw_request){.url = url});
}

/* ---- Functions ---- */

/* One item of an order: {"order", "item", "count"}. */
static sw_value ship(sw_ctx *c, sw_value item)
{
    sw_label(c, "order", sw_cstr(c, sw_get(item, "order")));
    return sw_step(c, "pack", pack, item);
}

/* {"to", "subject"}. */
static sw_value mail(sw_ctx *c, sw_value letter) { return sw_step(c, "mail", post_mail, letter); }

/* What was paid on the day before, from midnight to midnight in UTC. */
static sw_value report(sw_ctx *c, sw_value scheduled)
{
    enum { DAY_MS = 24 * 3600 * 1000 };
    int64_t yesterday_ms = sw_as_int(sw_get(scheduled, "scheduled_at"), sw_now(c)) - DAY_MS;
    sw_value day = sw_strf(c, "%lld", (long long)(yesterday_ms / DAY_MS));
    sw_value ledger = sw_step(c, "ledger", read_ledger, day), sums = sw_get(ledger, "payments");
    int64_t cents = 0;
    for (size_t i = 0; i < sw_len(sums); i++) cents += sw_as_int(sw_get(sw_at(sums, i), "cents"), 0);
    sw_value subject =
        sw_strf(c, "%zu payments, %lld.%02lld", sw_len(sums), (long long)(cents / 100), (long long)(cents % 100));
    sw_value letter = sw_map(c, "to", sw_str(c, "owner@shop.example"), "subject", subject);
    (void)sw_call(c, "mail", "orders/mail", letter);
    return subject;
}

/* ---- The order ---- */

/* Whether it is a number from the least to the most. */
static bool is_within(sw_value v, int64_t least, int64_t most)
{
    return sw_as_int(v, least - 1) >= least && sw_as_int(v, least - 1) <= most;
}

static bool is_text(sw_value v) { return sw_type(v) == SW_STRING && sw_len(v) > 0; }

/* Returns what is wrong with the order, NULL: nothing. */
static const char *order_refusal(sw_ctx *c, sw_value order)
{
    sw_value items = sw_get(order, "items");
    if (!is_text(sw_get(order, "customer"))) return "the order has no \"customer\"";
    if (sw_type(items) != SW_ARRAY || sw_len(items) == 0) return "the order has no \"items\"";
    if (sw_len(items) > ITEMS_MAX) return sw_printf(c, "an order has %d items at most", ITEMS_MAX);
    for (size_t i = 0; i < sw_len(items); i++) {
        sw_value of = sw_at(items, i);
        if (!is_text(sw_get(of, "item"))) return sw_printf(c, "item %zu has no \"item\"", i);
        if (!is_within(sw_get(of, "count"), 1, COUNT_MAX))
            return sw_printf(c, "item %zu has no \"count\" from 1 to %d", i, COUNT_MAX);
        if (!is_within(sw_get(of, "cents"), 0, CENTS_MAX))
            return sw_printf(c, "item %zu has no price in \"cents\" from 0 to %d", i, CENTS_MAX);
    }
    return NULL;
}

static int64_t order_cents(sw_value order)
{
    sw_value items = sw_get(order, "items");
    int64_t cents = 0;
    for (size_t i = 0; i < sw_len(items); i++)
        cents += sw_as_int(sw_get(sw_at(items, i), "count"), 0) * sw_as_int(sw_get(sw_at(items, i), "cents"), 0);
    return cents;
}

static bool is_paid(sw_value payment) { return sw_str_equal(sw_get(payment, "status"), "paid"); }

/* Asks for the payment and waits for it. False: it did not come in time, and does not come any more: whoever gives up
 * waiting says so, since the money may be on its way. */
static bool order_is_paid(sw_ctx *c, sw_value order)
{
    const sw_wait wait = {.signal = "paid", .timeout_ms = pay_within_ms};
    const char *notify = sw_signal_url(c, "notify", wait.signal, NULL);
    sw_value payment = sw_map(c, "cents", sw_int(order_cents(order)), "notify", sw_str(c, notify));
    sw_value asked = sw_step_with(c, "payment", pay, payment, &(sw_step_options){.sync = true}), paid;
    if (sw_wait_for(c, "paid", &wait, &paid)) return is_paid(paid);
    return is_paid(sw_step(c, "cancel", cancel, sw_map(c, "payment", sw_get(asked, "payment"))));
}

/* Has each item packed by a run of its own; returns the parcels. */
static sw_value order_ship(sw_ctx *c, sw_value order)
{
    sw_value items = sw_get(order, "items");
    sw_group *parcels = sw_group_new(c);
    for (size_t i = 0; i < sw_len(items); i++) {
        sw_value of = sw_at(items, i);
        sw_value item =
            sw_map(c, "order", sw_str(c, sw_run_id(c)), "item", sw_get(of, "item"), "count", sw_get(of, "count"));
        sw_group_call(parcels, "ship", "orders/ship", item);
    }
    return sw_group_wait(parcels);
}

/* Nobody waits for the mail: it is a run of its own, which goes on when the order's has ended. */
static void order_tell(sw_ctx *c, sw_value order, const char *subject)
{
    sw_value letter = sw_map(c, "to", sw_get(order, "customer"), "subject", sw_str(c, subject));
    (void)sw_call_with(c, "mail", "orders/mail", letter, &(sw_call_options){.detached = true});
}

static void on_order(sw_ctx *c)
{
    sw_value order = sw_body_json(c);
    const char *refusal = order_refusal(c, order);
    if (refusal) {
        sw_reply_json(c, 400, sw_map(c, "error", sw_str(c, refusal)));
        return;
    }
    sw_label(c, "customer", sw_cstr(c, sw_get(order, "customer")));
    if (!order_is_paid(c, order)) {
        order_tell(c, order, "Your order was not paid, and is cancelled");
        sw_reply_json(c, 402, sw_map(c, "error", sw_str(c, "the order was not paid in time")));
        return;
    }
    sw_value parcels = order_ship(c, order);
    order_tell(c, order, "Your order is on its way");
    sw_reply_json(c, 200, sw_map(c, "order", sw_str(c, sw_run_id(c)), "parcels", parcels));
}

static const char *on_start(sw_app *a, void *arg)
{
    (void)arg;
    long long seconds = atoll(sw_flag_value(a, "pay-within"));
    if (seconds < 1 || seconds > PAY_WITHIN_MAX_S)
        return "--pay-within is a number of seconds, from 1 to those of a year";
    pay_within_ms = seconds * 1000;
    return NULL;
}

int main(int argc, char **argv)
{
    app = sw_app_new("orders");
    sw_flag(app, "services", "URL", "http://127.0.0.1:9000", "takes payments, packs parcels, sends mail");
    sw_flag(app, "pay-within", "SECONDS", "1800", "how long an order waits for its payment");
    sw_on_start(app, on_start, NULL);
    sw_endpoint(app, "POST /orders", on_order, &(sw_endpoint_options){.on_exhausted = SW_STOP});
    sw_function(app, "orders/ship", ship, &(sw_function_options){.on_exhausted = SW_STOP});
    sw_function(app, "orders/mail", mail, &(sw_function_options){.on_exhausted = SW_STOP});
    sw_function(app, "orders/report", report,
                &(sw_function_options){.cron = "0 6 * * *", .timezone = "Europe/Berlin", .on_exhausted = SW_STOP});
    return sw_main(app, argc, argv);
}
