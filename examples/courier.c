/* A run tells another one: an order waits until the courier has delivered it, which is a request and a run of its own.
 * The signal is in one commit with the courier's entry: it is sent once, whatever dies when. */
#include <stepwell.h>

static sw_app *app;

static sw_value hand_over(sw_ctx *c, sw_value parcel)
{
    const char *const headers[] = {sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)), NULL};
    const char *url = sw_printf(c, "%s/parcels", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, parcel)});
}

static void on_order(sw_ctx *c)
{
    sw_value parcel = sw_nil();
    bool is_delivered = sw_wait_for(c, "parcel", &(sw_wait){.signal = "delivered", .timeout_ms = 86400000}, &parcel);
    sw_reply_json(c, is_delivered ? 200 : 410, sw_map(c, "order", sw_str(c, sw_run_id(c)), "parcel", parcel));
}

static void on_delivery(sw_ctx *c)
{
    sw_value delivery = sw_body_json(c), parcel = sw_step(c, "hand-over", hand_over, delivery);
    const char *order = sw_cstr(c, sw_get(delivery, "order"));
    bool is_known = order && sw_send_signal(c, "tell", order, "delivered", parcel);
    sw_reply_json(c, is_known ? 200 : 404, sw_map(c, "told", sw_bool(is_known)));
}

int main(int argc, char **argv)
{
    app = sw_app_new("courier");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "keeps the list of parcels");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    sw_endpoint(app, "POST /deliveries", on_delivery, NULL);
    return sw_main(app, argc, argv);
}
