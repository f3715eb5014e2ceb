#include <stepwell.h>

static sw_value fetch_greeting(sw_ctx *c, sw_value name)
{
    return sw_strf(c, "Hello, %s!", sw_cstr(c, name)); /* an LLM call, a search, a payment: what may fail */
}

static void greet(sw_ctx *c)
{
    sw_value greeting = sw_step(c, "fetch-greeting", fetch_greeting, sw_str(c, sw_param(c, "name")));
    sw_sleep(c, "let it sink in", 2000); /* costs no thread; the process may be killed and started meanwhile */
    sw_reply_json(c, 200, sw_map(c, "greeting", greeting, "run", sw_str(c, sw_run_id(c))));
}

int main(int argc, char **argv)
{
    sw_app *app = sw_app_new("hello");
    sw_endpoint(app, "GET /hello/:name", greet, NULL);
    return sw_main(app, argc, argv);
}
