/* A handler that was changed while its runs were alive: taxes are asked for before an order is charged. Orders that
 * were charged by the former program (--former) go on the old way; all others, also those that have not come so far,
 * the new one. `./patch --check data` says before the change goes live whether each run bears it. */
#include <stepwell.h>

static sw_app *app;

static sw_value post(sw_ctx *c, sw_value order)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c));
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s/%s", sw_flag_value(app, "service"), (const char *)sw_arg(c));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, order)});
}

static sw_value step(sw_ctx *c, const char *id, const char *path, sw_value order)
{
    return sw_step_with(c, id, post, order, &(sw_step_options){.sync = true, .arg = (void *)path});
}

static void on_order(sw_ctx *c)
{
    sw_value order = sw_body_json(c);
    bool is_former = sw_flag_value(app, "former") != NULL; /* in life this would be the program of last week */
    sw_value stock = step(c, "reserve", "stock", order);
    if (!is_former && sw_patch(c, "tax")) sw_set(c, &order, "tax", step(c, "tax", "taxes", order));
    sw_value receipt = step(c, "charge", "charges", order);
    sw_value parcel = step(c, "ship", "parcels", stock);
    sw_reply_json(c, 201, sw_map(c, "receipt", receipt, "parcel", parcel));
}

int main(int argc, char **argv)
{
    app = sw_app_new("patch");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "keeps the stock, knows taxes, charges and ships");
    sw_flag(app, "former", NULL, NULL, "the code as it was before the change");
    sw_endpoint(app, "POST /orders", on_order, &(sw_endpoint_options){.version = "2"});
    return sw_main(app, argc, argv);
}
