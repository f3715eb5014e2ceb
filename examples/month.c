/* A trial that ends after a month. The sleep costs neither a thread nor memory, and survives every restart: the run is
 * on disk until it is due, and its handler then starts again from its first line, with the steps that are done. */
#include <stepwell.h>

static sw_app *app;

static sw_value mail(sw_ctx *c, sw_value letter)
{
    const char *key = sw_printf(c, "Idempotency-Key: %s", sw_step_key(c)); /* nobody gets a letter twice */
    const char *const headers[] = {"Content-Type: application/json", key, NULL};
    const char *url = sw_printf(c, "%s/mails", sw_flag_value(app, "service"));
    return sw_fetch_json(c, &(sw_request){.url = url, .headers = headers, .body = sw_json(c, letter)});
}

static void on_trial(sw_ctx *c)
{
    static const int64_t month_ms = 30LL * 24 * 3600 * 1000;
    sw_value to = sw_get(sw_body_json(c), "mail");
    sw_step(c, "welcome", mail, sw_map(c, "to", to, "text", sw_str(c, "Your trial has begun.")));
    sw_sleep(c, "trial", month_ms);
    sw_step(c, "reminder", mail, sw_map(c, "to", to, "text", sw_str(c, "Your trial is over.")));
    sw_reply_json(c, 200, sw_map(c, "reminded", to));
}

int main(int argc, char **argv)
{
    app = sw_app_new("month");
    sw_flag(app, "service", "URL", "http://127.0.0.1:9000", "sends mail");
    sw_endpoint(app, "POST /trials", on_trial, NULL);
    return sw_main(app, argc, argv);
}
