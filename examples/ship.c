/* Work that no request waits for: a function, which is begun by POST /_sw/functions/orders/ship of the admin API with
 * the order as its body. It survives restarts, and its result is there for whoever asks the outputUrl of its run. */
#include <stepwell.h>

static sw_app *app;

static sw_value tell(sw_ctx *c, const char *path, sw_value what)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c));
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s%s", sw_flag_value(app, "service"), path);
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, what)});
}

static sw_value send_parcel(sw_ctx *c, sw_value order) { return tell(c, "/parcels", order); }
static sw_value send_mail(sw_ctx *c, sw_value parcel) { return tell(c, "/mails", parcel); }

static sw_value ship(sw_ctx *c, sw_value order)
{
    if (sw_is_nil(sw_get(order, "item"))) sw_fail_fatal(c, "the input is an order, with its \"item\"");
    sw_label(c, "item", sw_cstr(c, sw_get(order, "item")));
    sw_value parcel = sw_step(c, "parcel", send_parcel, order);
    sw_value mail = sw_step(c, "mail", send_mail, parcel);
    return sw_map(c, "parcel", parcel, "mail", mail);
}

int main(int argc, char **argv)
{
    app = sw_app_new("ship");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends parcels and mails");
    sw_function(app, "orders/ship", ship, &(sw_function_options){.timeout_ms = 24 * 3600 * 1000});
    return sw_main(app, argc, argv);
}
