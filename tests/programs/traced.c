/* A program whose traces are looked at: each endpoint calls the service that UPSTREAM names. */
#include <stdlib.h>
#include <stepwell.h>
#include <string.h>

static sw_value fetch(sw_ctx *c, sw_value path)
{
    sw_response r = sw_fetch(
        c, &(sw_request){.url = sw_printf(c, "%s%s", getenv("UPSTREAM"), sw_cstr(c, path)), .timeout_ms = 60000});
    if (r.status >= 400) sw_fail(c, "the upstream says %d", r.status);
    return sw_int(r.status);
}

static sw_value nothing(sw_ctx *c, sw_value v)
{
    (void)c;
    return v;
}

static sw_value second_time(sw_ctx *c, sw_value v)
{
    sw_usage(c, &(sw_usage_of){.model = "large", .input_tokens = 100, .output_tokens = 20});
    sw_usage(c, &(sw_usage_of){.input_tokens = 1, .units = 2});
    if (sw_attempt(c) < 2) sw_fail(c, "not yet");
    return v;
}

static sw_value branch(sw_ctx *c, sw_value v)
{
    (void)v;
    return sw_step(c, "inner", fetch, sw_str(c, "/inner"));
}

static void on_one(sw_ctx *c)
{
    sw_step(c, "only", nothing, sw_nil());
    sw_reply_text(c, 200, "one");
}

/* Steps, branches, a retry, a wait, and a call of which the query and the password are secrets. */
static void on_tree(sw_ctx *c)
{
    const sw_step_options soon = {.backoff_ms = 20}, once = {.retries = -1};
    sw_step(c, "first", fetch, sw_str(c, "/first?key=secret"));
    sw_group *g = sw_group_new(c);
    sw_group_branch(g, "left", branch, sw_nil());
    sw_group_branch(g, "right", branch, sw_nil());
    sw_group_join(g);
    sw_sleep(c, "nap", 50);
    sw_step_with(c, "again", second_time, sw_nil(), &soon);
    sw_try_with(c, "refused", fetch, sw_str(c, "/status/404"), &once, NULL, NULL);
    sw_reply_text(c, 200, "tree");
}

/* Parks, and makes a call that hangs until the test lets it go. */
static void on_long(sw_ctx *c)
{
    sw_step(c, "before", fetch, sw_str(c, "/before"));
    sw_sleep(c, "nap", 300);
    sw_step(c, "long", fetch, sw_str(c, "/long"));
    sw_step(c, "after", fetch, sw_str(c, "/after"));
    sw_reply_text(c, 200, "long");
}

static void on_fails(sw_ctx *c)
{
    sw_step(c, "only", nothing, sw_nil());
    sw_fail_fatal(c, "it is broken: \xff");
}

static void on_plain(sw_ctx *c)
{
    (void)fetch(c, sw_str(c, "/plain"));
    sw_reply_text(c, 200, "plain");
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("traced");
    sw_endpoint(app, "POST /one", on_one, NULL);
    sw_endpoint(app, "POST /tree/:id", on_tree, NULL);
    sw_endpoint(app, "POST /long", on_long, NULL);
    sw_endpoint(app, "POST /fails", on_fails, NULL);
    sw_route(app, "GET /plain", on_plain);
    return sw_main(app, argc, argv);
}
