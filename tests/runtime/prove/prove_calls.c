/* Everything that a proof has to answer from its recording, or to wait for without waiting: streams, failures, calls
 * that get no answer, threads, deadlines. Nothing is wrong in it. */
#include <stepwell.h>

static sw_app *app;

static const char *url(sw_ctx *c, const char *path)
{
    return sw_printf(c, "%s%s", sw_flag_value(app, "upstream"), path);
}

/* Reads two of three events and closes. */
static sw_value events(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_stream *s = sw_fetch_open(c, &(sw_request){.url = url(c, "/events")});
    sw_response_check(c, &(sw_request){.url = "events"}, sw_fetch_head(s));
    sw_value seen = sw_array(c, 0);
    sw_sse event;
    while (sw_len(seen) < 2 && sw_sse_next(s, &event)) {
        sw_push(c, &seen, sw_str(c, event.data));
        sw_push_chunk(c, sw_str(c, event.data));
    }
    sw_fetch_close(s);
    return seen;
}

static sw_value bytes(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_stream *s = sw_fetch_open(c, &(sw_request){.url = url(c, "/bytes")});
    sw_value all = sw_array(c, 0);
    for (sw_bytes b; (b = sw_fetch_read(s)).len > 0;)
        for (size_t i = 0; i < b.len; i++) sw_push(c, &all, sw_int((unsigned char)b.data[i]));
    return all;
}

static sw_value large(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_int((int64_t)sw_fetch(c, &(sw_request){.url = url(c, "/large")}).body.len);
}

static sw_value refused(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_fetch_json(c, &(sw_request){.url = "http://127.0.0.1:1/"});
}

static sw_value hang(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_fetch_json(c, &(sw_request){.url = url(c, "/hang")});
}

static void *count(void *arg)
{
    static char text[] = "counted";
    (void)arg;
    return text;
}

static sw_value think(sw_ctx *c, sw_value input)
{
    (void)input;
    return sw_str(c, sw_blocking(c, count, NULL));
}

static sw_value decline(sw_ctx *c, sw_value input)
{
    (void)input;
    sw_fail_fatal(c, "declined");
}

static void on_streams(sw_ctx *c)
{
    sw_value seen = sw_step(c, "events", events, sw_nil()), all = sw_step(c, "bytes", bytes, sw_nil());
    sw_reply_json(c, 200, sw_array(c, 3, seen, all, sw_step(c, "large", large, sw_nil())));
}

static void on_failures(sw_ctx *c)
{
    sw_step_options once = {.retries = SW_NO_RETRIES}, short_time = {.retries = 1, .timeout_ms = 300, .backoff_ms = 1};
    sw_error first, second;
    sw_value value;
    bool a = sw_try_with(c, "refused", refused, sw_nil(), &once, &value, &first);
    bool b = sw_try_with(c, "hang", hang, sw_nil(), &short_time, &value, &second);
    sw_reply_json(c, 200,
                  sw_array(c, 5, sw_bool(a), sw_str(c, first.message), sw_bool(b), sw_str(c, second.message),
                           sw_step(c, "think", think, sw_nil())));
}

static void on_declined(sw_ctx *c)
{
    sw_value results = sw_each(c, "decline", decline, sw_array(c, 2, sw_int(1), sw_int(2)), 1);
    sw_reply_json(c, 200, results);
}

static void on_wait(sw_ctx *c)
{
    sw_sleep(c, "an hour", 3600000);
    sw_sleep_until(c, "next year", sw_now(c) + 365LL * 86400 * 1000);
    sw_reply_text(c, 200, "done\n");
}

/* Times that are over before any process has begun again. */
static void on_brief(sw_ctx *c)
{
    sw_value a = sw_nil(), b = sw_nil(), d = sw_nil();
    bool has_a = sw_wait_for(c, "a", &(sw_wait){.signal = "a", .timeout_ms = 1}, &a);
    bool has_b = sw_wait_for(c, "b", &(sw_wait){.signal = "b", .timeout_ms = SW_NO_WAIT}, &b);
    sw_group *g = sw_group_new(c);
    sw_group_sleep(g, "brief", 1);
    sw_group_wait_for(g, "d", &(sw_wait){.signal = "d", .timeout_ms = 1});
    size_t winner = sw_group_any(g, "first", &d);
    if (!has_a || !has_b || winner != 1) sw_fail_fatal(c, "a signal came too late");
    sw_reply_json(c, 200, sw_array(c, 3, a, b, d));
}

int main(int argc, char **argv)
{
    app = sw_app_new("calls");
    sw_flag(app, "upstream", "URL", "http://127.0.0.1:1", "where it calls");
    sw_endpoint(app, "GET /streams", on_streams, NULL);
    sw_endpoint(app, "GET /failures", on_failures, NULL);
    sw_endpoint(app, "GET /declined", on_declined, NULL);
    sw_endpoint(app, "GET /wait", on_wait, &(sw_endpoint_options){.on_disconnect = SW_CANCEL});
    sw_endpoint(app, "GET /brief", on_brief, NULL);
    sw_endpoint(app, "GET /late", on_wait, &(sw_endpoint_options){.timeout_ms = 7200000});
    sw_endpoint(app, "GET /relaxed", on_streams, &(sw_endpoint_options){.durability = SW_RELAXED});
    return sw_main(app, argc, argv);
}
