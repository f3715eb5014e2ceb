/* Runs that call runs: right ones, and mistakes in the runs that are called. */
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>
#include <time.h>

static sw_app *app;

static sw_value post(sw_ctx *c, const char *path, sw_value what, bool has_key)
{
    const char *const headers[] = {sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)), NULL};
    const char *url = sw_printf(c, "%s%s", sw_flag_value(app, "upstream"), path);
    sw_request q = {.url = url, .body = sw_json(c, what)};
    if (has_key) q.headers = headers;
    return sw_fetch_json(c, &q);
}

static sw_value pack(sw_ctx *c, sw_value item) { return post(c, "/pack", item, true); }
static sw_value mail(sw_ctx *c, sw_value text) { return post(c, "/mail", text, true); }
static sw_value charge(sw_ctx *c, sw_value order) { return post(c, "/charge", order, false); }
static sw_value save(sw_ctx *c, sw_value order) { return (void)c, order; }
static sw_value fail(sw_ctx *c, sw_value why) { sw_fail(c, "%s", sw_cstr(c, why)); }

/* ---- Functions ---- */

static sw_value on_pack(sw_ctx *c, sw_value item)
{
    sw_label(c, "item", sw_cstr(c, item));
    return sw_step(c, "pack", pack, item);
}

static sw_value on_mail(sw_ctx *c, sw_value text) { return sw_step(c, "mail", mail, text); }

/* Calls, sleeps and waits by itself. */
static sw_value on_ship(sw_ctx *c, sw_value items)
{
    sw_value fetched = sw_nil();
    sw_group *parcels = sw_group_new(c);
    for (size_t i = 0; i < sw_len(items); i++) sw_group_call(parcels, "pack", "pack", sw_at(items, i));
    sw_value packed = sw_group_wait(parcels);
    sw_sleep(c, "until it is fetched", 3600 * 1000);
    bool is_fetched = sw_wait_for(c, "fetched", &(sw_wait){.signal = "fetched", .timeout_ms = 1}, &fetched);
    return sw_map(c, "run", sw_str(c, sw_run_id(c)), "at", sw_int(sw_now(c)), "packed", packed, "fetched",
                  sw_bool(is_fetched), "by", fetched);
}

static sw_value on_refuse(sw_ctx *c, sw_value why) { sw_fail_fatal(c, "%s", sw_cstr(c, why)); }

static sw_value on_slow(sw_ctx *c, sw_value item)
{
    sw_sleep(c, "slowly", 3600 * 1000);
    return sw_step(c, "pack", pack, item);
}

static sw_value on_circle(sw_ctx *c, sw_value n) { return sw_call(c, "again", "circle", n); }

static sw_value on_stop(sw_ctx *c, sw_value why)
{
    return sw_step_with(c, "fail", fail, why, &(sw_step_options){.retries = 1, .backoff_ms = 1});
}

static sw_value on_clock(sw_ctx *c, sw_value item)
{
    return sw_step(c, "save", save, sw_map(c, "item", item, "at", sw_int(time(NULL))));
}

static sw_value on_count(sw_ctx *c, sw_value item)
{
    static int count;
    return sw_step(c, "save", save, sw_map(c, "item", item, "number", sw_int(++count)));
}

/* Tells the run that has called it, and nobody else, since there is no other. */
static sw_value on_tell(sw_ctx *c, sw_value caller)
{
    bool is_told = sw_send_signal(c, "news", sw_cstr(c, caller), "news", sw_step(c, "save", save, sw_int(7)));
    bool is_nobody = !sw_send_signal(c, "nobody", "01ARZ3NDEKTSV4RRFFQ69G5FAV", "news", sw_nil());
    return sw_array(c, 2, sw_bool(is_told), sw_bool(is_nobody));
}

static sw_value on_charge(sw_ctx *c, sw_value order) { return sw_step(c, "charge", charge, order); }

static sw_value on_listen(sw_ctx *c, sw_value what)
{
    sw_value heard = what;
    sw_wait_for(c, "word", &(sw_wait){.signal = "word"}, &heard);
    return heard;
}

static sw_value on_abort(sw_ctx *c, sw_value order)
{
    (void)c, (void)order;
    abort();
}

/* ---- Requests ---- */

static void on_order(sw_ctx *c)
{
    sw_value none, error, items = sw_array(c, 2, sw_str(c, "lamp"), sw_str(c, "desk"));
    sw_error err;
    sw_value shipped = sw_call(c, "ship", "ship", items);
    bool ok = sw_try_call(c, "refuse", "refuse", sw_str(c, "not today"), &none, &err);
    error = sw_str(c, ok ? "" : err.message);
    sw_value told = sw_call_with(c, "mail", "mail", sw_str(c, "shipped"), &(sw_call_options){.detached = true});
    sw_value later = sw_call_with(c, "later", "mail", sw_str(c, "how was it?"),
                                  &(sw_call_options){.detached = true, .at_ms = sw_now(c) + 86400 * 1000});
    sw_reply_json(c, 200, sw_map(c, "shipped", shipped, "error", error, "told", told, "later", later));
}

/* The slow one loses, and is cancelled where it sleeps. */
static void on_race(sw_ctx *c)
{
    sw_value value = sw_nil();
    sw_group *g = sw_group_new(c);
    sw_group_call(g, "slow", "slow", sw_str(c, "desk"));
    sw_group_call(g, "quick", "pack", sw_str(c, "lamp"));
    size_t winner = sw_group_any(g, "first", &value);
    sw_reply_json(c, 200, sw_map(c, "winner", sw_int((int64_t)winner), "value", value));
}

/* Calls what the query names. */
static void on_call(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_call(c, "it", sw_query(c, "function"), sw_str(c, "it is so")));
}

static void on_detach(sw_ctx *c)
{
    const sw_call_options alone = {.detached = true};
    sw_reply_json(c, 200, sw_call_with(c, "it", sw_query(c, "function"), sw_str(c, "it is so"), &alone));
}

static void on_news(sw_ctx *c)
{
    sw_value news = sw_nil();
    sw_call_with(c, "tell", "tell", sw_str(c, sw_run_id(c)), &(sw_call_options){.detached = true});
    bool is_told = sw_wait_for(c, "news", &(sw_wait){.signal = "news", .timeout_ms = 60000}, &news);
    sw_reply_json(c, 200, sw_array(c, 2, sw_bool(is_told), news));
}

static void on_input(sw_ctx *c)
{
    sw_reply_json(c, 200, sw_call(c, "save", "pack", sw_strf(c, "%lld", (long long)time(NULL))));
}

int main(int argc, char **argv)
{
    app = sw_app_new("children");
    sw_flag(app, "upstream", "URL", "http://127.0.0.1:1", "where it calls");
    sw_function(app, "pack", on_pack, NULL);
    sw_function(app, "mail", on_mail, NULL);
    sw_function(app, "ship", on_ship, NULL);
    sw_function(app, "refuse", on_refuse, NULL);
    sw_function(app, "slow", on_slow, NULL);
    sw_function(app, "circle", on_circle, NULL);
    sw_function(app, "stop", on_stop, &(sw_function_options){.on_exhausted = SW_STOP});
    sw_function(app, "fail", on_stop, NULL);
    sw_function(app, "clock", on_clock, NULL);
    sw_function(app, "count", on_count, NULL);
    sw_function(app, "charge", on_charge, NULL);
    sw_function(app, "listen", on_listen, NULL);
    sw_function(app, "abort", on_abort, NULL);
    sw_endpoint(app, "GET /order", on_order, NULL);
    sw_endpoint(app, "GET /race", on_race, NULL);
    sw_endpoint(app, "GET /call", on_call, NULL);
    sw_endpoint(app, "GET /detach", on_detach, NULL);
    sw_function(app, "tell", on_tell, NULL);
    sw_endpoint(app, "GET /news", on_news, NULL);
    sw_endpoint(app, "GET /input", on_input, NULL);
    return sw_main(app, argc, argv);
}
