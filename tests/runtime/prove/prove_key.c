/* The second mistake of newcomers (prove_clock.c has the first): a call that must not be made twice, without a key by
 * which its service could tell. */
#include <stepwell.h>
#include <string.h>

static sw_app *app;

static sw_value post(sw_ctx *c, const char *path, const char *header, sw_value body)
{
    const char *const headers[] = {"Content-Type: application/json", header, NULL};
    return sw_fetch_json(c, &(sw_request){.url = sw_printf(c, "%s%s", sw_flag_value(app, "upstream"), path),
                                          .headers = headers,
                                          .body = sw_json(c, body)});
}

static sw_value charge(sw_ctx *c, sw_value order) { return post(c, "/charge?card=1", NULL, order); }
static sw_value drawn(sw_ctx *c, sw_value order)
{
    return post(c, "/charge", sw_printf(c, "Idempotency-Key: %llu", (unsigned long long)sw_random(c)), order);
}
static sw_value named(sw_ctx *c, sw_value order)
{
    return post(c, "/charge", sw_printf(c, "Idempotency-Key: %s", sw_cstr(c, sw_get(order, "id"))), order);
}
static sw_value search(sw_ctx *c, sw_value order) { return post(c, "/search", NULL, order); }

static void on_order(sw_ctx *c)
{
    sw_value order = sw_map(c, "id", sw_str(c, sw_run_id(c)), NULL);
    sw_step(c, "search", search, order);
    sw_step(c, "charge", charge, order);
    sw_step(c, "named", named, order);
    sw_reply_json(c, 201, sw_step(c, "drawn", drawn, order));
}

int main(int argc, char **argv)
{
    app = sw_app_new("key");
    sw_flag(app, "upstream", "URL", "http://127.0.0.1:1", "where it calls");
    sw_endpoint(app, "POST /orders", on_order, NULL);
    return sw_main(app, argc, argv);
}
