/* A plain route has no run and no journal: for what can be asked again, beside an endpoint for what must happen. */
#include <stepwell.h>
#include <string.h>

static sw_app *app;

static sw_value fetch_price(sw_ctx *c, sw_value item)
{
    const char *url = sw_printf(c, "%s/prices/%s", sw_flag_value(app, "service"), sw_cstr(c, item));
    return sw_get(sw_fetch_json(c, &(sw_request){.url = url}), "price");
}

/* Calls the service right here: a plain route is never replayed, so nothing in it has to be a step. */
static void on_price(sw_ctx *c) { sw_reply_json(c, 200, fetch_price(c, sw_str(c, sw_param(c, "item")))); }

static void on_items(sw_ctx *c)
{
    sw_reply_open(c, 200, "text/csv");
    for (int i = 1; i <= 10000; i++) {
        const char *line = sw_printf(c, "%d,item %d\r\n", i, i);
        if (!sw_reply_write(c, line, strlen(line))) return; /* waits for slow readers; false: the client is gone */
    }
}

static void on_quote(sw_ctx *c)
{
    sw_reply_json(c, 201, sw_step(c, "price", fetch_price, sw_get(sw_body_json(c), "item")));
}

int main(int argc, char **argv)
{
    app = sw_app_new("plain");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "knows prices");
    sw_route(app, "GET /prices/:item", on_price);
    sw_route(app, "GET /items", on_items);
    sw_endpoint(app, "POST /quotes", on_quote, NULL);
    return sw_main(app, argc, argv);
}
