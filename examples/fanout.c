/* 500 calls, 50 at a time: what fails for good is reported, and the rest counts. */
#include <stepwell.h>

static sw_app *app;

static sw_value fetch_price(sw_ctx *c, sw_value item)
{
    const char *url = sw_printf(c, "%s/prices/%lld", sw_flag_value(app, "service"), (long long)sw_as_int(item, 0));
    return sw_get(sw_fetch_json(c, &(sw_request){.url = url}), "price");
}

static void on_total(sw_ctx *c)
{
    sw_value items = sw_nil(), failed = sw_nil();
    for (int i = 1; i <= 500; i++) sw_push(c, &items, sw_int(i));
    sw_value results = sw_each_with(c, "price", fetch_price, items,
                                    &(sw_each_options){.parallel_max = 50,
                                                       .settle = true, /* each is {"ok", "value"} or {"ok", "error"} */
                                                       .step = {.retries = 2, .timeout_ms = 10000}});
    int64_t total = 0;
    for (size_t i = 0; i < sw_len(results); i++) {
        sw_value result = sw_at(results, i); /* in the order of the items */
        if (sw_as_bool(sw_get(result, "ok"), false))
            total += sw_as_int(sw_get(result, "value"), 0);
        else
            sw_push(c, &failed, sw_at(items, i));
    }
    sw_reply_json(c, 200, sw_map(c, "total", sw_int(total), "failed", failed));
}

int main(int argc, char **argv)
{
    app = sw_app_new("fanout");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "knows prices");
    sw_endpoint(app, "GET /total", on_total, NULL);
    return sw_main(app, argc, argv);
}
