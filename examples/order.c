/* An order that is paid once, however often the machine dies: the payment service knows a charge by its key. */
#include <stepwell.h>

static sw_app *app;

static sw_value post(sw_ctx *c, const char *path, sw_value body)
{
    const char *const headers[] = {"Content-Type: application/json",
                                   sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)), NULL};
    return sw_fetch_json(c, &(sw_request){.url = sw_printf(c, "%s%s", sw_flag_value(app, "service"), path),
                                          .headers = headers,
                                          .body = sw_json(c, body)});
}

static sw_value charge(sw_ctx *c, sw_value order) { return post(c, "/charges", order); }
static sw_value ship(sw_ctx *c, sw_value order) { return post(c, "/parcels", order); }

static void on_order(sw_ctx *c)
{
    sw_value order = sw_body_json(c);
    if (sw_type(sw_get(order, "item")) != SW_STRING) {
        sw_reply_json(c, 422, sw_map(c, "error", sw_str(c, "item is missing")));
        return;
    }
    sw_value receipt = sw_step_with(c, "charge", charge, order, &(sw_step_options){.sync = true}); /* money moves */
    sw_set(c, &order, "receipt", receipt);
    sw_value parcel = sw_step(c, "ship", ship, order);
    sw_reply_json(c, 201, sw_map(c, "receipt", receipt, "parcel", parcel));
}

int main(int argc, char **argv)
{
    app = sw_app_new("order");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "takes payments and sends parcels");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    return sw_main(app, argc, argv);
}
