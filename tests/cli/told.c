/* What tests/cli/cli.py looks at with the command: runs that end, fail with any text, sleep, and say things. */
#include <stdlib.h>
#include <stepwell.h>

static sw_value work(sw_ctx *c, sw_value input)
{
    sw_usage(c, &(sw_usage_of){.model = "m", .input_tokens = 3, .units = 1});
    return input;
}

static void on_work(sw_ctx *c)
{
    const char *customer = sw_query(c, "customer");
    sw_label(c, "customer", customer ? customer : "nobody");
    sw_value done = sw_step(c, "work", work, sw_str(c, "done"));
    sw_status(c, sw_map(c, "done", sw_int(1), "of", sw_int(1)));
    sw_reply_json(c, 200, done);
}

static sw_value fail(sw_ctx *c, sw_value input)
{
    sw_bytes body = sw_body(c);
    (void)input;
    sw_fail_fatal(c, "%.*s", (int)body.len, body.data);
}

static void on_fail(sw_ctx *c) { (void)sw_step(c, "fail", fail, sw_str(c, "paper")); }

static void on_sleep(sw_ctx *c)
{
    enum { HOUR_MS = 3600000 };
    const char *ms = sw_query(c, "ms");
    (void)sw_step(c, "work", work, sw_str(c, "slept"));
    sw_sleep(c, "nap", ms ? strtoll(ms, NULL, 10) : HOUR_MS);
    sw_reply_text(c, 200, "slept");
}

/* What the client says goes through a step, and is the run's status. */
static void on_say(sw_ctx *c)
{
    sw_value said = sw_body_json(c);
    sw_status(c, said);
    sw_reply_json(c, 200, sw_step(c, "say", work, said));
}

/* What the client says comes into the journal a second time, in a later segment. */
static void on_repeat(sw_ctx *c)
{
    sw_bytes body = sw_body(c);
    sw_sleep(c, "pause", 1);
    (void)sw_step(c, "repeat", work, sw_strn(c, body.data, body.len));
    sw_reply_text(c, 200, "said twice");
}

static sw_value on_pack(sw_ctx *c, sw_value input)
{
    if (sw_is_nil(input)) sw_fail_fatal(c, "there is nothing to pack");
    return sw_step(c, "pack", work, input);
}

/* Asks two people, and answers to whom it is told. */
static sw_value on_ask(sw_ctx *c, sw_value input)
{
    static const char *const choices[] = {"yes", "no", NULL};
    sw_value may = sw_nil(), why = sw_nil();
    sw_signal_url(c, "may", "may", &(sw_question){.text = sw_cstr(c, input), .choices = choices});
    sw_signal_url(c, "why", "why / so", NULL);
    sw_wait_for(c, "may", &(sw_wait){.signal = "may"}, &may);
    sw_wait_for(c, "why", &(sw_wait){.signal = "why / so"}, &why);
    return sw_map(c, "may", may, "why", why);
}

static sw_value on_tell(sw_ctx *c, sw_value run)
{
    return sw_bool(sw_send_signal(c, "tell", sw_cstr(c, run), "why / so", sw_str(c, "so")));
}

/* Has things packed, one of them beside itself. */
static sw_value on_call(sw_ctx *c, sw_value count)
{
    sw_group *g = sw_group_new(c);
    for (int64_t i = 0; i < sw_as_int(count, 0); i++) sw_group_call(g, "pack", "orders/pack", sw_int(i));
    (void)sw_group_wait(g);
    return sw_call_with(c, "late", "orders/pack", sw_nil(), &(sw_call_options){.detached = true});
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("told");
    sw_function(app, "orders/pack", on_pack, &(sw_function_options){.cron = "0 0 29 2 *"});
    sw_function(app, "ask", on_ask, NULL);
    sw_function(app, "tell", on_tell, NULL);
    sw_function(app, "call", on_call, NULL);
    sw_endpoint(app, "GET /work", on_work, NULL);
    sw_endpoint(app, "POST /fail", on_fail, NULL);
    sw_endpoint(app, "GET /sleep", on_sleep, NULL);
    sw_endpoint(app, "POST /say", on_say, NULL);
    sw_endpoint(app, "POST /repeat", on_repeat, NULL);
    return sw_main(app, argc, argv);
}
